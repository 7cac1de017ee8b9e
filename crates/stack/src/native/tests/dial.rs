//! Connections opened by a handler: local ports chosen, each way of failing, limits of time and
//! number, and the engine closing down.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::HashSet;
use std::vec::Vec;

use app::{Dial, DialError, End, Engine, Handler, Remote};
use base::Instant;
use port::Faults;
use wire::quoted::Quoted;

use super::pair::{CLIENT, Client, Pair, SERVER, SERVER_PORT};
use super::{Echo, Script};
use crate::link::{Complaint, Trouble};

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const TO: SocketAddr = SocketAddr::new(SERVER, SERVER_PORT);

/// Nothing arrives.
fn lost() -> Faults {
    Faults { loss: 1_000_000, ..Faults::default() }
}

#[test]
fn without_a_local_port_each_connection_gets_its_own() {
    let mut pair = Pair::new(Echo);
    let mut clients = Vec::new();
    for from in [ANY, SocketAddr::new(CLIENT, 0)] {
        for _ in 0..50 {
            clients.push(pair.client.open(from, TO));
        }
    }
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.connections(), (100, 100));
    for &client in &clients {
        pair.client.send(client, b"hello".to_vec());
    }
    pair.run(Duration::from_secs(3));
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"hello"));
    assert_eq!(pair.near.core.counters.opened.get(), 100);
    pair.check_nothing_leaked();
}

/// All but the last 64 SYNs were once lost where the neighbour was not known yet, and came a second
/// later.
#[test]
fn a_burst_to_a_neighbor_that_is_not_known_yet_opens_at_once() {
    let many = |config: &mut crate::Config| {
        (config.limits.connections, config.working) = (2_000, 4_096);
        (config.buffers, config.frames) = (4_096, 4_096);
    };
    let mut pair = Pair::with_both(Echo, Faults::default(), many, many);
    for _ in 0..1_000 {
        pair.client.open(ANY, TO);
    }
    pair.run(Duration::from_millis(500));
    assert_eq!(pair.connections(), (1_000, 1_000));
}

/// The choice goes on where the last one was, also from one address to the next.
#[test]
fn all_local_addresses_are_used() {
    const COUNT: u32 = 64_512 + 1_000;
    let mut pair = Pair::with_both(
        Peers::default(),
        Faults::default(),
        |config| config.limits.connections = COUNT,
        |config| {
            config.limits.connections = COUNT;
            config.addresses.push([10, 0, 0, 3].into());
        },
    );
    for _ in 0..COUNT {
        pair.client.open(ANY, TO);
    }
    while pair.connections().1 < COUNT {
        pair.run(Duration::from_millis(100));
    }
    // The last ones may be waiting for their handshake to end.
    pair.run(Duration::from_secs(2));
    let addresses: HashSet<IpAddr> = pair.server.0.iter().map(SocketAddr::ip).collect();
    assert_eq!((addresses.len(), pair.server.0.len()), (2, COUNT as usize));
}

/// Who has connected.
#[derive(Default)]
struct Peers(HashSet<SocketAddr>);

impl Handler for Peers {
    type Conn = ();

    fn open(&mut self, cx: &mut app::Cx<'_, ()>) -> app::Step {
        if let app::Peer::Inet(peer) = cx.origin.peer {
            assert!(self.0.insert(peer));
        }
        app::Step::idle(0)
    }

    fn data(&mut self, _: &mut app::Cx<'_, ()>, rx: &[u8]) -> app::Step {
        app::Step::idle(rx.len())
    }
}

#[test]
fn what_cannot_be_begun_is_refused_at_once() {
    let mut pair = Pair::with_both(
        Echo,
        Faults::default(),
        |_| {},
        |config| {
            config.limits.connections = 3;
        },
    );
    let near = |port| SocketAddr::new(CLIENT, port);
    let stranger = SocketAddr::from(([10, 9, 9, 9], 7));
    let v6: SocketAddr = "[fd00::1]:80".parse().unwrap();
    let dials = [
        (near(1), TO, None),
        (near(1), TO, Some(DialError::InUse)),
        (stranger, TO, Some(DialError::LocalAddress)),
        (near(2), v6, Some(DialError::LocalAddress)),
        (near(2), TO, None),
        (near(3), TO, None),
        (near(4), TO, Some(DialError::Full)),
    ];
    let numbers = dials.map(|(from, to, _)| pair.client.open(from, to));
    pair.client.dial_unix();
    pair.run(Duration::from_secs(2));
    for (number, (.., expected)) in numbers.into_iter().zip(dials) {
        assert_eq!(pair.client.unmade(number), expected, "{number}");
    }
    assert_eq!(pair.client.unmade(7), Some(DialError::Unsupported));
    assert_eq!(pair.connections(), (3, 3));
    assert_eq!(pair.near.core.counters.undialled.get(), 5);
    pair.check_nothing_leaked();
}

#[test]
fn without_an_answer_in_time_a_connection_is_given_up() {
    let mut pair = Pair::with(Script::default(), lost(), |_| {});
    let client = pair.connect(1);
    pair.client.hurry(Duration::from_millis(1_500));
    pair.run(Duration::from_millis(1_400));
    assert_eq!((pair.client.unmade(client), pair.connections()), (None, (1, 0)));
    pair.run(Duration::from_millis(200));
    assert_eq!(pair.client.unmade(client), Some(DialError::TimedOut));
    assert_eq!(pair.connections(), (0, 0));
    pair.check_nothing_leaked();
}

/// The network says of what the client has in flight to the server that there is no way there.
fn say_unreachable<H: Handler>(pair: &mut Pair<H>) {
    let about = Quoted {
        source: CLIENT,
        destination: SERVER,
        protocol: wire::protocol::TCP,
        source_port: 1,
        destination_port: SERVER_PORT,
        sequence: pair.near.core.blocks[0].tcp.una().0,
    };
    let complaint = Complaint { about, what: Trouble::Unreachable { hard: false } };
    pair.near.core.complaint(&mut pair.client, &complaint);
}

/// A peer that vanished was once told as one that had reset the connection, whatever the network said.
#[test]
fn a_connection_whose_peer_vanishes_times_out_with_what_the_network_said() {
    for (unreachable, why) in [(false, End::TimedOut), (true, End::Unreachable)] {
        let mut pair = Pair::new(Echo);
        let client = pair.connect(1);
        pair.run(Duration::from_secs(2));
        assert_eq!(pair.connections(), (1, 1));
        pair.client.send(client, b"is anybody there?".to_vec());
        let id = pair.client.id(client);
        pair.near.wake(pair.now, id, &mut pair.client);
        // From now on only the client's end lives.
        let mut said = !unreachable;
        while pair.client.end_of(client).is_none() {
            pair.near_alone();
            if !said && pair.near.core.blocks.taken() == 1 {
                say_unreachable(&mut pair);
                said = true;
            }
            let next = Engine::<Client>::deadline(&pair.near).unwrap_or(pair.now);
            pair.now = next.max(pair.now + Duration::from_millis(1));
        }
        assert_eq!(pair.client.end_of(client), Some(why));
        assert_eq!(pair.near.core.counters.reset.get(), 1);
    }
}

/// That there is no way there once came to nothing but "timed out".
#[test]
fn a_soft_error_is_told_when_the_time_is_over() {
    let mut pair = Pair::with(Script::default(), lost(), |_| {});
    let client = pair.connect(1);
    pair.client.hurry(Duration::from_millis(1_500));
    pair.run(Duration::from_millis(150));
    say_unreachable(&mut pair);
    assert_eq!(pair.client.unmade(client), None, "it may pass");
    pair.run(Duration::from_millis(1_500));
    assert_eq!(pair.client.unmade(client), Some(DialError::Unreachable));
    pair.check_nothing_leaked();
}

/// RFC 6191: with timestamps a second is enough.
#[test]
fn ends_in_time_wait_are_used_again_as_soon_as_that_is_safe() {
    let mut pair = Pair::new(Echo);
    let from = SocketAddr::new(CLIENT, 5_000);
    let first = pair.client.open(from, TO);
    pair.run(Duration::from_millis(200));
    let id = pair.client.close(first);
    pair.near.wake(pair.now, id, &mut pair.client);
    pair.run(Duration::from_millis(200));
    assert_eq!((pair.client.end_of(first), pair.time_waits()), (Some(End::Closed), (1, 0)));
    let early = pair.client.open(from, TO);
    pair.run(Duration::from_millis(200));
    assert_eq!(pair.client.unmade(early), Some(DialError::InUse));
    pair.run(Duration::from_secs(1));
    let again = pair.client.open(from, TO);
    pair.client.send(again, b"hello".to_vec());
    pair.run(Duration::from_millis(200));
    assert_eq!(pair.client.received(again), b"hello");
    assert_eq!(pair.time_waits(), (0, 0));
    pair.check_nothing_leaked();
}

/// The time for being established is no timer of the handler's: it ends with the handshake.
#[test]
fn an_established_connection_outlives_the_time_it_had_to_be_opened() {
    let mut pair = Pair::new(Echo);
    let client = pair.connect(1);
    pair.client.hurry(Duration::from_millis(500));
    pair.run(Duration::from_secs(3));
    pair.client.send(client, b"still here".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client), b"still here");
}

#[test]
fn a_drain_gives_up_what_is_being_opened_and_asks_no_more() {
    let mut pair = Pair::with(Script::default(), lost(), |_| {});
    let client = pair.connect(1);
    pair.run(Duration::from_millis(100));
    pair.near.drain(pair.now, &mut pair.client);
    assert_eq!(pair.client.unmade(client), Some(DialError::Shutdown));
    let late = pair.connect(2);
    pair.run(Duration::from_secs(1));
    assert_eq!((pair.client.unmade(late), pair.client.dial_at()), (None, Some(Instant::ZERO)));
    pair.check_nothing_leaked();
}

#[test]
fn shutting_down_ends_the_open_and_gives_up_the_others() {
    let mut pair = Pair::new(Echo);
    let open = pair.connect(1);
    pair.run(Duration::from_secs(1));
    pair.near.port().set_faults(lost());
    let opening = pair.connect(2);
    pair.run(Duration::from_millis(100));
    Engine::<Client>::shut_down(&mut pair.near, pair.now, &mut pair.client);
    assert_eq!(pair.client.end_of(open), Some(End::Shutdown));
    assert_eq!(pair.client.unmade(opening), Some(DialError::Shutdown));
}

/// Peers that do not answer hold working blocks until their time is over. What is open has some.
#[test]
fn dialling_leaves_working_blocks_to_what_is_open() {
    let mut pair = Pair::with_both(Echo, Faults::default(), |_| {}, |config| config.working = 16);
    let open = pair.connect(1);
    pair.run(Duration::from_secs(2));
    let nobody = SocketAddr::from(([10, 0, 0, 99], 80));
    for _ in 0..40 {
        pair.client.open(ANY, nobody);
    }
    pair.client.send(open, b"hello".to_vec());
    pair.run(Duration::from_millis(500));
    assert!(pair.near.working() <= 13);
    assert_eq!(pair.client.received(open), b"hello");
}

#[test]
fn a_dial_is_small() {
    assert!(size_of::<Dial<[u64; 2]>>() <= 112, "{}", size_of::<Dial<[u64; 2]>>());
    assert_eq!(Remote::from(TO), Remote::Inet(TO));
}
