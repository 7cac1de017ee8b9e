//! HyStart++, RFC 9406: slow start ends when round trips become longer, before the queue that makes
//! them longer overflows. Invariant: only a connection's first slow start is watched; one that a
//! loss has ended is followed by the usual kind.

use base::Seq;

use super::Acked;

/// MIN_RTT_THRESH and MAX_RTT_THRESH, microseconds, and MIN_RTT_DIVISOR: RFC 9406 section 4.3.
const THRESHOLD_MIN_US: u32 = 4_000;
const THRESHOLD_MAX_US: u32 = 16_000;
const THRESHOLD_DIVISOR: u32 = 8;
/// N_RTT_SAMPLE.
const SAMPLES: u8 = 8;
/// CSS_GROWTH_DIVISOR.
const CAUTIOUS_DIVISOR: u32 = 4;
/// CSS_ROUNDS.
const CAUTIOUS_ROUNDS: u8 = 5;

/// What a slow start has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    /// windowEnd: with its acknowledgment a round is over. None before the first.
    round_end: Option<Seq>,
    /// lastRoundMinRTT and currentRoundMinRTT, microseconds; `u32::MAX` while unknown.
    last_min: u32,
    current_min: u32,
    /// rttSampleCount.
    samples: u8,
    /// In conservative slow start: cssBaselineMinRtt, and the rounds it has lasted.
    cautious: Option<(u32, u8)>,
}

/// What slow start does with an acknowledgment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// Grow by this many bytes.
    Grow(u32),
    /// It has been cautious for long enough: congestion avoidance from here.
    Leave,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            round_end: None,
            last_min: u32::MAX,
            current_min: u32::MAX,
            samples: 0,
            cautious: None,
        }
    }

    /// `bytes` were acknowledged in slow start: RFC 9406 section 4.2.
    pub(super) fn acknowledged(&mut self, bytes: u32, acked: &Acked) -> Pace {
        let over = self.round_end.is_none_or(|end| end.at_or_before(acked.una));
        if over && self.begin_round(acked.next) {
            return Pace::Leave;
        }
        if acked.rtt > 0 {
            self.current_min = self.current_min.min(acked.rtt);
            self.samples = self.samples.saturating_add(1);
        }
        self.judge();
        Pace::Grow(if self.cautious.is_some() { bytes / CAUTIOUS_DIVISOR } else { bytes })
    }

    /// A round begins. True when slow start has been cautious for all the rounds that it may be.
    const fn begin_round(&mut self, next: Seq) -> bool {
        self.round_end = Some(next);
        self.last_min = self.current_min;
        self.current_min = u32::MAX;
        self.samples = 0;
        match &mut self.cautious {
            Some((_, rounds)) => {
                *rounds += 1;
                *rounds >= CAUTIOUS_ROUNDS
            }
            None => false,
        }
    }

    fn judge(&mut self) {
        if self.samples < SAMPLES {
            return;
        }
        if let Some((baseline, _)) = self.cautious {
            if self.current_min < baseline {
                // It was no queue.
                self.cautious = None;
            }
            return;
        }
        if self.last_min == u32::MAX {
            return;
        }
        let threshold =
            (self.last_min / THRESHOLD_DIVISOR).clamp(THRESHOLD_MIN_US, THRESHOLD_MAX_US);
        if self.current_min >= self.last_min.saturating_add(threshold) {
            self.cautious = Some((self.current_min, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{Instant, Seq};

    use super::{Acked, HyStart, Pace, SAMPLES};

    /// A round of eight acknowledgments with this round trip, microseconds; gives what the last one
    /// lets the window grow by.
    fn round(hystart: &mut HyStart, number: u32, rtt: u32) -> Pace {
        let mut pace = Pace::Leave;
        for _ in 0..SAMPLES {
            let (una, next) = (Seq(number * 10 + 1), Seq(number * 10 + 11));
            let (now, smoothed) = (Instant::from_millis(1), 100_000);
            pace =
                hystart.acknowledged(1_000, &Acked { bytes: 1_000, now, smoothed, rtt, una, next });
        }
        pace
    }

    const ALL: Pace = Pace::Grow(1_000);
    const SOME: Pace = Pace::Grow(250);

    #[test]
    fn an_eighth_more_than_the_round_before_is_a_queue() {
        let mut hystart = HyStart::new();
        assert_eq!(round(&mut hystart, 0, 100_000), ALL);
        assert_eq!(round(&mut hystart, 1, 112_499), ALL);
        let mut hystart = HyStart::new();
        assert_eq!(round(&mut hystart, 0, 100_000), ALL);
        assert_eq!(round(&mut hystart, 1, 112_500), SOME);
    }

    #[test]
    fn round_trips_that_become_shorter_again_were_no_queue() {
        let mut hystart = HyStart::new();
        round(&mut hystart, 0, 100_000);
        assert_eq!(round(&mut hystart, 1, 120_000), SOME);
        assert_eq!(round(&mut hystart, 2, 120_000), SOME, "no shorter");
        assert_eq!(round(&mut hystart, 3, 130_000), SOME, "longer");
        assert_eq!(round(&mut hystart, 4, 119_999), ALL);
        assert_eq!(round(&mut hystart, 5, 119_999), ALL);
    }

    #[test]
    fn a_round_trip_that_is_not_known_is_no_sample() {
        let mut hystart = HyStart::new();
        round(&mut hystart, 0, 100_000);
        assert_eq!(round(&mut hystart, 1, 0), ALL);
        // None of the round before, so there is nothing to compare with.
        assert_eq!(round(&mut hystart, 2, 500_000), ALL);
        assert_eq!(round(&mut hystart, 3, 600_000), SOME);
    }
}
