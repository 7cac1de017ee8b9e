//! A world made from one number: stacks with their handlers, a network between them that loses,
//! repeats, damages, delays and reorders frames, somebody who forges some, hosts that are short of
//! everything, slow, and have clocks that jump; all in virtual time, in one thread.
//!
//! After every turn of every stack all has to add up ([`stack::Native::audit`]: frames and buffers,
//! records and flow table, sequence numbers), every byte a handler is given has to be the one that
//! was sent, and when the faults stop everything has to finish and nothing be left.
//!
//! | file | what |
//! | --- | --- |
//! | `scenario` | what a seed stands for |
//! | `world` | the loop over virtual time |
//! | `host`, `talk` | a stack, its clock, and what its handler says and expects |
//! | `network`, `attacker`, `odd_peer`, `stranger` | what a stack has to bear |
//! | `flood`, `throughput` | two worlds that are measured |
//! | `trace` | what happened, as a number and for reading |
//!
//! Invariant: the same seed gives the same [`Summary`], its hash included, on every machine.

#![forbid(unsafe_code)]

mod attacker;
mod craft;
mod flood;
mod host;
mod network;
mod odd_peer;
mod scenario;
mod stranger;
mod talk;
#[cfg(test)]
mod tests;
mod throughput;
mod trace;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use base::Instant;
pub use flood::{Goodput, goodput_under_flood};
use scenario::Scenario;
use stack::Reason;
pub use throughput::{Throughput, throughput_table, throughput_under_loss};
use trace::{Fate, Trace};
use world::World;

/// What a simulation came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Of every frame sent, when, and what became of it.
    pub hash: u64,
    /// Connections that lived and died.
    pub connections: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes handed to handlers, each compared with what was sent.
    pub bytes: u64,
    /// How long it took in virtual time.
    pub span: Duration,
    /// What there was to bear.
    pub troubles: Troubles,
}

/// What went wrong in a world in which everything ended well. Frames, or segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Troubles {
    /// Lost on their way.
    pub lost: u64,
    /// With a bit flipped.
    pub damaged: u64,
    /// Forged by somebody who listens.
    pub forged: u64,
    /// Lost in a full queue.
    pub crowded: u64,
    /// Dropped by a stack because of a checksum.
    pub checksums: u64,
    /// Dropped by a stack that had no working block, no buffer or no packet buffer.
    pub starved: u64,
    /// Not taken by the connection they were for.
    pub refused: u64,
}

/// A simulation in which something went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Repeats it.
    pub seed: u64,
    /// When, after the start.
    pub at: Duration,
    /// What.
    pub what: String,
    /// The last frames before, a line each.
    pub frames: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.frames {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}: after {:?}: {}", self.seed, self.at, self.what)?;
        write!(f, "to see it again: cargo xtask sim --seed {}", self.seed)
    }
}

impl std::error::Error for Failure {}

/// Lets the world of a seed live from its first connection to its last.
///
/// # Errors
/// [`Failure`] when anything did not add up, or the stack panicked.
pub fn simulate(seed: u64) -> Result<Summary, Failure> {
    let scenario = Scenario::new(seed);
    let calm_at = scenario.calm_at;
    let mut world = World::new(seed, scenario);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live(calm_at)));
    let what = match lived {
        Ok(Ok(())) => return Ok(summary(&world)),
        Ok(Err(what)) => what,
        Err(panic) => panic_message(panic.as_ref()),
    };
    let failure = Failure::of(seed, &world, what);
    // A stack that panicked may not be able to give back what it holds.
    std::mem::forget(world);
    Err(failure)
}

impl Failure {
    pub(crate) fn of(seed: u64, world: &World, what: String) -> Self {
        let network = world.network.try_borrow();
        let frames = network.map_or_else(|_| Vec::new(), |network| network.trace.lines());
        Self { seed, at: world.now - Instant::ZERO, what, frames }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

fn summary(world: &World) -> Summary {
    let network = world.network.borrow();
    Summary {
        hash: network.trace.hash(),
        connections: world.begun,
        frames: network.frames,
        bytes: world.hosts.iter().map(|host| host.app.delivered).sum(),
        span: world.now - Instant::ZERO,
        troubles: troubles(world, &network.trace),
    }
}

fn troubles(world: &World, trace: &Trace) -> Troubles {
    let dropped = |reasons: &[Reason]| {
        let of_host =
            |host: &host::Host| -> u64 { reasons.iter().map(|&reason| host.dropped(reason)).sum() };
        world.hosts.iter().map(of_host).sum()
    };
    Troubles {
        lost: trace.count(Fate::Lost),
        damaged: trace.count(Fate::Corrupted),
        forged: trace.count(Fate::Forged),
        crowded: trace.count(Fate::Crowded),
        checksums: dropped(&[Reason::Checksum]),
        starved: dropped(&[Reason::NoWorkingBlock, Reason::NoBuffer, Reason::NoFrame]),
        refused: dropped(&[Reason::Refused]),
    }
}
