//! What the tests of the real command share: the command itself, folders to serve, and a client
//! that is small enough to be trusted.

#![allow(dead_code)] // Each test program uses its part.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// After this long a test has failed. Nothing is expected to take a noticeable part of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command, without settings that the environment of the test may hold, and on epoll where a
/// test says nothing else: the trial of both engines takes its time.
pub fn crore() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crore"));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CRORE_") || name.starts_with("LISTEN_") || name == "NOTIFY_SOCKET"
        });
        if ours {
            command.env_remove(name);
        }
    }
    command.env("CRORE_NET", "epoll").stdin(Stdio::null());
    command
}

/// Runs the command to its end.
pub fn run(arguments: &[&str]) -> Output {
    crore().args(arguments).output().unwrap()
}

/// The engines that can be had here: io_uring is missing or forbidden on some machines, and then
/// `--net uring` has to say so.
pub fn engines() -> Vec<&'static str> {
    let mut probe = Server::spawn(crore().args(["serve", "-l", "127.0.0.1:0", "--net", "uring"]));
    let first = probe.line("crore");
    let here = first.starts_with("crore serves");
    assert!(here || first.contains("io_uring cannot be used"), "{first}");
    if here { vec!["epoll", "uring"] } else { vec!["epoll"] }
}

/// What a command that ended has said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Waits until something has come about.
pub fn eventually(what: &str, mut has_come_about: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !has_come_about() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server, killed at the end if it still runs.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Server {
    /// Starts `crore serve` with these arguments; returns when it serves.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_command(crore().arg("serve").args(arguments))
    }

    /// Starts a command that is `crore serve` in the end; returns when it serves.
    pub fn start_command(command: &mut Command) -> Self {
        let mut server = Self::spawn(command);
        server.line("  safety");
        server
    }

    /// Starts a command and does not wait for anything.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line on standard error that contains `text`, and returns it. Lines before it
    /// have been seen then.
    pub fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => {
                    let ended = error == RecvTimeoutError::Disconnected;
                    let why = if ended { "ended without" } else { "did not come to" };
                    panic!("crore {why} a line with {text:?}; it said {:#?}", self.seen);
                }
            }
        }
    }

    /// All lines on standard error until now or, if it has ended, of its whole life.
    pub fn said(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.join("\n")
    }

    /// What it wrote to standard output, which was a pipe, in its whole life.
    pub fn stdout(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// The TCP addresses it said that it serves, in the order they were given.
    pub fn addresses(&self) -> Vec<String> {
        let first = self.seen.iter().find(|line| line.starts_with("crore serves ")).unwrap();
        first.split("http://").skip(1).map(|rest| rest.trim_end_matches(", ").to_owned()).collect()
    }

    /// The first of [`Server::addresses`].
    pub fn address(&self) -> String {
        self.addresses().swap_remove(0)
    }

    /// A new connection to it.
    pub fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address()).unwrap())
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.seen.extend(self.lines.iter());
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("crore did not end; it said {:#?}", self.said());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of its own, readable by everybody and removed at the end.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crore-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// Writes a file, making the folders it is in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_owned()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A file too large for the socket buffers between server and client, so that it is under way as
/// long as the client does not read: 24 MiB, in which every 64 bytes say where they belong.
pub fn large() -> Vec<u8> {
    let mut content = vec![0; 24 << 20];
    for (place, piece) in content.chunks_mut(64).enumerate() {
        piece[..8].copy_from_slice(&place.to_le_bytes());
    }
    content
}

/// Makes sure that a document explains every name in `report`, however deep it stands, but for those
/// that are data themselves.
pub fn assert_documented(report: &serde_json::Value, document: &str, data: &[&str]) {
    match report {
        serde_json::Value::Object(names) => {
            for (name, value) in names {
                assert!(document.contains(&format!("`{name}`")), "the document has no `{name}`");
                if !data.contains(&name.as_str()) {
                    assert_documented(value, document, data);
                }
            }
        }
        serde_json::Value::Array(list) => {
            list.iter().for_each(|value| assert_documented(value, document, data));
        }
        _ => {}
    }
}

/// An HTTP client on one connection, which understands `Content-Length` and nothing else.
pub struct Client<S> {
    stream: BufReader<S>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The header, status line included.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header line, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client<TcpStream> {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::with_capacity(4_096, stream) }
    }
}

impl Client<UnixStream> {
    pub fn unix(path: &str) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }
}

impl<S: Read + Write> Client<S> {
    /// Asks for `path` and reads the answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(path);
        let mut answer = self.head();
        let length = answer.header("content-length").unwrap().parse().unwrap();
        answer.body = self.body(length);
        answer
    }

    /// Asks for `path` and does not read the answer.
    pub fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// Reads the header of an answer.
    pub fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head).unwrap();
            assert_ne!(read, 0, "the connection ended after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Reads so many bytes.
    pub fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        body
    }

    /// Reads all there is, and says whether it ended in order.
    pub fn read_all(&mut self, into: &mut Vec<u8>) -> bool {
        self.stream.read_to_end(into).is_ok()
    }

    /// Whether the server has closed the connection and nothing is left to read.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }
}
