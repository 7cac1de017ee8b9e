//! How many connections each client has: [`ClientLimits`]. Invariant: a client is in the table
//! exactly while it has a connection, so that the table is never larger than the connections are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use app::Peer;

/// Counts connections by client: an IPv4 address, or the /64 of an IPv6 address, because that is
/// what one customer gets (RFC 6177). Unix sockets are not counted.
#[derive(Debug)]
pub(crate) struct ClientLimits {
    /// Most for one client; zero for no bound, and then nothing is counted.
    most: u32,
    /// Hashed with a random key: the peers choose their addresses.
    open: HashMap<Client, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl ClientLimits {
    /// Room for as many clients as there can be connections is made at once, so that a later
    /// connection never fails for want of it. `None` when there is no memory for that.
    pub fn new(most: u32, connections: u32) -> Option<Self> {
        let mut open = HashMap::new();
        if most > 0 {
            open.try_reserve(connections as usize).ok()?;
        }
        Some(Self { most, open })
    }

    /// Whether one more connection of this client is within the bound.
    pub fn allows(&self, peer: &Peer) -> bool {
        self.client(peer)
            .is_none_or(|client| self.open.get(&client).is_none_or(|&open| open < self.most))
    }

    /// Counts a connection.
    pub fn opened(&mut self, peer: &Peer) {
        if let Some(client) = self.client(peer) {
            *self.open.entry(client).or_insert(0) += 1;
        }
    }

    /// Counts the end of a connection that was counted.
    pub fn ended(&mut self, peer: &Peer) {
        let Some(client) = self.client(peer) else { return };
        if let Entry::Occupied(mut entry) = self.open.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    /// Bytes the table takes, without the few that belong to no entry.
    pub fn bytes(&self) -> usize {
        self.open.capacity() * (size_of::<(Client, u32)>() + 1)
    }

    fn client(&self, peer: &Peer) -> Option<Client> {
        if self.most == 0 {
            return None;
        }
        match peer {
            Peer::Unix => None,
            Peer::Inet(SocketAddr::V4(peer)) => Some(Client::V4(peer.ip().octets())),
            Peer::Inet(SocketAddr::V6(peer)) => {
                let [a, b, c, d, e, f, g, h, ..] = peer.ip().octets();
                Some(Client::V6([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientLimits;
    use app::Peer;

    fn inet(text: &str) -> Peer {
        Peer::Inet(text.parse().unwrap())
    }

    #[test]
    fn one_ipv6_client_is_a_64() {
        let mut limits = ClientLimits::new(1, 10).unwrap();
        limits.opened(&inet("[2001:db8:0:1::1]:1"));
        assert!(!limits.allows(&inet("[2001:db8:0:1:ffff::9]:2")));
        assert!(limits.allows(&inet("[2001:db8:0:2::1]:1")));
    }

    #[test]
    fn clients_leave_the_table_with_their_last_connection() {
        let mut limits = ClientLimits::new(2, 10).unwrap();
        let (one, other) = (inet("192.0.2.1:1"), inet("192.0.2.2:1"));
        limits.opened(&one);
        limits.opened(&one);
        assert!(!limits.allows(&one) && limits.allows(&other));
        limits.ended(&one);
        assert!(limits.allows(&one));
        limits.ended(&one);
        assert!(limits.open.is_empty());
    }

    #[test]
    fn without_a_bound_nothing_is_kept() {
        let mut limits = ClientLimits::new(0, 10).unwrap();
        limits.opened(&inet("192.0.2.1:1"));
        assert!(limits.open.is_empty() && limits.bytes() == 0);
        limits.ended(&inet("192.0.2.1:1"));
    }

    #[test]
    fn unix_peers_are_not_counted() {
        let mut limits = ClientLimits::new(1, 10).unwrap();
        limits.opened(&Peer::Unix);
        assert!(limits.allows(&Peer::Unix));
    }
}
