//! What ends an engine's sleep from another thread: [`Alarm`]. Invariant: while a ring has not been
//! noticed, an event is waiting in the kernel, so the engine does not stay asleep.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Ends the [`park`](app::Engine::park) of one engine, from any thread. Clones are the same alarm.
///
/// The order is: leave the message where the shard looks for it, then ring. The engine clears the
/// alarm in its [`turn`](app::Engine::turn) and the shard looks for messages after that, so none is
/// overlooked.
#[derive(Clone, Debug)]
pub struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Watched edge-triggered and therefore never read: every write is an event of its own.
    event: OwnedFd,
    /// Whether somebody rang since the engine last took notice. Saves the write for all but the first.
    rung: AtomicBool,
}

impl Alarm {
    /// An alarm nobody has rung.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { event, rung: AtomicBool::new(false) }) })
    }

    /// Wakes the engine, or keeps it from falling asleep the next time. Costs one atomic operation
    /// while an earlier ring has not been noticed yet, else one system call.
    pub fn ring(&self) {
        if !self.shared.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the count is at its maximum of 2^64 - 2: out of reach.
            let _ = rustix::io::write(&self.shared.event, &1u64.to_ne_bytes());
        }
    }

    /// For the engine, when it has taken notice of the event: whoever rings from now on makes
    /// another.
    pub(crate) fn clear(&self) {
        self.shared.rung.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }
}
