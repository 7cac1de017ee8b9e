//! The receive side: RCV.NXT, the window offered and when to acknowledge, RFC 9293 sections 3.8.6.2.2
//! and 3.8.6.3. Invariant: the right edge of the window offered never moves left.

use core::time::Duration;

use base::{Instant, Seq};

use crate::Turn;
use crate::config::Config;

/// The receiver's variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveSide {
    /// RCV.NXT.
    pub(crate) nxt: Seq,
    /// The right edge of the window offered: RCV.NXT + RCV.WND.
    pub(crate) edge: Seq,
    /// Bytes in order that the application has not taken.
    pub(crate) buffered: u32,
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
            buffered: 0,
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
        self.last_ack = next;
        self.quick_acks = config.quick_acks;
        // A SYN's window is never scaled (RFC 7323 section 2.2).
        self.edge = next + config.receive_window.min(0xffff);
    }

    pub(crate) fn wake(&mut self, next: Seq, config: &Config, scaled: bool) {
        self.nxt = next;
        self.last_ack = next;
        self.shift = if scaled { config.window_scale() } else { 0 };
        self.edge = next + config.receive_window.min(0xffff << self.shift);
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
        if paused && config.quick_acks > 0 {
            self.quick_acks = config.quick_acks;
        }
        if self.quick_acks > 0 {
            self.quick_acks -= 1;
            self.ack_now = true;
        }
        self.largest = self.largest.max(length);
        self.unacknowledged = self.unacknowledged.saturating_add(length);
        //= specs/rfc9293.txt#section-3.8.6.3
        //# An ACK SHOULD be generated for at least every second full-sized segment or 2*RMSS bytes
        //# of new data (where RMSS is the MSS specified by the TCP endpoint receiving the segments
        //# to be acknowledged, or the default value if not specified) (SHLD-19).
        if self.unacknowledged >= 2 * self.largest.min(u32::from(self.mss)) {
            self.ack_now = true;
        }
        //= specs/rfc9293.txt#section-3.8.6.3
        //# A TCP endpoint SHOULD implement a delayed ACK (SHLD-18), but an ACK
        //# should not be excessively delayed; in particular, the delay MUST be
        //# less than 0.5 seconds (MUST-40).
        let delay = config.ack_delay.min(ACK_DELAY_MAX);
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
        let low = self.window() < config.receive_window.min(0xffff) / 2;
        self.ack_now |= low && self.opens(config);
    }

    /// Whether the right edge may move by enough to be worth telling.
    fn opens(&self, config: &Config) -> bool {
        let opens = self.target(config).distance(self.edge);
        //= specs/rfc9293.txt#section-3.8.6.2.2
        //# The suggested SWS avoidance algorithm for the receiver is to keep
        //# RCV.NXT+RCV.WND fixed until the reduction satisfies:
        //= specs/rfc9293.txt#section-3.8.6.2.2
        //# TCP implementation MUST include a SWS avoidance algorithm in the receiver (MUST-39).
        let worth = (config.receive_window / 2).min(u32::from(self.mss));
        opens > 0 && opens as u32 >= worth
    }

    /// Where the right edge would be with all room there is.
    fn target(&self, config: &Config) -> Seq {
        let most = config.receive_window.min(0xffff << self.shift);
        self.nxt + most.saturating_sub(self.buffered)
    }

    /// An acknowledgment goes out: settles what was owed, and gives the window field for it.
    pub(crate) fn acknowledged(&mut self, config: &Config) -> u16 {
        self.ack_now = false;
        self.ack_at = None;
        self.unacknowledged = 0;
        self.last_ack = self.nxt;
        // What is offered now is told in full, too, while that is much: only a small window can
        // become a silly one.
        let wide = self.window() >= config.receive_window / 2;
        if wide || self.opens(config) {
            self.edge = self.edge.max(self.target(config));
        }
        // Rounded down the edge would move left, so what is left of a unit counts as one.
        let unit = 1u32 << self.shift;
        //= specs/rfc9293.txt#section-3.8.6
        //# A TCP receiver SHOULD NOT shrink the window, i.e., move the right window edge to the
        //# left (SHLD-14).
        let field = self.window().div_ceil(unit).min(0xffff);
        self.edge = self.nxt + (field << self.shift);
        field as u16
    }
}

/// RFC 9293 section 3.8.6.3 (MUST-40), with some room.
const ACK_DELAY_MAX: Duration = Duration::from_millis(490);
