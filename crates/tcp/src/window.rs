//! The receive side: RCV.NXT, the window offered and when to acknowledge, RFC 9293 sections 3.8.6.2.2
//! and 3.8.6.3. Invariant: the right edge of the window that is meant never moves left; that of the
//! window told may, by less than a unit of the window scale, and what was told stays acceptable.

use core::time::Duration;

use base::{Instant, Seq};

use crate::Turn;
use crate::config::Config;
use crate::micros::Micros;

/// The receiver's variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveSide {
    /// RCV.NXT.
    pub(crate) nxt: Seq,
    /// The right edge of the window offered, RCV.NXT + RCV.WND: the furthest that any acknowledgment
    /// has told, which stays acceptable (RFC 7323 section 2.4).
    pub(crate) edge: Seq,
    /// The right edge that is meant. What is told is rounded up to a unit of the window scale from here,
    /// not from what was told before, or it would creep ahead with every acknowledgment.
    right: Seq,
    /// Bytes in order that the application has not taken.
    pub(crate) buffered: u32,
    /// What [`Receiving::window`](crate::Receiving::window) has grown to; 0 while it has not.
    grown: u32,
    /// What the application had taken when growth was considered last, and when that was. Half an
    /// hour looks like a moment, so after a pause the window may double once for nothing.
    measured: (Seq, Micros),
    /// Shift of the windows sent.
    pub(crate) shift: u8,
    /// Largest segment this side can receive.
    pub(crate) mss: u16,
    /// RCV.UP, while urgent data is outstanding.
    pub(crate) urgent: Option<Seq>,
    /// Last.ACK.sent, RFC 7323 section 4.3.
    pub(crate) last_ack: Seq,
    /// Largest payload that arrived, to tell full-sized segments.
    largest: u32,
    /// Bytes that arrived since the last acknowledgment.
    unacknowledged: u32,
    /// Segments that are still acknowledged at once.
    quick_acks: u8,
    /// When text arrived last.
    heard: Option<Instant>,
    /// An acknowledgment is to go out with the next segment at the latest by the timer.
    pub(crate) ack_at: Option<Instant>,
    /// An acknowledgment is to go out now.
    pub(crate) ack_now: bool,
    /// Where the peer's FIN is, once it has been seen.
    pub(crate) fin: Option<Seq>,
    /// The peer has sent its FIN, and everything before it has arrived.
    pub(crate) ended: bool,
}

impl ReceiveSide {
    pub(crate) const fn new(mss: u16) -> Self {
        Self {
            nxt: Seq(0),
            edge: Seq(0),
            right: Seq(0),
            buffered: 0,
            grown: 0,
            measured: (Seq(0), Micros::ZERO),
            shift: 0,
            mss,
            urgent: None,
            last_ack: Seq(0),
            largest: 0,
            unacknowledged: 0,
            quick_acks: 0,
            heard: None,
            ack_at: None,
            ack_now: false,
            fin: None,
            ended: false,
        }
    }

    /// The first number of the peer's is known.
    pub(crate) fn start(&mut self, next: Seq, config: &Config) {
        self.nxt = next;
        self.measured.0 = next;
        self.last_ack = next;
        self.quick_acks = config.receiving.quick_acks;
        // A SYN's window is never scaled (RFC 7323 section 2.2).
        self.right = next + config.receiving.window.min(0xffff);
        self.edge = self.right;
    }

    /// `wide`: more than the usual window had been offered when it fell asleep.
    pub(crate) fn wake(&mut self, next: Seq, config: &Config, scaled: bool, wide: bool) {
        self.nxt = next;
        self.measured.0 = next;
        self.last_ack = next;
        self.shift = if scaled { config.window_scale() } else { 0 };
        let most = if wide { config.receiving.window_max } else { config.receiving.window };
        self.right = next + most.min(0xffff << self.shift);
        // It may have been told as rounded up.
        self.edge = self.right + ((1 << self.shift) - 1);
    }

    /// Whether more is offered than [`ReceiveSide::wake`] would offer.
    pub(crate) fn is_wide(&self, config: &Config) -> bool {
        self.right.distance(self.nxt) > config.receiving.window.min(0xffff << self.shift) as i32
    }

    /// Whether the peer has sent more than one large segment since this end woke, the last of them
    /// less than `pause` ago: the window may have to grow, which is measured only while awake.
    pub(crate) fn is_in_use(&self, now: Instant, pause: Duration) -> bool {
        let taken = self.nxt.distance(self.measured.0).unsigned_abs();
        let several = self.measured.1 != Micros::ZERO || taken >= 2 * self.largest;
        let large = 2 * self.largest > u32::from(self.mss);
        several && large && self.heard.is_some_and(|heard| now - heard <= pause)
    }

    /// The application has taken something. When it took half a window within a round trip, the
    /// window may be what holds the peer back: it doubles, up to what the settings allow and the
    /// caller has `room` for. Where there is less room than that, it shrinks to what there is.
    #[inline]
    pub(crate) fn follow_reader(&mut self, turn: &Turn<'_>, room: u32, round_trip: u32) {
        let taken = self.nxt - self.buffered;
        if taken.distance(self.measured.0).unsigned_abs() >= self.most(turn.config) / 2 {
            self.measure(turn, taken, (room, round_trip));
        }
    }

    #[cold]
    fn measure(&mut self, turn: &Turn<'_>, taken: Seq, (room, round_trip): (u32, u32)) {
        let config = turn.config;
        let now = Micros::of(turn.now);
        let before = core::mem::replace(&mut self.measured, (taken, now)).1;
        let fast = now.since(before) <= round_trip;
        let most = self.most(config);
        let wanted = if fast { most.saturating_mul(2) } else { most };
        let grown = wanted.min(config.receiving.window_max).min(room);
        self.grown = if grown > config.receiving.window { grown } else { 0 };
    }

    /// The largest window that is offered now.
    fn most(&self, config: &Config) -> u32 {
        config.receiving.window.max(self.grown).min(0xffff << self.shift)
    }

    /// RCV.WND.
    pub(crate) const fn window(&self) -> u32 {
        self.edge.distance(self.nxt) as u32
    }

    /// Whether the peer is owed an acknowledgment.
    pub(crate) const fn owes(&self) -> bool {
        self.ack_now || self.ack_at.is_some()
    }

    /// RCV.NXT has moved over `length` bytes.
    pub(crate) const fn advance(&mut self, length: u32) {
        self.nxt = Seq(self.nxt.0.wrapping_add(length));
        self.buffered += length;
    }

    /// Payload of one segment has arrived in order: acknowledge every second full-sized segment at
    /// once, as well as the first ones and those after a `pause`, and anything else soon.
    pub(crate) fn acknowledge_soon(&mut self, length: u32, turn: &Turn<'_>, pause: Duration) {
        let (now, config) = (turn.now, turn.config);
        let paused = self.heard.replace(now).is_some_and(|heard| now - heard > pause);
        if paused && config.receiving.quick_acks > 0 {
            self.quick_acks = config.receiving.quick_acks;
        }
        if self.quick_acks > 0 {
            self.quick_acks -= 1;
            self.ack_now = true;
        }
        // Several may have come as one.
        self.largest = self.largest.max(length.min(u32::from(self.mss)));
        self.unacknowledged = self.unacknowledged.saturating_add(length);
        //= specs/rfc9293.txt#section-3.8.6.3
        //# An ACK SHOULD be generated for at least every second full-sized segment or 2*RMSS bytes
        //# of new data (where RMSS is the MSS specified by the TCP endpoint receiving the segments
        //# to be acknowledged, or the default value if not specified) (SHLD-19).
        if self.unacknowledged >= 2 * self.largest {
            self.ack_now = true;
        }
        //= specs/rfc9293.txt#section-3.8.6.3
        //# A TCP endpoint SHOULD implement a delayed ACK (SHLD-18), but an ACK
        //# should not be excessively delayed; in particular, the delay MUST be
        //# less than 0.5 seconds (MUST-40).
        let delay = config.receiving.ack_delay.min(ACK_DELAY_MAX);
        self.ack_at.get_or_insert(now + delay);
    }

    /// The application sent something: if that is an answer, acknowledgments can go with such.
    pub(crate) fn answered(&mut self, now: Instant, delay: Duration) {
        if self.quick_acks > 0 && self.heard.is_some_and(|heard| now - heard < delay) {
            self.quick_acks = 0;
        }
    }

    /// The application took `length` bytes. Tells the peer when that opens the window by much.
    pub(crate) fn consume(&mut self, length: u32, config: &Config) {
        self.buffered = self.buffered.saturating_sub(length);
        // While much of the window is left, the next acknowledgment is soon enough.
        let low = self.window() < config.receiving.window.min(0xffff) / 2;
        self.ack_now |= low && self.opens(config);
    }

    /// Whether the right edge may move by enough to be worth telling.
    fn opens(&self, config: &Config) -> bool {
        let opens = self.target(config).distance(self.right);
        //= specs/rfc9293.txt#section-3.8.6.2.2
        //# The suggested SWS avoidance algorithm for the receiver is to keep
        //# RCV.NXT+RCV.WND fixed until the reduction satisfies:
        //= specs/rfc9293.txt#section-3.8.6.2.2
        //# TCP implementation MUST include a SWS avoidance algorithm in the receiver (MUST-39).
        let worth = (config.receiving.window / 2).min(u32::from(self.mss));
        opens > 0 && opens as u32 >= worth
    }

    /// Where the right edge would be with all room there is.
    fn target(&self, config: &Config) -> Seq {
        self.nxt + self.most(config).saturating_sub(self.buffered)
    }

    /// An acknowledgment goes out: settles what was owed, and gives the window field for it.
    pub(crate) fn acknowledged(&mut self, config: &Config) -> u16 {
        self.ack_now = false;
        self.ack_at = None;
        self.unacknowledged = 0;
        self.last_ack = self.nxt;
        // What is offered now is told in full, too, while that is much: only a small window can
        // become a silly one.
        let wide = self.window() >= config.receiving.window / 2;
        if wide || self.opens(config) {
            self.right = self.right.max(self.target(config));
        }
        // Rounded down the edge would move left of what is meant, so a part of a unit counts as one.
        let unit = 1u32 << self.shift;
        //= specs/rfc9293.txt#section-3.8.6
        //# A TCP receiver SHOULD NOT shrink the window, i.e., move the right window edge to the
        //# left (SHLD-14).
        let window = self.right.distance(self.nxt).max(0) as u32;
        let field = window.div_ceil(unit).min(0xffff);
        self.edge = self.edge.max(self.nxt + (field << self.shift));
        field as u16
    }
}

/// RFC 9293 section 3.8.6.3 (MUST-40), with some room.
const ACK_DELAY_MAX: Duration = Duration::from_millis(490);

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use base::{Instant, Prng, Seq};

    use super::ReceiveSide;
    use crate::{ChallengeLimit, Config, Turn};

    const START: Instant = Instant::from_millis(1_000);
    const PAUSE: Duration = Duration::from_millis(200);

    /// A side that has just woken, and to which segments of these lengths came.
    fn side(lengths: &[u32]) -> ReceiveSide {
        let config = Config::default();
        let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
        let turn = Turn { config: &config, now: START, challenges };
        let mut side = ReceiveSide::new(1_000);
        side.wake(Seq(7), &config, false, false);
        for length in lengths {
            side.advance(*length);
            side.acknowledge_soon(*length, &turn, PAUSE);
        }
        side
    }

    #[test]
    fn a_window_is_in_use_after_several_large_segments() {
        let cases: [(&[u32], bool); 6] = [
            (&[], false),
            (&[1_000], false),
            (&[1_000, 500], false),
            (&[1_000, 1_000], true),
            (&[500, 500, 500], false),
            (&[501, 501], true),
        ];
        for (lengths, is_in_use) in cases {
            assert_eq!(side(lengths).is_in_use(START + PAUSE, PAUSE), is_in_use, "{lengths:?}");
        }
        let later = START + PAUSE + Duration::from_millis(1);
        assert!(!side(&[1_000, 1_000]).is_in_use(later, PAUSE));
    }

    #[test]
    fn only_what_the_application_took_makes_the_window_grow() {
        let mut config = Config::default();
        config.receiving.window = 10_000;
        config.receiving.window_max = 40_000;
        let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
        let turn = Turn { config: &config, now: START, challenges };
        let mut side = side(&[1_000; 6]);
        side.follow_reader(&turn, 1 << 20, 1_000_000);
        assert_eq!(side.most(&config), 10_000, "nothing was taken");
        for _ in 0..2 {
            side.advance(6_000);
            side.consume(6_000, &config);
            side.follow_reader(&turn, 1 << 20, 1_000_000);
        }
        assert_eq!(side.most(&config), 20_000);
    }
}
