//! How many connections each client has: [`Clients`]. Invariant: a client is in the table while it
//! has any, under its own hash, with their number.

use core::net::IpAddr;

use base::SipKey;
use mem::{Arena, FlowTable, ReserveError, Slab};

/// Counts accepted connections by client: an IPv4 address or an IPv6 /64, which is what one
/// subscriber has (RFC 6177).
pub(crate) struct Clients {
    counts: Slab<Count>,
    table: FlowTable,
    key: SipKey,
    /// Connections of one client at most; 0: no bound, and nothing is counted.
    limit: u32,
}

#[derive(Clone, Copy)]
struct Count {
    client: u128,
    connections: u32,
}

impl Clients {
    /// Counts for at most `connections` connections, `limit` of each client.
    pub(crate) fn new_in(
        arena: &mut Arena,
        connections: u32,
        limit: u32,
        key: SipKey,
    ) -> Result<Self, ReserveError> {
        let room = if limit == 0 { 0 } else { connections };
        let (counts, table) = (Slab::new_in(arena, room)?, FlowTable::new_in(arena, room)?);
        Ok(Self { counts, table, key, limit })
    }

    /// Bytes of an arena that it takes.
    pub(crate) const fn bytes_for(connections: u32, limit: u32) -> usize {
        let room = if limit == 0 { 0 } else { connections };
        Slab::<Count>::bytes_for(room).saturating_add(FlowTable::bytes_for(room))
    }

    /// Whether one more connection of this client may be begun.
    pub(crate) fn has_room(&self, remote: IpAddr) -> bool {
        self.limit == 0 || self.connections(remote) < self.limit
    }

    fn connections(&self, remote: IpAddr) -> u32 {
        let (client, hash) = self.client(remote);
        let found = self.find(client, hash).and_then(|index| self.counts.get(index));
        found.map_or(0, |count| count.connections)
    }

    /// A connection of this client has begun.
    pub(crate) fn enter(&mut self, remote: IpAddr) {
        if self.limit == 0 {
            return;
        }
        let (client, hash) = self.client(remote);
        if let Some(index) = self.find(client, hash) {
            if let Some(count) = self.counts.get_mut(index) {
                count.connections += 1;
            }
            return;
        }
        // There is room for as many clients as connections.
        let Ok(index) = self.counts.insert(Count { client, connections: 1 }) else { return };
        let (counts, key) = (&self.counts, self.key);
        let rehash = |index| counts.get(index).map_or(0, |count| hash_of(key, count.client));
        if self.table.insert(hash, index, rehash).is_err() {
            self.counts.remove(index);
        }
    }

    /// A connection of this client is over.
    pub(crate) fn leave(&mut self, remote: IpAddr) {
        if self.limit == 0 {
            return;
        }
        let (client, hash) = self.client(remote);
        let Some(index) = self.find(client, hash) else { return };
        let Some(count) = self.counts.get_mut(index) else { return };
        count.connections -= 1;
        if count.connections == 0 {
            self.counts.remove(index);
            self.table.remove(hash, index);
        }
    }

    fn find(&self, client: u128, hash: u64) -> Option<u32> {
        let is_it = |index| self.counts.get(index).is_some_and(|count| count.client == client);
        self.table.find(hash, is_it)
    }

    fn client(&self, remote: IpAddr) -> (u128, u64) {
        let client = match remote {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        };
        (client, hash_of(self.key, client))
    }

    /// Clients that have connections.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> u32 {
        self.counts.len()
    }

    /// Bytes of memory in use.
    pub(crate) fn bytes_touched(&self) -> usize {
        self.counts.bytes_touched() + self.table.bytes_touched()
    }
}

fn hash_of(key: SipKey, client: u128) -> u64 {
    key.table_hash([(client >> 64) as u64, client as u64])
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use base::{Prng, SipKey};
    use mem::Arena;
    use std::collections::BTreeMap;

    use super::Clients;

    #[test]
    fn counts_like_a_map() {
        let mut prng = Prng::new(9);
        let mut clients =
            Clients::new_in(&mut Arena::separate(), 1_000, 3, SipKey::new([1, 2])).unwrap();
        let mut model = BTreeMap::<u32, u32>::new();
        for _ in 0..20_000 {
            let number = prng.below(300);
            let address = IpAddr::V4(Ipv4Addr::from_bits(number));
            let held = model.entry(number).or_default();
            assert_eq!(clients.has_room(address), *held < 3);
            if prng.chance(500_000) && *held < 3 {
                clients.enter(address);
                *held += 1;
            } else if *held > 0 {
                clients.leave(address);
                *held -= 1;
            }
        }
        model.retain(|_, held| *held > 0);
        assert_eq!(clients.len() as usize, model.len());
    }

    #[test]
    fn an_ipv6_client_is_a_network_of_64_bits() {
        let mut clients =
            Clients::new_in(&mut Arena::separate(), 10, 1, SipKey::new([1, 2])).unwrap();
        let address =
            |network, host| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, network, 0, 0, 0, host));
        clients.enter(address(1, 1));
        assert!(!clients.has_room(address(1, 2)));
        assert!(clients.has_room(address(2, 1)));
    }
}
