//! Peers that are not ours and behave as none should: one that never acknowledges, one that
//! acknowledges what it has not got, one that shrinks its window, one whose text has a hole that it
//! never fills. Invariant: what such a peer sends
//! is well formed, and follows from what it received.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::{Instant, Seq};
use wire::ethernet;
use wire::tcp::{Flags, Options, Repr};

use crate::craft::{answer_arp, craft};
use crate::host::{SERVER_PORT, address, mac};
use crate::network::{Line, Network, Weather};
use crate::talk::{Contents, HEAD, Round};
use crate::trace::{Segment, is_intact, segment_of};

/// How a peer is odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Oddity {
    /// After its question it says nothing any more.
    Silent,
    /// It acknowledges more than it has got, and more than was sent.
    Optimistic,
    /// It takes back what it offered of its window.
    Shrinking,
    /// Of what it says, the beginning never comes.
    Gapped,
}

/// Windows offered one after the other by a peer that shrinks its own.
const WINDOWS: [u16; 9] = [20_000, 8_000, 3_000, 100, 0, 0, 1_000, 6_000, 30_000];
/// Pieces of text with holes before them, and bytes from one to the next.
const GAPS: u32 = 3;
const GAP: u32 = 5_000;
const STEP: Duration = Duration::from_millis(150);
/// How long an odd peer takes part.
const PATIENCE: Duration = Duration::from_secs(400);
/// The port that they use.
pub(crate) const PORT: u16 = 7_777;
const ISS: Seq = Seq(0xffff_ff00);
const SERVER: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Opening,
    Talking,
    Over,
}

pub(crate) struct OddPeer {
    network: Rc<RefCell<Network>>,
    station: usize,
    number: u8,
    kind: Oddity,
    question: Round,
    /// Its question has been acknowledged.
    understood: bool,
    phase: Phase,
    contents: Contents,
    /// SND.NXT and RCV.NXT, and the furthest number offered to the server.
    next: Seq,
    expected: Seq,
    edge: Seq,
    /// Bytes of the answer received in order, and windows offered so far.
    got: u32,
    offers: usize,
    next_step: Instant,
}

impl OddPeer {
    pub(crate) fn new(network: &Rc<RefCell<Network>>, number: u8, kind: Oddity, down: u32) -> Self {
        let delay = Duration::from_millis(3);
        let weather = Weather::default();
        let line = Line { delay, nanos_per_byte: 0, queue: 500, uncut: false, weather };
        let station = network.borrow_mut().add(mac(number), line);
        let question = Round { salt: 2, up: 0, down, sip: 0, pause: 0, last: false };
        Self {
            network: Rc::clone(network),
            station,
            number,
            kind,
            question,
            understood: false,
            phase: Phase::Opening,
            contents: Contents::new(),
            next: ISS + 1,
            expected: Seq(0),
            edge: Seq(0),
            got: 0,
            offers: 0,
            next_step: Instant::ZERO,
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether it acknowledged in order and did not get all that it asked for.
    pub(crate) fn was_let_down(&self) -> bool {
        self.kind == Oddity::Shrinking && self.got < self.question.down
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        if self.network.borrow().has_arrived(self.station) {
            return Some(now);
        }
        (!self.is_over()).then_some(self.next_step)
    }

    /// Takes in what has arrived, and goes on.
    pub(crate) fn act(&mut self, now: Instant) -> Result<(), String> {
        loop {
            let frame = self.network.borrow_mut().receive(self.station);
            let Some(frame) = frame else { break };
            self.take(&frame)?;
        }
        if now >= self.next_step {
            self.next_step = now + STEP;
            self.step(now);
        }
        Ok(())
    }

    fn step(&mut self, now: Instant) {
        if now - Instant::ZERO > PATIENCE && self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.send(Flags::RST, self.next, &[]);
        }
        match self.phase {
            Phase::Opening => self.send(Flags::SYN, ISS, &[]),
            Phase::Talking if self.kind == Oddity::Gapped => self.leave_gap(),
            // The server had no buffer for its question, and did as if it had been lost.
            Phase::Talking if !self.understood => self.ask(),
            Phase::Talking if self.kind != Oddity::Silent => {
                self.offers += 1;
                self.acknowledge();
            }
            Phase::Talking | Phase::Over => {}
        }
    }

    fn take(&mut self, frame: &[u8]) -> Result<(), String> {
        if let Some(answer) = answer_arp(frame, address(self.number, false), mac(self.number)) {
            self.network.borrow_mut().send(self.station, &answer);
            return Ok(());
        }
        let Some(segment) = segment_of(frame).filter(|_| is_intact(frame)) else { return Ok(()) };
        if segment.destination != address(self.number, false) {
            return Ok(());
        }
        let header = &segment.header;
        match self.phase {
            _ if header.flags.any(Flags::RST) => self.phase = Phase::Over,
            Phase::Opening if header.flags.all(Flags::SYN | Flags::ACK) => {
                self.phase = Phase::Talking;
                self.expected = header.sequence + 1;
                self.edge = self.expected + u32::from(self.window());
                self.ask();
            }
            Phase::Talking if self.kind == Oddity::Gapped => {}
            Phase::Talking => self.hear(&segment, frame)?,
            Phase::Opening | Phase::Over => {}
        }
        Ok(())
    }

    /// Text with holes, so that it takes many buffers to be kept.
    fn leave_gap(&mut self) {
        for piece in 1..=GAPS {
            self.send(Flags::ACK | Flags::PSH, ISS + 1 + piece * GAP, &[0xee; 100]);
        }
    }

    fn ask(&mut self) {
        if self.kind == Oddity::Gapped {
            return self.leave_gap();
        }
        let head = self.question.head();
        self.send(Flags::ACK | Flags::PSH, ISS + 1, &head);
        self.next = ISS + 1 + HEAD as u32;
    }

    fn hear(&mut self, segment: &Segment, frame: &[u8]) -> Result<(), String> {
        let header = &segment.header;
        if header.flags.any(Flags::SYN) || header.acknowledgment.before(self.next) {
            // Its question, or the acknowledgment before it, was lost.
            self.ask();
        } else {
            self.understood = true;
        }
        let end = header.sequence + segment.length as u32;
        // Only a probe of one byte may go past what was ever offered.
        if self.kind == Oddity::Shrinking && !end.at_or_before(self.edge + 1) {
            return Err(format!("the window of peer {} was overrun", self.number));
        }
        if segment.length == 0 {
            return Ok(());
        }
        let payload = &frame[segment.start..segment.start + segment.length];
        if self.kind == Oddity::Shrinking {
            let room = self.window().into();
            let ahead = self.expected.distance(header.sequence);
            if let Ok(skip) = usize::try_from(ahead)
                && let Some(new) = payload.get(skip..)
            {
                let new = &new[..new.len().min(room)];
                if !self.contents.are(!self.question.salt, self.got, new) {
                    return Err(format!("peer {} got bytes that were not sent", self.number));
                }
                self.got += new.len() as u32;
                self.expected += new.len() as u32;
            }
            self.offers += 1;
        } else {
            self.expected = end + 2_000;
        }
        if self.kind != Oddity::Silent {
            self.acknowledge();
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        self.send(Flags::ACK, self.next, &[]);
        if self.got == self.question.down {
            self.phase = Phase::Over;
            self.send(Flags::RST, self.next, &[]);
        }
    }

    fn window(&self) -> u16 {
        match self.kind {
            Oddity::Shrinking => WINDOWS[self.offers % WINDOWS.len()],
            Oddity::Silent | Oddity::Optimistic | Oddity::Gapped => u16::MAX,
        }
    }

    fn send(&mut self, flags: Flags, sequence: Seq, payload: &[u8]) {
        let window = self.window();
        self.edge = self.edge.max(self.expected + u32::from(window));
        let syn = flags.any(Flags::SYN);
        let header = Repr {
            source_port: PORT,
            destination_port: SERVER_PORT,
            sequence,
            acknowledgment: if flags.any(Flags::ACK) { self.expected } else { Seq(0) },
            flags,
            window,
            options: Options { mss: syn.then_some(1_000), ..Options::default() },
            ..Repr::default()
        };
        let link = ethernet::Repr {
            destination: mac(SERVER),
            source: mac(self.number),
            service: None,
            tag: None,
            kind: wire::ethernet::EtherType::IPV4,
        };
        let ends = (address(self.number, false), address(SERVER, false));
        if let Some(frame) = craft(&link, ends, &header, payload) {
            self.network.borrow_mut().send(self.station, &frame);
        }
    }
}
