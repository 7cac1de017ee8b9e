//! Which local address and port a connection that we open gets: [`Ports`], the double-hash port
//! selection of RFC 6056 section 3.3.4. Invariant: choosing takes a bounded number of look-ups,
//! however many connections there are; towards one peer the choices run through all ports of all
//! addresses before one comes again, so none is missed while connections end in the order they
//! began.

use core::net::{IpAddr, SocketAddr};
use core::ops::{Range, RangeInclusive};

use base::{Prng, SipKey};

/// The first of the ports to choose from where nothing else is said; the last is 65,535. RFC 6056
/// section 3.2.
const FIRST: u16 = 1_024;
/// Counters for destinations: those of two share one seldom, and find their ports all the same.
const COUNTERS: usize = 256;
/// Neighbouring choices tried before the search goes on elsewhere, and places searched.
const TRIES: u32 = 16;
const PLACES: u32 = 8;

/// Chooses local addresses and ports.
pub(crate) struct Ports {
    key: SipKey,
    prng: Prng,
    /// The first and the last that may be chosen.
    limits: (u16, u16),
    /// Which ports are this stack's: those whose number, counted from the first, gives `share.0`
    /// when divided by `share.1`. Others have the same addresses and the same key.
    share: (u16, u16),
    /// How far the choices for a destination have come.
    counters: [u32; COUNTERS],
}

impl Ports {
    pub(crate) const fn new(key: SipKey, prng: Prng) -> Self {
        Self { key, prng, limits: (FIRST, u16::MAX), share: (0, 1), counters: [0; COUNTERS] }
    }

    /// Leaves ports to other stacks: this is the one with number `index` of so many.
    pub(crate) fn share(&mut self, index: u16, of: u16) {
        let of = of.max(1);
        self.share = (index % of, of);
    }

    /// Chooses from these ports alone.
    pub(crate) fn limit(&mut self, ports: RangeInclusive<u16>) {
        self.limits = ports.into_inner();
    }

    /// A choice for a connection to `remote` from one of so many addresses: the address's place
    /// among them, and a port that `is_free` there. `None` when none was found that is: where few
    /// of a hundred are free, it may have missed them.
    pub(crate) fn choose(
        &mut self,
        remote: SocketAddr,
        addresses: Range<u32>,
        is_free: impl Fn(u32, u16) -> bool,
    ) -> Option<(u32, u16)> {
        // No more than 2^16 addresses of less than 2^16 ports each.
        let ((index, of), (from, to)) = (self.share, self.limits);
        let own = (u32::from(to) + 1).saturating_sub(from.into()) / u32::from(of);
        let space = addresses.len() as u32 * own;
        if space == 0 {
            return None;
        }
        let [offset, counter] = self.hashes(remote, addresses.start);
        let which = counter as usize % COUNTERS;
        for _ in 0..PLACES {
            for _ in 0..TRIES {
                let counter = &mut self.counters[which];
                let place = (u64::from(offset) + u64::from(*counter)) % u64::from(space);
                *counter = (*counter + 1) % space;
                // Below `space`; the port is not above the last.
                let (address, port) = (place as u32 / own, (place as u32 % own) as u16);
                let port = from + port * of + index;
                if is_free(addresses.start + address, port) {
                    return Some((addresses.start + address, port));
                }
            }
            self.counters[which] = self.prng.below(space);
        }
        None
    }

    /// Where the choices for a destination start, and which counter they go by: the F and G of RFC
    /// 6056, from one hash.
    fn hashes(&self, remote: SocketAddr, first: u32) -> [u32; 2] {
        let address = match remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let ports = u64::from(first) << 32 | u64::from(remote.port());
        let hash = self.key.secret_hash([(address >> 64) as u64, address as u64, ports]);
        [(hash >> 32) as u32, hash as u32]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::SocketAddr;

    use base::{Prng, SipKey};

    use super::{FIRST, Ports};

    /// How many there are.
    const COUNT: u32 = u16::MAX as u32 - FIRST as u32 + 1;

    fn ports() -> Ports {
        Ports::new(SipKey::new([1, 2]), Prng::new(3))
    }

    fn remote(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn every_port_of_every_address_is_chosen_once_and_at_the_first_try() {
        let (mut ports, mut seen) = (ports(), HashSet::new());
        let tries = std::cell::Cell::new(0);
        for _ in 0..2 * COUNT {
            let (address, port) = ports
                .choose(remote(80), 5..7, |_, _| {
                    tries.set(tries.get() + 1);
                    true
                })
                .unwrap();
            assert!((5..7).contains(&address) && port >= FIRST);
            assert!(seen.insert((address, port)));
        }
        assert_eq!(tries.get(), 2 * COUNT);
    }

    /// They have the same key, so without that they would make the same choices.
    #[test]
    fn stacks_with_the_same_addresses_never_choose_the_same_port() {
        let mut seen = HashSet::new();
        for index in 0..3 {
            let mut ports = ports();
            ports.share(index, 3);
            for _ in 0..COUNT / 3 {
                assert!(seen.insert(ports.choose(remote(80), 0..1, |_, _| true).unwrap()));
            }
        }
        assert_eq!(seen.len() as u32, COUNT);
    }

    #[test]
    fn no_port_outside_the_limits_is_chosen_and_each_inside_is() {
        let mut seen = HashSet::new();
        for index in 0..2 {
            let mut ports = ports();
            ports.limit(61_000..=61_003);
            ports.share(index, 2);
            for _ in 0..2 {
                seen.insert(ports.choose(remote(80), 0..1, |_, _| true).unwrap().1);
            }
        }
        assert_eq!(seen, HashSet::from([61_000, 61_001, 61_002, 61_003]));
        let mut none = ports();
        none.limit(61_000..=61_000);
        none.share(0, 2);
        assert_eq!(none.choose(remote(80), 0..1, |_, _| true), None);
    }

    #[test]
    fn what_is_taken_is_not_chosen_and_the_search_is_bounded() {
        let mut ports = ports();
        // One long run is free, far from where the search is.
        let free = |_: u32, port: u16| port >= 32_768;
        for _ in 0..COUNT {
            assert!(ports.choose(remote(80), 0..1, free).is_some_and(|(_, port)| port >= 32_768));
        }
        let tries = std::cell::Cell::new(0);
        let none = ports.choose(remote(80), 0..1, |_, _| {
            tries.set(tries.get() + 1);
            false
        });
        assert_eq!((none, tries.get()), (None, 128));
        assert_eq!(ports.choose(remote(80), 3..3, |_, _| true), None);
    }

    #[test]
    fn destinations_start_at_places_that_only_the_key_tells() {
        let mut starts = HashSet::new();
        for port in 0..100 {
            starts.insert(ports().choose(remote(port), 0..1, |_, _| true).unwrap());
        }
        assert!(starts.len() > 90);
    }
}
