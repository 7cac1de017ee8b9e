//! Who does the work: [`Crew`], shards in this process, or in others where one process may not have
//! enough descriptors. Invariant: whoever it is, the same is told of it, and nobody is left behind
//! when a crew is dropped.

mod job;
mod memory;
mod shards;
mod workers;

pub use job::work;

use std::sync::Arc;

use load::Span;
use serde::{Deserialize, Serialize};

use crate::serve::{Failure, Signals};

use super::machine::Arrangement;
use super::net;

pub use job::Job;
pub use memory::URL as MEMORY_URL;

/// Shards that carry out a plan.
pub trait Crew {
    /// Has all begin the next phase.
    fn begin(&mut self) -> Result<(), Failure>;

    /// What has come about since the last look.
    fn look(&mut self) -> Result<Look, Failure>;

    /// Has all end the phase that is under way.
    fn stop(&mut self) -> Result<(), Failure>;

    /// What carries the connections, for a person.
    fn engine(&self) -> String;
}

/// What has come about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Look {
    /// What was counted since.
    pub spans: Vec<Span>,
    /// Phases that all shards are done with.
    pub done: u64,
    /// Connections open, and how many of them are idle ones.
    pub open: u64,
    /// Of those, idle ones.
    pub idle: u64,
    /// The sum of what each shard had open at most in this phase.
    pub peak: u64,
    /// Measured time of the last phase, in nanoseconds.
    pub time: u64,
    /// What carries the connections.
    pub engine: String,
    /// Why the first of those that could not be made secure could not.
    pub insecure: Option<String>,
}

/// Puts a crew together.
///
/// # Errors
/// When a shard or a process cannot be started.
pub fn assemble(
    job: Job,
    arrangement: Arrangement,
    place: &net::Place,
    signals: &Arc<Signals>,
) -> Result<Box<dyn Crew>, Failure> {
    match arrangement {
        Arrangement::Here => Ok(Box::new(shards::Shards::start(job, place, signals)?)),
        Arrangement::Memory => Ok(Box::new(memory::Memory::start(job)?)),
        Arrangement::Workers(count) => Ok(Box::new(workers::Workers::start(job, count)?)),
    }
}
