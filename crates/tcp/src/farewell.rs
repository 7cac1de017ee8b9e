//! A connection that sleeps and is closed, RFC 9293 sections 3.6 and 3.10.7.4, eighth check. The peer
//! closes, and this side does at once: from CLOSE-WAIT to LAST-ACK in one step. Or this side closes first
//! and the peer's FIN comes with the acknowledgment of ours: from FIN-WAIT-1 to TIME-WAIT. While our FIN is in
//! flight, a [`Farewell`] is all there is of the connection beside its record.
//!
//! Invariant: a farewell is what a working block in LAST-ACK or FIN-WAIT-1 would have come to, told
//! shorter, as a [`Reply`](crate::Reply) is for text: [`Working::resume_farewell`] makes that block
//! whenever anything but the expected acknowledgment comes, or that takes too long.

use base::Instant;
use wire::protocol::Ecn;
use wire::tcp::{Plain, Repr, Timestamps};

use crate::micros::Micros;
use crate::reply::{is_newest, opens_wide};
use crate::segment::{Arrival, Events, PlainArrival};
use crate::sleeping::Sleeping;
use crate::{Config, TimeWait, Turn, Working};

/// A FIN of ours in flight. 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Farewell {
    /// The connection as it would sleep without either side's FIN.
    pub asleep: Sleeping,
    /// When ours was sent.
    sent: Micros,
    /// Whether this side closed first: the peer's has not come.
    first: bool,
}

const _: () = assert!(size_of::<Farewell>() == 32);

impl Sleeping {
    /// Whether a segment is a FIN and nothing else, next in order, with everything acknowledged. What
    /// is not may be anything that TCP knows, and is for [`Working::receive`].
    #[must_use]
    #[inline]
    pub fn is_end(&self, config: &Config, arrival: &PlainArrival) -> bool {
        let header = &arrival.header;
        let settled = self.settled();
        header.fin
            && arrival.length == 0
            && header.sequence == self.receive_next
            && header.acknowledgment == self.send_next
            && header.window > 0
            && opens_wide(config, settled.send_shift.is_some(), 1)
            && is_newest(settled.timestamps.then_some(self.recent_timestamp), header)
            && settled.is_usual()
            && !(settled.ecn && arrival.ecn == Ecn::Congested)
    }

    /// Answers a FIN that [is the end](Sleeping::is_end) and was [taken in](Sleeping::take_in) with our
    /// own; gives the header of the segment. `mss` as in [`Opening`](crate::Opening).
    #[must_use]
    pub fn take_leave(&self, turn: &Turn<'_>, mss: u16) -> (Farewell, Plain) {
        let mut fin = self.acknowledgment(turn, mss);
        fin.acknowledgment += 1;
        self.closed(turn, (fin, false))
    }

    /// Closes before the peer has, if it [may speak](Sleeping::may_speak); gives the header of the
    /// segment. `mss` as there.
    #[must_use]
    pub fn close(&self, turn: &Turn<'_>, mss: u16) -> (Farewell, Plain) {
        self.closed(turn, (self.acknowledgment(turn, mss), true))
    }

    fn closed(&self, turn: &Turn<'_>, (fin, first): (Plain, bool)) -> (Farewell, Plain) {
        let farewell = Farewell { asleep: *self, sent: Micros::of(turn.now), first };
        (farewell, Plain { fin: true, ..fin })
    }
}

impl Farewell {
    /// Whether a segment is the acknowledgment of our FIN and nothing else, and the peer's has come
    /// before: the connection is over.
    #[must_use]
    #[inline]
    pub fn is_over(&self, arrival: &PlainArrival) -> bool {
        let next = self.asleep.receive_next + 1;
        !self.first && !arrival.header.fin && self.is_acknowledged(arrival, next)
    }

    /// Takes the peer's FIN with the acknowledgment of ours, which came first: gives what is left of
    /// the connection, and the header of the segment that acknowledges it. `mss` as in
    /// [`Opening`](crate::Opening).
    #[must_use]
    pub fn answered(
        &self,
        turn: &Turn<'_>,
        arrival: &PlainArrival,
        mss: u16,
    ) -> Option<(TimeWait, Plain)> {
        let scaled = self.asleep.settled().send_shift.is_some();
        let expected = self.first
            && arrival.header.fin
            && opens_wide(turn.config, scaled, 1)
            && self.is_acknowledged(arrival, self.asleep.receive_next);
        if !expected {
            return None;
        }
        let mut taken = self.asleep.take_in(arrival, turn.now);
        taken.send_next += 1;
        let mut header = taken.acknowledgment(turn, mss);
        header.acknowledgment += 1;
        taken.receive_next += 1;
        Some((TimeWait::of_sleeping(&taken, turn), header))
    }

    #[inline]
    fn is_acknowledged(&self, arrival: &PlainArrival, next: base::Seq) -> bool {
        let header = &arrival.header;
        let settled = self.asleep.settled();
        arrival.length == 0
            && header.sequence == next
            && header.acknowledgment == self.asleep.send_next + 1
            && is_newest(settled.timestamps.then_some(self.asleep.recent_timestamp), header)
    }

    /// Whether this side closed first, and the peer may still send.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.first
    }

    /// When our FIN was sent, for a farewell that is less than half an hour old.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Instant {
        self.sent.instant(now)
    }
}

impl Working {
    /// Goes on with a connection whose FIN is in flight: does again, as of then, what led to the
    /// farewell. `mss` as for [`Working::wake`].
    pub fn resume_farewell(&mut self, turn: &mut Turn<'_>, farewell: &Farewell, mss: u16) {
        let mut then = Turn {
            config: turn.config,
            now: farewell.sent(turn.now),
            challenges: &mut *turn.challenges,
        };
        let asleep = &farewell.asleep;
        self.wake(&then, asleep, mss);
        if !farewell.first {
            let recent = asleep.recent_timestamp;
            let timestamps = self.timestamps.map(|_| Timestamps { value: recent, echo: 0 });
            let header = Repr::from(Plain {
                sequence: asleep.receive_next,
                acknowledgment: asleep.send_next,
                fin: true,
                window: asleep.send_window,
                timestamps,
            });
            let ecn = Ecn::NotCapable;
            let arrival = Arrival { header: &header, length: 0, ecn, can_hold: true };
            let received = self.receive(&mut then, &arrival);
            debug_assert!(received.events.any(Events::INPUT_ENDED));
        }
        let over = self.close(&then);
        let outgoing = self.transmit(&then);
        debug_assert!(over.is_empty() && outgoing.is_some());
    }
}

#[cfg(test)]
mod tests;
