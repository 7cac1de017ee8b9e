//! The handler's timer of a sleeping connection, in the 16 bits that its record has for it: seconds
//! up to 9 hours ahead, then units of 64 seconds. Invariant: what comes out is never before what
//! went in, but for times more than 24 days ahead, which come to 24 days.

use core::time::Duration;

use base::Instant;

/// No timer.
const NONE: u16 = 0;
/// Set: the other 15 bits count units of 64 seconds, else of one.
const COARSE: u16 = 1 << 15;
const MASK: u16 = COARSE - 1;
const COARSE_S: u64 = 64;
/// A distance of this many units or more is one of the past: a timer that has run out is looked at
/// within a pass, so the past needs little of the circle.
const PAST_FROM: u64 = MASK as u64 + 1 - 512;
/// The furthest ahead, in units.
const AHEAD_MAX: u64 = PAST_FROM - 1;

/// A time in 16 bits, rounded up to its unit.
pub(super) fn encode(now: Instant, at: Option<Instant>) -> u16 {
    let Some(at) = at else { return NONE };
    let fine = unit(now, at, 1);
    if fine.ahead <= AHEAD_MAX {
        // Zero stands for no timer: a second later then.
        return fine.place.max(1);
    }
    COARSE | unit(now, at, COARSE_S).place
}

struct InUnits {
    ahead: u64,
    place: u16,
}

/// `at` in units of `unit` seconds: how many ahead of `now` at most, and where on the circle.
fn unit(now: Instant, at: Instant, unit: u64) -> InUnits {
    let size = unit * 1_000_000_000;
    let current = now.as_nanos() / size;
    let ahead = at.as_nanos().div_ceil(size).saturating_sub(current);
    // Masked to 15 bits.
    let place = ((current + ahead.min(AHEAD_MAX)) & u64::from(MASK)) as u16;
    InUnits { ahead, place }
}

/// The time again, when it was encoded less than 24 days ago; one that has passed gives `now`.
pub(crate) fn decode(now: Instant, timer: u16) -> Option<Instant> {
    if timer == NONE {
        return None;
    }
    let size = if timer & COARSE == 0 { 1 } else { COARSE_S };
    let current = now.as_nanos() / (size * 1_000_000_000);
    let ahead = u64::from(timer & MASK).wrapping_sub(current) & u64::from(MASK);
    if ahead == 0 || ahead >= PAST_FROM {
        return Some(now);
    }
    Some(Instant::ZERO + Duration::from_secs((current + ahead) * size))
}

/// Whether it has run out.
pub(super) fn is_due(now: Instant, timer: u16) -> bool {
    decode(now, timer).is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use base::Instant;

    use super::{decode, encode, is_due};

    #[test]
    fn comes_back_rounded_up_and_never_early() {
        for start in [0, 1, 32_767, 32_768, 1_000_000, 40_000_000] {
            let now = Instant::from_millis(start * 1_000 + 300);
            for seconds in [0, 1, 60, 3_600, 32_000, 33_000, 86_400, 2_000_000] {
                let at = now + Duration::from_secs(seconds);
                let timer = encode(now, Some(at));
                let unit = Duration::from_secs(if seconds < 32_256 { 2 } else { 65 });
                let decoded = decode(now, timer).unwrap();
                assert!(decoded >= at && decoded < at + unit, "{start} {seconds} {decoded:?}");
                assert!(seconds == 0 || !is_due(now, timer), "{start} {seconds}");
                for late in [0, 5, 300] {
                    assert!(is_due(decoded + Duration::from_secs(late), timer));
                }
            }
            assert_eq!(decode(now, encode(now, None)), None);
        }
    }

    #[test]
    fn the_far_future_is_24_days_ahead() {
        let now = Instant::from_millis(1);
        let at = decode(now, encode(now, Some(Instant::NEVER))).unwrap();
        assert!((23..25).contains(&(at.as_millis() / 86_400_000)));
    }
}
