//! More connections, or half-open ones, than there may be: they go when others want their places, and nobody
//! who is there after all is kept out for it.

use core::time::Duration;
use std::vec::Vec;

use app::{End, Engine, Step};
use port::Faults;

use super::pair::Pair;
use super::{Echo, Script};

const LOSES_ALL: Faults = Faults {
    loss: 1_000_000,
    duplication: 0,
    corruption: 0,
    reordering: 0,
    delay: Duration::ZERO,
    late: Duration::ZERO,
};

/// They once stayed for three minutes, and held as many blocks.
#[test]
fn half_open_connections_go_soon_after_a_flood_and_reset_nobody() {
    const COUNT: u16 = 1_500;
    let many = |config: &mut crate::Config| {
        (config.limits.connections, config.working, config.buffers) = (2_000, 4_096, 4_096);
    };
    let mut pair = Pair::with_both(Echo, Faults::default(), many, many);
    pair.connect(1);
    pair.run(Duration::from_secs(2));
    let clients: Vec<_> = (0..COUNT).map(|port| pair.connect(1_000 + port)).collect();
    for _ in 0..COUNT.div_ceil(32) {
        pair.near_alone();
    }
    for _ in 0..COUNT.div_ceil(32) {
        pair.far_alone();
    }
    assert_eq!(pair.half_open(), 1_024);
    // Nothing of what was answered arrives, nor does anything else for a while.
    pair.near.port().set_faults(LOSES_ALL);
    pair.far.port().set_faults(LOSES_ALL);
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.half_open(), 1_024);
    pair.run(Duration::from_secs(6));
    assert_eq!((pair.half_open(), pair.connections().1), (0, 1));
    pair.check_nothing_leaked_at_server();
    pair.near.port().set_faults(Faults::default());
    pair.far.port().set_faults(Faults::default());
    for &client in &clients {
        pair.client.send(client, b"here".to_vec());
    }
    pair.run(Duration::from_secs(60));
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"here"));
    assert!(clients.iter().all(|&client| pair.client.end_of(client).is_none()));
    pair.check_nothing_leaked();
}

/// Without too many of them they are waited for as RFC 9293 says (MUST-23).
#[test]
fn a_few_half_open_connections_are_waited_for() {
    let mut pair = Pair::new(Echo);
    pair.connect(1);
    pair.run(Duration::from_secs(2));
    pair.connect(2);
    pair.near_alone();
    pair.far_alone();
    assert_eq!(pair.half_open(), 1);
    pair.near.port().set_faults(LOSES_ALL);
    pair.far.port().set_faults(LOSES_ALL);
    pair.run(Duration::from_secs(100));
    assert_eq!(pair.half_open(), 1);
}

/// The answers to a flood of SYNs go nowhere; a client that can be reached gets in all the same.
#[test]
fn a_flood_of_syns_keeps_nobody_out() {
    let mut pair = Pair::with(Echo, Faults::default(), |config| config.working = 16);
    let first = pair.connect(1);
    pair.run(Duration::from_secs(1));
    pair.near.port().set_faults(Faults { loss: 1_000_000, ..Faults::default() });
    for port in 100..180 {
        pair.connect(port);
    }
    pair.run(Duration::from_millis(100));
    pair.near.port().set_faults(Faults::default());
    let late = pair.connect(2);
    for client in [first, late] {
        pair.client.send(client, b"here".to_vec());
    }
    pair.run(Duration::from_millis(400));
    assert_eq!(pair.client.received(first), b"here");
    assert_eq!(pair.client.received(late), b"here");
}

#[test]
fn at_the_limit_the_connection_that_idled_longest_makes_way() {
    let mut pair = Pair::with(Script::default(), Faults::default(), |config| {
        config.limits.connections = 2;
        config.limits.evict_idle = true;
    });
    let clients: Vec<_> = (1..=3)
        .map(|port| {
            let client = pair.connect(port);
            pair.run(Duration::from_secs(2));
            client
        })
        .collect();
    assert_eq!(pair.server.ends, [End::Evicted]);
    let ends: Vec<_> = clients.iter().map(|&id| pair.client.end_of(id)).collect();
    assert_eq!(ends, [Some(End::Reset), None, None]);
    pair.check_nothing_leaked();
}

#[test]
fn more_sleep_than_can_work_and_cookies_carry_them_over() {
    // Eight blocks: six connections at once are begun with cookies.
    let mut pair = Pair::with(Echo, Faults::default(), |config| config.working = 8);
    let clients: Vec<_> = (1..=30).map(|port| pair.connect(port)).collect();
    for &client in &clients {
        pair.client.send(client, b"ping".to_vec());
    }
    pair.run(Duration::from_secs(60));
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"ping"));
    assert_eq!((pair.connections(), pair.working()), ((30, 30), (0, 0)));
    pair.check_nothing_leaked();
}

/// A flood of SYNs, before, took three quarters of the working blocks, and each was answered again and
/// again.
#[test]
fn a_thousand_half_open_connections_are_enough_and_cookies_carry_the_others() {
    const COUNT: u32 = 1_500;
    let many = |config: &mut crate::Config| {
        (config.limits.connections, config.working, config.buffers) = (2_000, 4_096, 4_096);
    };
    let mut pair = Pair::with_both(Echo, Faults::default(), many, many);
    // So that each knows where the other is.
    pair.connect(1);
    pair.run(Duration::from_secs(2));
    for port in 0..COUNT {
        pair.connect(1_000 + port as u16);
    }
    for _ in 0..COUNT.div_ceil(32) {
        pair.near_alone();
    }
    for _ in 0..COUNT.div_ceil(32) {
        pair.far_alone();
    }
    assert_eq!(pair.half_open(), 1_024);
    pair.run(Duration::from_secs(5));
    assert_eq!((pair.connections(), pair.half_open()), ((COUNT + 1, COUNT + 1), 0));
    assert_eq!(pair.far.core.half_open, 0);
    pair.check_nothing_leaked();
}

/// A SYN that came while blocks were scarce is answered with a cookie, its copy a moment later with
/// a block. The peer acknowledges the first answer, and was once reset for it; or its first segment
/// comes after its second, which was taken for an answer to nothing.
#[test]
fn late_and_repeated_segments_of_a_handshake_with_a_cookie_reset_nobody() {
    let faults = Faults {
        duplication: 500_000,
        reordering: 500_000,
        delay: Duration::from_millis(1),
        late: Duration::from_millis(30),
        ..Faults::default()
    };
    let mut pair = Pair::with(Echo, faults, |config| config.working = 8);
    let clients: Vec<_> = (1..=100)
        .map(|port| {
            let client = pair.connect(port);
            pair.client.send(client, [port as u8; 4_000].to_vec());
            pair.run(Duration::from_millis(2));
            client
        })
        .collect();
    pair.run(Duration::from_secs(60));
    for (client, port) in clients.into_iter().zip(1_u8..) {
        assert_eq!(pair.client.end_of(client), None, "{port}");
        assert!(pair.client.received(client) == [port; 4_000], "{port}");
    }
    pair.check_nothing_leaked();
}

/// A SYN may come from an address that does not exist, and once ended an idle connection for each.
#[test]
fn nobody_makes_way_before_who_wants_in_has_shown_itself() {
    let mut pair = Pair::with(Script::default(), Faults::default(), |config| {
        config.limits.connections = 2;
        config.limits.evict_idle = true;
    });
    pair.connect(1);
    pair.connect(2);
    pair.run(Duration::from_secs(2));
    for port in 3..40 {
        pair.connect(port);
    }
    pair.near_alone();
    pair.near.port().set_faults(LOSES_ALL);
    pair.run(Duration::from_secs(5));
    assert_eq!((&pair.server.ends[..], pair.connections().1), (&[][..], 2));
    // One that is there after all is let in.
    pair.near.port().set_faults(Faults::default());
    pair.run(Duration::from_secs(10));
    assert!(pair.server.ends.contains(&End::Evicted));
}

/// Peers that leave their side open after ours was closed once held a working block each, for a minute, and
/// who asked meanwhile found none.
#[test]
fn peers_that_never_close_leave_blocks_to_others() {
    let script = Script { on_data: Some(Step::close()), ..Script::default() };
    let mut pair = Pair::with(script, Faults::default(), |config| config.working = 16);
    let clients: Vec<_> = (1..=40)
        .map(|port| {
            let client = pair.connect(port);
            pair.client.keep_open(client);
            pair.client.send(client, b"x".to_vec());
            pair.run(Duration::from_millis(300));
            client
        })
        .collect();
    assert!(pair.working().1 <= 13, "{} at work", pair.working().1);
    assert!(pair.server.ends.len() >= 27);
    assert!(pair.server.ends.iter().all(|end| *end == End::Closed));
    assert!(pair.time_waits().1 >= 27);
    // They are told nothing, and may close when they like.
    let resets = pair.near.core.counters.reset.get();
    for client in clients {
        let id = pair.client.close(client);
        pair.near.wake(pair.now, id, &mut pair.client);
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.client.end_of(client), Some(End::Closed));
    }
    assert_eq!((resets, pair.near.core.counters.reset.get()), (0, 0));
    pair.run(Duration::from_secs(100));
    assert_eq!((pair.connections(), pair.time_waits()), ((0, 0), (0, 0)));
    pair.check_nothing_leaked();
}
