//! Two hosts on one wire, made of network namespaces: [`Network`]. The wire is a veth pair, or one
//! that harms what passes ([`crate::wire`]), or leads through a host that does ([`crate::middle`]). Invariant: the namespaces, and with them every
//! interface and rule in them, are gone when it is dropped.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::Faults;

use crate::Outcome;
use crate::middle::Middle;
use crate::namespace::{Namespace, output};
use crate::process::Process;
use crate::wire::Wire;

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

/// A server's host and a client's.
#[derive(Debug)]
pub struct Network {
    // Before the hosts: what it carries between is theirs.
    _wire: Option<Wire>,
    middle: Option<Middle>,
    server: Namespace,
    client: Namespace,
}

impl Network {
    /// Makes both hosts with a veth pair between them; each end has so many queues and this MTU.
    ///
    /// # Errors
    /// When that fails: it needs root and iproute2.
    pub fn new(queues: u32, mtu: u32) -> Outcome<Self> {
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        let many = format!("numrxqueues {queues} numtxqueues {queues} mtu {mtu}");
        output(
            Command::new("ip").args(["link", "add", INTERFACE, "netns", server.name()]).args(
                format!("{many} type veth peer name {INTERFACE} netns {} {many}", client.name())
                    .split(' '),
            ),
        )?;
        Self { _wire: None, middle: None, server, client }.configured()
    }

    /// Makes both hosts with a wire between them that does this to what it carries: first towards
    /// the server, then towards the client. The same seed chooses the same frames.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn harmed(faults: [Faults; 2], mtu: u16, seed: u64) -> Outcome<Self> {
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        let wire = Wire::between([&client, &server], INTERFACE, mtu, faults, seed)?;
        Self { _wire: Some(wire), middle: None, server, client }.configured()
    }

    /// Makes both hosts with a third one between them that can do harm to what passes; its first
    /// direction is towards the server.
    ///
    /// # Errors
    /// As [`Network::new`], and when there is no nft.
    pub fn filtered(queues: u32, mtu: u32) -> Outcome<Self> {
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        let middle = Middle::between([&client, &server], INTERFACE, queues, mtu)?;
        Self { _wire: None, middle: Some(middle), server, client }.configured()
    }

    /// The host between, if there is one.
    #[must_use]
    pub const fn middle(&self) -> Option<&Middle> {
        self.middle.as_ref()
    }

    /// Gives the interfaces their addresses.
    fn configured(self) -> Outcome<Self> {
        for (host, v4, v6) in [(&self.server, SERVER, SERVER_V6), (&self.client, CLIENT, CLIENT_V6)]
        {
            host.run(&format!("ip address add {v4}/24 dev {INTERFACE}"))?;
            host.run(&format!("ip address add {v6}/64 dev {INTERFACE} nodad"))?;
            host.run(&format!("ip link set {INTERFACE} up"))?;
        }
        Ok(self)
    }

    /// The server's host.
    #[must_use]
    pub const fn server_host(&self) -> &Namespace {
        &self.server
    }

    /// The client's host.
    #[must_use]
    pub const fn client_host(&self) -> &Namespace {
        &self.client
    }

    /// The name of the client's namespace.
    #[must_use]
    pub fn client_name(&self) -> &str {
        self.client.name()
    }

    /// A command on the server's host.
    #[must_use]
    pub fn on_server(&self, program: impl AsRef<Path>) -> Command {
        self.server.command(program)
    }

    /// A command on the client's host.
    #[must_use]
    pub fn on_client(&self, program: impl AsRef<Path>) -> Command {
        self.client.command(program)
    }

    /// A connection from the client's host.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect(&self, host: &str, port: u16) -> Outcome<TcpStream> {
        let address = SocketAddr::new(host.parse()?, port);
        // A socket belongs to the namespace of the thread that made it, wherever it is used.
        self.client.inside(|| Ok(TcpStream::connect_timeout(&address, CONNECT_MAX)?))
    }

    /// Starts a server on the server's host and waits until it accepts connections at a port.
    ///
    /// # Errors
    /// When it does not; the message has what it printed.
    pub fn started(&self, command: Command, port: u16) -> Outcome<Process> {
        self.started_at(command, SERVER, port)
    }

    /// The same for a server that has an address of its own.
    ///
    /// # Errors
    /// As [`Network::started`].
    pub fn started_at(&self, command: Command, host: &str, port: u16) -> Outcome<Process> {
        let mut process = Process::start(command)?;
        let start = Instant::now();
        while self.connect(host, port).is_err() {
            if process.ended()?.is_some() || start.elapsed() > START_MAX {
                return Err(format!("does not serve:\n{}", process.printed()?).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Runs a command line, words separated by spaces, on the client's host and gives what it
    /// printed.
    ///
    /// # Errors
    /// When it fails; the message has what it printed.
    pub fn client(&self, line: &str) -> Outcome<String> {
        self.client.run(line)
    }

    /// The same on the server's host.
    ///
    /// # Errors
    /// As [`Network::client`].
    pub fn server(&self, line: &str) -> Outcome<String> {
        self.server.run(line)
    }
}
