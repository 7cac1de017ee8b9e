//! The working block: everything a connection knows while it has work. Invariant: SND.UNA ≤ SND.NXT,
//! the flight lies exactly between them, and a block that is [quiet](Working::is_quiet) holds
//! nothing that a [`Sleeping`] does not, but what that module says may be forgotten.

use base::{Instant, Seq};

use crate::config::Config;
use crate::congestion::Congestion;
use crate::ecn::EcnState;
use crate::flight::Flight;
use crate::micros::after_us;
use crate::path::Path;
use crate::rack::Rack;
use crate::ranges::Ranges;
use crate::recovery::Recovery;
use crate::retransmit::Probe;
use crate::rtt::Rtt;
use crate::sack::Reports;
use crate::send::SendSide;
use crate::sleeping::{Settled, Sleeping, Waiting};
use crate::spurious::Doubt;
use crate::timer::Timers;
use crate::window::ReceiveSide;
use crate::{ChallengeLimit, TimeWait};

/// The states of RFC 9293 section 3.3.2 that a working block can be in. LISTEN is no connection yet;
/// CLOSED is none any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// No connection: a block in its pool, or one to be given back.
    #[default]
    Closed,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// This side has closed; its FIN is not acknowledged yet.
    FinWait1,
    /// This side has closed and the peer knows.
    FinWait2,
    /// The peer has closed.
    CloseWait,
    /// Both sides have closed at the same time; the peer does not know of ours yet.
    Closing,
    /// The peer had closed, then this side; the peer does not know of ours yet.
    LastAck,
    /// Both sides have closed and this one was first.
    TimeWait,
}

/// What every call is given beside the connection.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The connection's settings: the same for every call of one connection.
    pub config: &'a Config,
    /// The time.
    pub now: Instant,
    /// The shard's budget of challenge ACKs.
    pub challenges: &'a mut ChallengeLimit,
}

/// What a connection is opened with, in either role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The initial sequence number: [`initial_sequence_number`](crate::initial_sequence_number).
    pub iss: Seq,
    /// Largest segment this side can receive, and send unless the peer or the path takes less: the
    /// MTU less the fixed IP and TCP headers, 40 bytes over IPv4 and 60 over IPv6.
    pub mss: u16,
    /// Whether the connection runs over IPv6: what a peer takes that does not say depends on it.
    pub ipv6: bool,
}

/// A connection at work. About 1,080 bytes; the pool that holds them is sized by how many connections
/// work at once, not by how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Working {
    pub(crate) state: State,
    /// Whether this end opened the connection.
    pub(crate) opened: bool,
    /// Whether SACK was agreed.
    pub(crate) sack: bool,
    /// Whether window scaling was agreed.
    pub(crate) scaled: bool,
    /// The timestamps agreed on, if they were.
    pub(crate) timestamps: Option<RecentTimestamp>,
    pub(crate) ecn: EcnState,
    pub(crate) send: SendSide,
    pub(crate) receive: ReceiveSide,
    pub(crate) rtt: Rtt,
    pub(crate) rack: Rack,
    pub(crate) recovery: Recovery,
    pub(crate) congestion: Congestion,
    /// A timeout that may have been for nothing.
    pub(crate) doubt: Option<Doubt>,
    pub(crate) path: Path,
    pub(crate) timers: Timers,
    pub(crate) reports: Reports,
    pub(crate) flight: Flight,
    pub(crate) held: Ranges,
}

const _: () = assert!(size_of::<Working>() <= 1112);

/// TS.Recent and when it was set, RFC 7323 sections 4.3 and 5.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecentTimestamp {
    pub(crate) value: u32,
    pub(crate) set: Instant,
}

impl Default for Working {
    fn default() -> Self {
        Self::new()
    }
}

impl Working {
    /// An unused block. Every way into a connection ([`Working::connect`], [`Working::accept`],
    /// [`Working::wake`]) works on a block in place, so that a pool can fill itself with these
    /// once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Closed,
            opened: false,
            sack: false,
            scaled: false,
            timestamps: None,
            ecn: EcnState::default(),
            send: SendSide::new(Seq(0), 0, Instant::ZERO),
            receive: ReceiveSide::new(0),
            rtt: Rtt::new(),
            rack: Rack::new(),
            recovery: Recovery::new(),
            congestion: Congestion::new(crate::Algorithm::NewReno, 0, false),
            doubt: None,
            path: Path::WIDE,
            timers: Timers::NONE,
            reports: Reports::NONE,
            flight: Flight::EMPTY,
            held: Ranges::EMPTY,
        }
    }

    /// Makes a used block as good as new, but for the arrays that counts keep from being read.
    pub(crate) fn restart(&mut self, turn: &Turn<'_>, state: State, iss: Seq, mss: u16) {
        self.state = state;
        self.opened = false;
        self.sack = false;
        self.scaled = false;
        self.timestamps = None;
        self.ecn = EcnState::default();
        self.send = SendSide::new(iss, mss, turn.now);
        self.receive = ReceiveSide::new(mss);
        self.rtt = Rtt::new();
        self.rack = Rack::new();
        self.recovery = Recovery::new();
        self.congestion = Congestion::new(turn.config.sending.congestion, u32::from(mss), false);
        self.doubt = None;
        self.path = Path::WIDE;
        self.timers = Timers { heard: turn.now, ..Timers::NONE };
        self.reports = Reports::NONE;
        self.flight.restart(iss);
        self.held.clear();
    }

    /// Goes on with a connection that slept. `mss` is as in [`Opening`]; the smaller of it and what
    /// was agreed or learnt of the path holds.
    pub fn wake(&mut self, turn: &Turn<'_>, sleeping: &Sleeping, mss: u16) {
        let settled = sleeping.settled();
        self.restart(turn, State::Established, sleeping.send_next, mss);
        self.opened = settled.opened;
        self.sack = settled.sack;
        self.scaled = settled.send_shift.is_some();
        self.ecn.on = settled.ecn;
        self.ecn.reduced = settled.reduced;
        let heard = sleeping.heard_at(turn.now);
        self.timers.heard = heard;
        if settled.timestamps {
            let value = sleeping.recent_timestamp;
            self.timestamps = Some(RecentTimestamp { value, set: heard });
        }
        self.send.wake(sleeping, settled.send_shift.unwrap_or(0), settled.mss.min(mss));
        let (next, wide) = (sleeping.receive_next, settled.wide);
        self.receive.wake(next, turn.config, self.scaled, wide);
        self.rtt = Rtt::remembered(settled.srtt);
        let segment = u32::from(self.send.mss);
        self.congestion =
            Congestion::new(turn.config.sending.congestion, segment, settled.cautious);
    }

    /// Whether a [`Sleeping`] would hold all there is: established, nothing in flight, queued,
    /// buffered, or owed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state == State::Established
            && self.send.una == self.send.end
            && self.flight.is_empty()
            && !self.receive.owes()
            && self.receive.buffered == 0
            && self.held.is_empty()
            && self.receive.fin.is_none()
            && self.timers.keep_alive_probes == 0
            && self.send.probe == Probe::None
    }

    /// Whether it is quiet and nothing worth keeping is lost by sleeping now: a congestion window
    /// above the initial one is kept for one retransmission timeout (RFC 5681 section 4.1), and so is
    /// what was learnt of a peer that sends much.
    #[must_use]
    pub fn may_sleep(&self, config: &Config, now: Instant) -> bool {
        self.is_quiet()
            && (!self.congestion.is_above_initial()
                || now >= after_us(self.send.last_sent, self.rtt.timeout_us(config)))
            && !self.receive.is_in_use(now, self.rtt.timeout(config))
    }

    /// What to remember of a quiet connection. The block can be given back then.
    #[must_use]
    pub fn sleep(&self, config: &Config, waiting: Waiting) -> Sleeping {
        debug_assert!(self.is_quiet());
        let settled = Settled {
            send_shift: self.scaled.then_some(self.send.shift),
            timestamps: self.timestamps.is_some(),
            sack: self.sack,
            ecn: self.ecn.on,
            opened: self.opened,
            cautious: self.congestion.is_below_initial(),
            wide: self.receive.is_wide(config),
            reduced: self.ecn.reduced,
            mss: self.send.mss,
            srtt: self.rtt.smoothed().unwrap_or(0),
        };
        let numbers = [self.send.nxt, self.receive.nxt];
        let recent = self.timestamps.map_or(0, |recent| recent.value);
        let window = self.send.unscaled_window();
        // What woke it may have been this end alone.
        let mut sleeping = Sleeping::new(settled, numbers, window, recent, self.timers.heard);
        sleeping.waiting = waiting;
        sleeping
    }

    /// What to remember of a connection in TIME-WAIT, or of one in FIN-WAIT-2 whose application takes no
    /// more. The block can be given back then, once [`Working::transmit`] has nothing more to send.
    #[must_use]
    pub fn time_wait(&self, turn: &Turn<'_>) -> TimeWait {
        debug_assert!(matches!(self.state, State::TimeWait | State::FinWait2));
        TimeWait::new(self, turn)
    }

    /// Goes on with another congestion control, which `Config::congestion` has to name from now on.
    pub const fn set_algorithm(&mut self, algorithm: crate::Algorithm) {
        self.congestion.set_algorithm(algorithm);
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The smoothed round-trip time in microseconds, once one was measured (RFC 6298).
    #[must_use]
    pub const fn smoothed_rtt_us(&self) -> Option<u32> {
        self.rtt.smoothed()
    }

    /// Its variation in microseconds.
    #[must_use]
    pub const fn rtt_variation_us(&self) -> u32 {
        self.rtt.variation()
    }

    /// The congestion window in bytes (RFC 5681).
    #[must_use]
    pub fn congestion_window(&self) -> u32 {
        self.send_limit()
    }

    /// Whether this end opened the connection.
    #[must_use]
    pub const fn opened(&self) -> bool {
        self.opened
    }
}
