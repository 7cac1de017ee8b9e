//! What drives a server's connections: [`Net`]; and what our own stack has to be told of the network
//! it is on: [`Tap`], [`Xdp`],
//! [`Prefix`].

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use port_xdp::Interface;

use crate::LinkError;

/// What drives the connections.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Net {
    /// Kernel sockets, by io_uring where a short trial at the start shows that it is faster on
    /// this machine, else by epoll.
    #[default]
    Kernel,
    /// Kernel sockets by epoll.
    Epoll,
    /// Kernel sockets by io_uring.
    Uring,
    /// crore's own TCP/IP stack, on a TAP device.
    Tap(Tap),
    /// crore's own TCP/IP stack, on an interface that it shares with the kernel.
    Xdp(Xdp),
}

impl Net {
    /// Whether the kernel's stack carries the connections.
    #[must_use]
    pub const fn is_kernel(&self) -> bool {
        matches!(self, Self::Kernel | Self::Epoll | Self::Uring)
    }
}

/// An interface of the kernel's whose addresses our stack serves, by AF_XDP. What is not for a port
/// that is listened on stays the kernel's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Xdp {
    /// The interface's name.
    pub interface: String,
    /// Whether frames are to be taken in the kernel's generic receive path even where the driver
    /// has a faster one.
    pub generic: bool,
    /// Addresses that connections are opened from, in place of the interface's own: their packets
    /// arrive because they are routed to the interface, and the kernel has no use for them.
    pub sources: Vec<Prefix>,
}

impl Xdp {
    /// How many shards the interface has receive queues for.
    ///
    /// # Errors
    /// [`LinkError`] when there is no such interface, or it is down.
    pub fn queues(&self) -> Result<u16, LinkError> {
        let interface = Interface::look_up(&self.interface).map_err(LinkError::Xdp)?;
        Ok(u16::try_from(interface.queues).unwrap_or(u16::MAX))
    }
}

/// A TAP device, and who our stack is on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tap {
    /// The device's name. It is made if there is none, and goes with the server then.
    pub device: String,
    /// The stack's own addresses, with the networks they are in. At least one, unless one is leased.
    pub addresses: Vec<Prefix>,
    /// Whether an IPv4 address is leased from a DHCP server of the device's network, with its gateway.
    /// A server waits for it for up to a minute when it is bound.
    pub dhcp: bool,
    /// Routers to everywhere else: at most one for IPv4 and one for IPv6.
    pub gateways: Vec<IpAddr>,
    /// More addresses that connections are opened from: each is the stack's own as well.
    pub sources: Vec<Prefix>,
}

/// An address and how many of its bits are those of its network: `10.0.0.2/24`, `fd00::2/64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network.
    pub length: u8,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').ok_or_else(|| match text.parse() {
            Ok(IpAddr::V4(_)) => format!("the network's length is missing; write {text}/24"),
            Ok(IpAddr::V6(_)) => format!("the network's length is missing; write {text}/64"),
            Err(_) => "write ADDRESS/LENGTH, like 10.0.0.2/24 or fd00::2/64".to_owned(),
        })?;
        let address: IpAddr = address.parse().map_err(|_| {
            format!("`{address}` is no IP address; write it like 10.0.0.2/24 or fd00::2/64")
        })?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.parse().ok().filter(|length| *length <= bits).ok_or_else(|| {
            format!("`{length}` is no length of a network: it is a number up to {bits}")
        })?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(format!("{address} is no address that a host can have"));
        }
        Ok(Self { address, length })
    }
}

impl Prefix {
    /// The networks that so many addresses from `first` on make up, the largest possible.
    #[must_use]
    pub fn covering(first: IpAddr, count: u64) -> Vec<Self> {
        let (mut next, bits) = match first {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let mut left = u128::from(count);
        let mut networks = Vec::new();
        while left > 0 {
            // No larger than what is left, and no larger than where it starts allows.
            let most = next.trailing_zeros().min(bits);
            let host_bits = most.min(left.ilog2());
            let address = match first {
                // Past the last address it starts again.
                IpAddr::V4(_) => IpAddr::from((next as u32).to_be_bytes()),
                IpAddr::V6(_) => IpAddr::from(next.to_be_bytes()),
            };
            // At most 128.
            networks.push(Self { address, length: (bits - host_bits) as u8 });
            left -= 1 << host_bits;
            next = next.wrapping_add(1 << host_bits);
        }
        networks
    }

    /// The addresses in the network.
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpAddr> {
        let host_bits = match self.address {
            IpAddr::V4(_) => 32 - u32::from(self.length.min(32)),
            IpAddr::V6(_) => 128 - u32::from(self.length.min(128)),
        };
        let count = 1_u128.checked_shl(host_bits).unwrap_or(u128::MAX);
        let mask = !(count - 1);
        (0..count).map(move |number| match self.address {
            IpAddr::V4(address) => {
                let bits = (address.to_bits() & mask as u32) + number as u32;
                IpAddr::from(bits.to_be_bytes())
            }
            IpAddr::V6(address) => {
                IpAddr::from(((address.to_bits() & mask) + number).to_be_bytes())
            }
        })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Prefix {
    /// Whether another address is in the same network.
    #[must_use]
    pub const fn contains(&self, other: IpAddr) -> bool {
        let (differing, bits) = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                ((own.to_bits() ^ other.to_bits()).leading_zeros(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                ((own.to_bits() ^ other.to_bits()).leading_zeros(), 128)
            }
            _ => return false,
        };
        let length = if self.length < bits { self.length } else { bits };
        differing >= length as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn prefixes_read_back_as_they_print() {
        for text in ["10.0.0.2/24", "fd00::2/64", "192.0.2.1/32", "10.1.2.3/0"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_run_of_addresses_is_made_up_of_networks() {
        for (first, count, expected) in [
            ("10.0.0.0", 256, "10.0.0.0/24"),
            ("10.0.0.1", 6, "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"),
            ("10.0.0.7", 1, "10.0.0.7/32"),
            ("0.0.0.0", 1 << 32, "0.0.0.0/0"),
            ("fd00::", 1 << 20, "fd00::/108"),
            ("10.0.0.0", 0, ""),
        ] {
            let first = first.parse().unwrap();
            let networks = Prefix::covering(first, count);
            let text: Vec<String> = networks.iter().map(ToString::to_string).collect();
            assert_eq!(text.join(" "), expected);
            if count < 1 << 20 {
                let all: Vec<_> = networks.into_iter().flat_map(Prefix::addresses).collect();
                assert_eq!(
                    (all.len() as u64, all.first().copied()),
                    (count, (count > 0).then_some(first))
                );
            }
        }
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_to_write() {
        for (text, advice) in [
            ("10.0.0.2", "write 10.0.0.2/24"),
            ("fd00::2", "write fd00::2/64"),
            ("10.0.0.2/33", "a number up to 32"),
            ("fd00::2/x", "a number up to 128"),
            ("host/24", "no IP address"),
            ("0.0.0.0/0", "no address that a host can have"),
            ("tap", "write ADDRESS/LENGTH"),
        ] {
            let error = text.parse::<Prefix>().unwrap_err();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_bits() {
        let prefix: Prefix = "10.1.2.3/23".parse().unwrap();
        assert!(prefix.contains("10.1.3.255".parse().unwrap()));
        assert!(!prefix.contains("10.1.4.0".parse().unwrap()));
        assert!(!prefix.contains("fd00::1".parse().unwrap()));
    }
}
