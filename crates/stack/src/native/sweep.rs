//! How fast the walk over all records goes: [`Sweep`]. Invariant: a pass over any number of them
//! takes [`PASS`] at most, if turns come when they are due.

use core::time::Duration;

use base::Instant;

/// How long one pass may take: what the timers of sleeping connections can be late. Ten million
/// records in this time cost less than a hundredth of a core.
const PASS: Duration = Duration::from_secs(16);
/// Records looked at in one go at most.
pub(super) const RECORDS_A_LOOK: u32 = 8192;
/// Records looked at in one go at least: a small table is passed over in less time.
const RECORDS_A_LOOK_MIN: u32 = 1024;
/// Time between two looks at most.
const LOOK: Duration = Duration::from_millis(250);

/// A walk over all records that never ends.
pub(super) struct Sweep {
    /// Where it goes on.
    pub(super) next_slot: u32,
    last: Instant,
}

impl Sweep {
    pub(super) const fn new(now: Instant) -> Self {
        Self { next_slot: 0, last: now }
    }

    /// Begins a look, if one is due, at this many of `records` records; 0 when none is due.
    pub(super) fn begin(&mut self, now: Instant, records: u32) -> u32 {
        if now < self.next(records) {
            return 0;
        }
        let share = share(records, now - self.last);
        self.last = now;
        share.clamp(RECORDS_A_LOOK_MIN, RECORDS_A_LOOK)
    }

    /// When the next look is due.
    pub(super) fn next(&self, records: u32) -> Instant {
        // Never so late that more than one look's worth is due.
        let most = PASS.saturating_mul(RECORDS_A_LOOK) / records.max(1);
        self.last + most.min(LOOK)
    }
}

/// Records to be looked at in `passed` for a pass to take as long as it may, rounded up.
fn share(records: u32, passed: Duration) -> u32 {
    let share = (u128::from(records) * passed.as_nanos()).div_ceil(PASS.as_nanos());
    u32::try_from(share).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use base::Instant;

    use super::{PASS, Sweep};

    #[test]
    fn a_pass_over_any_number_is_in_time() {
        for records in [1, 1_000, 100_000, 10_000_000, 100_000_000] {
            let start = Instant::from_millis(5_000);
            let (mut sweep, mut now, mut seen) = (Sweep::new(start), start, 0);
            while seen < u64::from(records) {
                now = sweep.next(records);
                seen += u64::from(sweep.begin(now, records));
            }
            assert!(
                now - start <= PASS + Duration::from_millis(250),
                "{records}: {:?}",
                now - start
            );
        }
    }

    #[test]
    fn nothing_is_looked_at_before_it_is_due() {
        let mut sweep = Sweep::new(Instant::ZERO);
        assert_eq!(sweep.begin(Instant::from_millis(100), 1_000), 0);
        assert!(sweep.begin(Instant::from_millis(300), 1_000) > 0);
        assert_eq!(sweep.begin(Instant::from_millis(400), 1_000), 0);
    }
}
