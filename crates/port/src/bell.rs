//! What a thread sleeps by while it waits for frames: [`Bell`]. Invariant: after [`Bell::ring`] the
//! next sleep ends at once if none was under way; a frame published before [`Bell::nudge`] is
//! either seen by the sleeper's last look or ends its sleep.

use alloc::sync::Arc;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use base::Instant;
use rustix::thread::futex;

/// Nobody sleeps.
const AWAKE: u32 = 0;
/// The sleeper has taken its last look, or is about to.
const ASLEEP: u32 = 1;
/// Somebody rang, and the sleeper has not noticed.
const RUNG: u32 = 2;

/// Wakes the one thread that sleeps by it. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<AtomicU32>);

impl Bell {
    /// Ends the sleep, or keeps the next one from starting. Costs a system call only when somebody
    /// sleeps.
    pub fn ring(&self) {
        if self.0.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            // Fails only for addresses that are not mapped.
            let _ = futex::wake(&self.0, futex::Flags::PRIVATE, 1);
        }
    }

    /// Ends the sleep, if one is under way, of somebody who looks for frames before sleeping.
    /// Cheap while it is awake: the bell is only read, so its cache line stays shared.
    pub fn nudge(&self) {
        // Pairs with the fence in `sleep`: one of the two sees what the other did before its own.
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == ASLEEP {
            self.ring();
        }
    }

    /// Sleeps until somebody rings or `until` has come, unless `ready` says after all that there
    /// is something to do. Only one thread may sleep by a bell.
    pub fn sleep(&self, until: Option<Instant>, ready: impl FnOnce() -> bool) {
        let free = self.0.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        fence(Ordering::SeqCst);
        if free.is_ok() && !ready() {
            self.wait(until);
        }
        self.0.store(AWAKE, Ordering::Release);
    }

    /// Waits in the kernel until the bell is rung. `until` is absolute, so no clock is read here.
    fn wait(&self, until: Option<Instant>) {
        let until = until.filter(|&until| until != Instant::NEVER).map(|until| futex::Timespec {
            // 2^64 ns are 2^34 s.
            tv_sec: (until.as_nanos() / 1_000_000_000) as i64,
            tv_nsec: (until.as_nanos() % 1_000_000_000) as i64,
        });
        let any = NonZeroU32::MAX;
        while self.0.load(Ordering::Acquire) == ASLEEP {
            let flags = futex::Flags::PRIVATE;
            let woken = futex::wait_bitset(&self.0, flags, ASLEEP, until.as_ref(), any);
            if woken == Err(rustix::io::Errno::TIMEDOUT) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use base::Instant;

    use super::Bell;

    #[test]
    fn a_ring_before_the_sleep_ends_it() {
        let bell = Bell::default();
        bell.ring();
        bell.sleep(None, || false);
    }

    #[test]
    fn a_time_that_has_passed_ends_it() {
        let bell = Bell::default();
        bell.sleep(Some(Instant::from_millis(1)), || false);
        bell.sleep(None, || true);
    }

    /// Hangs when a nudge is lost.
    #[test]
    fn every_value_published_is_noticed() {
        let bell = Bell::default();
        let published = Arc::new(AtomicU32::new(0));
        let noticed = Arc::new(AtomicU32::new(0));
        let count = 2_000;
        let publisher = {
            let (bell, published, noticed) = (bell.clone(), published.clone(), noticed.clone());
            thread::spawn(move || {
                for number in 1..=count {
                    published.store(number, Ordering::Release);
                    bell.nudge();
                    while noticed.load(Ordering::Acquire) < number {
                        thread::yield_now();
                    }
                }
            })
        };
        let mut seen = 0;
        while seen < count {
            bell.sleep(None, || published.load(Ordering::Acquire) != seen);
            seen = published.load(Ordering::Acquire);
            noticed.store(seen, Ordering::Release);
        }
        publisher.join().unwrap();
    }
}
