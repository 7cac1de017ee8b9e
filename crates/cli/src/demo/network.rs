//! The network between the two ends: addresses, and what each end is built with. Invariant: no two
//! connections have the same ends, and both ends hold exactly as many as are asked for.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use base::{Limits, SipKey};
use stack::port::{Caps, MemPort};
use stack::tcp;
use stack::wire::ethernet::Mac;
use stack::{Config, Listener, Route, Secrets};

/// Where the server listens.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
/// The router that all clients are behind, as the server sees them. The client end answers for it.
pub const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// The Ethernet addresses of both ends.
pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// The first client; the others follow it.
pub const FIRST_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
/// Ports that each client connects from, and the first of them.
pub const PORTS: u32 = 50_000;
const FIRST_PORT: u16 = 10_000;

/// Bytes that the wire holds in each direction: what fits a second-level cache with room to spare.
pub const WIRE_BYTES: usize = 256 << 10;

/// Working blocks of the server: more than the client can have under way, so that it is never in
/// want of them.
const SERVER_WORKING: u32 = 4_096;
/// Working blocks of the client: more than it has requests under way and connections being opened.
const CLIENT_WORKING: u32 = 1_024;
/// Connections that there can be besides those that are to be open: some that are opened and closed,
/// and what these leave behind.
const BESIDES: u32 = 4_096;
/// Clients that these come from.
const BESIDES_CLIENTS: u32 = 2;
/// Packet buffers of each end: several batches.
const FRAMES: u32 = 512;

/// One server shard and one client shard's way to it.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// How many connections there are to be.
    pub connections: u32,
    /// The number of its first client, where others have the same wire.
    first: u32,
}

impl Network {
    /// Bits of the network that all clients are in.
    pub const CLIENTS_LENGTH: u8 = 16;

    pub const fn new(connections: u32) -> Self {
        Self { connections, first: 0 }
    }

    /// As one of several at the same wire, that have as many connections or fewer.
    pub const fn beside(self, index: u32) -> Self {
        Self { first: index * (self.connections.div_ceil(PORTS) + BESIDES_CLIENTS), ..self }
    }

    /// Both ends of the wire, the client's first.
    pub fn wire() -> Result<(MemPort, MemPort), stack::ReserveError> {
        MemPort::pair(WIRE_BYTES, Caps::ETHERNET)
    }

    /// The ends of a connection, the client's first.
    pub fn ends(&self, number: u32) -> (SocketAddr, SocketAddr) {
        let client = Ipv4Addr::from_bits(FIRST_CLIENT.to_bits() + self.first + number / PORTS);
        // Below 10,000 + 50,000.
        let port = FIRST_PORT + (number % PORTS) as u16;
        (SocketAddr::new(IpAddr::V4(client), port), SERVER)
    }

    /// The first client's address, and how many there are.
    pub const fn clients(&self) -> (IpAddr, u32) {
        (IpAddr::V4(FIRST_CLIENT), self.connections.div_ceil(PORTS))
    }

    pub fn server(&self) -> Config {
        let on_link = Route { prefix: SERVER.ip(), length: 24, gateway: None };
        let length = Self::CLIENTS_LENGTH;
        let clients = Route { prefix: IpAddr::V4(FIRST_CLIENT), length, gateway: Some(ROUTER) };
        Config {
            mac: Mac(SERVER_MAC),
            addresses: vec![SERVER.ip()],
            routes: vec![on_link, clients],
            listeners: vec![Listener { address: None, port: SERVER.port() }],
            ..self.common(SERVER_WORKING)
        }
    }

    pub fn client(&self) -> Config {
        // One more than needed, and its ports, for connections besides.
        let clients = self.clients().1 + BESIDES_CLIENTS;
        let first = FIRST_CLIENT.to_bits() + self.first;
        let addresses = (first..first + clients).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let mut tcp = tcp::Config::default();
        // Nothing is sent over a connection soon that an acknowledgment could go with. Held back,
        // it would only keep both ends awake.
        tcp.receiving.ack_delay = Duration::ZERO;
        Config {
            mac: Mac(CLIENT_MAC),
            addresses: addresses.chain([ROUTER]).collect(),
            routes: vec![Route { prefix: SERVER.ip(), length: 24, gateway: None }],
            listeners: Vec::new(),
            tcp,
            ..self.common(CLIENT_WORKING)
        }
    }

    fn common(&self, working: u32) -> Config {
        Config {
            shard: 0,
            mac: Mac([0; 6]),
            addresses: Vec::new(),
            routes: Vec::new(),
            listeners: Vec::new(),
            limits: Limits {
                connections: self.connections.saturating_add(BESIDES),
                ..Limits::default()
            },
            working,
            buffers: working,
            frames: FRAMES,
            tcp: tcp::Config::default(),
            secrets: Secrets {
                flows: SipKey::new([secret(), secret()]),
                sequence: SipKey::new([secret(), secret()]),
                cookies: SipKey::new([secret(), secret()]),
            },
        }
    }
}

/// A number from the operating system's entropy, by way of the standard library's own use of it.
fn secret() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Network, PORTS};

    #[test]
    fn every_connection_has_ends_of_its_own_and_a_client_that_exists() {
        let count = 3 * PORTS + 7;
        let addresses: HashSet<_> = Network::new(count).client().addresses.into_iter().collect();
        let count = count + PORTS;
        let network = Network::new(count);
        let ends: HashSet<_> = (0..count).map(|number| network.ends(number)).collect();
        assert_eq!(ends.len(), count as usize);
        assert!(ends.iter().all(|(client, _)| addresses.contains(&client.ip())));
    }

    #[test]
    fn shards_at_one_wire_have_clients_of_their_own() {
        let clients = |index| {
            let network = Network::new(PORTS + 1).beside(index);
            let ends: HashSet<_> = (0..2 * PORTS).map(|number| network.ends(number).0).collect();
            let addresses: HashSet<_> = network.client().addresses.into_iter().collect();
            assert!(ends.iter().all(|end| addresses.contains(&end.ip())));
            ends
        };
        assert!(clients(0).is_disjoint(&clients(1)));
    }
}
