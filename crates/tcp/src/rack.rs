//! RACK: loss detected by time, RFC 8985 sections 5 and 6. Invariant: nothing is taken for lost
//! before something sent after it has arrived and a reordering window has passed.

use base::Seq;

use crate::flight::{Delivered, Flight, Run};
use crate::micros::Micros;

/// RFC 8985 section 5.2: segments that count as a sign of loss at once while no reordering was seen.
pub(crate) const DUP_THRESHOLD: u32 = 3;

/// What RACK knows (RFC 8985 section 5.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq: of what was sent last among all that was delivered.
    newest: Option<(Micros, Seq)>,
    /// Whether that had been sent before.
    newest_resent: bool,
    /// RACK.rtt, microseconds.
    rtt: u32,
    /// RACK.min_RTT, microseconds; `u32::MAX` before the first sample.
    min_rtt: u32,
    /// RACK.fack: the highest number delivered.
    highest: Option<Seq>,
    /// RACK.reordering_seen.
    reordering: bool,
    /// RACK.reo_wnd_mult.
    multiplier: u8,
    /// RACK.reo_wnd_persist: recoveries until the multiplier is back at one.
    persist: u8,
}

/// RFC 8985 section 6.2 step 4: recoveries that a widened reordering window lasts.
const PERSIST_RECOVERIES: u8 = 16;

impl Rack {
    pub(crate) const fn new() -> Self {
        Self {
            newest: None,
            newest_resent: false,
            rtt: 0,
            min_rtt: u32::MAX,
            highest: None,
            reordering: false,
            multiplier: 1,
            persist: 0,
        }
    }

    /// Least round trip seen, in microseconds, if any was.
    pub(crate) const fn min_rtt(&self) -> Option<u32> {
        if self.min_rtt == u32::MAX { None } else { Some(self.min_rtt) }
    }

    /// RACK.reordering_seen.
    pub(crate) const fn reordering_seen(&self) -> bool {
        self.reordering
    }

    /// Steps 1 to 3 for one run that was delivered. `echo` tells whether the peer's timestamp echo
    /// shows that it was a copy sent before the last one that arrived.
    pub(crate) fn delivered(&mut self, run: &Delivered, now: Micros, echoes_earlier_copy: bool) {
        let rtt = now.since(run.sent);
        if run.retransmitted {
            // Step 2: an original that arrives just after its copy was sent would look like a very
            // short round trip.
            if echoes_earlier_copy || self.min_rtt().is_some_and(|least| rtt < least) {
                return;
            }
        } else {
            self.min_rtt = self.min_rtt.min(rtt.max(1));
            // Step 3: delivered after something higher, though never sent twice.
            if self.highest.is_some_and(|highest| run.end.before(highest)) {
                self.reordering = true;
            }
        }
        self.highest = Some(self.highest.map_or(run.end, |highest| highest.max(run.end)));
        if self.newest.is_none_or(|newest| sent_after((run.sent, run.end), newest)) {
            self.newest = Some((run.sent, run.end));
            self.newest_resent = run.retransmitted;
            self.rtt = rtt;
        }
    }

    /// Something is sent with nothing in flight before it: what was delivered says nothing of it. Kept, it
    /// would look like something sent later once it is older than [`Micros`] can tell.
    pub(crate) const fn flight_begins(&mut self) {
        self.newest = None;
    }

    /// The peer reported a duplicate: something was sent again needlessly, so give reordering more
    /// time (step 4).
    pub(crate) const fn duplicate_seen(&mut self) {
        self.multiplier = self.multiplier.saturating_add(1);
        self.persist = PERSIST_RECOVERIES;
    }

    /// A recovery ended (step 4).
    pub(crate) const fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.multiplier = 1;
        }
    }

    /// Step 4: the reordering window in microseconds.
    fn reordering_window(&self, eager: bool, smoothed: Option<u32>) -> u32 {
        if !self.reordering && eager {
            return 0;
        }
        let quarter = self.min_rtt().unwrap_or(0) / 4;
        quarter.saturating_mul(u32::from(self.multiplier)).min(smoothed.unwrap_or(u32::MAX))
    }

    /// Step 5: marks what must be lost. Gives the bytes newly lost, and the microseconds until some
    /// more may be. `eager`: already recovering, or enough was sacked to do without a reordering
    /// window while no reordering has been seen.
    pub(crate) fn detect_loss(
        &self,
        flight: &mut Flight,
        now: Micros,
        eager: bool,
        smoothed: Option<u32>,
    ) -> (u32, Option<u32>) {
        let Some(newest) = self.newest else { return (0, None) };
        let allowance = self.rtt.saturating_add(self.reordering_window(eager, smoothed));
        let mut wait = None;
        let lost = flight.mark_lost(|run: &Run| {
            // Of what went out at one time, new data may have gone before what was sent again.
            let together = run.sent == newest.0 && run.marks.retransmitted && !self.newest_resent;
            if together || !sent_after(newest, (run.sent, run.end)) {
                return false;
            }
            let age = now.since(run.sent);
            if age >= allowance {
                return true;
            }
            wait = wait.max(Some(allowance - age));
            false
        });
        (lost, wait)
    }
}

/// RACK_sent_after, RFC 8985 section 6.2.
fn sent_after((sent, end): (Micros, Seq), (other_sent, other_end): (Micros, Seq)) -> bool {
    sent.is_after(other_sent) || sent == other_sent && other_end.before(end)
}

#[cfg(test)]
mod tests {
    use super::{PERSIST_RECOVERIES, Rack};

    /// RFC 8985 section 6.2 step 4.
    #[test]
    fn a_wider_reordering_window_lasts_sixteen_recoveries() {
        let mut rack = Rack { min_rtt: 8_000, ..Rack::new() };
        assert_eq!(rack.reordering_window(false, None), 2_000);
        rack.duplicate_seen();
        for _ in 0..PERSIST_RECOVERIES {
            assert_eq!(rack.reordering_window(false, None), 4_000);
            rack.recovered();
        }
        assert_eq!(rack.reordering_window(false, None), 2_000);
        assert_eq!(PERSIST_RECOVERIES, 16);
    }
}
