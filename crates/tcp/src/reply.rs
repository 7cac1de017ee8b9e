//! A question that is answered at once, RFC 9293 section 3.10.7.4 for a connection that sleeps: one
//! segment of text comes, next in order and with everything acknowledged, and one segment leaves that
//! carries the answer and the acknowledgment. Until that is acknowledged, a [`Reply`] is all there is
//! of the connection beside its record: header prediction, as in `predict.rs`, but without a working
//! block.
//!
//! Invariant: a reply is what a working block would have come to, told shorter.
//! [`Working::resume`] makes that block whenever anything else than the acknowledgment comes, or when
//! it takes longer than [`Reply::patience`]; and what is acknowledged leaves what that block would have
//! slept as.

use core::time::Duration;

use base::{Instant, Seq};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Plain, Repr, Timestamps};

use crate::config::Config;
use crate::micros::{Micros, timestamp_clock};
use crate::segment::{Arrival, Outgoing, Payload, PlainArrival};
use crate::sleeping::Sleeping;
use crate::timer::WORST_DELAYED_ACK_US;
use crate::window::ReceiveSide;
use crate::{Turn, Working};

/// One answer in flight on a connection that otherwise sleeps. 40 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// The connection as it slept before the question, but for what the application waits for.
    pub asleep: Sleeping,
    /// TSval of the question, or what was remembered where there are no timestamps.
    recent: u32,
    /// When the answer was sent.
    sent: Micros,
    /// Bytes of the question, and of the answer.
    lengths: (u16, u16),
    /// SEG.WND of the question.
    window: u16,
}

const _: () = assert!(size_of::<Reply>() == 40);

impl Sleeping {
    /// Whether a segment is such a question. What is not may be anything that TCP knows, and is for
    /// [`Working::receive`].
    #[must_use]
    #[inline]
    pub fn is_question(&self, config: &Config, arrival: &PlainArrival) -> bool {
        let header = &arrival.header;
        let settled = self.settled();
        let scaled = settled.send_shift.is_some();
        !header.fin
            && header.sequence == self.receive_next
            && header.acknowledgment == self.send_next
            && header.window > 0
            && is_newest(settled.timestamps.then_some(self.recent_timestamp), header)
            && (1..=offered(config, scaled).min(0xffff)).contains(&arrival.length)
            // One segment of congestion window, or marks to be echoed: not as usual.
            && !settled.cautious
            // More is offered than a reply would say.
            && !settled.wide
            && !(settled.ecn && arrival.ecn == Ecn::Congested)
    }

    /// The longest answer to a [question](Sleeping::is_question) that is one segment and leaves at
    /// once. `mss` as in [`Opening`](crate::Opening).
    #[must_use]
    #[inline]
    pub fn answer_most(&self, question: &PlainArrival, mss: u16) -> usize {
        let settled = self.settled();
        let options = if settled.timestamps { Options::TIMESTAMPS_LENGTH } else { 0 };
        let room = usize::from(settled.mss.min(mss)).saturating_sub(options);
        let window = u64::from(question.header.window) << settled.send_shift.unwrap_or(0);
        room.min(usize::try_from(window).unwrap_or(room))
    }

    /// Answers a [question](Sleeping::is_question) with `answer` bytes, at most
    /// [`Sleeping::answer_most`] and at least one. `mss` as there.
    #[must_use]
    #[inline]
    pub fn answer(
        &self,
        turn: &Turn<'_>,
        question: &PlainArrival,
        answer: u16,
        mss: u16,
    ) -> (Reply, ReplySegment) {
        let settled = self.settled();
        let recent = question.header.timestamps.filter(|_| settled.timestamps);
        let reply = Reply {
            asleep: *self,
            recent: recent.map_or(self.recent_timestamp, |stamps| stamps.value),
            sent: Micros::of(turn.now),
            // Not above 0xffff, or it was no question.
            lengths: (question.length as u16, answer),
            window: question.header.window,
        };
        let value = timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        // The answer acknowledges the question, all of which the application took.
        let mut receive = ReceiveSide::new(mss);
        receive.wake(self.receive_next, turn.config, settled.send_shift.is_some(), false);
        receive.advance(question.length);
        receive.consume(question.length, turn.config);
        let header = Plain {
            sequence: self.send_next,
            acknowledgment: receive.nxt,
            fin: false,
            window: receive.acknowledged(turn.config),
            timestamps: recent.map(|stamps| Timestamps { value, echo: stamps.value }),
        };
        let ecn = if settled.ecn { Ecn::Capable0 } else { Ecn::NotCapable };
        (reply, ReplySegment { header, ecn })
    }
}

/// The segment that carries an answer. PSH is set: nothing more is queued (RFC 9293 section 3.9.1.2,
/// MUST-61).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplySegment {
    /// Its header.
    pub header: Plain,
    /// The codepoint for the IP packet.
    pub ecn: Ecn,
}

impl ReplySegment {
    /// The same as any other segment, with so many bytes of payload.
    #[must_use]
    pub fn outgoing(&self, length: u32) -> Outgoing {
        let header = Repr { flags: Flags::ACK | Flags::PSH, ..Repr::from(self.header) };
        Outgoing { header, length, retransmission: false, ecn: self.ecn }
    }
}

impl Reply {
    /// How long to wait for the acknowledgment before a working block is made of a reply: so short
    /// that none of the block's timers can have expired (RFC 6298, RFC 8985 section 7.2).
    #[must_use]
    pub fn patience(config: &Config) -> Duration {
        config.retransmission.rto_min.min(Duration::from_micros(WORST_DELAYED_ACK_US)) / 2
    }

    /// Takes the acknowledgment of the answer, which may carry the next question, or a FIN, or both:
    /// those are still to be looked at. `None`: the segment
    /// is something else.
    #[must_use]
    #[inline]
    pub fn acknowledged(&self, arrival: &PlainArrival, now: Instant) -> Option<Sleeping> {
        let header = &arrival.header;
        let mut settled = self.asleep.settled();
        let expected = header.sequence == self.receive_next()
            && header.acknowledgment == self.send_next()
            && is_newest(settled.timestamps.then_some(self.recent), header);
        if !expected {
            return None;
        }
        // RFC 6298 section 2.2: the first sample since it woke. Never nothing: 0 is for unknown.
        settled.srtt = Micros::of(now).since(self.sent).max(1);
        let stamps = header.timestamps.filter(|_| settled.timestamps);
        let numbers = [header.acknowledgment, header.sequence];
        let recent = stamps.map_or(self.recent, |stamps| stamps.value);
        let mut sleeping = Sleeping::new(settled, numbers, header.window, recent, now);
        (sleeping.timer, sleeping.waiting) = (self.asleep.timer, self.asleep.waiting);
        Some(sleeping)
    }

    /// SND.UNA: the number of the answer's first byte.
    #[must_use]
    pub const fn una(&self) -> Seq {
        self.asleep.send_next
    }

    /// SND.NXT: the number after its last.
    #[must_use]
    pub fn send_next(&self) -> Seq {
        self.una() + u32::from(self.lengths.1)
    }

    /// RCV.NXT.
    #[must_use]
    pub fn receive_next(&self) -> Seq {
        self.asleep.receive_next + u32::from(self.lengths.0)
    }

    /// When the answer was sent, for a reply that is less than half an hour old.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Instant {
        self.sent.instant(now)
    }
}

impl Working {
    /// Goes on with a connection whose answer is in flight: does again, as of then, what led to the
    /// reply. `mss` as for [`Working::wake`].
    pub fn resume(&mut self, turn: &mut Turn<'_>, reply: &Reply, mss: u16) {
        let mut then = Turn {
            config: turn.config,
            now: reply.sent(turn.now),
            challenges: &mut *turn.challenges,
        };
        self.wake(&then, &reply.asleep, mss);
        let timestamps = self.timestamps.map(|_| Timestamps { value: reply.recent, echo: 0 });
        let header = Repr::from(Plain {
            sequence: reply.asleep.receive_next,
            acknowledgment: reply.asleep.send_next,
            fin: false,
            window: reply.window,
            timestamps,
        });
        let (question, answer) = (u32::from(reply.lengths.0), u32::from(reply.lengths.1));
        let ecn = Ecn::NotCapable;
        let arrival = Arrival { header: &header, length: question, ecn, can_hold: true };
        let received = self.receive(&mut then, &arrival);
        debug_assert!(matches!(received.payload, Payload::InOrder { skip: 0, held: 0, .. }));
        self.consumed(&then, question);
        self.write(answer);
        let outgoing = self.transmit(&then);
        debug_assert!(outgoing.is_some_and(|outgoing| outgoing.length == answer));
    }
}

/// Whether timestamps, if they were agreed on, show that it is no old segment (RFC 7323 section 5.3).
#[inline]
pub(crate) fn is_newest(recent: Option<u32>, header: &Plain) -> bool {
    match (recent, header.timestamps) {
        (None, _) => true,
        (Some(recent), Some(stamps)) => stamps.value.wrapping_sub(recent) as i32 >= 0,
        (Some(_), None) => false,
    }
}

/// The window that a connection wakes with.
#[inline]
const fn offered(config: &Config, scaled: bool) -> u32 {
    let most = 0xffff << if scaled { config.window_scale() } else { 0 };
    if config.receiving.window < most { config.receiving.window } else { most }
}

#[cfg(test)]
pub(crate) mod tests;
