//! What a thread sleeps by that waits for frames at a descriptor: [`Alarm`]. Invariant: after
//! [`Alarm::ring`] the next [`Alarm::sleep`] ends at once if none was under way.

use alloc::sync::Arc;
use core::time::Duration;

use base::Instant;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

/// Ends the sleep of the one thread that waits at a port's descriptor. Clones are the same alarm.
#[derive(Clone, Debug)]
pub struct Alarm(Arc<OwnedFd>);

impl Alarm {
    /// An alarm that nobody has rung.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> Result<Self, Errno> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(|event| Self(event.into()))
    }

    /// Ends the sleep, or keeps the next one from lasting. Costs a system call: whoever calls knows
    /// that the other sleeps.
    pub fn ring(&self) {
        // Fails only when the count is at its maximum of 2^64 - 2: out of reach.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Sleeps until `descriptor` or `other` can be read, somebody rings, or `until` has come on the
    /// kernel's monotonic clock. A signal may end it early. Says whether it was `other`.
    ///
    /// # Errors
    /// When the kernel refuses to wait for these descriptors.
    pub fn sleep(
        &self,
        descriptor: BorrowedFd<'_>,
        other: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Result<bool, Errno> {
        let timeout = until.filter(|&until| until != Instant::NEVER).map(time_until);
        let entry = |descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN);
        let alarm = self.0.as_fd();
        let mut wanted = [entry(alarm), entry(descriptor), entry(other.unwrap_or(alarm))];
        let count = if other.is_some() { 3 } else { 2 };
        match poll(&mut wanted[..count], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if wanted[0].revents().contains(PollFlags::IN) {
            self.clear();
        }
        Ok(!wanted[2].revents().is_empty())
    }

    /// Takes notice of a ring, for those who wait for the alarm's descriptor themselves, beside
    /// others: whoever rings from now on ends the next wait.
    pub fn clear(&self) {
        // Nothing is left to read when a clone was faster.
        let _ = rustix::io::read(&*self.0, &mut [0; 8]);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The time left until an instant of the monotonic clock; zero when it has passed.
fn time_until(until: Instant) -> Timespec {
    let now = clock_gettime(ClockId::Monotonic);
    // The kernel gives 0 ≤ tv_nsec < 10^9, and a time since boot that is not negative.
    let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
    let left = Duration::from_nanos(until.as_nanos()).saturating_sub(now);
    Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use base::Instant;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fd::AsFd;

    use super::Alarm;

    #[test]
    fn a_ring_ends_one_sleep_before_it_and_during_it() {
        let silent = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let alarm = Alarm::new().unwrap();
        alarm.ring();
        alarm.sleep(silent.as_fd(), None, None).unwrap();
        let ringer = alarm.clone();
        let ringing = thread::spawn(move || ringer.ring());
        alarm.sleep(silent.as_fd(), None, None).unwrap();
        ringing.join().unwrap();
    }

    #[test]
    fn a_descriptor_that_can_be_read_and_a_time_that_has_passed_end_it() {
        let alarm = Alarm::new().unwrap();
        let ready = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        let silent = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert_eq!(alarm.sleep(ready.as_fd(), None, None), Ok(false));
        assert_eq!(alarm.sleep(silent.as_fd(), Some(ready.as_fd()), None), Ok(true));
        let past = Some(Instant::from_millis(1));
        assert_eq!(alarm.sleep(silent.as_fd(), Some(silent.as_fd()), past), Ok(false));
    }
}
