//! What the host says of the link: a smaller MTU, and an address that is lost.

use core::net::SocketAddr;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

use app::{DialError, End, Engine, Seen};
use port::{Faults, News};

use super::pair::{CLIENT, Client, Pair, SERVER, SERVER_PORT};
use super::{Echo, Sum};

/// Segment sizes of all connections of the client's.
fn sizes(pair: &Pair<Sum>) -> Vec<u16> {
    let mut sizes = Vec::new();
    let mut tell = |seen: &Seen| sizes.push(seen.mss);
    Engine::<Client>::look(&pair.near, 0, &mut tell);
    sizes
}

#[test]
fn no_segment_is_longer_than_a_link_that_became_narrower() {
    let faults = Faults { delay: Duration::from_millis(5), ..Faults::default() };
    let mut pair = Pair::with(Sum::default(), faults, |_| {});
    let (busy, idle) = (pair.connect(1), pair.connect(2));
    pair.run(Duration::from_secs(1));
    pair.client.send(busy, vec![1; 999_000]);
    // In the middle of it.
    pair.run(Duration::from_millis(35));
    let sent = pair.near.core.counters.bytes_out.get() as usize;
    assert!((1..999_000).contains(&sent), "{sent}");
    for mtu in [100, 700] {
        pair.near.core.link.hear(News::Mtu(mtu));
    }
    let (_, before) = pair.near.core.link.packets_by_way();
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.server.bytes, 999_000);
    let (_, after) = pair.near.core.link.packets_by_way();
    let (left, packets) = (999_000 - sent, (after - before) as usize);
    assert!(packets >= left / (700 - 40), "{left} bytes in {packets} packets");
    // One that slept meanwhile wakes to the link as it is now, and a new one begins so.
    pair.client.send(idle, vec![1; 1_000]);
    pair.connect(3);
    pair.run(Duration::from_secs(5));
    assert_eq!(sizes(&pair), [700 - 40 - 12; 3]);
    assert_eq!((pair.server.bytes, pair.client.received(idle).len()), (1_000_000, 8));
    // The link never takes more than it took at first.
    pair.near.core.link.hear(News::Mtu(9_000));
    assert_eq!(pair.near.core.link.mss(SERVER), 1_460);
    pair.check_nothing_leaked();
}

#[test]
fn connections_from_a_lost_address_end_and_others_go_on() {
    let mut pair = Pair::new(Echo);
    let (asleep, busy, other) = (pair.connect(1), pair.connect(2), pair.connect_v6(3));
    pair.run(Duration::from_secs(2));
    // One that is being opened, to nobody.
    let nobody = SocketAddr::new([10, 0, 0, 9].into(), SERVER_PORT);
    let opening = pair.client.open(SocketAddr::new(CLIENT, 0), nobody);
    pair.client.send(busy, vec![1; 100_000]);
    pair.run(Duration::from_millis(1));
    pair.near.core.link.hear(News::Expired(CLIENT));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.end_of(asleep), Some(End::Reset));
    assert_eq!(pair.client.end_of(busy), Some(End::Reset));
    assert_eq!(pair.client.unmade(opening), Some(DialError::Unreachable));
    assert_eq!(pair.connections().0, 1);
    pair.client.send(other, b"hello".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.client.received(other), b"hello");
    // It comes back, and serves again; what it lost stays lost.
    pair.near.core.link.hear(News::Address { address: CLIENT, present: true });
    let again = pair.connect(5);
    pair.client.send(again, b"again".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.client.received(again), b"again");
    assert_eq!(pair.connections().0, 2);
    assert_eq!(pair.near.audit(), Ok(()));
}

/// Lost and back between two turns: nobody has noticed.
#[test]
fn connections_from_an_address_that_is_back_at_once_go_on() {
    let mut pair = Pair::new(Echo);
    let kept = pair.connect(1);
    pair.run(Duration::from_secs(1));
    pair.near.core.link.hear(News::Expired(CLIENT));
    pair.near.core.link.hear(News::Address { address: CLIENT, present: true });
    pair.client.send(kept, b"hello".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!((pair.client.received(kept), pair.client.end_of(kept)), (&b"hello"[..], None));
}
