//! A connection and everything that can happen to it, with what must hold after each. Used by the
//! property test beside this file and by the fuzz target `tcp_input`.

use std::time::Duration;

use base::{Instant, Prng, Seq};
use tcp::{
    Arrival, ChallengeLimit, Config, Events, Opening, Payload, Sleeping, State, Turn, Unreachable,
    Waiting, Working,
};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Repr, SackBlock, SackBlocks, Timestamps};

const MSS: u16 = 1_460;

/// One thing that happens to the connection.
#[derive(Clone, Debug)]
pub enum Action {
    Segment(Anything),
    Write(u16),
    Read(u32),
    Close,
    Wait(u32),
    Sleep(u32),
    KeepAlive,
    Unreachable(i32, u16),
}

/// A segment, with its numbers relative to those that are expected.
#[derive(Clone, Debug)]
pub struct Anything {
    pub sequence: i32,
    pub acknowledgment: i32,
    pub length: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    pub timestamp: Option<(i32, i32)>,
    pub sack: Vec<(i32, i32)>,
    pub ecn: u8,
    pub can_hold: bool,
}

/// The connection under attack.
pub struct Victim {
    working: Working,
    config: Config,
    challenges: ChallengeLimit,
    now: Instant,
    iss: Seq,
    buffered: u32,
    closed: bool,
    over: bool,
    sleeping: Option<Sleeping>,
}

impl Victim {
    /// A connection that this side opens or the peer does (`how[0]`), completed or not (`how[1]`).
    pub fn new(iss: u32, how: [bool; 2], shift: Option<u8>, config: Config) -> Self {
        let [opens, established] = how;
        let (sack, timestamps) = (config.extensions.sack, config.extensions.timestamps);
        let now = Instant::from_millis(1_000);
        let mut victim = Self {
            working: Working::new(),
            config,
            challenges: ChallengeLimit::new(50, Prng::new(1)),
            now,
            iss: Seq(iss.wrapping_mul(7)),
            buffered: 0,
            closed: false,
            over: false,
            sleeping: None,
        };
        let opening = Opening { iss: Seq(iss), mss: MSS, ipv6: false };
        let turn = Self::turn(&victim.config, now, &mut victim.challenges);
        if opens {
            victim.working.connect(&turn, &opening);
        } else {
            let mut syn = Repr { sequence: victim.iss, flags: Flags::SYN, ..Repr::default() };
            syn.window = 60_000;
            syn.options = Options {
                mss: Some(1_000),
                window_scale: shift,
                sack_permitted: sack,
                timestamps: timestamps.then_some(Timestamps { value: 1_000_000, echo: 0 }),
                ..Options::default()
            };
            let arrival = Arrival { header: &syn, length: 0, ecn: Ecn::NotCapable, can_hold: true };
            victim.working.accept(&turn, &arrival, &opening);
        }
        victim.transmit();
        if established {
            victim.apply(&Action::Segment(Anything {
                sequence: 0,
                acknowledgment: 1,
                length: 0,
                flags: Flags::ACK.with_if(opens, Flags::SYN).0,
                window: 60_000,
                urgent: 0,
                timestamp: Some((0, 0)),
                sack: Vec::new(),
                ecn: 0,
                can_hold: true,
            }));
        }
        victim
    }

    fn turn<'a>(config: &'a Config, now: Instant, challenges: &'a mut ChallengeLimit) -> Turn<'a> {
        Turn { config, now, challenges }
    }

    /// Lets one thing happen, and checks what must hold.
    pub fn apply(&mut self, action: &Action) {
        if let Some(sleeping) = self.sleeping.take() {
            let turn = Self::turn(&self.config, self.now, &mut self.challenges);
            self.working.wake(&turn, &sleeping, MSS);
        }
        let mut events = Events::default();
        let may_write = self.may_write();
        let mut turn = Self::turn(&self.config, self.now, &mut self.challenges);
        match action {
            Action::Segment(anything) => {
                let before = self.working.receive_next();
                let header = header(anything, &self.working, self.iss);
                let arrival = Arrival {
                    header: &header,
                    length: anything.length,
                    ecn: Ecn::from_bits(anything.ecn),
                    can_hold: anything.can_hold,
                };
                let synchronized = !matches!(self.working.state(), State::Closed | State::SynSent);
                let received = self.working.receive(&mut turn, &arrival);
                events = received.events;
                if synchronized && self.working.state() != State::Closed {
                    let fin = u32::from(events.any(Events::INPUT_ENDED));
                    let passed = self.working.receive_next().distance(before) as u32;
                    assert_eq!(passed, delivered(received.payload, anything.length) + fin);
                    self.buffered += passed - fin;
                }
            }
            Action::Write(length) if may_write => self.working.write(u32::from(*length)),
            Action::Read(most) => {
                let length = (*most).min(self.buffered);
                self.buffered -= length;
                self.working.consumed(&turn, length);
            }
            Action::Close if !self.closed => {
                self.closed = true;
                events = self.working.close(&turn);
            }
            Action::Wait(micros) => {
                self.now += Duration::from_micros(u64::from(*micros));
                turn.now = self.now;
                if self.working.deadline().is_some_and(|at| at <= self.now) {
                    events = self.working.on_timer(&turn);
                }
            }
            Action::Sleep(micros) if self.working.is_quiet() => {
                self.sleeping = Some(self.working.sleep(&self.config, Waiting::Idle));
                self.now += Duration::from_micros(u64::from(*micros));
                return;
            }
            Action::KeepAlive => self.working.keep_alive(&turn),
            Action::Unreachable(at, mss) => {
                let sequence = Seq(self.working.una().0.wrapping_add(*at as u32));
                let error = match mss % 3 {
                    0 => Unreachable::Soft,
                    1 => Unreachable::Hard,
                    _ => Unreachable::TooBig { mss: *mss },
                };
                events = self.working.unreachable(self.now, sequence, error);
            }
            _ => {}
        }
        self.over |= events.any(Events::OVER);
        self.transmit();
        self.check();
    }

    fn may_write(&self) -> bool {
        let queued = self.working.end().distance(self.working.una());
        !self.closed && !self.over && queued < 1 << 20
    }

    fn transmit(&mut self) {
        let end = self.working.end() + 1;
        for count in 0.. {
            let turn = Self::turn(&self.config, self.now, &mut self.challenges);
            let Some(outgoing) = self.working.transmit(&turn) else { break };
            assert!(count < 20_000, "sends without end: {outgoing:?}");
            let header = &outgoing.header;
            assert!((header.sequence + outgoing.length).at_or_before(end));
            assert!(outgoing.length + header.options.length() as u32 <= u32::from(MSS));
            if outgoing.length > 0 {
                assert!(self.working.una().at_or_before(header.sequence));
            }
        }
    }

    fn check(&self) {
        let working = &self.working;
        assert!(working.una().at_or_before(working.end() + 1));
        if self.over {
            assert_eq!(working.state(), State::Closed);
            assert_eq!(working.deadline(), None);
        }
        let idle = working.is_quiet() || working.state() == State::Closed;
        if working.una().before(working.end()) && !idle {
            assert!(working.deadline().is_some(), "data waits and no timer runs: {working:?}");
        }
    }
}

fn delivered(payload: Payload, arrived: u32) -> u32 {
    match payload {
        Payload::InOrder { skip, length, held } => {
            assert!(skip + length <= arrived && length > 0);
            length + held
        }
        Payload::OutOfOrder { skip, length } => {
            assert!(skip + length <= arrived && length > 0);
            0
        }
        Payload::None => 0,
    }
}

fn header(anything: &Anything, working: &Working, iss: Seq) -> Repr {
    let near = |number: Seq, offset: i32| Seq(number.0.wrapping_add(offset as u32));
    let una = working.una();
    let mut sack = SackBlocks::default();
    for (start, end) in &anything.sack {
        sack.push(SackBlock { start: near(una, *start), end: near(una, *end) });
    }
    let expected = if working.state() == State::SynSent { iss } else { working.receive_next() };
    let timestamps = anything.timestamp.map(|(value, echo)| Timestamps {
        value: 1_000_000u32.wrapping_add_signed(value),
        echo: 1_000u32.wrapping_add_signed(echo),
    });
    Repr {
        sequence: near(expected, anything.sequence),
        acknowledgment: near(una, anything.acknowledgment),
        flags: Flags(anything.flags),
        window: anything.window,
        urgent: anything.urgent,
        options: Options { timestamps, sack, mss: Some(1_000), ..Options::default() },
        ..Repr::default()
    }
}
