//! Which frames are recorded: [`Filter`]. Invariant: what it lets pass depends on the frame alone.

use core::net::IpAddr;

use wire::ethernet::{self, EtherType};
use wire::{arp, ipv4, ipv6, protocol, tcp};

/// Lets frames pass that are from or to a host, a port, or both; all of them if neither is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// The host's address.
    pub host: Option<IpAddr>,
    /// The TCP port.
    pub port: Option<u16>,
}

impl Filter {
    /// Whether a frame passes.
    pub(super) fn accepts(&self, frame: &[u8]) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Some(talk) = Talk::of(frame) else { return false };
        let host = self.host.is_none_or(|host| talk.hosts.contains(&host));
        let port = self.port.is_none_or(|port| talk.ports.is_some_and(|p| p.contains(&port)));
        host && port
    }
}

/// Who a frame is between.
struct Talk {
    hosts: [IpAddr; 2],
    ports: Option<[u16; 2]>,
}

impl Talk {
    fn of(frame: &[u8]) -> Option<Self> {
        let view = ethernet::View::new(frame).ok()?;
        match view.repr().kind {
            EtherType::ARP => {
                let arp = arp::Repr::parse(view.payload()).ok()?;
                Some(Self { hosts: [arp.sender.into(), arp.target.into()], ports: None })
            }
            EtherType::IPV4 => {
                let packet = ipv4::View::new(view.payload()).ok()?;
                let header = packet.repr();
                let ports = ports(header.protocol, packet.payload());
                Some(Self { hosts: [header.source.into(), header.destination.into()], ports })
            }
            EtherType::IPV6 => {
                let packet = ipv6::View::new(view.payload()).ok()?;
                let header = packet.repr();
                let ports = ports(header.protocol, packet.payload());
                Some(Self { hosts: [header.source.into(), header.destination.into()], ports })
            }
            _ => None,
        }
    }
}

fn ports(protocol: u8, segment: &[u8]) -> Option<[u16; 2]> {
    let segment = tcp::View::new(segment).ok().filter(|_| protocol == protocol::TCP)?;
    Some([segment.source_port(), segment.destination_port()])
}
