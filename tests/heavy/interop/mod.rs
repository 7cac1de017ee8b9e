//! Our stack and the kernel's, each at one end: on AF_XDP and on TAP, in every state, with and
//! without what the two can agree on, over links that harm what they carry. Needs root.
//!
//! The server is in this process, on threads that live in the server's namespace.

mod bad_links;
mod bulk;
mod flood;
mod hostile;
mod options;
mod programs;
mod ratios;
mod services;
mod states;
mod transfer;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crore::{Net, Running, Server, Tap, Vitals, Xdp};
use rig::Outcome;
use rig::netns::{INTERFACE, Network, SERVER, SERVER_V6};
use rig::process::Process;
use services::{Service, Services};
use socket2::{Domain, Socket, Type};
use transfer::{down, up};

/// The TAP device on the server's host, bridged to the interface, and our addresses on it.
const TAP: &str = "crore0";
const TAP_V4: &str = "10.77.0.3";
const TAP_V6: &str = "fd77::3";

/// How long anything may take that has to happen at all. Not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

/// What our stack is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    Xdp,
    Generic,
    Tap,
}

/// Each, with its queues.
const KINDS: [(Link, u16); 6] = [
    (Link::Xdp, 1),
    (Link::Xdp, 2),
    (Link::Generic, 1),
    (Link::Generic, 2),
    (Link::Tap, 1),
    (Link::Tap, 2),
];

impl Link {
    /// Our stack's addresses.
    const fn addresses(self) -> [&'static str; 2] {
        match self {
            Self::Xdp | Self::Generic => [SERVER, SERVER_V6],
            Self::Tap => [TAP_V4, TAP_V6],
        }
    }

    /// Makes the link, where it is not the interface itself, with so many queues.
    fn prepare(self, network: &Network, queues: u16) -> Outcome {
        if self == Self::Generic {
            // It takes no segments that the sender's kernel has put together.
            network.client(&format!("ethtool -K {INTERFACE} tso off gso off"))?;
        }
        if self != Self::Tap {
            return Ok(());
        }
        let mtu = network.server(&format!("cat /sys/class/net/{INTERFACE}/mtu"))?;
        let several = if queues > 1 { " multi_queue" } else { "" };
        for line in [
            format!("ip tuntap add dev {TAP} mode tap{several}"),
            format!("ip link set {TAP} mtu {}", mtu.trim()),
            "ip link add br0 type bridge".into(),
            format!("ip link set {INTERFACE} master br0"),
            format!("ip link set {TAP} master br0 up"),
            "ip link set br0 up".into(),
        ] {
            network.server(&line)?;
        }
        Ok(())
    }

    /// As the library is told of it.
    fn net(self) -> Outcome<Net> {
        if self != Self::Tap {
            let generic = self == Self::Generic;
            return Ok(Net::Xdp(Xdp { interface: INTERFACE.into(), generic, sources: Vec::new() }));
        }
        let addresses = [format!("{TAP_V4}/24").parse()?, format!("{TAP_V6}/64").parse()?].into();
        Ok(Net::Tap(Tap {
            device: TAP.into(),
            addresses,
            dhcp: false,
            gateways: Vec::new(),
            sources: Vec::new(),
        }))
    }

    /// `crore serve` on port 80 with so many shards, after [`Link::prepare`].
    fn serve(
        self,
        network: &Network,
        shards: u16,
        root: &Path,
        flags: &[&str],
    ) -> Outcome<Process> {
        let mut command = network.on_server(rig::crore::program()?);
        command.arg("serve").arg(root).args(["--listen", "0.0.0.0:80,[::]:80"]);
        command.args(["--shards", &shards.to_string()]).args(flags);
        match self {
            Self::Xdp => command.args(["--net", &format!("xdp:{INTERFACE}")]),
            Self::Generic => command.args(["--net", &format!("xdp:{INTERFACE}/generic")]),
            Self::Tap => command
                .args(["--net", &format!("tap:{TAP}")])
                .args(["--address", &format!("{TAP_V4}/24,{TAP_V6}/64")]),
        };
        network.started_at(command, self.addresses()[0], 80)
    }
}

/// Two hosts, and our services on one of them.
struct Stage {
    // First, because it ends on the network that is gone then.
    running: Running,
    link: Link,
    network: Network,
}

impl Stage {
    /// Over a veth pair.
    fn new(link: Link) -> Outcome<Self> {
        Self::on(Network::new(1, 1500)?, link, 1)
    }

    fn on(network: Network, link: Link, shards: u16) -> Outcome<Self> {
        link.prepare(&network, shards)?;
        let net = link.net()?;
        let running = network.server_host().inside(|| {
            let mut server = Server::new().net(net).shards(shards).max_connections(4096);
            for service in Service::ALL {
                let port = service.port();
                server = server.listen(&format!("0.0.0.0:{port}")).listen(&format!("[::]:{port}"));
            }
            Ok(server.start(|_| Services)?)
        })?;
        let stage = Self { running, link, network };
        let start = Instant::now();
        while let Err(error) = stage.connect(stage.v4(), Service::Echo) {
            if start.elapsed() > PATIENCE {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(stage)
    }

    const fn v4(&self) -> &'static str {
        self.link.addresses()[0]
    }

    /// A connection to a service.
    fn connect(&self, host: &str, service: Service) -> Outcome<TcpStream> {
        self.connect_with(host, service, |_| Ok(()))
    }

    /// The same, by a socket on which something is set before.
    fn connect_with(
        &self,
        host: &str,
        service: Service,
        set: impl FnOnce(&Socket) -> Outcome + Send,
    ) -> Outcome<TcpStream> {
        let address = SocketAddr::new(host.parse()?, service.port());
        self.network.client_host().inside(|| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            set(&socket)?;
            // Over a link that loses one frame in ten, the SYN may have to be sent five times.
            socket.connect_timeout(&address.into(), PATIENCE)?;
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
    }

    /// Sends so many bytes up and compares the digest, has as many sent down and compares them.
    fn up_and_down(&self, host: &str, length: usize) -> Outcome {
        up(&mut self.connect(host, Service::Sink)?, length)?;
        down(&mut self.connect(host, Service::Source)?, length)
    }

    /// One of the kernel's counters on the client's host.
    fn counted(&self, name: &str) -> Outcome<u64> {
        let text = self.network.client(&format!("nstat -asz {name}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.split_whitespace().next()).ok_or(text.clone())?;
        Ok(value.parse()?)
    }

    /// What our stack counts.
    fn vitals(&self) -> Outcome<&Vitals> {
        let shard = self.running.shards().first().ok_or("no shard")?;
        Ok(shard.vitals().ok_or("not our stack")?)
    }

    /// A packet filter's table on the client's host with these rules; the chain is `in` or `out`.
    fn filter(&self, rules: &[(&str, &str)]) -> Outcome {
        self.network.client("nft add table inet test")?;
        for (chain, hook) in [("in", "input"), ("out", "output")] {
            self.network.client(&format!(
                "nft add chain inet test {chain} {{ type filter hook {hook} priority 0 ; }}"
            ))?;
        }
        for (chain, rule) in rules {
            self.network.client(&format!("nft add rule inet test {chain} {rule}"))?;
        }
        Ok(())
    }

    fn unfilter(&self) -> Outcome {
        self.network.client("nft delete table inet test").map(drop)
    }

    /// Waits until no connection is left, nothing is at work and no buffer in use.
    fn comes_to_rest(&self) -> Outcome {
        let start = Instant::now();
        loop {
            let vitals = self.vitals()?;
            let counters = self.running.shards()[0].counters();
            let held = [counters.connections.get(), vitals.working.get(), vitals.buffers.get()];
            if held == [0; 3] {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("connections, blocks and buffers in use: {held:?}").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
