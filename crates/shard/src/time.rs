//! Reads the kernel's clocks: the one place where crore does.

use std::time::Duration;

use app::Clock;
use base::Instant;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How old the offset between the two clocks may get while there is work. The kernel slews its
/// wall clock by at most 0.5 ms a second, so a `Date` or a log line is never visibly wrong.
const CORRECT_EVERY: Duration = Duration::from_secs(1);

/// The kernel's `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Instant {
    let nanos = u64::try_from(since_zero(clock_gettime(ClockId::Monotonic)).as_nanos());
    Instant::from_nanos(nanos.unwrap_or(u64::MAX))
}

/// A clock that is right now.
#[must_use]
pub fn clock() -> Clock {
    Clock::new(unix_at_zero(now()))
}

/// The time since the Unix epoch at [`Instant::ZERO`], as things are at `now`.
fn unix_at_zero(now: Instant) -> Duration {
    since_zero(clock_gettime(ClockId::Realtime))
        .saturating_sub(Duration::from_nanos(now.as_nanos()))
}

fn since_zero(time: Timespec) -> Duration {
    // The kernel gives 0 ≤ tv_nsec < 10^9; a date before 1970 counts as 1970.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Remembers when a clock was last corrected.
#[derive(Debug, Default)]
pub(crate) struct Corrector {
    last: Instant,
}

impl Corrector {
    /// Corrects `clock` if that is due. Costs a comparison if it is not, and an idle shard is
    /// never woken for it.
    pub(crate) fn correct(&mut self, clock: &Clock, now: Instant) {
        if now.since(self.last) >= CORRECT_EVERY {
            self.last = now;
            clock.correct(unix_at_zero(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Corrector, clock, now};
    use app::Clock;
    use base::Instant;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[test]
    fn the_clock_agrees_with_the_system() {
        let clock = clock();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ours = clock.unix(now());
        assert!(ours.abs_diff(before) < Duration::from_secs(60));
    }

    #[test]
    fn a_wrong_clock_is_corrected_and_not_more_often_than_needed() {
        let clock = Clock::default();
        let mut corrector = Corrector::default();
        let start = now();
        corrector.correct(&clock, start);
        assert!(clock.unix(start) > Duration::from_secs(1_600_000_000));
        clock.correct(Duration::ZERO);
        corrector.correct(&clock, start + Duration::from_millis(900));
        assert_eq!(clock.unix(Instant::ZERO), Duration::ZERO);
        corrector.correct(&clock, start + Duration::from_millis(1_000));
        assert!(clock.unix(start) > Duration::from_secs(1_600_000_000));
    }
}
