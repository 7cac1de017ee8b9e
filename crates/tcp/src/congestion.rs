//! Congestion control, RFC 5681: the congestion window, by CUBIC or NewReno. Invariant: the window
//! is never below one segment, and grows only while it is what limits the sender (RFC 9438 section
//! 4.2, RFC 5681 section 3.1).

mod cubic;
mod hystart;
mod newreno;

use base::{Instant, Seq};

use crate::config::Algorithm;
use cubic::Cubic;
use hystart::{HyStart, Pace};

/// Largest window, so that no arithmetic on windows overflows.
const WINDOW_MAX: u32 = 1 << 30;

/// The window and how it moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    /// cwnd, bytes.
    window: u32,
    /// ssthresh, bytes.
    threshold: u32,
    /// SMSS, bytes.
    mss: u32,
    /// Bytes acknowledged towards the next step of congestion avoidance.
    counted: u32,
    law: Law,
    /// Watches the first slow start, under CUBIC (RFC 9438 section 4.10).
    first: Option<HyStart>,
}

#[derive(Clone, Copy, Debug)]
enum Law {
    NewReno,
    Cubic(Cubic),
}

/// What an acknowledgment says to congestion control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    /// Bytes newly acknowledged.
    pub(crate) bytes: u32,
    pub(crate) now: Instant,
    /// Smoothed round-trip time in microseconds.
    pub(crate) smoothed: u32,
    /// How long this round trip took, in microseconds; 0 when that is not known.
    pub(crate) rtt: u32,
    /// SND.UNA and SND.NXT.
    pub(crate) una: Seq,
    pub(crate) next: Seq,
}

impl Congestion {
    /// A fresh window: the initial one or, when `cautious`, one segment, as after a loss of the
    /// SYN (RFC 5681 section 3.1).
    pub(crate) fn new(algorithm: Algorithm, mss: u32, cautious: bool) -> Self {
        let law = match algorithm {
            Algorithm::NewReno => Law::NewReno,
            Algorithm::Cubic => Law::Cubic(Cubic::new()),
        };
        let window = if cautious { mss } else { initial_window(mss) };
        let first = matches!(law, Law::Cubic(_)).then_some(const { HyStart::new() });
        Self { window, threshold: WINDOW_MAX, mss, counted: 0, law, first }
    }

    pub(crate) const fn window(&self) -> u32 {
        self.window
    }

    /// ssthresh, bytes.
    pub(crate) const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// ssthresh, once there was a reason to set it.
    pub(crate) const fn reduced_threshold(&self) -> Option<u32> {
        if self.threshold == WINDOW_MAX { None } else { Some(self.threshold) }
    }

    pub(crate) const fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// Whether the window is below what a new connection starts with.
    pub(crate) fn is_below_initial(&self) -> bool {
        self.window < initial_window(self.mss)
    }

    /// Whether the window is above what a new connection starts with.
    pub(crate) fn is_above_initial(&self) -> bool {
        self.window > initial_window(self.mss)
    }

    /// Goes on with another algorithm, from the window there is.
    pub(crate) const fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.law = match algorithm {
            Algorithm::NewReno => Law::NewReno,
            Algorithm::Cubic => Law::Cubic(Cubic::new()),
        };
        self.counted = 0;
    }

    /// The segment size changed.
    pub(crate) fn set_mss(&mut self, mss: u32) {
        self.mss = mss;
        self.window = self.window.max(mss);
    }

    /// New data was acknowledged while the window was what limited the sender.
    pub(crate) fn acknowledged(&mut self, acked: &Acked) {
        //= specs/rfc9293.txt#section-3.8.2
        //# A TCP endpoint MUST implement the basic congestion control algorithms slow start,
        //# congestion avoidance, and exponential backoff of RTO to avoid creating congestion
        //# collapse conditions (MUST-19).
        let mut bytes = acked.bytes;
        if self.in_slow_start() {
            // RFC 5681 section 3.1 by the bytes acknowledged (RFC 3465). Its limit of two segments an
            // acknowledgment would punish peers that acknowledge many segments at once, as those
            // with receive offload do.
            let step = self.slow_start(bytes.min(self.threshold - self.window), acked);
            self.window = (self.window + step).min(WINDOW_MAX);
            bytes = if self.in_slow_start() { 0 } else { bytes.saturating_sub(step) };
        }
        if bytes == 0 {
            return;
        }
        let target = match &mut self.law {
            Law::NewReno => newreno::grow(self.window, &mut self.counted, bytes, self.mss),
            Law::Cubic(cubic) => cubic.grow(self.window, self.mss, bytes, acked),
        };
        self.window = target.min(WINDOW_MAX);
    }

    /// By how many of the bytes acknowledged slow start grows. It may end with that.
    fn slow_start(&mut self, bytes: u32, acked: &Acked) -> u32 {
        let Some(first) = self.first.as_mut().filter(|_| self.threshold == WINDOW_MAX) else {
            return bytes;
        };
        match first.acknowledged(bytes, acked) {
            Pace::Grow(bytes) => bytes,
            Pace::Leave => {
                self.threshold = self.window;
                0
            }
        }
    }

    /// A timeout was for nothing: RFC 4015 section 3.2. `pipe` bytes are in flight, and `delivered`
    /// were with the acknowledgment that showed it.
    pub(crate) fn resume(&mut self, pipe: u32, delivered: u32) {
        self.threshold = self.threshold.max(self.window);
        self.window = self.window.min(pipe + delivered.min(initial_window(self.mss))).max(self.mss);
    }

    /// A loss was detected, or a mark of congestion came back: once per window of data.
    pub(crate) fn reduce(&mut self, in_flight: u32) {
        self.threshold = self.reduced(in_flight);
        self.window = self.threshold;
        self.counted = 0;
    }

    /// The retransmission timer expired: RFC 5681 section 3.1, loss window of one segment. `first`:
    /// for data that was not sent again by an earlier expiry.
    pub(crate) fn timed_out(&mut self, in_flight: u32, first: bool) {
        if first {
            self.threshold = self.reduced(in_flight);
        }
        self.window = self.mss;
        self.counted = 0;
        if let Law::Cubic(cubic) = &mut self.law {
            cubic.end_epoch();
        }
    }

    /// The slow start threshold after a congestion event.
    fn reduced(&mut self, in_flight: u32) -> u32 {
        match &mut self.law {
            Law::NewReno => newreno::threshold(in_flight, self.mss),
            Law::Cubic(cubic) => cubic.threshold(self.window, self.mss),
        }
    }

    /// A recovery ended: RFC 6582 section 3.2 step 3, the form that lets no burst go.
    pub(crate) fn recovered(&mut self, in_flight: u32) {
        self.window = self.threshold.min(in_flight.max(self.mss) + self.mss);
    }

    /// The connection was idle for longer than a retransmission timeout: RFC 5681 section 4.1.
    pub(crate) fn restart_after_idle(&mut self) {
        self.window = self.window.min(initial_window(self.mss));
        if let Law::Cubic(cubic) = &mut self.law {
            cubic.end_epoch();
        }
    }
}

/// RFC 6928 section 2: ten segments, not more than 14,600 bytes unless two segments are more.
pub(crate) fn initial_window(mss: u32) -> u32 {
    (10 * mss).min((2 * mss).max(14_600))
}

#[cfg(test)]
mod tests;
