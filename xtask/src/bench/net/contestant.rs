//! The servers compared: [`Contestant`]. Each is alone on a wire of its own, so that packets to nginx
//! do not go through crore's XDP program, and has one worker, on processor 0. Invariant: nobody runs
//! on a host that is gone.

use std::path::Path;
use std::process::Command;

use rig::netns::{CLIENT, INTERFACE, Network, SERVER};
use rig::nginx::{self, Nginx};
use rig::process::Process;
use rig::tap::{Host, Made, STACK};

use crate::Outcome;
use crate::bench::contestant::NGINX_HTTP;
use crate::run::Invocation;

/// Where each listens.
pub(super) const PORT: u16 = 80;
/// From where clients with a stack of their own connect: routed to the client's host, nobody's there.
pub(super) const SOURCES: &str = "10.79";

/// The large files go as nginx sends them best.
const NGINX_SERVER: &str = "location = /large { sendfile on; tcp_nopush on; }
location = /huge { sendfile on; tcp_nopush on; }";

/// Which server, over which kind of wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The kernel's stack, over a veth pair.
    Nginx,
    /// Over a veth pair.
    Xdp,
    /// The wire is a TAP device on the client's host.
    Tap,
}

/// A server, and the hosts that it and its clients are on.
pub(super) struct Contestant {
    pub name: &'static str,
    pub address: &'static str,
    // Before the hosts.
    server: Server,
    hosts: Hosts,
}

enum Server {
    Nginx(Nginx),
    Crore(Process),
}

enum Hosts {
    Two(Network),
    One(Host),
}

impl Contestant {
    /// Starts a server on a wire that does no harm.
    pub(super) fn start(kind: Kind, program: &Path, root: &Path) -> Outcome<Self> {
        match kind {
            Kind::Tap => Self::on_tap(program, root),
            Kind::Nginx | Kind::Xdp => Self::on(Network::new(1, 1500)?, kind, program, root),
        }
    }

    /// Starts nginx, or crore over AF_XDP, on the server's host of a network.
    pub(super) fn on(network: Network, kind: Kind, program: &Path, root: &Path) -> Outcome<Self> {
        // CUBIC whatever else the machine is set to. By the route, because a namespace may choose only
        // among the algorithms that the machine allows everybody.
        network.server(&format!(
            "ip route replace 10.77.0.0/24 dev {INTERFACE} proto kernel scope link src {SERVER} \
             congctl cubic"
        ))?;
        network.server(&format!("ip route add {SOURCES}.0.0/16 via {CLIENT} congctl cubic"))?;
        let (name, server) = if kind == Kind::Nginx {
            let settings =
                nginx::Settings { root, http: NGINX_HTTP, server: NGINX_SERVER, core: Some(0) };
            ("nginx", Server::Nginx(Nginx::start_on(&network, &settings, PORT)?))
        } else {
            // Pinned before it starts: the shard stays where it may run.
            let mut command: Command = network.on_server("taskset");
            command.args(["-c", "0"]).arg(program).arg("serve").arg(root).args(FLAGS);
            command.args(["--net", &format!("xdp:{INTERFACE}")]);
            command.args(["--listen", &format!("{SERVER}:{PORT}")]);
            ("crore, xdp", Server::Crore(network.started(command, PORT)?))
        };
        Ok(Self { name, address: SERVER, server, hosts: Hosts::Two(network) })
    }

    fn on_tap(program: &Path, root: &Path) -> Outcome<Self> {
        let host = Host::new(Made::ByCrore)?;
        let mut command = host.command("taskset");
        command.args(["-c", "0"]).arg(program);
        let server = Server::Crore(host.serve_by(command, root, FLAGS)?);
        Ok(Self { name: "crore, tap", address: STACK, server, hosts: Hosts::One(host) })
    }

    /// The namespace that clients run in.
    pub(super) fn clients(&self) -> &str {
        match &self.hosts {
            Hosts::Two(network) => network.client_name(),
            Hosts::One(host) => host.name(),
        }
    }

    /// A program on the clients' host, on processor 1.
    pub(super) fn client(&self) -> Invocation {
        Invocation::new("ip")
            .arguments(&["netns", "exec", self.clients(), "taskset", "-c", "1"])
            .minutes(2)
    }

    /// The URL of a file.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}:{PORT}{path}", self.address)
    }

    /// The process that serves.
    pub(super) fn process(&self) -> Outcome<u32> {
        match &self.server {
            Server::Nginx(nginx) => nginx.worker(),
            Server::Crore(crore) => Ok(crore.id()),
        }
    }
}

const FLAGS: &[&str] = &["--shards", "1", "--log", "none", "--idle-time", "1h"];

/// So many contestants in turns: another one is first in each round.
pub(super) fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (round + place) % count)
}
