//! A connection driven one segment at a time, in virtual time: inject one, expect one back, make
//! the application's calls, let time pass.

use std::collections::VecDeque;
use std::time::Duration;

use base::{Instant, Prng};
use tcp::{
    Arrival, ChallengeLimit, Config, Dropped, Events, Extensions, Opening, Payload, Received,
    Reset, State, Turn, Unreachable, Waiting, Working,
};
use wire::protocol::Ecn;
use wire::tcp::Flags;

use crate::segment::{OUR_ISS, PEER_ISS, Segment, Sent, ack, syn, syn_ack};

/// How far from the time expected a segment may be sent.
const TOLERANCE: Duration = Duration::from_micros(600);
/// The peer's timestamp clock at the start; one tick a millisecond.
pub const PEER_CLOCK: u32 = 5_000;

pub struct Script {
    pub working: Working,
    pub config: Config,
    pub challenges: ChallengeLimit,
    pub now: Instant,
    sent: VecDeque<(Instant, Sent)>,
    events: Events,
    pub last: Received,
    /// Whether the application takes bytes as they come.
    pub reads: bool,
    /// Bytes it has been given, and bytes kept for it.
    pub delivered: u64,
    pub can_hold: bool,
    /// Bytes that there is room for in all; 0: the window is not to follow the reader.
    pub room: u32,
    last_timestamp: Option<u32>,
    timestamps: bool,
}

/// Milliseconds.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Script {
    /// A block that is no connection yet. ECN is off unless a test is about it.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let extensions = Extensions { ecn: false, timestamps: false, ..Extensions::default() };
        let mut config = Config { extensions, ..Config::default() };
        change(&mut config);
        Self {
            working: Working::new(),
            config,
            challenges: ChallengeLimit::new(100, Prng::new(1)),
            now: Instant::from_millis(1_000),
            sent: VecDeque::new(),
            events: Events::default(),
            last: Received::default(),
            reads: true,
            delivered: 0,
            can_hold: true,
            room: 0,
            last_timestamp: None,
            timestamps: false,
        }
    }

    /// Accepts `syn`; the SYN-ACK is waiting to be expected.
    pub fn accept(syn: &Segment, change: impl FnOnce(&mut Config)) -> Self {
        let opening = Opening { iss: OUR_ISS, mss: 1_460, ipv6: false };
        Self::accept_as(syn, change, &opening)
    }

    pub fn accept_over_ipv6(syn: &Segment) -> Self {
        Self::accept_as(syn, |_| {}, &Opening { iss: OUR_ISS, mss: 1_440, ipv6: true })
    }

    fn accept_as(syn: &Segment, change: impl FnOnce(&mut Config), opening: &Opening) -> Self {
        let mut script = Self::new(change);
        script.timestamps = syn.timestamps.is_some() && script.config.extensions.timestamps;
        let header = syn.header();
        let arrival = arrival(&header, syn, true);
        let turn =
            Turn { config: &script.config, now: script.now, challenges: &mut script.challenges };
        script.working.accept(&turn, &arrival, opening);
        script.transmit();
        script
    }

    /// Opens; the SYN is waiting to be expected.
    pub fn connect(change: impl FnOnce(&mut Config)) -> Self {
        let mut script = Self::new(change);
        let opening = Opening { iss: OUR_ISS, mss: 1_460, ipv6: false };
        let turn =
            Turn { config: &script.config, now: script.now, challenges: &mut script.challenges };
        script.working.connect(&turn, &opening);
        script.transmit();
        script
    }

    /// A connection that a peer opened: MSS 1,000, SACK, no scaling, no timestamps, a window of
    /// 60,000, and 10 ms of round trip.
    pub fn established() -> Self {
        Self::established_with(|_| {}, syn().mss(1_000).sack_ok())
    }

    /// The same with settings and a SYN of the test's own.
    pub fn established_with(change: impl FnOnce(&mut Config), syn: Segment) -> Self {
        let mut script = Self::accept(&syn.win(60_000), change);
        script.take_one();
        script.wait(ms(10));
        script.inject(ack(1, 1).win(60_000));
        script.expect_event(Events::ESTABLISHED);
        script.expect_nothing();
        script
    }

    /// A connection without SACK.
    pub fn established_without_sack() -> Self {
        Self::established_with(|_| {}, syn().mss(1_000))
    }

    /// A connection with timestamps and window scaling.
    pub fn established_with_timestamps() -> Self {
        let syn = syn().mss(1_012).sack_ok().scale(2).ts(PEER_CLOCK, 0);
        Self::established_with(|config| config.extensions.timestamps = true, syn)
    }

    /// One that this side opened, with the same settings as [`Script::established`].
    pub fn opened() -> Self {
        let mut script = Self::connect(|_| {});
        script.take_one();
        script.wait(ms(10));
        script.inject(syn_ack().mss(1_000).sack_ok().win(60_000));
        script.expect_event(Events::ESTABLISHED);
        script.expect(ack(1, 1));
        script
    }

    /// Puts the connection into a state, with everything that was sent on the way taken out. The
    /// next numbers are 1 on either side, and one more for each FIN.
    pub fn in_state(state: State) -> Self {
        match state {
            State::SynSent => {
                let mut script = Self::connect(|_| {});
                script.take_one();
                return script;
            }
            State::SynReceived => {
                let mut script = Self::accept(&syn().mss(1_000).sack_ok(), |_| {});
                script.take_one();
                return script;
            }
            _ => {}
        }
        let mut script = Self::established();
        let we_close_first =
            matches!(state, State::FinWait1 | State::FinWait2 | State::Closing | State::TimeWait);
        if we_close_first {
            script.close();
            script.take_one();
        }
        let fin = ack(1, 1).with(Flags::FIN);
        match state {
            State::FinWait2 => script.inject(ack(1, 2)),
            State::CloseWait | State::LastAck | State::Closing => script.inject(fin),
            State::TimeWait => {
                script.inject(ack(1, 2));
                script.inject(ack(1, 2).with(Flags::FIN));
            }
            _ => {}
        }
        if state == State::LastAck {
            script.close();
        }
        script.sent.clear();
        script.events = Events::default();
        assert_eq!(script.working.state(), state);
        script
    }

    pub fn inject(&mut self, segment: Segment) {
        self.inject_in_batch(segment);
        self.transmit();
    }

    /// Injects a segment of a batch: nothing is sent before the whole of it has arrived.
    pub fn inject_in_batch(&mut self, segment: Segment) {
        let mut header = segment.header();
        if self.timestamps && !segment.no_timestamps && header.options.timestamps.is_none() {
            let value = self.peer_clock();
            let echo = self.last_timestamp.unwrap_or(0);
            header.options.timestamps = Some(wire::tcp::Timestamps { value, echo });
        }
        let arrival = arrival(&header, &segment, self.can_hold);
        let mut turn =
            Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        self.last = self.working.receive(&mut turn, &arrival);
        if let Payload::InOrder { length, held, .. } = self.last.payload {
            self.delivered += u64::from(length + held);
            if self.reads {
                self.working.consumed(&turn, length + held);
                if self.room > 0 {
                    self.working.follow_reader(&turn, self.room);
                }
            }
        }
        self.add_events(self.last.events);
    }

    /// Everything that is to be sent is sent.
    pub fn finish_batch(&mut self) {
        self.transmit();
    }

    /// The peer's timestamp clock now.
    pub fn peer_clock(&self) -> u32 {
        PEER_CLOCK + (self.now.as_millis() - 1_000) as u32
    }

    fn add_events(&mut self, events: Events) {
        assert!(!self.events.any(events), "{events:?} happened twice");
        self.events = self.events.with(events);
    }

    fn transmit(&mut self) {
        for _ in 0..1_000 {
            let turn =
                Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
            let may = self.working.has_output();
            let Some(outgoing) = self.working.transmit(&turn) else { return };
            assert!(may, "there was output after all: {outgoing:?}");
            let sent = Sent::new(&outgoing);
            self.last_timestamp = sent.timestamp().or(self.last_timestamp);
            self.sent.push_back((self.now, sent));
        }
        panic!("sends without end");
    }

    /// The application writes.
    pub fn write(&mut self, length: u32) {
        self.working.write(length);
        self.transmit();
    }

    pub fn write_urgent(&mut self, length: u32) {
        self.working.write_urgent(length);
        self.transmit();
    }

    /// The application takes bytes it was given before.
    pub fn read(&mut self, length: u32) {
        let turn = Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        self.working.consumed(&turn, length);
        self.transmit();
    }

    pub fn close(&mut self) {
        let turn = Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        let events = self.working.close(&turn);
        self.add_events(events);
        self.transmit();
    }

    pub fn abort(&mut self) -> Option<Sent> {
        self.working.abort().map(|reset| Sent::new(&reset.outgoing()))
    }

    pub fn unreachable(&mut self, sequence: u32, error: Unreachable) {
        let events = self.working.unreachable(self.now, OUR_ISS + sequence, error);
        self.add_events(events);
        self.transmit();
    }

    pub fn keep_alive(&mut self) {
        let turn = Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        self.working.keep_alive(&turn);
        self.transmit();
    }

    /// Sleeps for a while and wakes.
    pub fn nap(&mut self, span: Duration) {
        assert!(self.working.is_quiet(), "{:?}", self.working);
        let sleeping = self.working.sleep(&self.config, Waiting::Input);
        self.now += span;
        let turn = Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        self.working = Working::new();
        self.working.wake(&turn, &sleeping, 1_460);
    }

    /// Lets time pass, with all timers that expire.
    pub fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.working.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.on_timer();
        }
        self.now = until;
    }

    fn on_timer(&mut self) {
        let turn = Turn { config: &self.config, now: self.now, challenges: &mut self.challenges };
        let events = self.working.on_timer(&turn);
        self.add_events(events);
        self.transmit();
    }

    /// The next segment sent is this one, and was sent just now.
    #[track_caller]
    pub fn expect(&mut self, wanted: Segment) {
        let Some((at, sent)) = self.sent.pop_front() else {
            panic!("nothing was sent instead of {wanted:?}");
        };
        assert!(self.now - at <= TOLERANCE, "{sent:?} was sent {:?} ago", self.now - at);
        if let Some(wrong) = wanted.difference(&sent) {
            panic!("wrong: {wrong}\nsent:   {sent:?}\nwanted: {wanted:?}");
        }
    }

    /// The next segment is sent after `span`, and is this one.
    #[track_caller]
    pub fn expect_after(&mut self, span: Duration, wanted: Segment) {
        self.expect_nothing();
        let start = self.now;
        while self.sent.is_empty() {
            let Some(at) = self.working.deadline() else {
                panic!("nothing will be sent instead of {wanted:?}");
            };
            self.now = self.now.max(at);
            self.on_timer();
            assert!(self.now - start < ms(1_000_000), "{wanted:?} is not sent");
        }
        let took = self.now - start;
        let early = span.saturating_sub(took) > TOLERANCE;
        let late = took.saturating_sub(span) > TOLERANCE;
        assert!(!early && !late, "sent after {took:?}, not {span:?}: {:?}", self.sent[0].1);
        self.expect(wanted);
    }

    #[track_caller]
    pub fn expect_nothing(&mut self) {
        assert!(self.sent.is_empty(), "sent: {:?}", self.sent);
    }

    /// The segment injected last was answered with this reset and nothing else.
    #[track_caller]
    pub fn expect_reset(&mut self, sequence: u32, acknowledgment: Option<u32>) {
        let wanted = Reset {
            sequence: OUR_ISS + sequence,
            acknowledgment: acknowledgment.map(|number| PEER_ISS + number),
        };
        assert_eq!(self.last.reset, Some(wanted));
        self.expect_nothing();
    }

    /// This happened since events were asked for last, and nothing else.
    #[track_caller]
    pub fn expect_event(&mut self, event: Events) {
        assert_eq!(self.events, event, "in {:?}", self.working.state());
        self.events = Events::default();
    }

    #[track_caller]
    pub fn expect_no_event(&self) {
        assert_eq!(self.events, Events::default());
    }

    #[track_caller]
    pub fn expect_dropped(&mut self, why: Dropped) {
        assert_eq!(self.last.dropped, Some(why));
    }

    /// The segment injected last was kept for later, so many bytes of it.
    #[track_caller]
    pub fn expect_held(&mut self, bytes: u32) {
        assert_eq!(self.last.payload, Payload::OutOfOrder { skip: 0, length: bytes });
    }

    #[track_caller]
    pub fn expect_state(&self, state: State) {
        assert_eq!(self.working.state(), state);
    }

    /// Takes the next segment without looking at it.
    pub fn take_one(&mut self) -> Sent {
        self.sent.pop_front().expect("something was sent").1
    }

    /// Takes all segments that were sent.
    pub fn take_sent(&mut self) -> Vec<Sent> {
        self.sent.drain(..).map(|(_, sent)| sent).collect()
    }

    /// How many segments wait to be expected; takes them all.
    pub fn take_all(&mut self) -> usize {
        self.sent.drain(..).count()
    }
}

fn arrival<'a>(header: &'a wire::tcp::Repr, segment: &Segment, can_hold: bool) -> Arrival<'a> {
    let ecn = segment.ecn.unwrap_or(Ecn::NotCapable);
    Arrival { header, length: segment.length, ecn, can_hold }
}
