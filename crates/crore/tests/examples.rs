//! The examples, run as programs: they answer, and end in order when told to.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use support::{Folder, PATIENCE, say, unix};

/// A running example, ended with the test.
struct Example(Child);

impl Example {
    /// Starts an example that listens on a Unix socket at `path`, and connects to it.
    fn start(name: &str, path: &Path) -> (Self, UnixStream) {
        let child = Command::new(program(name))
            .arg(unix(path))
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; `cargo test` builds the examples"));
        let mut example = Self(child);
        let start = Instant::now();
        loop {
            if let Ok(stream) = UnixStream::connect(path) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return (example, stream);
            }
            assert_eq!(example.0.try_wait().unwrap(), None, "{name} ended");
            assert!(start.elapsed() < PATIENCE, "{name} does not listen");
            thread::yield_now();
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where cargo puts an example, from where it puts this test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

#[test]
fn echo_sends_back_and_ends_in_order_at_sigterm() {
    let folder = Folder::new("echo");
    let path = folder.path("echo.sock");
    let (mut echo, mut stream) = Example::start("echo", &path);
    say(&mut stream, b"is anybody there?", b"is anybody there?");
    echo.signal(Signal::TERM);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(echo.0.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn hello_speaks_http() {
    let folder = Folder::new("hello");
    let (mut hello, mut stream) = Example::start("hello", &folder.path("hello.sock"));
    stream.write_all(b"GET /you HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello you!\n"), "{answer}");
    hello.signal(Signal::INT);
    assert!(hello.0.wait().unwrap().success());
}

#[test]
fn knock_counts_the_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Every second one is answered, the others are closed.
    let door = thread::spawn(move || {
        for number in 0..100 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 18]).unwrap();
            if number % 2 == 0 {
                stream.write_all(b"yes\n").unwrap();
            }
        }
    });
    let knock = |count| {
        let output = Command::new(program("knock")).args([&*address, count]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(knock("100"), "50 of 100 answered\n");
    door.join().unwrap();
    // The listener is gone.
    assert_eq!(knock("3"), "0 of 3 answered\n");
}

#[test]
fn examples_are_short_enough_to_read_at_one_go() {
    for name in ["echo", "hello", "knock"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines < 40, "{name} has {lines} lines");
    }
}
