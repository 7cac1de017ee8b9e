//! What carries the connections: [`Net`], read from `--net`. Invariant: on our own stack the addresses
//! to connect from are the stack's own, so that what answers them arrives.

use std::net::IpAddr;
use std::str::FromStr;

use crore::{Prefix, Tap, Xdp};
use load::Sources;
use serde::{Deserialize, Serialize};

use crate::settings::{self, Own, Problem};

/// What carries the connections.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Net {
    /// Kernel sockets, by epoll or io_uring, whichever is faster here
    Kernel,
    /// Kernel sockets by epoll
    Epoll,
    /// Kernel sockets by io_uring
    Uring,
    /// crore's own stack over memory, to a server in this process: no URL, no descriptors
    Mem,
    /// crore's own stack on the TAP device of this name.
    Tap(String),
    /// crore's own stack on an interface of this name, and whether in generic mode.
    Xdp(String, bool),
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "mem" {
            return Ok(Self::Mem);
        }
        let known: settings::Net = text.parse().map_err(|why| format!("{why}, mem"))?;
        Ok(match known {
            settings::Net::Kernel => Self::Kernel,
            settings::Net::Epoll => Self::Epoll,
            settings::Net::Uring => Self::Uring,
            settings::Net::Tap(device) => Self::Tap(device),
            settings::Net::Xdp(interface, generic) => Self::Xdp(interface, generic),
        })
    }
}

/// The stack's own place on a TAP device.
#[derive(Clone, Default, Debug)]
pub struct Place {
    /// Its addresses.
    pub addresses: Vec<Own>,
    /// Its routers.
    pub gateways: Vec<IpAddr>,
}

impl Net {
    /// Whether crore's own stack carries the connections, over a link.
    pub const fn is_own_stack(&self) -> bool {
        matches!(self, Self::Tap(_) | Self::Xdp(..))
    }

    /// As the library wants it. Over memory there is none.
    pub fn engine(&self, place: &Place, sources: &Sources) -> crore::Net {
        let networks = || {
            let of = |range: &load::Range| Prefix::covering(range.first(), range.count());
            sources.0.iter().flat_map(of).collect()
        };
        match self {
            Self::Kernel | Self::Mem => crore::Net::Kernel,
            Self::Epoll => crore::Net::Epoll,
            Self::Uring => crore::Net::Uring,
            Self::Tap(device) => {
                let (addresses, dhcp) = Own::divide(&place.addresses);
                let (device, gateways) = (device.clone(), place.gateways.clone());
                crore::Net::Tap(Tap { device, addresses, dhcp, gateways, sources: networks() })
            }
            Self::Xdp(interface, generic) => crore::Net::Xdp(Xdp {
                interface: interface.clone(),
                generic: *generic,
                sources: networks(),
            }),
        }
    }
}

/// Shards that an interface has queues for; of everything else, any number.
///
/// # Errors
/// When there is no such interface.
pub fn most_shards(net: &Net) -> Result<u16, Problem> {
    let Net::Xdp(interface, generic) = net else { return Ok(u16::MAX) };
    let xdp = Xdp { interface: interface.clone(), generic: *generic, sources: Vec::new() };
    xdp.queues()
        .map_err(|error| Problem::new(settings::Place::Flag("--net".into()), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Net, Place};

    #[test]
    fn engines_are_read_as_everywhere_and_memory_besides() {
        assert_eq!("mem".parse(), Ok(Net::Mem));
        assert_eq!("xdp:eth0/generic".parse(), Ok(Net::Xdp("eth0".into(), true)));
        assert_eq!("tap:crore0".parse(), Ok(Net::Tap("crore0".into())));
        let complaint = "dpdk".parse::<Net>().unwrap_err();
        assert!(complaint.contains("xdp:INTERFACE, mem"), "{complaint}");
    }

    #[test]
    fn sources_are_addresses_of_the_stacks_own() {
        let sources = load::Sources(vec!["10.1.0.0/29".parse().unwrap()]);
        let net = Net::Xdp("eth0".into(), false).engine(&Place::default(), &sources);
        let crore::Net::Xdp(xdp) = net else { panic!("{net:?}") };
        // Without the network's own address and that for all of it.
        let text: Vec<String> = xdp.sources.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["10.1.0.1/32", "10.1.0.2/31", "10.1.0.4/31", "10.1.0.6/32"]);
    }
}
