//! Round-trip times and the retransmission timeout, RFC 6298. Invariant: the timeout lies between
//! the configured least and [`RTO_MAX`], and doubles with every expiry until a fresh sample comes.

use core::time::Duration;

use crate::Config;

/// Before any sample: RFC 6298 section 2.1.
const RTO_INITIAL_US: u32 = 1_000_000;
/// After a SYN had to be sent again: RFC 6298 section 5.7.
const RTO_AFTER_SYN_LOSS_US: u32 = 3_000_000;
/// RFC 6298 section 2.5 allows a maximum of at least 60 s.
const RTO_MAX: Duration = Duration::from_secs(60);
/// Whole microseconds.
const fn micros(span: Duration) -> u64 {
    span.as_secs() * 1_000_000 + span.subsec_micros() as u64
}

/// The estimator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    /// Smoothed round-trip time in microseconds; 0 before the first sample.
    smoothed: u32,
    variation: u32,
    /// Whether `smoothed` is a sample of this waking, not what was remembered over a sleep.
    fresh: bool,
    backoff: u8,
    initial: u32,
}

impl Rtt {
    pub(crate) const fn new() -> Self {
        Self { smoothed: 0, variation: 0, fresh: false, backoff: 0, initial: RTO_INITIAL_US }
    }

    /// With a rough idea of the round-trip time, in microseconds; 0 when there is none.
    pub(crate) const fn remembered(smoothed: u32) -> Self {
        Self { smoothed, variation: smoothed / 2, ..Self::new() }
    }

    /// Smoothed round-trip time in microseconds; None before the first sample.
    pub(crate) const fn smoothed(&self) -> Option<u32> {
        if self.smoothed == 0 { None } else { Some(self.smoothed) }
    }

    /// RTTVAR in microseconds.
    pub(crate) const fn variation(&self) -> u32 {
        self.variation
    }

    /// Takes one sample, in microseconds, of something that was not sent twice (section 3).
    pub(crate) const fn sample(&mut self, rtt: u32) {
        // A round trip within the clock's resolution still is one.
        let rtt = if rtt == 0 { 1 } else { rtt };
        if self.fresh {
            // Section 2.3, with alpha 1/8 and beta 1/4.
            //= specs/rfc9293.txt#section-3.8.1
            //# The RTO MUST be computed according to the algorithm in [10], including Karn's
            //# algorithm for taking RTT samples (MUST-18).
            let deviation = self.smoothed.abs_diff(rtt);
            self.variation = self.variation - self.variation / 4 + deviation / 4;
            self.smoothed = self.smoothed - self.smoothed / 8 + rtt / 8;
            if self.smoothed == 0 {
                self.smoothed = 1;
            }
        } else {
            // Section 2.2.
            self.smoothed = rtt;
            self.variation = rtt / 2;
            self.fresh = true;
        }
        self.backoff = 0;
    }

    /// The timeout.
    pub(crate) fn timeout(&self, config: &Config) -> Duration {
        Duration::from_micros(self.timeout_us(config))
    }

    /// The timeout in microseconds.
    pub(crate) fn timeout_us(&self, config: &Config) -> u64 {
        let base = match self.smoothed {
            0 => u64::from(self.initial),
            smoothed => {
                u64::from(smoothed)
                    + micros(config.retransmission.rto_margin).max(4 * u64::from(self.variation))
            }
        };
        let first = self.smoothed == 0 && self.backoff == 0;
        let slop = if first { 0 } else { micros(config.retransmission.rto_slop) };
        let timeout = base.max(micros(config.retransmission.rto_min)) << self.backoff.min(16);
        (timeout + slop).min(micros(RTO_MAX))
    }

    /// The timer expired: section 5.5.
    pub(crate) const fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// How many times it expired in a row.
    pub(crate) const fn backoff(&self) -> u8 {
        self.backoff
    }

    /// The reason for backing off is gone. A retransmission that was acknowledged is no such
    /// reason: without a sample, the longer timeout stays (Karn).
    pub(crate) const fn forget_backoff(&mut self) {
        self.backoff = 0;
    }

    /// A SYN was lost, so the first data is given more time: section 5.7.
    pub(crate) const fn syn_was_lost(&mut self) {
        if self.smoothed == 0 {
            self.initial = RTO_AFTER_SYN_LOSS_US;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RTO_MAX, Rtt};
    use crate::Config;
    use core::time::Duration;

    const LEAST: Duration = Duration::from_millis(200);

    fn config() -> Config {
        let mut config = Config::default();
        config.retransmission.rto_min = LEAST;
        config
    }

    #[test]
    fn rfc_6298_by_numbers() {
        let mut rtt = Rtt::new();
        assert_eq!(rtt.timeout(&config()), Duration::from_secs(1), "2.1");
        rtt.sample(400_000);
        assert_eq!(rtt.timeout(&config()), Duration::from_millis(400 + 4 * 200), "2.2");
        rtt.sample(480_000);
        assert_eq!(rtt.smoothed(), Some(410_000));
        assert_eq!(rtt.timeout(&config()), Duration::from_millis(410 + 4 * (150 + 20)), "2.3");
    }

    #[test]
    fn slop_is_added_to_all_but_a_first_timeout() {
        let mut config = config();
        config.retransmission.rto_slop = Duration::from_millis(30);
        let mut rtt = Rtt::new();
        assert_eq!(rtt.timeout(&config), Duration::from_secs(1));
        rtt.back_off();
        assert_eq!(rtt.timeout(&config), Duration::from_millis(2_030));
        rtt.sample(10_000);
        assert_eq!(rtt.timeout(&config), Duration::from_millis(230));
    }

    #[test]
    fn doubles_up_to_its_maximum_and_recovers_with_a_sample() {
        let mut rtt = Rtt::new();
        rtt.sample(10_000);
        for expected in [200, 400, 800, 1_600] {
            assert_eq!(rtt.timeout(&config()), Duration::from_millis(expected));
            rtt.back_off();
        }
        for _ in 0..250 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout(&config()), RTO_MAX);
        rtt.sample(10_000);
        assert_eq!(rtt.timeout(&config()), LEAST);
    }

    #[test]
    fn a_remembered_time_gives_way_to_the_first_sample() {
        let mut rtt = Rtt::remembered(262_144);
        assert_eq!(rtt.timeout(&config()), Duration::from_micros(262_144 + 4 * 131_072));
        rtt.sample(2_000);
        assert_eq!(rtt.smoothed(), Some(2_000));
    }
}
