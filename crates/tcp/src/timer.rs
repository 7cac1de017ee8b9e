//! The timers of a connection and what happens when one expires: retransmission (RFC 6298 section
//! 5, RFC 9293 section 3.8.3), tail loss probe and reordering (RFC 8985), persist (RFC 9293 section
//! 3.8.6.1), delayed ACK, keep-alive and FIN-WAIT-2. Invariant: one wake-up serves them all, at
//! [`Working::deadline`], and while anything is in flight there is one.

use core::time::Duration;

use base::Instant;

use crate::acknowledge::Acknowledged;
use crate::micros::after_us;
use crate::retransmit::Probe;
use crate::segment::Events;
use crate::spurious::Doubt;
use crate::working::State;
use crate::{Turn, Working};

/// RFC 8985 section 7.2: WCDelAckT, how long a peer may delay the ACK of a single segment.
pub(crate) const WORST_DELAYED_ACK_US: u64 = 200_000;
/// RFC 8985 section 7.2: the probe timeout while no round trip has been measured.
const PROBE_TIMEOUT_INITIAL_US: u64 = 1_000_000;
/// RFC 8985 section 7.2 leaves a minimum to the implementation: two ticks of a timer wheel.
const PROBE_TIMEOUT_MIN_US: u64 = 2_000;
/// Expiries in a row after which large segments are taken for the reason (RFC 4821 section 7.7).
pub(crate) const BLACK_HOLE_EXPIRIES: u8 = 3;

/// R1 of RFC 9293 section 3.8.3: expiries in a row.
//= specs/rfc9293.txt#section-3.8.3
//# The value of R1 SHOULD correspond to at least 3 retransmissions, at the current RTO (SHLD-10).
const R1: u8 = 3;

/// When each timer expires; [`Instant::NEVER`] when it does not run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) retransmission: Instant,
    pub(crate) tail_probe: Instant,
    pub(crate) reorder: Instant,
    pub(crate) persist: Instant,
    /// Keep-alive, or FIN-WAIT-2.
    pub(crate) idle: Instant,
    /// Keep-alive probes that were not answered.
    pub(crate) keep_alive_probes: u8,
    /// When the peer sent something acceptable last, which the next keep-alive probe counts from.
    pub(crate) heard: Instant,
}

impl Timers {
    pub(crate) const NONE: Self = Self {
        retransmission: Instant::NEVER,
        tail_probe: Instant::NEVER,
        reorder: Instant::NEVER,
        persist: Instant::NEVER,
        idle: Instant::NEVER,
        keep_alive_probes: 0,
        heard: Instant::ZERO,
    };

    fn earliest(&self) -> Instant {
        self.retransmission.min(self.tail_probe).min(self.reorder).min(self.persist).min(self.idle)
    }
}

/// Whether the timer has expired; it is stopped then.
fn expired(timer: &mut Instant, now: Instant) -> bool {
    let expired = *timer <= now;
    if expired {
        *timer = Instant::NEVER;
    }
    expired
}

impl Working {
    /// When [`Working::on_timer`] is to be called, if at all. May come earlier than what it was
    /// before, or later; to call too early does no harm.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let earliest = self.timers.earliest();
        let earliest = self.receive.ack_at.map_or(earliest, |at| at.min(earliest));
        (earliest != Instant::NEVER).then_some(earliest)
    }

    /// Whether the peer has not acknowledged anything for three timeouts in a row: R1 of RFC 9293
    /// section 3.8.3. Worth telling whoever waits, and worth asking for another route.
    #[must_use]
    pub const fn is_troubled(&self) -> bool {
        //= specs/rfc9293.txt#section-3.8.3
        //# (e) TCP implementations SHOULD inform the application of the delivery problem (unless
        //# such information has been disabled by the application; see the "Asynchronous Reports"
        //# section (Section 3.9.1.8)), when R1 is reached and before R2 (SHLD-9).
        self.rtt.backoff() >= R1
    }

    /// Time has passed. Afterwards [`Working::transmit`] until it has nothing more.
    pub fn on_timer(&mut self, turn: &Turn<'_>) -> Events {
        let now = turn.now;
        let mut events = Events::default();
        if self.receive.ack_at.is_some_and(|at| at <= now) {
            self.receive.ack_now = true;
        }
        if expired(&mut self.timers.reorder, now) {
            self.detect_loss(now, &Acknowledged::default());
        }
        if expired(&mut self.timers.tail_probe, now) {
            self.send.probe = Probe::Tail;
            self.timers.retransmission = self.retransmission_at(turn);
        }
        if expired(&mut self.timers.retransmission, now) {
            events.add(self.retransmission_expired(turn));
        }
        if expired(&mut self.timers.persist, now) {
            events.add(self.persist_expired(turn));
        }
        if expired(&mut self.timers.idle, now) {
            events.add(self.idle_expired(turn));
        }
        events
    }

    /// The retransmission timeout now.
    pub(crate) fn timeout(&self, turn: &Turn<'_>) -> Duration {
        self.rtt.timeout(turn.config)
    }

    /// Makes the timers fit what is in flight, after anything that may have changed it.
    pub(crate) fn arm(&mut self, turn: &Turn<'_>) {
        if self.flight.is_empty() {
            self.timers.retransmission = Instant::NEVER;
            self.timers.tail_probe = Instant::NEVER;
            self.timers.reorder = Instant::NEVER;
            self.arm_persist(turn);
        } else {
            self.timers.persist = Instant::NEVER;
            if self.timers.retransmission == Instant::NEVER {
                // RFC 6298 section 5.1.
                self.timers.retransmission = self.retransmission_at(turn);
            }
        }
    }

    /// With something to send, nothing in flight and no window, only a probe keeps the connection
    /// alive.
    fn arm_persist(&mut self, turn: &Turn<'_>) {
        //= specs/rfc9293.txt#section-3.8.6.1
        //# Probing of zero (offered) windows MUST be supported (MUST-36).
        let stuck = self.send.unsent() > 0 || self.send.fin_unsent();
        let open = !matches!(self.state, State::Closed | State::SynSent | State::SynReceived);
        if !stuck || !open {
            self.timers.persist = Instant::NEVER;
        } else if self.timers.persist == Instant::NEVER && self.send.probe == Probe::None {
            //= specs/rfc9293.txt#section-3.8.6.1
            //# The transmitting host SHOULD send the first zero-window probe when a
            //# zero window has existed for the retransmission timeout period (SHLD-
            //# 29) (Section 3.8.1), and SHOULD increase exponentially the interval
            //# between successive probes (SHLD-30).
            let wait = if self.send.window == 0 { self.timeout(turn) } else { Self::OVERRIDE };
            self.timers.persist = turn.now + wait;
            if !self.send.probe_unanswered {
                self.send.progress = turn.now;
            }
        }
    }

    /// Starts the tail loss probe timer: RFC 8985 section 7.2.
    pub(crate) fn schedule_tail_probe(&mut self, turn: &Turn<'_>) {
        self.timers.tail_probe = Instant::NEVER;
        let applies = turn.config.retransmission.tail_loss_probes
            && self.sack
            && !self.flight.is_empty()
            && !self.recovery.is_under_way()
            && self.recovery.tail_probe.is_none()
            && self.flight.sacked() == 0
            && self.send.window > 0;
        if !applies {
            return;
        }
        let mut wait = match self.rtt.smoothed() {
            Some(smoothed) => (2 * u64::from(smoothed)).max(PROBE_TIMEOUT_MIN_US),
            None => PROBE_TIMEOUT_INITIAL_US,
        };
        if self.flight.pipe() <= u32::from(self.send.mss) {
            wait += WORST_DELAYED_ACK_US;
        }
        // Not later than the retransmission timer would expire: a probe first, then.
        let wait = wait.min(self.rtt.timeout_us(turn.config));
        self.timers.tail_probe = after_us(turn.now, wait);
    }

    /// A tail loss probe goes out: RFC 8985 section 7.3.
    pub(crate) fn note_tail_probe(&mut self, retransmission: bool) {
        if retransmission {
            self.path.forget_probe();
        }
        if self.send.probe != Probe::Override {
            self.recovery.tail_probe = Some((self.send.nxt, retransmission));
        }
        self.send.probe = Probe::None;
    }

    /// RFC 6298 sections 5.4 to 5.7, RFC 9293 section 3.8.3.
    fn retransmission_expired(&mut self, turn: &Turn<'_>) -> Events {
        let opening = matches!(self.state, State::SynSent | State::SynReceived);
        //= specs/rfc9293.txt#section-3.8.6.1
        //# As
        //# long as the receiving TCP peer continues to send acknowledgments in
        //# response to the probe segments, the sending TCP peer MUST allow the
        //# connection to stay open (MUST-37).
        if self.send.window == 0 && !self.send.probe_unanswered && !opening {
            // The time counts from the first probe without an answer.
            self.send.progress = turn.now;
        }
        //= specs/rfc9293.txt#section-3.8.3
        //# The following procedure MUST be used to handle excessive retransmissions of data
        //# segments (MUST-20)
        let limit = if opening { turn.config.timeouts.syn } else { turn.config.timeouts.user };
        if self.is_given_up(turn, limit) {
            return self.time_out();
        }
        self.rtt.back_off();
        if opening {
            self.send.syn_pending = true;
        } else if self.send.window == 0 {
            self.send.probe_unanswered = true;
            self.send.probe = Probe::Window;
        } else {
            let in_flight = self.send.nxt.distance(self.send.una) as u32;
            let doubtful = self.rtt.backoff() == 1 && !self.recovery.is_under_way();
            self.doubt = doubtful.then(|| Doubt::new(self.congestion));
            self.flight.forget_reneged();
            self.flight.mark_lost(|_| true);
            self.congestion.timed_out(in_flight, self.rtt.backoff() == 1);
            self.recovery.timed_out(self.send.nxt);
            self.ecn.reduced = self.ecn.on;
            self.suspect_black_hole(turn.now);
        }
        self.timers.tail_probe = Instant::NEVER;
        self.timers.reorder = Instant::NEVER;
        self.timers.retransmission = self.retransmission_at(turn);
        Events::default()
    }

    /// Nothing is in flight, and something waits for a window. What is sent now is in flight, so
    /// what follows is the retransmission timer's business.
    fn persist_expired(&mut self, turn: &Turn<'_>) -> Events {
        if self.send.window > 0 {
            self.send.probe = Probe::Override;
        } else {
            if self.send.probe_unanswered && self.is_given_up(turn, turn.config.timeouts.user) {
                return self.time_out();
            }
            self.rtt.back_off();
            self.send.probe_unanswered = true;
            self.send.probe = Probe::Window;
        }
        Events::default()
    }

    /// Since when the peer owes an acknowledgment, if it owes one: of a half-open connection, since its
    /// SYN came.
    #[must_use]
    pub const fn waiting_since(&self) -> Instant {
        self.send.progress
    }

    /// Whether the peer has owed an acknowledgment for `limit`.
    fn is_given_up(&self, turn: &Turn<'_>, limit: Duration) -> bool {
        turn.now - self.send.progress >= limit
    }

    /// When the retransmission timer expires that is started now: not after the time at which the
    /// connection is given up, so that it is given up then.
    fn retransmission_at(&self, turn: &Turn<'_>) -> Instant {
        let opening = matches!(self.state, State::SynSent | State::SynReceived);
        let limit = if opening { turn.config.timeouts.syn } else { turn.config.timeouts.user };
        let given_up = (self.send.progress + limit).max(turn.now);
        let expires = after_us(turn.now, self.rtt.timeout_us(turn.config));
        if self.send.window == 0 && !opening { expires } else { expires.min(given_up) }
    }

    fn idle_expired(&mut self, turn: &Turn<'_>) -> Events {
        if self.state == State::FinWait2 {
            self.state = State::Closed;
            return Events::CLOSED;
        }
        self.keep_alive_expired(turn)
    }

    /// The peer has not answered for too long.
    pub(crate) const fn time_out(&mut self) -> Events {
        self.state = State::Closed;
        Events::TIMED_OUT
    }
}
