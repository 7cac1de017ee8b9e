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
