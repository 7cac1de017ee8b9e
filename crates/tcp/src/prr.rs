//! Proportional rate reduction, RFC 9937 (before: RFC 6937): how much may be sent while losses of a
//! flight are repaired with SACK. Invariant: over a recovery as much is sent as the slow start
//! threshold's share of what was delivered, so that the flight comes down to the threshold without a
//! silence first and a burst afterwards.

/// A recovery's account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prr {
    /// RecoverFS: bytes that were in the network when the recovery began.
    flight: u32,
    /// prr_delivered: bytes delivered since.
    delivered: u32,
    /// prr_out: bytes sent since.
    out: u32,
    /// cwnd while it lasts: what is in the network and what may join it now.
    window: u32,
}

/// What an acknowledgment says to the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// DeliveredData: bytes that had not been delivered before.
    pub(crate) delivered: u32,
    /// Bytes believed to be in the network now.
    pub(crate) pipe: u32,
    /// SafeACK: SND.UNA moved and nothing more was found lost.
    pub(crate) safe: bool,
}

impl Prr {
    /// A recovery begins with `flight` bytes in the network, `pipe` of them not taken for lost.
    pub(crate) const fn new(flight: u32, pipe: u32) -> Self {
        Self { flight: if flight == 0 { 1 } else { flight }, delivered: 0, out: 0, window: pipe }
    }

    /// The congestion window for now, bytes.
    pub(crate) const fn window(&self) -> u32 {
        self.window
    }

    /// Bytes went out.
    pub(crate) const fn sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// An acknowledgment came.
    pub(crate) fn acknowledged(&mut self, progress: &Progress, threshold: u32, mss: u32) {
        let Progress { delivered, pipe, safe } = *progress;
        if delivered == 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let send = if pipe > threshold {
            let share = u64::from(self.delivered) * u64::from(threshold);
            let due = share.div_ceil(u64::from(self.flight));
            u32::try_from(due).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            // The slow start reduction bound, with one segment more where that is safe.
            let bound = self.delivered.saturating_sub(self.out).max(delivered);
            (bound + if safe { mss } else { 0 }).min(threshold - pipe)
        };
        let nothing_yet = self.out == 0 && send == 0;
        self.window = pipe.saturating_add(if nothing_yet { mss } else { send });
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Prr};

    const MSS: u32 = 1_000;

    /// A hundred segments in flight, one lost, the threshold at 70: seven go out for ten delivered.
    #[test]
    fn the_flight_comes_down_in_proportion() {
        let mut prr = Prr::new(100 * MSS, 99 * MSS);
        let (mut pipe, mut out) = (99 * MSS, 0);
        for delivered in 1..=95 {
            pipe -= MSS;
            prr.acknowledged(&Progress { delivered: MSS, pipe, safe: false }, 70 * MSS, MSS);
            while pipe + MSS <= prr.window() {
                prr.sent(MSS);
                pipe += MSS;
                out += 1;
            }
            let due = delivered * 7 / 10;
            assert!(pipe == 70 * MSS || out >= due && out <= due + 1, "{out} of {delivered}");
        }
        assert_eq!(pipe, 70 * MSS);
    }

    /// Most of a flight lost: no more than what is delivered, and one more when that is safe.
    #[test]
    fn after_heavy_loss_it_grows_back_no_faster_than_slow_start() {
        let mut prr = Prr::new(20 * MSS, 4 * MSS);
        prr.acknowledged(&Progress { delivered: MSS, pipe: 3 * MSS, safe: false }, 14 * MSS, MSS);
        assert_eq!(prr.window(), 4 * MSS);
        prr.sent(MSS);
        prr.acknowledged(&Progress { delivered: MSS, pipe: 3 * MSS, safe: true }, 14 * MSS, MSS);
        assert_eq!(prr.window(), 5 * MSS);
        prr.sent(2 * MSS);
        prr.acknowledged(&Progress { delivered: MSS, pipe: 13_500, safe: true }, 14 * MSS, MSS);
        assert_eq!(prr.window(), 14 * MSS, "not above the threshold");
        prr.acknowledged(&Progress { delivered: 0, pipe: 0, safe: true }, 14 * MSS, MSS);
        assert_eq!(prr.window(), 14 * MSS, "nothing was delivered");
    }

    /// At the threshold the flight stays as it is.
    #[test]
    fn as_much_in_flight_as_the_threshold_is_not_too_much() {
        let mut prr = Prr::new(20 * MSS, 14 * MSS);
        prr.sent(MSS);
        prr.acknowledged(
            &Progress { delivered: 2 * MSS, pipe: 14 * MSS, safe: false },
            14 * MSS,
            MSS,
        );
        assert_eq!(prr.window(), 14 * MSS);
    }

    #[test]
    fn something_is_sent_when_a_recovery_begins() {
        let mut prr = Prr::new(10 * MSS, 9 * MSS);
        prr.acknowledged(&Progress { delivered: 1, pipe: 9 * MSS, safe: false }, 0, MSS);
        assert_eq!(prr.window(), 10 * MSS);
    }
}
