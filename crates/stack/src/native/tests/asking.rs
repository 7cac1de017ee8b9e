//! Connections that this end opens, asks over and closes: what is in flight of its own is one entry,
//! whatever becomes of it.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use app::{DialError, End, Engine, Handler};
use port::Faults;

use super::pair::{Client, Number, Pair};
use super::{BAD_LINK, Echo};

/// Entries and blocks that the client holds.
fn held<H: Handler>(pair: &Pair<H>) -> (u32, u32) {
    assert_eq!(pair.near.audit(), Ok(()));
    (pair.near.core.replies.taken(), pair.near.core.blocks.taken())
}

fn wake<H: Handler>(pair: &mut Pair<H>, client: Number) {
    let id = pair.client.id(client);
    Engine::<Client>::wake(&mut pair.near, pair.now, id, &mut pair.client);
}

/// Wakes a connection to have this sent.
fn ask<H: Handler>(pair: &mut Pair<H>, client: Number, question: &[u8]) {
    pair.client.send(client, question.to_vec());
    wake(pair, client);
}

fn close<H: Handler>(pair: &mut Pair<H>, client: Number) {
    pair.client.close(client);
    wake(pair, client);
}

/// A turn of the server's, then one of the client's.
fn turn<H: Handler>(pair: &mut Pair<H>) {
    pair.far_alone();
    pair.near_alone();
}

#[test]
fn opening_asking_and_closing_needs_no_block() {
    let mut pair = Pair::new(Echo);
    // Who has which address.
    pair.connect(1);
    pair.run(Duration::from_secs(1));
    let client = pair.connect(2);
    pair.client.send(client, b"first".to_vec());
    pair.near_alone();
    assert_eq!(held(&pair), (1, 0), "a SYN");
    turn(&mut pair);
    assert_eq!(held(&pair), (1, 0), "a question with the acknowledgment");
    turn(&mut pair);
    assert_eq!((held(&pair), pair.client.received(client)), ((0, 0), &b"first"[..]));
    ask(&mut pair, client, b"second");
    assert_eq!(held(&pair), (1, 0), "another one");
    turn(&mut pair);
    assert_eq!((held(&pair), pair.client.received(client)), ((0, 0), &b"firstsecond"[..]));
    // The acknowledgment has been sent.
    pair.far_alone();
    assert_eq!(pair.working(), (0, 0));
    close(&mut pair, client);
    assert_eq!(held(&pair), (1, 0), "a FIN");
    turn(&mut pair);
    assert_eq!((held(&pair), pair.client.end_of(client)), ((0, 0), Some(End::Closed)));
    pair.far_alone();
    assert_eq!((pair.connections(), pair.time_waits()), ((1, 1), (1, 0)));
    assert_eq!(pair.near.core.counters.opened.get(), 2);
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.time_waits(), (0, 0));
    pair.check_nothing_leaked();
}

#[test]
fn the_same_over_ipv6() {
    let mut pair = Pair::new(Echo);
    let client = pair.connect_v6(1);
    pair.client.send(client, b"question".to_vec());
    pair.run(Duration::from_secs(1));
    ask(&mut pair, client, b"question");
    assert_eq!(held(&pair), (1, 0));
    turn(&mut pair);
    assert_eq!((held(&pair), pair.client.received(client)), ((0, 0), &b"questionquestion"[..]));
    close(&mut pair, client);
    turn(&mut pair);
    assert_eq!((held(&pair), pair.client.end_of(client)), ((0, 0), Some(End::Closed)));
}

#[test]
fn what_is_not_acknowledged_in_time_gets_a_block_and_its_timers() {
    // So short that the SYN, which waits for the neighbour's address, is not sent again.
    let slow = Faults { delay: Duration::from_millis(150), ..Faults::default() };
    let mut pair = Pair::with(Echo, slow, |_| {});
    let client = pair.connect(1);
    let mut seen = vec![];
    for part in 0..3 {
        match part {
            0 => {}
            1 => ask(&mut pair, client, b"question"),
            _ => close(&mut pair, client),
        }
        pair.run(Duration::from_millis(50));
        seen.push(held(&pair));
        pair.run(Duration::from_millis(100));
        seen.push(held(&pair));
        pair.run(Duration::from_secs(10));
    }
    assert_eq!(seen, [(1, 0), (0, 1)].repeat(3));
    assert_eq!(pair.client.received(client), b"question");
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
    pair.run(Duration::from_secs(200));
    pair.check_nothing_leaked();
}

#[test]
fn a_wake_while_a_question_is_in_flight_is_heard() {
    let mut pair = Pair::new(Echo);
    let client = pair.connect(1);
    pair.run(Duration::from_secs(1));
    ask(&mut pair, client, b"one ");
    wake(&mut pair, client);
    assert_eq!(held(&pair), (1, 0), "in vain");
    ask(&mut pair, client, b"two ");
    assert_eq!(held(&pair), (0, 1));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client), b"one two ");
    ask(&mut pair, client, b"three");
    close(&mut pair, client);
    assert_eq!(held(&pair), (0, 1), "closed with a question in flight");
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
    pair.check_nothing_leaked();
}

#[test]
fn questions_of_more_than_a_segment_take_the_long_way() {
    let mut pair = Pair::new(Echo);
    // Who has which address.
    pair.connect(1);
    pair.run(Duration::from_secs(1));
    let client = pair.connect(2);
    let question: Vec<u8> = (0..9_000).map(|number| number as u8).collect();
    pair.client.send(client, question.clone());
    pair.near_alone();
    turn(&mut pair);
    assert_eq!(held(&pair), (0, 1), "opened");
    pair.run(Duration::from_secs(5));
    ask(&mut pair, client, &question);
    assert_eq!(held(&pair), (0, 1), "woken");
    pair.run(Duration::from_secs(5));
    assert!(pair.client.received(client) == question.repeat(2));
    assert_eq!((pair.working(), pair.near.core.counters.opened.get()), ((0, 0), 2));
    pair.check_nothing_leaked();
}

#[test]
fn closing_down_ends_what_is_in_flight() {
    for drains in [true, false] {
        let mut pair = Pair::new(Echo);
        let leaving = pair.connect(1);
        let asking = pair.connect(2);
        pair.run(Duration::from_secs(1));
        let opening = pair.connect(3);
        pair.near_alone();
        ask(&mut pair, asking, b"question");
        close(&mut pair, leaving);
        assert_eq!(held(&pair), (3, 0));
        if drains {
            pair.near.drain(pair.now, &mut pair.client);
        } else {
            Engine::<Client>::shut_down(&mut pair.near, pair.now, &mut pair.client);
        }
        assert_eq!(pair.client.unmade(opening), Some(DialError::Shutdown));
        assert_eq!(held(&pair), (0, if drains { 2 } else { 0 }));
        pair.run(Duration::from_secs(200));
        let end = if drains { End::Closed } else { End::Shutdown };
        assert_eq!(pair.client.end_of(asking), Some(end));
        assert_eq!(pair.client.end_of(leaving), Some(end));
        assert_eq!(pair.connections(), (0, 0));
    }
}

#[test]
fn all_is_asked_and_answered_over_a_bad_link() {
    let mut pair = Pair::with(Echo, BAD_LINK, |_| {});
    let clients: Vec<Number> = (1..60).map(|port| pair.connect(port)).collect();
    let mut expected = Vec::new();
    for round in 0..30 {
        for &client in &clients {
            pair.client.send(client, b"question".to_vec());
        }
        expected.extend_from_slice(b"question");
        for _ in 0..if round % 5 == 4 { 300 } else { 2 } {
            pair.run(Duration::from_millis(100));
            held(&pair);
        }
    }
    pair.run(Duration::from_secs(200));
    assert!(clients.iter().all(|&client| pair.client.received(client) == expected));
    for &client in &clients {
        close(&mut pair, client);
    }
    for _ in 0..600 {
        pair.run(Duration::from_secs(1));
        held(&pair);
    }
    assert!(clients.iter().all(|&client| pair.client.end_of(client).is_some()));
    assert_eq!((pair.connections(), pair.working()), ((0, 0), (0, 0)));
}
