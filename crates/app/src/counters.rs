//! What an engine counts. Invariant: one thread writes a counter, any thread may read it.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that its one writer raises and lowers and anyone reads. Costs the writer a plain load
/// and store; a reader sees each value whole, some time later.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The value last written, as far as this thread has seen.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds `count`. Only the one thread that owns the counter may call this.
    pub fn add(&self, count: u64) {
        // Not fetch_add: with a single writer a load and a store are enough, and cost no lock.
        self.0.store(self.get().wrapping_add(count), Ordering::Relaxed);
    }

    /// Writes a level instead of a sum. Only the one thread that owns the counter may call this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What every engine counts, for one shard.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections open now.
    pub connections: Counter,
    /// Connections accepted since the start.
    pub accepted: Counter,
    /// Connections opened by this side since the start.
    pub opened: Counter,
    /// Connections that were to be opened by this side and were not made.
    pub undialled: Counter,
    /// Connections refused because the limit was reached, or descriptors or memory ran out.
    pub refused_full: Counter,
    /// Connections refused because their client holds as many as it may.
    pub refused_client: Counter,
    /// Idle connections that made way for a new one.
    pub evicted: Counter,
    /// Connections that the peer reset or that vanished.
    pub reset: Counter,
    /// Connections ended because a source was shorter than it was said to be.
    pub short_sources: Counter,
    /// Connections ended because they held more unconsumed bytes than they may.
    pub overflowed: Counter,
    /// Times an accept failed for want of descriptors or memory, or because the listening socket was
    /// shut down by who shares it.
    pub accept_failures: Counter,
    /// Bytes received.
    pub bytes_in: Counter,
    /// Bytes sent.
    pub bytes_out: Counter,
    /// Turns of the loop that found work.
    pub turns: Counter,
    /// Nanoseconds that those turns took. Unlike the time on a processor it leaves out what is spent
    /// looking for work in vain.
    pub busy: Counter,
    /// Wakes delivered.
    pub wakes: Counter,
    /// Bytes of memory that the engine holds for connections now: records, tables, held input and
    /// output that is leaving.
    pub memory: Counter,
}
