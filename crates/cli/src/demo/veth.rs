//! The demonstration over AF_XDP: two hosts made of network namespaces, a veth pair between them with
//! a queue for each pair of shards, and our own stack at either end, beside the kernel's. Invariant:
//! nothing of it has a name, so that all of it is gone when the process is, however that ends.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use port_xdp::lab::{Host, INTERFACE, Lab, Namespace};
use port_xdp::{Attachment, Error, Interface, Options, Sources, XdpPort};

use crate::serve::Failure;
use crate::settings::{Place, Problem};

use super::network::{self, Network};

/// Both ends of the wire.
pub struct Veth {
    /// Of each pair of shards the client's port and the server's.
    pub ports: Vec<(XdpPort, XdpPort)>,
    /// Where the clients are, and with them the kernel's.
    pub clients: Arc<Namespace>,
}

impl Veth {
    /// Makes the hosts, and takes what is ours at either end.
    ///
    /// # Errors
    /// Mostly that this process is not root.
    pub fn new(shards: u16) -> Result<Self, Failure> {
        Self::build(shards).map_err(|error| {
            let place = Place::Flag("--net".into());
            Problem::new(place, error.to_string()).advise("--net mem needs no rights").into()
        })
    }

    fn build(shards: u16) -> Result<Self, Error> {
        let host = |mac, address| Host { mac, addresses: vec![address], length: 24 };
        let server = host(network::SERVER_MAC, ipv4(network::SERVER.ip()));
        let clients = host(network::CLIENT_MAC, ipv4(network::ROUTER));
        let lab = Lab::new([&server, &clients], shards.into())?;
        let [server, clients] = lab.hosts;
        let far = server.run(|| attach(&options(shards, true)))?;
        let near = clients.run(|| attach(&options(shards, false)))?;
        // The ports keep what they are at; only the clients' host is entered again.
        Ok(Self { ports: near.into_iter().zip(far).collect(), clients: Arc::new(clients) })
    }
}

fn attach(options: &Options) -> Result<Vec<XdpPort>, Error> {
    let interface = Interface::look_up(INTERFACE)?;
    Ok(Attachment::new(&interface, options)?.into_ports())
}

fn options(shards: u16, serves: bool) -> Options {
    let clients = Sources {
        prefix: IpAddr::V4(network::FIRST_CLIENT),
        length: Network::CLIENTS_LENGTH,
        ports: 1_024..=u16::MAX,
    };
    Options {
        listeners: if serves { vec![network::SERVER] } else { Vec::new() },
        outgoing: None,
        sources: if serves { Vec::new() } else { vec![clients] },
        busy_poll: false,
        mode: None,
        shards,
    }
}

/// The demonstration's addresses are all of IPv4.
const fn ipv4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}
