//! Which recovery a sender is in, and until when: RFC 6675 section 5, RFC 6582. Invariant: the
//! window is reduced once for all that is lost of one flight, because a recovery ends only when
//! all that was in flight at its start has arrived.

use base::Seq;

use crate::info::Recovering;
use crate::prr::Prr;

/// Why the sender holds back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    None,
    /// Losses are being repaired.
    Fast,
    /// The retransmission timer expired.
    Timeout,
    /// The network marked a packet.
    Congested,
}

/// The recovery under way, if any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Recovery {
    kind: Kind,
    /// RecoveryPoint: SND.NXT when it started.
    point: Seq,
    /// Duplicate acknowledgments in a row, without SACK.
    pub(crate) duplicates: u8,
    /// The next retransmission goes out whatever the window says (RFC 6675 section 5 step 4.3).
    pub(crate) forced: bool,
    /// Tail loss probe in flight (RFC 8985 section 7.1): TLP.end_seq, and whether it was a
    /// retransmission.
    pub(crate) tail_probe: Option<(Seq, bool)>,
    /// How much may be sent while losses are repaired with SACK.
    pub(crate) prr: Option<Prr>,
}

impl Recovery {
    pub(crate) const fn new() -> Self {
        Self {
            kind: Kind::None,
            point: Seq(0),
            duplicates: 0,
            forced: false,
            tail_probe: None,
            prr: None,
        }
    }

    pub(crate) const fn from(&self) -> Recovering {
        match self.kind {
            Kind::None => Recovering::No,
            Kind::Fast => Recovering::Loss,
            Kind::Timeout => Recovering::Timeout,
            Kind::Congested => Recovering::Congestion,
        }
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.kind != Kind::None
    }

    /// Losses are being repaired already, so that more of them change nothing.
    pub(crate) fn is_repairing(&self) -> bool {
        matches!(self.kind, Kind::Fast | Kind::Timeout)
    }

    /// RecoveryPoint of the recovery under way, or of the last one.
    pub(crate) const fn point(&self) -> Seq {
        self.point
    }

    /// The retransmission timer expired, and what was in flight then has not all arrived.
    pub(crate) fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }

    pub(crate) fn is_fast(&self) -> bool {
        self.kind == Kind::Fast
    }

    /// Bytes went out.
    pub(crate) const fn sent(&mut self, bytes: u32) {
        if let Some(prr) = &mut self.prr {
            prr.sent(bytes);
        }
    }

    /// Whether the window may grow with what is acknowledged.
    pub(crate) fn may_grow(&self) -> bool {
        matches!(self.kind, Kind::None | Kind::Timeout)
    }

    pub(crate) const fn lost(&mut self, point: Seq, prr: Option<Prr>) {
        *self = Self { kind: Kind::Fast, point, forced: true, prr, ..*self };
    }

    pub(crate) const fn timed_out(&mut self, point: Seq) {
        // Nothing is in flight any more, so no window holds the first retransmission back.
        *self = Self { kind: Kind::Timeout, point, ..Self::new() };
    }

    pub(crate) const fn congested(&mut self, point: Seq) {
        *self = Self { kind: Kind::Congested, point, ..*self };
    }

    /// Ends the recovery if all that was in flight at its start has arrived. True when one that
    /// repaired losses without a timeout ended.
    pub(crate) fn acknowledged(&mut self, una: Seq) -> bool {
        if self.kind == Kind::None || una.before(self.point) {
            return false;
        }
        let repaired = self.kind == Kind::Fast;
        *self = Self { kind: Kind::None, duplicates: 0, forced: false, prr: None, ..*self };
        repaired
    }
}

#[cfg(test)]
mod tests {
    use super::Recovery;
    use base::Seq;

    #[test]
    fn a_recovery_ends_with_the_flight_it_began_in() {
        let mut recovery = Recovery::new();
        recovery.lost(Seq(100), None);
        recovery.duplicates = 5;
        assert!(recovery.is_fast() && recovery.forced && !recovery.may_grow());
        assert!(!recovery.acknowledged(Seq(99)) && recovery.is_fast());
        assert!(recovery.acknowledged(Seq(100)) && !recovery.is_under_way());
        assert_eq!((recovery.duplicates, recovery.forced), (0, false));
        assert!(!recovery.acknowledged(Seq(200)), "there was none");
    }

    #[test]
    fn after_a_timeout_the_window_may_grow_and_nothing_counts_as_repaired() {
        let mut recovery = Recovery::new();
        recovery.lost(Seq(100), None);
        recovery.timed_out(Seq(200));
        assert!(recovery.is_repairing() && recovery.may_grow() && !recovery.forced);
        assert!(!recovery.acknowledged(Seq(200)) && !recovery.is_under_way());
    }
}
