//! How long it is until a time: what the kernel has to be told for a sleep. The only place in the
//! engines where a clock is read, for waiting and nothing else, and the reason why the times they are handed have to be the
//! kernel's `CLOCK_MONOTONIC`.

use std::time::Duration;

use base::Instant;
use rustix::time::{ClockId, clock_gettime};

/// The time on the clock that the engines are driven by.
pub(crate) fn now() -> Instant {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock starts at boot and does not run backwards.
    Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// The time from now to `time`; zero when it has passed.
pub(crate) fn until(time: Instant) -> Duration {
    time.since(now())
}
