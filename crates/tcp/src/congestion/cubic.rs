//! CUBIC, RFC 9438. Invariant: integers only, so that a run repeats itself bit for bit on any
//! machine; windows in bytes, times in milliseconds.

use base::Instant;

use super::Acked;

/// beta_cubic, RFC 9438 section 4.6: the window is multiplied by 7/10.
const BETA: (u32, u32) = (7, 10);
/// C, RFC 9438 section 5: 0.4 segments per cubic second.
const C: (i128, i128) = (4, 10);
/// alpha_cubic of the Reno-friendly region, RFC 9438 section 4.3: 3 (1 − beta) / (1 + beta) = 9/17.
const ALPHA: (u64, u64) = (9, 17);
const MS_CUBED_PER_S_CUBED: i128 = 1_000_000_000;

/// State of the cubic function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cubic {
    /// W_max, bytes; 0 before the first congestion event.
    w_max: u32,
    epoch: Option<Epoch>,
    /// W_est, bytes, and what was acknowledged towards its next byte.
    w_est: u32,
    counted: u32,
    /// Bytes acknowledged towards the next byte of the window, times what is to be gained; less than a
    /// window.
    pending: u32,
}

/// A congestion avoidance stage.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// When it began, in milliseconds, modulo 2^32.
    start: u32,
    /// K, in milliseconds.
    k: u32,
}

impl Cubic {
    pub(super) const fn new() -> Self {
        Self { w_max: 0, epoch: None, w_est: 0, counted: 0, pending: 0 }
    }

    pub(super) const fn end_epoch(&mut self) {
        self.epoch = None;
    }

    /// ssthresh after a congestion event, with W_max remembered (sections 4.6 and 4.7).
    pub(super) fn threshold(&mut self, window: u32, mss: u32) -> u32 {
        // Fast convergence: give way when the window did not get back to where it was.
        self.w_max =
            if window < self.w_max { (u64::from(window) * 17 / 20) as u32 } else { window };
        self.epoch = None;
        ((u64::from(window) * u64::from(BETA.0) / u64::from(BETA.1)) as u32).max(2 * mss)
    }

    /// The window after `bytes` were acknowledged in congestion avoidance.
    pub(super) fn grow(&mut self, window: u32, mss: u32, bytes: u32, acked: &Acked) -> u32 {
        let Epoch { start, k } = self.epoch_at(window, mss, acked.now);
        self.grow_estimate(window, mss, bytes);
        // Section 4.2: the target is where the curve will be one round trip from now.
        let elapsed = u64::from((acked.now.as_millis() as u32).wrapping_sub(start));
        let ahead = elapsed + u64::from(acked.smoothed / 1_000);
        if self.curve(elapsed, k, mss) < u64::from(self.w_est) {
            // Section 4.3: Reno would be faster.
            return window.max(self.w_est);
        }
        let ceiling = u64::from(window) + u64::from(window) / 2;
        let target = self.curve(ahead, k, mss).clamp(u64::from(window), ceiling);
        // Sections 4.4 and 4.5: (target − cwnd) / cwnd for each segment acknowledged.
        let pending = u64::from(self.pending) + (target - u64::from(window)) * u64::from(bytes);
        let step = pending / u64::from(window.max(1));
        self.pending = (pending % u64::from(window.max(1))) as u32;
        window.saturating_add(u32::try_from(step).unwrap_or(u32::MAX))
    }

    /// The current stage, started now if none is.
    fn epoch_at(&mut self, window: u32, mss: u32, now: Instant) -> Epoch {
        if let Some(epoch) = self.epoch {
            return epoch;
        }
        self.w_max = self.w_max.max(window);
        // Section 4.2: K = cubic root of (W_max − cwnd_epoch) / C, here in milliseconds.
        let distance = i128::from(self.w_max - window) * MS_CUBED_PER_S_CUBED * C.1;
        let k = cube_root((distance / (C.0 * i128::from(mss.max(1)))) as u64);
        self.w_est = window;
        (self.counted, self.pending) = (0, 0);
        *self.epoch.insert(Epoch { start: now.as_millis() as u32, k })
    }

    /// W_cubic, bytes, `elapsed` milliseconds into the stage (section 4.2, figure 1).
    fn curve(&self, elapsed: u64, k: u32, mss: u32) -> u64 {
        // A stage of more than three days has long reached any window there is.
        let offset = i128::from(elapsed.min(1 << 28)) - i128::from(k);
        let grown = offset * offset * offset * C.0 * i128::from(mss) / (C.1 * MS_CUBED_PER_S_CUBED);
        (i128::from(self.w_max) + grown).clamp(0, 1 << 40) as u64
    }

    /// W_est of section 4.3: what Reno's additive increase would have come to.
    fn grow_estimate(&mut self, window: u32, mss: u32, bytes: u32) {
        // Past the window of the last congestion event, alpha is one.
        let alpha = if self.w_est >= self.w_max { (1, 1) } else { ALPHA };
        let gain = u64::from(mss) * u64::from(bytes) * alpha.0 / alpha.1 + u64::from(self.counted);
        let window = u64::from(window.max(1));
        self.w_est = self.w_est.saturating_add(u32::try_from(gain / window).unwrap_or(u32::MAX));
        self.counted = (gain % window) as u32;
    }
}

/// The cube root, rounded down.
fn cube_root(value: u64) -> u32 {
    let mut root = 0u64;
    for bit in (0..22).rev() {
        let next = root | 1 << bit;
        if next * next * next <= value {
            root = next;
        }
    }
    root as u32
}

#[cfg(test)]
mod tests {
    use std::vec;

    use base::{Instant, Seq};

    use super::{Acked, Cubic, cube_root};

    const MSS: u32 = 1_000;

    #[test]
    fn a_threshold_is_two_segments_at_least() {
        assert_eq!(Cubic::new().threshold(10_000, MSS), 7_000);
        assert_eq!(Cubic::new().threshold(2_000, MSS), 2_000);
    }

    #[test]
    fn a_window_that_came_back_to_where_it_was_gives_no_way() {
        let mut cubic = Cubic::new();
        for (window, w_max) in [(10_000, 10_000), (10_000, 10_000), (9_000, 7_650)] {
            cubic.threshold(window, MSS);
            assert_eq!(cubic.w_max, w_max);
        }
    }

    /// Acknowledged byte by byte, a window grows by as much as segment by segment.
    #[test]
    fn what_is_less_than_a_byte_is_not_lost() {
        let mut cubic = Cubic::new();
        (cubic.w_max, cubic.w_est) = (0, 10_000);
        for _ in 0..10_000 {
            cubic.grow_estimate(10_000, MSS, 1);
        }
        assert_eq!(cubic.w_est, 11_000);
        let mut cubic = Cubic::new();
        cubic.threshold(10_000, MSS);
        let acked = |millis| Acked {
            bytes: 1,
            now: Instant::from_millis(millis),
            smoothed: 100_000,
            rtt: 0,
            una: Seq(0),
            next: Seq(1),
        };
        let mut grown = 0;
        for millis in [vec![0], vec![3_000; 7_000]].concat() {
            grown += cubic.grow(7_000, MSS, 1, &acked(millis)) - 7_000;
        }
        assert!((3_000..=3_600).contains(&grown), "{grown}");
    }

    #[test]
    fn cube_roots() {
        for root in [0u64, 1, 2, 3, 10, 1_000, 2_097_151] {
            assert_eq!(u64::from(cube_root(root * root * root)), root);
            assert_eq!(u64::from(cube_root(root * root * root + 1)), root.max(1));
        }
    }
}
