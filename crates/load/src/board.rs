//! What a shard tells while it runs: [`Board`], and what it is told: [`Orders`]. Invariant: one shard
//! writes a board, anyone reads it; a shard never waits for a reader but for the moment of a swap.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use app::Counter;
use serde::{Deserialize, Serialize};

use crate::{Packed, Tally};

/// What a shard tells.
#[derive(Debug, Default)]
pub struct Board {
    /// Connections open, of whatever kind.
    pub open: Counter,
    /// Of those, how many are idle ones ([`Phase::idle`](crate::Phase::idle)).
    pub idle: Counter,
    /// The most connections that were open at once in this phase.
    pub peak: Counter,
    /// Measured time of the phase that was over last, in nanoseconds.
    pub time: Counter,
    /// Phases that are over.
    pub done: Counter,
    spans: Mutex<Vec<Span>>,
}

/// What was counted in one span of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Which phase.
    pub phase: u32,
    /// Which span of the phase's measured time, counted from 0; `None`: of its warm-up.
    pub index: Option<u32>,
    /// What was counted.
    pub tally: Tally<Packed>,
}

impl Board {
    /// Takes the spans that are over.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn put(&self, span: Span) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

/// What shards are told.
#[derive(Debug, Default)]
pub struct Orders {
    /// How many phases have been begun.
    begun: AtomicU32,
    stop: AtomicBool,
}

impl Orders {
    /// Has all shards begin the next phase.
    pub fn begin_next(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    /// Has all shards end their phase now, and begin no other.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether they were told to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Acquire)
    }
}
