//! Text in one segment, on a connection that sleeps otherwise, RFC 9293 section 3.10.7.4: one segment
//! of text comes, next in order and with everything acknowledged, and one segment leaves that carries
//! the answer and the acknowledgment; or this end asks, in one segment, and the answer comes with the
//! acknowledgment on it. While a segment of ours is in flight, a [`Reply`] is all there is of the connection
//! beside its record: header prediction, as in `predict.rs`, but without a working block.
//!
//! Invariant: what arrives leaves what a block would have slept as that acknowledged it at once, and a
//! reply is what a block would have come to that woke from there, told shorter. [`Working::resume`]
//! makes that block whenever anything else than the acknowledgment comes, or when it takes longer than
//! [`Reply::patience`]; and what is acknowledged leaves what that block would have slept as.

use core::time::Duration;

use base::{Instant, Seq};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Plain, Repr, Timestamps};

use crate::config::Config;
use crate::micros::{Micros, timestamp_clock};
use crate::segment::{Outgoing, PlainArrival};
use crate::sleeping::Sleeping;
use crate::timer::WORST_DELAYED_ACK_US;
use crate::window::ReceiveSide;
use crate::{Turn, Working};

/// One segment of text in flight on a connection that otherwise sleeps. 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// The connection as it would sleep had the text not been sent.
    pub asleep: Sleeping,
    /// When it was sent.
    sent: Micros,
    /// Bytes of it.
    length: u32,
}

const _: () = assert!(size_of::<Reply>() == 32);

impl Sleeping {
    /// Whether a segment is the next text, which may be a question or an answer. What is not may be anything
    /// that TCP knows, and is for [`Working::receive`].
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
            && arrival.length > 0
            && opens_wide(config, scaled, arrival.length)
            && settled.is_usual()
            && !(settled.ecn && arrival.ecn == Ecn::Congested)
    }

    /// Whether text of this end's own would leave at once.
    #[must_use]
    #[inline]
    pub fn may_speak(&self) -> bool {
        self.send_window > 0 && self.settled().is_usual()
    }

    /// Takes a [question](Sleeping::is_question), all of which the application takes, or the
    /// [end](Sleeping::is_end), but for the FIN: as the connection would sleep once that is acknowledged.
    #[must_use]
    #[inline]
    pub fn take_in(&self, arrival: &PlainArrival, now: Instant) -> Self {
        let header = &arrival.header;
        let stamps = header.timestamps.filter(|_| self.settled().timestamps);
        let mut taken = *self;
        taken.receive_next += arrival.length;
        taken.recent_timestamp = stamps.map_or(self.recent_timestamp, |stamps| stamps.value);
        taken.send_window = header.window;
        taken.heard(now);
        taken
    }

    /// The longest text that is one segment and leaves at once. `mss` as in
    /// [`Opening`](crate::Opening).
    #[must_use]
    #[inline]
    pub fn text_most(&self, mss: u16) -> usize {
        let settled = self.settled();
        let options = if settled.timestamps { Options::TIMESTAMPS_LENGTH } else { 0 };
        let room = usize::from(settled.mss.min(mss)).saturating_sub(options);
        let window = u64::from(self.send_window) << settled.send_shift.unwrap_or(0);
        room.min(usize::try_from(window).unwrap_or(room))
    }

    /// Sends text: `length` bytes, at most [`Sleeping::text_most`] and at least one. The segment
    /// acknowledges what was [taken in](Sleeping::take_in). `mss` as there.
    #[must_use]
    #[inline]
    pub fn speak(&self, turn: &Turn<'_>, length: u16, mss: u16) -> (Reply, ReplySegment) {
        let length = u32::from(length);
        let reply = Reply { asleep: *self, sent: Micros::of(turn.now), length };
        let ecn = if self.settled().ecn { Ecn::Capable0 } else { Ecn::NotCapable };
        (reply, ReplySegment { header: self.acknowledgment(turn, mss), ecn })
    }

    /// The header of a segment without text that acknowledges what was [taken
    /// in](Sleeping::take_in). `mss` as in [`Opening`](crate::Opening).
    #[must_use]
    #[inline]
    pub fn acknowledgment(&self, turn: &Turn<'_>, mss: u16) -> Plain {
        let settled = self.settled();
        let mut receive = ReceiveSide::new(mss);
        receive.wake(self.receive_next, turn.config, settled.send_shift.is_some(), false);
        let value = timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        let stamps = Timestamps { value, echo: self.recent_timestamp };
        Plain {
            sequence: self.send_next,
            acknowledgment: receive.nxt,
            fin: false,
            window: receive.acknowledged(turn.config),
            timestamps: settled.timestamps.then_some(stamps),
        }
    }
}

/// The segment that carries text. PSH is set: nothing more is queued (RFC 9293 section 3.9.1.2,
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
        Outgoing { header, length, cut: None, retransmission: false, ecn: self.ecn }
    }
}

impl Reply {
    /// How long to wait for the acknowledgment before a working block is made of a reply: so short
    /// that none of the block's timers can have expired (RFC 6298, RFC 8985 section 7.2).
    #[must_use]
    pub fn patience(config: &Config) -> Duration {
        config.retransmission.rto_min.min(Duration::from_micros(WORST_DELAYED_ACK_US)) / 2
    }

    /// Takes the acknowledgment of the text, which may carry the peer's next, or a FIN, or both:
    /// those are still to be looked at. `None`: the segment
    /// is something else.
    #[must_use]
    #[inline]
    pub fn acknowledged(&self, arrival: &PlainArrival, now: Instant) -> Option<Sleeping> {
        let header = &arrival.header;
        let mut asleep = self.asleep;
        let timestamps = asleep.settled().timestamps;
        let expected = header.sequence == asleep.receive_next
            && header.acknowledgment == self.send_next()
            && is_newest(timestamps.then_some(asleep.recent_timestamp), header);
        if !expected {
            return None;
        }
        asleep.send_next = header.acknowledgment;
        asleep.send_window = header.window;
        if let Some(stamps) = header.timestamps.filter(|_| timestamps) {
            asleep.recent_timestamp = stamps.value;
        }
        // RFC 6298 section 2.2: the first sample since it woke. Never nothing: 0 is for unknown.
        asleep.set_srtt(Micros::of(now).since(self.sent).max(1));
        asleep.heard(now);
        Some(asleep)
    }

    /// SND.UNA: the number of the text's first byte.
    #[must_use]
    pub const fn una(&self) -> Seq {
        self.asleep.send_next
    }

    /// SND.NXT: the number after its last.
    #[must_use]
    pub fn send_next(&self) -> Seq {
        self.una() + self.length
    }

    /// When the text was sent, for a reply that is less than half an hour old.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Instant {
        self.sent.instant(now)
    }
}

impl Working {
    /// Goes on with a connection whose text is in flight: does again, as of then, what led to the
    /// reply. `mss` as for [`Working::wake`].
    pub fn resume(&mut self, turn: &mut Turn<'_>, reply: &Reply, mss: u16) {
        let then = Turn {
            config: turn.config,
            now: reply.sent(turn.now),
            challenges: &mut *turn.challenges,
        };
        // What was sent left when the link took it, whatever it takes now.
        let (settled, length) = (reply.asleep.settled(), reply.length);
        let options = if settled.timestamps { Options::TIMESTAMPS_LENGTH as u32 } else { 0 };
        // Text of one segment is shorter than 2^16 with its options.
        let most = u16::try_from(length + options).unwrap_or(u16::MAX);
        self.wake(&then, &reply.asleep, mss.max(most));
        self.write(length);
        let outgoing = self.transmit(&then);
        debug_assert!(outgoing.is_some_and(|outgoing| outgoing.length == length));
        self.fit_link(mss);
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

/// Whether all of the window is offered again once the application has taken `length` bytes: not
/// where half of what there could be is already more than the peer can be told.
#[inline]
pub(crate) fn opens_wide(config: &Config, scaled: bool, length: u32) -> bool {
    let most = 0xffff << if scaled { config.window_scale() } else { 0 };
    length + config.receiving.window / 2 <= config.receiving.window.min(most)
}

#[cfg(test)]
pub(crate) mod tests;
