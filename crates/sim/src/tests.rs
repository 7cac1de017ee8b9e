//! Worlds made by hand, each for something that once broke.

use std::time::Duration;

use base::{Instant, Prng};

use crate::host::config;
use crate::network::{Line, Weather};
use crate::odd_peer::Oddity;
use crate::scenario::{Call, HostPlan, Scenario};
use crate::talk::{Closer, Plan, Round};
use crate::world::World;

/// Peers that never acknowledge once held every buffer until they were given up, five minutes later,
/// and an honest connection was reset meanwhile.
#[test]
fn silent_peers_leave_buffers_to_others() {
    let mut prng = Prng::new(1);
    let delay = Duration::from_millis(1);
    let line = Line { delay, nanos_per_byte: 8, queue: 500, weather: Weather::default() };
    let hosts = [1, 2].map(|number| {
        let mut config = config(number, &mut prng);
        config.buffers = 20;
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    });
    let round = Round { salt: 4, up: 2_000, down: 30_000, sip: 0, pause: 0, last: false };
    let plan = Plan { rounds: vec![round; 20], rest: 1, closer: Closer::Client };
    let at = Instant::from_millis(1_000);
    let mut world = World::new(
        1,
        Scenario {
            hosts: hosts.into_iter().collect(),
            calls: vec![Call { at, client: 1, server: 1, ipv6: false, plan }],
            calm_at: Instant::ZERO,
            jumps: Vec::new(),
            odd_peers: vec![(Oddity::Silent, 120_000); 8],
            tight: false,
        },
    );
    let done = world.run(at + Duration::from_secs(10), World::all_done);
    assert_eq!(done, Ok(true));
    assert_eq!(world.hosts[1].app.delivered, 20 * 30_000);
}
