//! Two hosts on one wire, made of network namespaces: [`Network`]. Invariant: the namespaces, and
//! with them every interface and rule in them, are gone when it is dropped; those that a killed run
//! left behind go when the next one begins.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Outcome;
use crate::process::Process;

/// How namespaces of tests are called: this, the process, a number, and `s` or `c`.
const PREFIX: &str = "crore-test-";

/// Where iproute2 keeps namespaces.
const NAMESPACES: &str = "/run/netns";

/// How long a connection may take to be established.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long a server may take to answer for the first time. Generous: the machine may be busy.
const START_MAX: Duration = Duration::from_secs(30);

/// The server's address.
pub const SERVER: &str = "10.77.0.1";
/// Its IPv6 address.
pub const SERVER_V6: &str = "fd77::1";
/// The client's address.
pub const CLIENT: &str = "10.77.0.2";
/// Its IPv6 address.
pub const CLIENT_V6: &str = "fd77::2";

/// The interface, on both hosts.
pub const INTERFACE: &str = "eth0";

/// A server's host and a client's, with a veth pair between them.
#[derive(Debug)]
pub struct Network {
    server: String,
    client: String,
}

impl Network {
    /// Makes both hosts; each interface has so many queues and this MTU.
    ///
    /// # Errors
    /// When that fails: it needs root and iproute2.
    pub fn new(queues: u32, mtu: u32) -> Outcome<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_left_behind()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |role| format!("{PREFIX}{}-{number}{role}", std::process::id());
        // From here on, leaving early removes what is there.
        let network = Self { server: name('s'), client: name('c') };
        ip(&format!("netns add {}", network.server))?;
        ip(&format!("netns add {}", network.client))?;
        let many = format!("numrxqueues {queues} numtxqueues {queues} mtu {mtu}");
        ip(&format!(
            "link add {INTERFACE} netns {} {many} type veth peer name {INTERFACE} netns {} {many}",
            network.server, network.client
        ))?;
        for (host, v4, v6) in
            [(&network.server, SERVER, SERVER_V6), (&network.client, CLIENT, CLIENT_V6)]
        {
            ip(&format!("-n {host} address add {v4}/24 dev {INTERFACE}"))?;
            ip(&format!("-n {host} address add {v6}/64 dev {INTERFACE} nodad"))?;
            ip(&format!("-n {host} link set lo up"))?;
            ip(&format!("-n {host} link set {INTERFACE} up"))?;
        }
        Ok(network)
    }

    /// The name of the client's namespace.
    #[must_use]
    pub fn client_name(&self) -> &str {
        &self.client
    }

    /// A command on the server's host.
    #[must_use]
    pub fn on_server(&self, program: impl AsRef<Path>) -> Command {
        on(&self.server, program.as_ref())
    }

    /// A command on the client's host.
    #[must_use]
    pub fn on_client(&self, program: impl AsRef<Path>) -> Command {
        on(&self.client, program.as_ref())
    }

    /// A connection from the client's host.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect(&self, host: &str, port: u16) -> Outcome<TcpStream> {
        let namespace = File::open(Path::new(NAMESPACES).join(&self.client))?;
        let address = SocketAddr::new(host.parse()?, port);
        // A socket belongs to the namespace of the thread that made it, wherever it is used.
        let connecting = thread::spawn(move || -> Outcome<TcpStream> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(TcpStream::connect_timeout(&address, CONNECT_MAX)?)
        });
        connecting.join().map_err(|_| "the connecting thread panicked")?
    }

    /// Starts a server on the server's host and waits until it accepts connections at a port.
    ///
    /// # Errors
    /// When it does not; the message has what it printed.
    pub fn started(&self, command: Command, port: u16) -> Outcome<Process> {
        let mut process = Process::start(command)?;
        let start = Instant::now();
        while self.connect(SERVER, port).is_err() {
            if process.ended()?.is_some() || start.elapsed() > START_MAX {
                return Err(format!("does not serve:\n{}", process.printed()?).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Runs a command line, words separated by single spaces, on the client's host and gives what it
    /// printed.
    ///
    /// # Errors
    /// When it fails; the message has what it printed.
    pub fn client(&self, line: &str) -> Outcome<String> {
        run(line, |program| self.on_client(program))
    }

    /// The same on the server's host.
    ///
    /// # Errors
    /// As [`Network::client`].
    pub fn server(&self, line: &str) -> Outcome<String> {
        run(line, |program| self.on_server(program))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            // One that was not made is not there.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn on(host: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(program);
    command
}

fn ip(line: &str) -> Outcome<String> {
    run(&format!("ip {line}"), Command::new)
}

fn run<'a>(line: &'a str, command: impl FnOnce(&'a str) -> Command) -> Outcome<String> {
    let mut words = line.split(' ');
    let output = command(words.next().unwrap_or_default()).args(words).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{line}`: {}\n{text}{complaint}", output.status).into())
}

/// Removes the namespaces of runs that are over.
fn remove_left_behind() -> Outcome {
    let Ok(names) = fs::read_dir(NAMESPACES) else { return Ok(()) };
    for name in names {
        let name = name?.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            ip(&format!("netns delete {name}"))?;
        }
    }
    Ok(())
}
