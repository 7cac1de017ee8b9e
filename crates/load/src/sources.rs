//! Local addresses and ports: [`Sources`], dealt out one after the other by a [`Dealer`]. Invariant:
//! no two shards are dealt the same address and port, and ports are given, so that the kernel never
//! has to search for one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Share;

/// The first port dealt: those below want privileges.
const FIRST_PORT: u16 = 1_024;
/// Ports of an address.
const PORTS: u64 = 65_536 - FIRST_PORT as u64;

/// Ranges of local addresses; none leaves the choice to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources(pub Vec<Range>);

/// A range of addresses, written `127.1.0.0/16` or `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first address that is used.
    first: IpAddr,
    /// How many are used, at most 2^24: more ports than anyone has connections.
    count: u64,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of addresses; write 127.1.0.0/16 or 192.0.2.7");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(length) => length.parse().ok().filter(|it| *it <= bits).ok_or_else(wrong)?,
        };
        let host_bits = bits - length;
        let all = if host_bits >= 24 { 1 << 24 } else { 1_u64 << host_bits };
        let first = add(address, 0, host_bits);
        // The first address of an IPv4 network names the network, the last one is for all of it,
        // but on loopback, where each is an address like any other.
        let loopback = address.is_loopback();
        if address.is_ipv4() && host_bits >= 2 && !loopback {
            return Ok(Self { first: add(first, 1, 0), count: all - 2 });
        }
        Ok(Self { first, count: all })
    }
}

/// `address` with its last `clear` bits zero, plus `count`.
fn add(address: IpAddr, count: u64, clear: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(clear).unwrap_or(0);
            Ipv4Addr::from_bits((address.to_bits() & mask).wrapping_add(count as u32)).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(clear).unwrap_or(0);
            Ipv6Addr::from_bits((address.to_bits() & mask).wrapping_add(u128::from(count))).into()
        }
    }
}

impl Range {
    /// So many addresses from `first` on.
    #[must_use]
    pub const fn run(first: IpAddr, count: u64) -> Self {
        Self { first, count }
    }

    /// The first address.
    #[must_use]
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// How many addresses there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.count > 1 { write!(f, " and {} more", self.count - 1) } else { Ok(()) }
    }
}

impl Sources {
    /// Addresses in all.
    #[must_use]
    pub fn addresses(&self) -> u64 {
        self.0.iter().map(|range| range.count).sum()
    }

    /// Connections to one peer that can come from here; `None` where the kernel chooses.
    #[must_use]
    pub fn connections(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.addresses() * PORTS)
    }

    /// Whether all are of the family of `target`.
    #[must_use]
    pub fn suit(&self, target: IpAddr) -> bool {
        self.0.iter().all(|range| range.first.is_ipv4() == target.is_ipv4())
    }

    fn address(&self, mut index: u64) -> Option<IpAddr> {
        for range in &self.0 {
            if index < range.count {
                return Some(add(range.first, index, 0));
            }
            index -= range.count;
        }
        None
    }
}

/// Deals out the addresses and ports of one shard.
#[derive(Clone, Debug)]
pub struct Dealer {
    sources: Sources,
    share: Share,
    addresses: u64,
    next: u64,
}

impl Dealer {
    /// For one shard.
    #[must_use]
    pub fn new(sources: Sources, share: Share) -> Self {
        let addresses = sources.addresses();
        Self { sources, share, addresses, next: 0 }
    }

    /// How many this shard has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.share.of(self.addresses * PORTS)
    }

    /// The next one; from the start again after the last. `None` where the engine chooses.
    pub fn deal(&mut self) -> Option<SocketAddr> {
        if self.len() == 0 {
            return None;
        }
        let place = self.next * u64::from(self.share.count) + u64::from(self.share.index);
        self.next = (self.next + 1) % self.len();
        // One port of every address, then the next port: neighbours in time are far apart.
        let address = self.sources.address(place % self.addresses)?;
        let port = FIRST_PORT + (place / self.addresses) as u16;
        Some(SocketAddr::new(address, port))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Dealer, PORTS, Range, Sources};
    use crate::Share;

    #[test]
    fn ranges_are_read_and_leave_out_what_is_no_host() {
        let count = |text: &str| text.parse::<Range>().unwrap().count;
        assert_eq!(count("127.1.0.0/16"), 65_536);
        assert_eq!(count("10.0.0.0/24"), 254);
        assert_eq!(count("10.0.0.6/31"), 2);
        assert_eq!(count("::1"), 1);
        assert_eq!(count("fd00::/64"), 1 << 24);
        assert_eq!(
            "10.1.2.3/8".parse::<Range>().unwrap().to_string(),
            "10.0.0.1 and 16777213 more"
        );
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0.0/", "1.2.3.4/x"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_two_shards_are_dealt_the_same() {
        let sources = Sources(vec!["127.1.0.0/31".parse().unwrap(), "127.9.9.9".parse().unwrap()]);
        let mut seen = HashSet::new();
        for index in 0..4 {
            let mut dealer = Dealer::new(sources.clone(), Share { index, count: 4 });
            let first = dealer.clone().deal();
            for _ in 0..dealer.len() {
                assert!(seen.insert(dealer.deal().unwrap()));
            }
            assert_eq!(dealer.deal(), first);
        }
        assert_eq!(seen.len() as u64, 3 * PORTS);
        let mut none = Dealer::new(Sources::default(), Share { index: 0, count: 1 });
        assert_eq!(none.deal(), None);
    }
}
