//! More connections half open than there may be: they go when others want their places, and nobody who
//! is there after all is kept out for it.

use core::time::Duration;
use std::vec::Vec;

use port::Faults;

use super::Echo;
use super::pair::Pair;

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
