//! Connections that wait for what has run out: nothing turns on their account, and they go on as soon as
//! it is there.

use core::time::Duration;
use std::vec::Vec;

use app::Engine;
use mem::Frame;

use super::Echo;
use super::pair::{Client, Pair};

/// Once a connection without a buffer had the shard turn without end.
#[test]
fn a_connection_without_a_buffer_waits_until_one_comes_back() {
    let mut pair = Pair::new(Echo);
    let held: Vec<Frame> = core::iter::from_fn(|| pair.far.core.buffers.take()).collect();
    let client = pair.connect(1);
    pair.run(Duration::from_secs(1));
    pair.client.send(client, b"hello".to_vec());
    assert_eq!(pair.far.working(), 1, "it waits to be told that it is open");
    for _ in 0..3 {
        Engine::<Echo>::turn(&mut pair.far, pair.now, &mut pair.server).unwrap();
        let deadline = Engine::<Echo>::deadline(&pair.far);
        assert!(deadline.is_none_or(|at| at > pair.now), "it turns in vain");
    }
    for frame in held {
        pair.far.core.buffers.give(frame);
    }
    assert_eq!(Engine::<Echo>::deadline(&pair.far), Some(pair.now), "it can go on");
    let id = pair.client.id(client);
    Engine::<Client>::wake(&mut pair.near, pair.now, id, &mut pair.client);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client), b"hello");
    pair.check_nothing_leaked();
}

/// A block that is given back while it is on a list is taken again, and nothing is done twice.
#[test]
fn a_connection_that_ends_while_it_waits_is_passed_over() {
    let mut pair = Pair::new(Echo);
    let held: Vec<Frame> = core::iter::from_fn(|| pair.far.core.buffers.take()).collect();
    for port in 1..=3 {
        pair.connect(port);
    }
    pair.run(Duration::from_secs(1));
    Engine::<Client>::shut_down(&mut pair.near, pair.now, &mut pair.client);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.connections().1, 0);
    for frame in held {
        pair.far.core.buffers.give(frame);
    }
    pair.run(Duration::from_secs(1));
    pair.check_nothing_leaked();
}
