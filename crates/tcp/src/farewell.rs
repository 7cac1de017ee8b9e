//! A peer that closes a connection which sleeps, RFC 9293 section 3.10.7.4, eighth check, and this side
//! that closes at once: from CLOSE-WAIT to LAST-ACK in one step. Until the peer acknowledges our FIN,
//! a [`Farewell`] is all there is of the connection beside its record.
//!
//! Invariant: a farewell is what a working block in LAST-ACK would have come to, told shorter, as a
//! [`Reply`](crate::Reply) is for an answer: [`Working::resume_farewell`] makes that block whenever
//! anything but the expected acknowledgment comes, or that takes too long.

use base::Instant;
use wire::protocol::Ecn;
use wire::tcp::{Plain, Repr, Timestamps};

use crate::micros::{Micros, timestamp_clock};
use crate::reply::is_newest;
use crate::segment::{Arrival, Events, PlainArrival};
use crate::sleeping::Sleeping;
use crate::window::ReceiveSide;
use crate::{Config, Turn, Working};

/// Both sides have closed; our FIN is in flight. 36 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Farewell {
    /// The connection as it slept before the peer's FIN.
    pub asleep: Sleeping,
    /// TSval of that FIN, or what was remembered where there are no timestamps.
    recent: u32,
    /// When ours was sent.
    sent: Micros,
    /// SEG.WND of the peer's.
    window: u16,
}

const _: () = assert!(size_of::<Farewell>() <= 40);

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
            && config.receiving.window > 0
            && is_newest(settled.timestamps.then_some(self.recent_timestamp), header)
            && !settled.cautious
            && !settled.wide
            && !(settled.ecn && arrival.ecn == Ecn::Congested)
    }

    /// Answers a FIN that [is the end](Sleeping::is_end) with our own; gives the header of the segment.
    /// `mss` as in [`Opening`](crate::Opening).
    #[must_use]
    pub fn take_leave(&self, turn: &Turn<'_>, end: &PlainArrival, mss: u16) -> (Farewell, Plain) {
        let settled = self.settled();
        let recent = end.header.timestamps.filter(|_| settled.timestamps);
        let farewell = Farewell {
            asleep: *self,
            recent: recent.map_or(self.recent_timestamp, |stamps| stamps.value),
            sent: Micros::of(turn.now),
            window: end.header.window,
        };
        let value = timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        let mut receive = ReceiveSide::new(mss);
        receive.wake(self.receive_next, turn.config, settled.send_shift.is_some(), false);
        receive.nxt += 1;
        receive.edge = receive.edge.max(receive.nxt);
        let header = Plain {
            sequence: self.send_next,
            acknowledgment: receive.nxt,
            fin: true,
            window: receive.acknowledged(turn.config),
            timestamps: recent.map(|stamps| Timestamps { value, echo: stamps.value }),
        };
        (farewell, header)
    }
}

impl Farewell {
    /// Whether a segment is the acknowledgment of our FIN and nothing else: the connection is over.
    #[must_use]
    #[inline]
    pub fn is_acknowledged(&self, arrival: &PlainArrival) -> bool {
        let header = &arrival.header;
        let timestamps = self.asleep.settled().timestamps;
        !header.fin
            && arrival.length == 0
            && header.sequence == self.asleep.receive_next + 1
            && header.acknowledgment == self.asleep.send_next + 1
            && is_newest(timestamps.then_some(self.recent), header)
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
        self.wake(&then, &farewell.asleep, mss);
        let timestamps = self.timestamps.map(|_| Timestamps { value: farewell.recent, echo: 0 });
        let header = Repr::from(Plain {
            sequence: farewell.asleep.receive_next,
            acknowledgment: farewell.asleep.send_next,
            fin: true,
            window: farewell.window,
            timestamps,
        });
        let ecn = Ecn::NotCapable;
        let arrival = Arrival { header: &header, length: 0, ecn, can_hold: true };
        let received = self.receive(&mut then, &arrival);
        debug_assert!(received.events.any(Events::INPUT_ENDED));
        let over = self.close(&then);
        let outgoing = self.transmit(&then);
        debug_assert!(over.is_empty() && outgoing.is_some());
    }
}

#[cfg(test)]
mod tests;
