//! Worlds made by hand, each for something that once broke.

use std::time::Duration;

use base::{Instant, Prng};

use crate::host::config;
use crate::network::{Line, Weather};
use crate::odd_peer::Oddity;
use crate::scenario::{Call, HostPlan, Scenario};
use crate::talk::{Closer, Plan, Round};
use crate::world::World;

/// Two hosts, the second of which calls the first, on a line that loses nothing.
fn world(buffers: u32, plans: Vec<Plan>, odd_peers: Vec<(Oddity, u32)>) -> World {
    let mut prng = Prng::new(1);
    let delay = Duration::from_millis(1);
    let weather = Weather::default();
    let line = Line { delay, nanos_per_byte: 8, queue: 500, uncut: false, weather };
    let hosts = [1, 2].map(|number| {
        let mut config = config(number, &mut prng);
        config.buffers = buffers;
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    });
    let at = Instant::from_millis(1_000);
    let call = |plan| Call { at, client: 1, server: 1, ipv6: false, plan };
    let scenario = Scenario {
        hosts: hosts.into_iter().collect(),
        calls: plans.into_iter().map(call).collect(),
        calm_at: Instant::ZERO,
        jumps: Vec::new(),
        odd_peers,
        tight: false,
    };
    World::new(1, scenario)
}

/// Questions that are asked one after the other on one connection.
fn questions(count: usize, up: u32, down: u32) -> Plan {
    let round = Round { salt: 4, up, down, sip: 0, pause: 0, last: false };
    Plan { rounds: vec![round; count], rest: 1, closer: Closer::Client }
}

/// All that is asked is answered within ten seconds.
fn assert_done(mut world: World, delivered: u64) {
    assert_eq!(world.run(Instant::from_millis(11_000), World::all_done), Ok(true));
    assert_eq!(world.hosts[1].app.delivered, delivered);
}

/// A window of 64 KiB a round trip would let nine megabytes through in three seconds.
#[test]
fn a_long_path_is_bound_by_the_line_and_not_by_the_window() {
    let mut prng = Prng::new(1);
    let delay = Duration::from_millis(10);
    // A gigabit a second, both ways 20 ms.
    let weather = Weather::default();
    let line = Line { delay, nanos_per_byte: 8, queue: 4_000, uncut: false, weather };
    let hosts = [1, 2].map(|number| {
        let mut config = config(number, &mut prng);
        config.buffers = 4_096;
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    });
    // The answer is attached, as large bodies are.
    let round = Round { salt: 5, up: 0, down: 100_000_000, sip: 0, pause: 0, last: false };
    let plan = Plan { rounds: vec![round], rest: 1, closer: Closer::Client };
    let at = Instant::from_millis(1_000);
    let scenario = Scenario {
        hosts: hosts.into_iter().collect(),
        calls: vec![Call { at, client: 1, server: 1, ipv6: false, plan }],
        calm_at: Instant::ZERO,
        jumps: Vec::new(),
        odd_peers: Vec::new(),
        tight: false,
    };
    let mut world = World::new(1, scenario);
    assert_eq!(world.run(Instant::from_millis(4_000), World::all_done), Ok(true));
    assert_eq!(world.hosts[1].app.delivered, 100_000_000);
}

/// Peers that never acknowledge once held every buffer until they were given up, five minutes later,
/// and an honest connection was reset meanwhile.
#[test]
fn silent_peers_leave_buffers_to_others() {
    let plan = questions(20, 2_000, 30_000);
    assert_done(world(20, vec![plan], vec![(Oddity::Silent, 120_000); 8]), 20 * 30_000);
}

/// Text ahead of its turn once held half of all buffers for as long as its beginning did not come;
/// what held the other half made that for ever.
#[test]
fn text_that_never_begins_leaves_buffers_to_others() {
    let mut odd_peers = vec![(Oddity::Gapped, 1); 8];
    odd_peers.extend([(Oddity::Silent, 120_000); 8]);
    assert_done(world(20, vec![questions(20, 2_000, 30_000)], odd_peers), 20 * 30_000);
}

/// Questions held all buffers of the one end and answers all of the other: each end waited for the
/// other to take something in.
#[test]
fn questions_leave_buffers_for_answers() {
    let plan = questions(4, 6_000, 6_000);
    assert_done(world(12, vec![plan; 30], Vec::new()), 30 * 4 * 6_000);
}

/// Two hosts that each open as many connections to the other as they accept, with so many blocks and
/// buffers each, and no more: everything is answered all the same.
fn both_ways(working: u32, buffers: u32, (calls, plan): (u32, &Plan)) -> World {
    let mut prng = Prng::new(1);
    let delay = Duration::from_millis(1);
    let weather = Weather::default();
    let line = Line { delay, nanos_per_byte: 8, queue: 500, uncut: false, weather };
    let hosts = [1, 2].map(|number| {
        let mut config = config(number, &mut prng);
        config.working = working;
        config.buffers = buffers;
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    });
    let at = Instant::from_millis(1_000);
    let call = |client: usize| Call {
        at,
        client,
        server: 2 - client as u8,
        ipv6: false,
        plan: plan.clone(),
    };
    let scenario = Scenario {
        hosts: hosts.into_iter().collect(),
        calls: (0..calls).flat_map(|_| [0, 1]).map(call).collect(),
        calm_at: Instant::ZERO,
        jumps: Vec::new(),
        odd_peers: Vec::new(),
        tight: false,
    };
    World::new(1, scenario)
}

/// Both ends ask with all the blocks they have once waited for each other.
#[test]
fn blocks_run_dry_at_both_ends_and_everything_finishes() {
    for working in [8, 12, 16] {
        let plan = Plan { rest: 300, ..questions(8, 300, 700) };
        let mut world = both_ways(working, 256, (30, &plan));
        let done = world.run(Instant::from_millis(60_000), World::all_done);
        assert_eq!(done, Ok(true), "{working} blocks");
        let delivered = |host: usize| world.hosts[host].app.delivered;
        assert_eq!([delivered(0), delivered(1)], [30 * 8 * 1_000; 2]);
    }
}

#[test]
fn buffers_run_dry_at_both_ends_and_everything_finishes() {
    for buffers in [8, 12] {
        let mut world = both_ways(48, buffers, (10, &questions(3, 6_000, 6_000)));
        let done = world.run(Instant::from_millis(60_000), World::all_done);
        assert_eq!(done, Ok(true), "{buffers} buffers");
        let delivered = |host: usize| world.hosts[host].app.delivered;
        assert_eq!([delivered(0), delivered(1)], [10 * 3 * 12_000; 2]);
    }
}
