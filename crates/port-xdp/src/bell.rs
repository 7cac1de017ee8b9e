//! What ends a port's sleep from another thread: [`Bell`]. Invariant: a ring that has not been
//! noticed keeps the port from sleeping.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes the one thread that waits with a port. Clones are the same bell.
#[derive(Clone, Debug)]
pub struct Bell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    event: OwnedFd,
    /// Whether somebody rang since the port last took notice.
    rung: AtomicBool,
}

impl Bell {
    /// A bell nobody has rung.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { shared: Arc::new(Shared { event, rung: AtomicBool::new(false) }) })
    }

    /// Ends the port's wait, or keeps the next one from beginning. One system call at most.
    pub fn ring(&self) {
        if !self.shared.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the count is at its maximum of 2^64 - 2: out of reach.
            let _ = rustix::io::write(&self.shared.event, &1_u64.to_ne_bytes());
        }
    }

    /// Whether somebody rang and it has not been noticed.
    pub(crate) fn is_rung(&self) -> bool {
        self.shared.rung.load(Ordering::Acquire)
    }

    /// Takes notice: whoever rings from now on ends the next wait.
    pub(crate) fn clear(&self) {
        // Emptied first: whoever rings after the store writes again.
        let _ = rustix::io::read(&self.shared.event, &mut [0; 8]);
        self.shared.rung.store(false, Ordering::Release);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }
}
