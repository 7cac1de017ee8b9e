//! How fast one connection is over a path that loses segments at random, beside what the model of its
//! congestion control says: RFC 9438 sections 4.3 and 5.1.

use std::fmt::Write;
use std::time::Duration;

use base::{Instant, Prng};

use crate::Failure;
use crate::host::config;
use crate::network::{Line, Weather};
use crate::scenario::{Call, HostPlan, Scenario};
use crate::talk::{Closer, Plan, Round};
use crate::world::World;

/// Losses, in parts per million of the segments with data.
const LOSSES: [u32; 3] = [1_000, 10_000, 30_000];
/// Round-trip times in milliseconds.
const ROUND_TRIPS_MS: [u32; 2] = [20, 100];
/// Round trips that are measured, after half as many that are not: windows are to have met many
/// losses.
const ROUND_TRIPS: u32 = 1_000;
/// Runs, each with losses of its own, of which the mean is taken.
const RUNS: u64 = 2;
/// Bytes of payload in a full segment with timestamps.
const PAYLOAD: f64 = 1_448.0;

/// One path, measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Throughput {
    /// Parts per million of the segments that are lost.
    pub loss: u32,
    /// Round-trip time in milliseconds, without waiting.
    pub round_trip_ms: u32,
    /// What the model says, in bits of payload a second.
    pub model: f64,
    /// What arrived, in bits of payload a second.
    pub measured: f64,
}

/// Measures every path of the table.
///
/// # Errors
/// [`Failure`] when anything did not add up.
pub fn throughput_under_loss() -> Result<Vec<Throughput>, Failure> {
    let mut rows = Vec::new();
    for loss in LOSSES {
        for round_trip_ms in ROUND_TRIPS_MS {
            let mut measured = 0.0;
            for seed in 0..RUNS {
                measured += measure(seed, loss, round_trip_ms)? / RUNS as f64;
            }
            rows.push(Throughput {
                loss,
                round_trip_ms,
                model: model(loss, round_trip_ms),
                measured,
            });
        }
    }
    Ok(rows)
}

/// The rows as the table of docs/sim.md.
#[must_use]
pub fn throughput_table(rows: &[Throughput]) -> String {
    let mut table = String::from(
        "| loss | round trip | model, Mbit/s | measured, Mbit/s | measured / model |\n\
         | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let (loss, ratio) = (f64::from(row.loss) / 10_000.0, row.measured / row.model);
        let (model, measured) = (row.model / 1e6, row.measured / 1e6);
        let time = row.round_trip_ms;
        // Writing to a String does not fail.
        let _ =
            writeln!(table, "| {loss} % | {time} ms | {model:.2} | {measured:.2} | {ratio:.2} |");
    }
    table
}

/// Bits a second by the average window of the model: CUBIC's own or, where that is larger, the one
/// of its Reno-friendly region.
fn model(loss: u32, round_trip_ms: u32) -> f64 {
    let (p, time) = (f64::from(loss) / 1e6, f64::from(round_trip_ms) / 1e3);
    let (c, beta) = (0.4_f64, 0.7_f64);
    // Section 5.1.
    let quarter = c * (3.0 + beta) / (4.0 * (1.0 - beta));
    let cubic = quarter.sqrt().sqrt() * (time / p).powi(3).sqrt().sqrt();
    // Section 4.3, with alpha_cubic = 3 (1 - beta) / (1 + beta).
    let alpha = 3.0 * (1.0 - beta) / (1.0 + beta);
    let reno = (alpha * (1.0 + beta) / (2.0 * (1.0 - beta) * p)).sqrt();
    cubic.max(reno) * PAYLOAD * 8.0 / time
}

fn measure(seed: u64, loss: u32, round_trip_ms: u32) -> Result<f64, Failure> {
    let time = Duration::from_millis(round_trip_ms.into());
    let mut world = World::new(seed, scenario(loss, time));
    let start = Instant::ZERO + time * (ROUND_TRIPS / 2);
    let span = time * ROUND_TRIPS;
    let mut delivered = |until| match world.run(until, |_| false) {
        Ok(_) => Ok(world.hosts[1].app.delivered),
        Err(what) => Err(Failure::of(seed, &world, what)),
    };
    let before = delivered(start)?;
    let bytes = delivered(start + span)? - before;
    Ok(bytes as f64 * 8.0 / span.as_secs_f64())
}

fn scenario(loss: u32, round_trip: Duration) -> Scenario {
    let mut prng = Prng::new(u64::from(loss));
    let mut host = |number, loss| {
        let weather = Weather { loss, ..Weather::default() };
        // A gigabit a second, so that the windows alone set the pace.
        let delay = round_trip / 2;
        let line = Line { delay, nanos_per_byte: 8, queue: 2_000, uncut: false, weather };
        let config = config(number, &mut prng);
        HostPlan { number, config, line, ahead: Duration::ZERO, ports: 1_000, slow: 0 }
    };
    let round = Round { salt: 1, up: 0, down: u32::MAX, sip: 0, pause: 0, last: false };
    let plan = Plan { rounds: vec![round], rest: 0, closer: Closer::Client };
    Scenario {
        hosts: [(1, loss), (2, 0)].map(|(number, loss)| host(number, loss)).into_iter().collect(),
        calls: vec![Call { at: Instant::ZERO, client: 1, server: 1, ipv6: false, plan }],
        calm_at: Instant::NEVER,
        jumps: Vec::new(),
        odd_peers: Vec::new(),
        tight: false,
    }
}
