//! One end of a transfer: a connection with an application that writes a known pattern and checks
//! the pattern it reads. Sleeps whenever it can.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Instant, Prng, Seq};
use tcp::{
    Arrival, ChallengeLimit, Config, Events, Opening, Outgoing, Payload, Sleeping, State, Turn,
    Waiting, Working,
};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Repr};

/// A segment on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    pub header: Repr,
    pub payload: Vec<u8>,
    pub ecn: Ecn,
}

pub const MSS: u16 = 1_460;

/// The byte at `offset` of what the end with this `salt` sends.
pub fn pattern(salt: u8, offset: u64) -> u8 {
    (offset.wrapping_mul(31) >> 3) as u8 ^ salt
}

pub struct End {
    pub working: Working,
    pub asleep: Option<Sleeping>,
    pub config: Config,
    challenges: ChallengeLimit,
    salt: u8,
    /// Bytes still to be written, and how many at a time.
    unwritten: u64,
    chunk: u64,
    /// The number of the first byte sent and of the next one to be read, once known.
    first_sent: Seq,
    pub read: u64,
    peer_salt: u8,
    held: BTreeMap<u64, Vec<u8>>,
    pub established: bool,
    pub input_ended: bool,
    pub over: bool,
    closes: bool,
    closed: bool,
    pub sleeps: u32,
    pub segments: u64,
    pub retransmissions: u64,
}

impl End {
    pub fn new(config: Config, salt: u8, peer_salt: u8, unwritten: u64, chunk: u64) -> Self {
        Self {
            working: Working::new(),
            asleep: None,
            config,
            challenges: ChallengeLimit::new(1_000, Prng::new(u64::from(salt))),
            salt,
            unwritten,
            chunk,
            first_sent: Seq(0),
            read: 0,
            peer_salt,
            held: BTreeMap::new(),
            established: false,
            input_ended: false,
            over: false,
            closes: true,
            closed: false,
            sleeps: 0,
            segments: 0,
            retransmissions: 0,
        }
    }

    /// Does not close when it has written everything.
    pub fn stays_open(&mut self) {
        self.closes = false;
    }

    pub fn connect(&mut self, now: Instant, iss: Seq) {
        self.first_sent = iss + 1;
        let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
        self.working.connect(&turn, &Opening { iss, mss: MSS, ipv6: false });
    }

    pub fn accept(&mut self, now: Instant, iss: Seq, syn: &Packet) {
        self.first_sent = iss + 1;
        let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
        let arrival = arrival(syn, &[]);
        self.working.accept(&turn, &arrival, &Opening { iss, mss: MSS, ipv6: false });
    }

    pub fn receive(&mut self, now: Instant, packet: &Packet) {
        if self.over {
            return;
        }
        self.wake(now);
        let before = self.working.receive_next();
        let mut turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
        let arrival = arrival(packet, &packet.payload);
        let received = self.working.receive(&mut turn, &arrival);
        assert_eq!(received.reset, None, "{packet:?} in {:?}", self.working.state());
        match received.payload {
            Payload::None => {}
            Payload::InOrder { skip, length, held } => {
                self.take(&packet.payload[skip as usize..(skip + length) as usize]);
                let mut left = u64::from(held);
                while left > 0 {
                    left -= self.take_held(left);
                }
                self.working.consumed(
                    &Turn { config: &self.config, now, challenges: &mut self.challenges },
                    length + held,
                );
            }
            Payload::OutOfOrder { skip, length } => {
                let start = packet.header.sequence + skip;
                let offset = self.read + start.distance(before) as u64;
                let bytes = packet.payload[skip as usize..(skip + length) as usize].to_vec();
                let longest = self.held.entry(offset).or_default();
                if longest.len() < bytes.len() {
                    *longest = bytes;
                }
            }
        }
        self.note(received.events);
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            assert_eq!(byte, pattern(self.peer_salt, self.read), "byte {}", self.read);
            self.read += 1;
        }
    }

    /// Takes some of what was kept, as tcp says that it is in order now.
    fn take_held(&mut self, most: u64) -> u64 {
        let (&offset, bytes) = self.held.range(..=self.read).next_back().unwrap();
        let skip = (self.read - offset) as usize;
        let Some(bytes) = bytes.get(skip..).filter(|bytes| !bytes.is_empty()) else {
            self.held.remove(&offset);
            return 0;
        };
        let bytes = bytes[..bytes.len().min(most as usize)].to_vec();
        self.take(&bytes);
        bytes.len() as u64
    }

    fn note(&mut self, events: Events) {
        assert!(
            !events.any(Events::RESET) && !events.any(Events::REFUSED),
            "{events:?} in {:?}",
            self.working.state()
        );
        self.established |= events.any(Events::ESTABLISHED);
        self.input_ended |= events.any(Events::INPUT_ENDED);
        self.over |= events.any(Events::CLOSED);
    }

    pub fn wake(&mut self, now: Instant) {
        if let Some(sleeping) = self.asleep.take() {
            let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
            self.working.wake(&turn, &sleeping, MSS);
        }
    }

    /// Lets the application write, and gives all that is to be sent.
    pub fn work(&mut self, now: Instant) -> Vec<Packet> {
        let mut packets = Vec::new();
        if self.over {
            return packets;
        }
        if self.asleep.is_some() && (self.unwritten > 0 || (self.closes && !self.closed)) {
            self.wake(now);
        }
        if self.asleep.is_some() {
            return packets;
        }
        self.write(now);
        loop {
            let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
            let Some(outgoing) = self.working.transmit(&turn) else { break };
            for outgoing in cut(&outgoing) {
                packets.push(self.packet(&outgoing));
            }
            assert!(packets.len() < 10_000, "sends without end: {outgoing:?}");
        }
        let quiet = self.working.may_sleep(&self.config, now);
        if quiet && self.established {
            self.asleep = Some(self.working.sleep(&self.config, Waiting::Input));
            self.working = Working::new();
            self.sleeps += 1;
        }
        packets
    }

    fn write(&mut self, now: Instant) {
        let state = self.working.state();
        if !matches!(state, State::Established | State::CloseWait) {
            return;
        }
        let queued = self.working.end().distance(self.working.una()) as u64;
        let count = self.unwritten.min(self.chunk.saturating_sub(queued));
        self.working.write(count as u32);
        self.unwritten -= count;
        if self.unwritten == 0 && self.closes && !self.closed {
            self.closed = true;
            let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
            let _ = self.working.close(&turn);
        }
    }

    fn packet(&mut self, outgoing: &Outgoing) -> Packet {
        self.segments += 1;
        self.retransmissions += u64::from(outgoing.retransmission);
        let header = outgoing.header;
        let payload = (0..outgoing.length)
            .map(|index| {
                let offset = (header.sequence + index).distance(self.first_sent);
                pattern(self.salt, u64::from(offset as u32))
            })
            .collect();
        Packet { header, payload, ecn: outgoing.ecn }
    }

    pub fn deadline(&self) -> Option<Instant> {
        if self.over || self.asleep.is_some() {
            return None;
        }
        self.working.deadline()
    }

    pub fn on_timer(&mut self, now: Instant) {
        if self.over || self.asleep.is_some() {
            return;
        }
        let turn = Turn { config: &self.config, now, challenges: &mut self.challenges };
        let events = self.working.on_timer(&turn);
        if events.any(Events::TIMED_OUT) {
            panic!("gave up in {:?}", self.working);
        }
        self.note(events);
    }

    /// Whether nothing is left to do but to wait out TIME-WAIT.
    pub fn is_done(&self) -> bool {
        self.over || self.working.state() == State::TimeWait
    }
}

/// The segments that one from TCP stands for.
fn cut(outgoing: &Outgoing) -> impl Iterator<Item = Outgoing> {
    let whole = *outgoing;
    let each = outgoing.cut.map_or(whole.length, |each| u32::from(each.get())).max(1);
    (0..whole.length.div_ceil(each).max(1)).map(move |index| {
        let start = index * each;
        let length = each.min(whole.length - start);
        let mut piece = Outgoing { length, cut: None, ..whole };
        piece.header.sequence += start;
        if start + length < whole.length {
            piece.header.flags = piece.header.flags.without(Flags::PSH).without(Flags::FIN);
        }
        piece
    })
}

fn arrival<'a>(packet: &'a Packet, payload: &[u8]) -> Arrival<'a> {
    Arrival {
        header: &packet.header,
        length: payload.len() as u32,
        ecn: packet.ecn,
        can_hold: true,
    }
}

/// The settings of most transfers.
pub fn config() -> Config {
    let mut config = Config::default();
    config.timeouts.time_wait = Duration::from_secs(1);
    // Either end may have to send a segment many times, ever more slowly: one transfer in some 400,000
    // took longer than the five minutes that connections are given otherwise.
    config.timeouts.user = Duration::from_secs(86_400);
    config.timeouts.fin_wait_2 = Duration::from_secs(86_400);
    config
}
