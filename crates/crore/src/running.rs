//! A server that serves: [`Running`], and [`Control`] over it from other threads. Invariant: a
//! `Running` that is gone has left no thread behind.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use app::{Counters, Seen, Wake};
use base::Limits;
use shard::cpu::Cpu;
use shard::{Order, Survey, Wakes, time};
use sock::LocalAddress;
use stack::Vitals;

use crate::Error;
use crate::capture::Writer;
use crate::start::Ready;

/// A server that serves. Dropping it shuts it down.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<LocalAddress>,
    engine: &'static str,
    why: String,
    limits: Limits,
    control: Control,
    shards: Vec<ShardThread>,
    /// Writes what the shards record, until they have ended.
    writer: Option<Writer>,
}

/// One shard of a running server.
#[derive(Debug)]
pub struct ShardThread {
    cpu: Option<Cpu>,
    counters: Arc<Counters>,
    vitals: Option<Arc<Vitals>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

/// Stops a server, from any thread. Clones control the same server.
#[derive(Clone)]
pub struct Control {
    wakes: Wakes,
    draining: Arc<AtomicBool>,
}

impl Running {
    pub(crate) fn new(
        addresses: Vec<LocalAddress>,
        (engine, why): (&'static str, String),
        limits: Limits,
        wakes: Wakes,
    ) -> Self {
        let control = Control { wakes, draining: Arc::default() };
        Self { addresses, engine, why, limits, control, shards: Vec::new(), writer: None }
    }

    pub(crate) fn keep(&mut self, writer: Writer) {
        self.writer = Some(writer);
    }

    pub(crate) fn add(&mut self, shard: ShardThread) {
        self.shards.push(shard);
    }

    /// A shard said that it is ready, and what there is to know of it.
    pub(crate) fn set_ready(&mut self, ready: &Ready) {
        let shard = &mut self.shards[usize::from(ready.index)];
        shard.cpu = ready.cpu;
        shard.vitals = ready.vitals.clone();
    }

    /// Where the server listens, in the order the addresses were given, with the ports that were
    /// really taken.
    #[must_use]
    pub fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// The engine's name: `epoll` or `io_uring`; for our own stack the kind of link it is on, `tap`.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        self.engine
    }

    /// Why it was this engine, or what there is to say about the link.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What all shards together may hold.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The shards.
    #[must_use]
    pub fn shards(&self) -> &[ShardThread] {
        &self.shards
    }

    /// Sends wakes to this server's connections, from any thread.
    #[must_use]
    pub fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(self.control.wakes.clone())
    }

    /// Stops the server from other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// See [`Control::drain`].
    pub fn drain(&self, within: Duration) {
        self.control.drain(within);
    }

    /// See [`Control::shut_down`].
    pub fn shut_down(&self) {
        self.control.shut_down();
    }

    /// Whether a shard has ended, which none does before it is told to, unless it fails;
    /// [`Running::wait`] says why then.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let ended = |shard: &ShardThread| shard.thread.as_ref().is_none_or(JoinHandle::is_finished);
        self.shards.iter().any(ended)
    }

    /// Waits until all shards have ended, which they do when told to or when one fails.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::Panicked`] when a shard failed.
    pub fn wait(mut self) -> Result<(), Error> {
        self.join()
    }

    fn join(&mut self) -> Result<(), Error> {
        let ends: Vec<_> = self.shards.iter_mut().zip(0..).map(|(s, i)| s.join(i)).collect();
        ends.into_iter().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shut_down();
        // Whoever wanted to know of an error has called `wait`.
        let _ = self.join();
    }
}

impl ShardThread {
    pub(crate) const fn new(
        thread: JoinHandle<Result<(), Error>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { cpu: None, counters, vitals: None, thread: Some(thread) }
    }

    /// The CPU it is pinned to, if it is.
    #[must_use]
    pub const fn cpu(&self) -> Option<Cpu> {
        self.cpu
    }

    /// What its engine counts.
    #[must_use]
    pub const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// How our own stack is doing, where it is the engine.
    #[must_use]
    pub const fn vitals(&self) -> Option<&Arc<Vitals>> {
        self.vitals.as_ref()
    }

    fn join(&mut self, shard: u16) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // Panics are caught inside the thread, except for one in the drop of a panic's payload.
        let panicked = |_| Err(Error::Panicked { shard, message: "while it was ending".into() });
        thread.join().unwrap_or_else(panicked)
    }
}

impl Control {
    /// Stops accepting, closes idle connections, and lets every other one finish what it is at.
    /// Those that have not after `within` are cut off. Returns at once; [`Running::wait`] waits.
    ///
    /// Of several drains the one that ends first counts.
    pub fn drain(&self, within: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.wakes.order(Order::Drain { until: time::now() + within });
    }

    /// Shows the connections of every shard, a few at a time, to what `make` makes for it; no shard
    /// stops for that. `see` is called on the shard's thread, has to be quick, and says whether it
    /// wants to see more; it is dropped when there is no more. The kernel's stack shows none.
    pub fn survey(&self, mut make: impl FnMut() -> Box<dyn FnMut(&Seen) -> bool + Send>) {
        self.wakes.survey(|| Survey::new(make()));
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.wakes.shards()
    }

    /// Cuts off every connection and stops. Returns at once; [`Running::wait`] waits.
    pub fn shut_down(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.wakes.order(Order::ShutDown);
    }

    /// Whether the server was told to stop.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("stopping", &self.stopping()).finish_non_exhaustive()
    }
}
