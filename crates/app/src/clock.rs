//! Wall-clock time for those below `shard` who need it (a `Date` header, a log line): [`Clock`].

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use base::Instant;

/// Turns an [`Instant`] into wall-clock time. Whoever drives the engines sets it at the start and
/// corrects it now and then, because the operating system's clock is adjusted while a server runs.
#[derive(Debug, Default)]
pub struct Clock {
    /// Nanoseconds from the Unix epoch to [`Instant::ZERO`].
    offset: AtomicU64,
}

impl Clock {
    /// A clock for which [`Instant::ZERO`] was `unix_at_zero` after the Unix epoch.
    #[must_use]
    pub fn new(unix_at_zero: Duration) -> Self {
        let clock = Self::default();
        clock.correct(unix_at_zero);
        clock
    }

    /// Sets the time at [`Instant::ZERO`] anew.
    pub fn correct(&self, unix_at_zero: Duration) {
        let nanos = u64::try_from(unix_at_zero.as_nanos()).unwrap_or(u64::MAX);
        self.offset.store(nanos, Ordering::Relaxed);
    }

    /// The time since the Unix epoch at `now`.
    #[must_use]
    pub fn unix(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.offset.load(Ordering::Relaxed).saturating_add(now.as_nanos()))
    }
}
