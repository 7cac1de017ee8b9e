//! What a flood of SYNs leaves to an honest client.

use std::time::Duration;

use base::Instant;
use stack::Route;

use crate::Failure;
use crate::host::{address, config};
use crate::network::{Line, Weather};
use crate::scenario::{Call, HostPlan, Scenario};
use crate::stranger::{Flooder, Stranger};
use crate::talk::{Closer, Plan, Round};
use crate::world::World;

/// The station through which the flood comes.
const ROUTER: u8 = 200;
/// SYNs a millisecond. The server has working blocks for 48 connections.
const RATE: u32 = 20;
const SPAN: Duration = Duration::from_secs(2);

/// Bytes that an honest client gets in the same time, without a flood of SYNs and beside one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Goodput {
    /// With nobody else there.
    pub without: u64,
    /// While 20,000 SYNs a second come from addresses that do not exist.
    pub beside: u64,
}

/// Measures it: four connections that ask all the time, and a new one for a single question every
/// 20 ms.
///
/// # Errors
/// [`Failure`] when anything did not add up.
pub fn goodput_under_flood() -> Result<Goodput, Failure> {
    Ok(Goodput { without: bytes(0)?, beside: bytes(RATE)? })
}

fn bytes(rate: u32) -> Result<u64, Failure> {
    let mut world = World::new(1, scenario());
    if rate > 0 {
        let flooder = Flooder::new(&world.network, ROUTER, rate);
        world.strangers.push(Stranger::Flood(flooder));
    }
    match world.run(Instant::ZERO + SPAN, |_| false) {
        Ok(_) => Ok(world.hosts[1].app.delivered),
        Err(what) => Err(Failure::of(1, &world, what)),
    }
}

fn scenario() -> Scenario {
    let mut prng = base::Prng::new(3);
    let delay = Duration::from_millis(1);
    // A hundred megabits a second.
    let weather = Weather::default();
    let line = Line { delay, nanos_per_byte: 80, queue: 500, uncut: false, weather };
    let hosts = [1, 2].map(|number| {
        let mut config = config(number, &mut prng);
        let gateway = Some(address(ROUTER, false));
        let prefix = "0.0.0.0".parse().unwrap_or(address(0, false));
        config.routes.push(Route { prefix, length: 0, gateway });
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    });
    let long = (0..4).map(|number| call(Duration::from_millis(number * 7), 1_000));
    let short = (0..100).map(|number| call(Duration::from_millis(number * 20), 1));
    Scenario {
        hosts: hosts.into_iter().collect(),
        calls: long.chain(short).collect(),
        calm_at: Instant::ZERO + SPAN,
        jumps: Vec::new(),
        odd_peers: Vec::new(),
        tight: false,
    }
}

fn call(after: Duration, rounds: u32) -> Call {
    let round = |salt| Round { salt, up: 300, down: 5_000, sip: 0, pause: 0, last: false };
    let rounds = (0..rounds).map(round).collect();
    let plan = Plan { rounds, rest: 0, closer: Closer::Client };
    Call { at: Instant::ZERO + after, client: 1, server: 1, ipv6: false, plan }
}
