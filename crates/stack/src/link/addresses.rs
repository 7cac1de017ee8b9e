//! The addresses of this end. Invariant: an index, which records of connections hold, stands for one
//! address for ever, also when this end has lost it.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses by index and indices by address; at most 65,536.
pub(crate) struct Addresses {
    by_index: Vec<IpAddr>,
    /// Sorted.
    by_address: Vec<(IpAddr, u16)>,
    /// For every packet: indices plus one of those that `by_address` has, each where the hash of
    /// its address says or after it, up to the first zero. At least half are zeros. What a peer
    /// writes into a packet is only looked up here, so the hash needs no key.
    places: Vec<u32>,
}

impl Addresses {
    /// Addresses past the 65,536th are left out.
    pub(crate) fn new(addresses: &[IpAddr]) -> Self {
        let by_index: Vec<IpAddr> =
            addresses.iter().copied().take(usize::from(u16::MAX) + 1).collect();
        let mut by_address: Vec<_> = by_index.iter().copied().zip(0..=u16::MAX).collect();
        by_address.sort_unstable();
        by_address.dedup_by_key(|(address, _)| *address);
        let mut addresses = Self { by_index, by_address, places: Vec::new() };
        addresses.place_all();
        addresses
    }

    /// Makes `places` anew.
    fn place_all(&mut self) {
        self.places.clear();
        self.places.resize((2 * self.by_address.len()).next_power_of_two().max(2), 0);
        for (address, index) in &self.by_address {
            let mut place = hash(*address, self.places.len());
            while self.places[place] != 0 {
                place = (place + 1) & (self.places.len() - 1);
            }
            self.places[place] = u32::from(*index) + 1;
        }
    }

    /// From now on this end has an address; past the 65,536th it does not.
    pub(crate) fn add(&mut self, address: IpAddr) {
        let Err(place) = self.place(address) else { return };
        let held = self.by_index.iter().position(|&held| held == address);
        let Ok(index) = u16::try_from(held.unwrap_or(self.by_index.len())) else { return };
        if held.is_none() {
            self.by_index.push(address);
        }
        self.by_address.insert(place, (address, index));
        self.place_all();
    }

    /// From now on this end does not have it.
    pub(crate) fn remove(&mut self, address: IpAddr) {
        if let Ok(place) = self.place(address) {
            self.by_address.remove(place);
            self.place_all();
        }
    }

    fn place(&self, address: IpAddr) -> Result<usize, usize> {
        self.by_address.binary_search_by_key(&address, |(held, _)| *held)
    }

    #[inline]
    pub(crate) fn index(&self, address: IpAddr) -> Option<u16> {
        let mut place = hash(address, self.places.len());
        loop {
            let index = self.places[place].checked_sub(1)?;
            if self.by_index[index as usize] == address {
                // At most 65,535.
                return Some(index as u16);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// The address with an index that [`Addresses::index`] gave. Any other gives the unspecified
    /// address, which nothing is sent from or to.
    #[inline]
    pub(crate) fn get(&self, index: u16) -> IpAddr {
        let held = self.by_index.get(usize::from(index));
        held.copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.index(address).is_some()
    }

    /// The addresses that packets to `remote` can come from, as a run of numbers for
    /// [`Addresses::sorted`]: those of its family, and link-local ones to link-local ones only.
    pub(crate) fn towards(&self, remote: IpAddr) -> core::ops::Range<u32> {
        let kind = kind(remote);
        let before = |wanted| {
            let place = self.by_address.partition_point(|(held, _)| self::kind(*held) < wanted);
            // At most 65,536.
            place as u32
        };
        before(kind)..before(kind + 1)
    }

    /// One address as such a run; empty when it is none of this end's.
    pub(crate) fn only(&self, address: IpAddr) -> core::ops::Range<u32> {
        match self.place(address) {
            // At most 65,536.
            Ok(place) => place as u32..place as u32 + 1,
            Err(_) => 0..0,
        }
    }

    /// The address with a number that [`Addresses::towards`] gave.
    pub(crate) fn sorted(&self, number: u32) -> Option<IpAddr> {
        self.by_address.get(number as usize).map(|(address, _)| *address)
    }

    /// An address to ask from who has `target`: one of the same family.
    pub(crate) fn of_family(&self, target: IpAddr) -> Option<IpAddr> {
        let of_family = |address: &IpAddr| address.is_ipv4() == target.is_ipv4();
        self.by_index.iter().copied().find(|held| of_family(held) && self.contains(*held))
    }

    /// Whether a neighbour solicitation for one of the addresses goes to this multicast address:
    /// ff02::1:ff00:0/104 with the last 24 bits of the address (RFC 4291 section 2.7.1), or all
    /// nodes.
    pub(crate) fn hears(&self, group: Ipv6Addr) -> bool {
        if group == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1) {
            return true;
        }
        self.by_address
            .iter()
            .any(|(address, _)| matches!(address, IpAddr::V6(own) if solicited_node(*own) == group))
    }
}

/// Sorts as the addresses themselves do: IPv4, IPv6, link-local IPv6 (fe80::/10, which nothing but
/// multicast follows).
const fn kind(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(address) if address.is_unicast_link_local() => 2,
        IpAddr::V6(_) => 1,
    }
}

/// A place among `places`, a power of two and at least two, by Fibonacci hashing (Knuth, The Art of
/// Computer Programming 6.4): neighbouring addresses land far from each other.
#[inline]
const fn hash(address: IpAddr, places: usize) -> usize {
    let bits = match address {
        IpAddr::V4(address) => address.to_bits() as u64,
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits >> 64) as u64 ^ bits as u64
        }
    };
    (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - places.trailing_zeros())) as usize
}

/// The group that a neighbour solicitation for an address is sent to, RFC 4291 section 2.7.1.
pub(super) const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (a & 0xff), b)
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    use super::Addresses;

    #[test]
    fn every_address_is_found_and_no_other() {
        let v4 = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
        let v6 = |bits| IpAddr::V6(Ipv6Addr::from_bits(bits));
        let many: Vec<_> = (0..3_000).map(v4).chain((0..3_000).map(v6)).collect();
        for count in [0, 1, 2, 3, 100, 6_000] {
            let addresses = Addresses::new(&many[..count]);
            for (index, address) in many.iter().enumerate() {
                let expected = (index < count).then_some(index as u16);
                assert_eq!(addresses.index(*address), expected, "{address} of {count}");
            }
            assert_eq!(addresses.index(v4(u32::MAX)), None);
        }
    }

    #[test]
    fn an_address_that_is_lost_is_not_found_until_it_is_back() {
        let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let mut addresses = Addresses::new(&[one]);
        addresses.add(other);
        addresses.remove(one);
        assert_eq!((addresses.index(one), addresses.index(other)), (None, Some(1)));
        // Nor does anybody hear that it is still in use.
        assert_eq!(addresses.of_family(one), Some(other));
        addresses.add(one);
        assert_eq!((addresses.index(one), addresses.get(0)), (Some(0), one));
    }
}
