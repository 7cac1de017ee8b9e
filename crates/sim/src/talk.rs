//! What is said over the connections: clients ask, servers answer, and each end knows every byte it
//! must get. Invariant: a byte that is missing, out of place or of another connection is noticed by
//! the call that is handed it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app::{Cx, Dial, DialError, End, Handler, Peer, Role, Source, Step};
use base::{ConnId, Instant, Prng};

/// Bytes of a question's head.
pub(crate) const HEAD: usize = 20;
/// Bytes after which contents repeat: a prime, so that no segment size divides it.
const PERIOD: usize = 65_521;

/// Longer than TCP tries to open a connection by itself.
const WITHIN: Duration = Duration::from_secs(1_000);

/// One question and what is to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// Picks the contents.
    pub(crate) salt: u32,
    /// Bytes after the head.
    pub(crate) up: u32,
    /// Bytes of the answer, at least one.
    pub(crate) down: u32,
    /// Bytes that either end takes in at a time; zero: all there are.
    pub(crate) sip: u16,
    /// Milliseconds between two sips.
    pub(crate) pause: u8,
    /// Whether the server closes after the answer.
    pub(crate) last: bool,
}

/// Who ends a connection, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Closer {
    Client,
    Server,
    /// The client, with a reset.
    Abort,
    /// Nobody until the world asks for it: the connection rests.
    Stay,
}

/// All that a client does on one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: Vec<Round>,
    /// Milliseconds of rest between rounds.
    pub(crate) rest: u32,
    pub(crate) closer: Closer,
}

impl Round {
    pub(crate) fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&self.salt.to_be_bytes());
        head[4..8].copy_from_slice(&self.up.to_be_bytes());
        head[8..12].copy_from_slice(&self.down.to_be_bytes());
        head[12..14].copy_from_slice(&self.sip.to_be_bytes());
        head[14..16].copy_from_slice(&[self.pause, u8::from(self.last)]);
        head[16..].copy_from_slice(&self.check().to_be_bytes());
        head
    }

    fn read(head: &[u8; HEAD]) -> Option<Self> {
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let sip = u16::from_be_bytes([head[12], head[13]]);
        let (pause, last) = (head[14], head[15] != 0);
        let round = Self { salt: word(0), up: word(4), down: word(8), sip, pause, last };
        (round.check() == word(16)).then_some(round)
    }

    const fn check(&self) -> u32 {
        self.salt.wrapping_mul(31).wrapping_add(self.up).wrapping_mul(31).wrapping_add(self.down)
    }
}

/// The contents that all answers and questions are cut from.
#[derive(Clone)]
pub(crate) struct Contents(Arc<[u8]>);

impl Contents {
    pub(crate) fn new() -> Self {
        let mut prng = Prng::new(0xc0de);
        Self((0..PERIOD).map(|_| prng.next_u32() as u8).collect())
    }

    /// Where the byte at `offset` of the text with this salt is.
    fn place(salt: u32, offset: u32) -> usize {
        ((u64::from(salt) + u64::from(offset)) % PERIOD as u64) as usize
    }

    /// As much as there is in one piece from `offset` on, at most `most` bytes.
    fn piece(&self, salt: u32, offset: u32, most: usize) -> &[u8] {
        let rest = &self.0[Self::place(salt, offset)..];
        &rest[..rest.len().min(most)]
    }

    /// Whether `bytes` are those from `offset` on.
    pub(crate) fn are(&self, salt: u32, offset: u32, mut bytes: &[u8]) -> bool {
        let mut offset = offset;
        while !bytes.is_empty() {
            let piece = self.piece(salt, offset, bytes.len());
            if !bytes.starts_with(piece) {
                return false;
            }
            bytes = &bytes[piece.len()..];
            offset += piece.len() as u32;
        }
        true
    }

    /// Puts what fits, from `offset` up to `end`, and says where it stopped.
    fn put(&self, cx: &mut Cx<'_, u32>, salt: u32, offset: u32, end: u32) -> u32 {
        let mut offset = offset;
        while offset < end && cx.out.room() > 0 {
            let most = cx.out.room().min((end - offset) as usize);
            offset += cx.out.put_some(self.piece(salt, offset, most)) as u32;
        }
        offset
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// A client that sends its question, or a server that waits for or reads one.
    Question,
    /// A client that reads the answer, or a server that sends it.
    Answer,
    /// A client between two rounds.
    Resting,
    /// A client that has all it wanted.
    Done,
}

/// One connection at one end.
pub(crate) struct Talk {
    /// Once it is open.
    pub(crate) id: Option<ConnId>,
    pub(crate) plan: Plan,
    to: SocketAddr,
    round: usize,
    phase: Phase,
    /// The question at hand, at a server.
    current: Option<Round>,
    /// Bytes of the phase that are done, the head not counted.
    at: u32,
    /// Bytes of the head that were sent.
    head: usize,
    pub(crate) end: Option<Over>,
}

/// A connection that was over before all was done.
pub(crate) struct Unfinished {
    pub(crate) plan: Plan,
    /// Whom it was to.
    pub(crate) to: SocketAddr,
    pub(crate) why: Over,
}

/// How a connection came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Ended(End),
    Unmade(DialError),
}

impl Talk {
    fn new(plan: Plan, to: SocketAddr) -> Self {
        let phase = Phase::Question;
        Self { id: None, plan, to, round: 0, phase, current: None, at: 0, head: 0, end: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    fn enter(&mut self, phase: Phase) {
        (self.phase, self.at, self.head) = (phase, 0, 0);
    }
}

/// The handler of every host, client and server in one.
pub(crate) struct App {
    contents: Contents,
    pub(crate) talks: Vec<Talk>,
    /// Connections that this host is to open.
    dials: VecDeque<Dial<u32>>,
    /// Connections that should not rest any more.
    pub(crate) finishing: bool,
    /// What should not have happened.
    pub(crate) wrong: Option<String>,
    /// Bytes handed to handlers.
    pub(crate) delivered: u64,
    /// Connections of this host's that were over before all was done; for the world to try again.
    pub(crate) unfinished: Vec<Unfinished>,
}

impl App {
    pub(crate) fn new(contents: Contents) -> Self {
        Self {
            contents,
            talks: Vec::new(),
            dials: VecDeque::new(),
            finishing: false,
            wrong: None,
            delivered: 0,
            unfinished: Vec::new(),
        }
    }

    /// Has a connection opened in the next turn, to follow a plan.
    pub(crate) fn begin(&mut self, from: SocketAddr, to: SocketAddr, plan: Plan) {
        let dial = Dial::new(to, self.talks.len() as u32).from(from).within(WITHIN);
        self.dials.push_back(dial);
        self.talks.push(Talk::new(plan, to));
    }

    /// Whether there is a connection to be opened.
    pub(crate) fn dials(&self) -> bool {
        !self.dials.is_empty()
    }

    /// Whether a connection that this host opened is not over yet or has more to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.talks.iter().any(|talk| !talk.plan.rounds.is_empty() && talk.end.is_none())
    }

    fn complain(&mut self, cx: &Cx<'_, u32>, what: &str) {
        let talk = &self.talks[*cx.conn as usize];
        self.wrong.get_or_insert_with(|| {
            format!("{what} ({:?}, {:?}, {:?} at {})", cx.id, cx.origin.peer, talk.phase, talk.at)
        });
    }

    /// Checks bytes of the phase at hand and says how many are taken now.
    fn check(&mut self, cx: &Cx<'_, u32>, salt: u32, left: u32, sip: u16, rx: &[u8]) -> usize {
        let most = if sip == 0 { rx.len() } else { usize::from(sip) };
        let taken = rx.len().min(left as usize).min(most);
        let at = self.talks[*cx.conn as usize].at;
        if !self.contents.are(salt, at, &rx[..taken]) {
            self.complain(cx, "bytes are not those that were sent");
        }
        self.talks[*cx.conn as usize].at += taken as u32;
        self.delivered += taken as u64;
        taken
    }

    /// A client's question goes out.
    fn ask(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        let round = talk.plan.rounds[talk.round];
        talk.head += cx.out.put_some(&round.head()[talk.head..]);
        if talk.head == HEAD {
            talk.at = self.contents.put(cx, round.salt, talk.at, round.up);
        }
        if talk.head < HEAD || talk.at < round.up {
            return Step::write(0);
        }
        talk.enter(Phase::Answer);
        Step::read(0).untimed()
    }

    /// A server's answer goes out.
    fn answer(&mut self, cx: &mut Cx<'_, u32>, consumed: usize) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        let Some(round) = talk.current else { return Step::read(consumed) };
        let salt = !round.salt;
        if round.salt & 1 == 0 {
            talk.at = self.contents.put(cx, salt, talk.at, round.down);
        } else if cx.out.can_attach() {
            let (place, left) = (Contents::place(salt, talk.at), round.down - talk.at);
            let length = left.min((PERIOD - place) as u32);
            let source = Source::Memory(Arc::clone(&self.contents.0));
            if cx.out.attach(source, place as u64, u64::from(length)).is_ok() {
                talk.at += length;
            }
        }
        if talk.at < round.down {
            return Step::write(consumed);
        }
        talk.enter(Phase::Question);
        talk.current = None;
        if round.last { Step::close() } else { Step::idle(consumed) }
    }

    fn data_at_server(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        let (round, before) = match (talk.current, rx.first_chunk::<HEAD>()) {
            (Some(round), _) => (round, 0),
            (None, Some(head)) => match Round::read(head) {
                Some(round) => (round, HEAD),
                None => {
                    self.complain(cx, "a question's head is damaged");
                    return Step::abort();
                }
            },
            (None, None) if cx.input_ended => return Step::close(),
            (None, None) => return Step::read(0),
        };
        talk.current = Some(round);
        let left = round.up - talk.at;
        let taken = before + self.check(cx, round.salt, left, round.sip, &rx[before..]);
        if self.talks[*cx.conn as usize].at == round.up {
            self.talks[*cx.conn as usize].enter(Phase::Answer);
            return self.answer(cx, taken);
        }
        if cx.input_ended && taken == rx.len() {
            self.complain(cx, "a question ended early");
        }
        sip_or_read(&round, taken, rx.len())
    }

    fn data_at_client(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        let talk = &self.talks[*cx.conn as usize];
        if talk.phase != Phase::Answer {
            if !rx.is_empty() || !talk.is_done() {
                self.complain(cx, "something came that was not asked for");
            }
            return Step::close();
        }
        let round = talk.plan.rounds[talk.round];
        let left = round.down - talk.at;
        let taken = self.check(cx, !round.salt, left, round.sip, rx);
        if self.talks[*cx.conn as usize].at == round.down {
            return self.end_round(cx, taken);
        }
        if cx.input_ended && taken == rx.len() {
            self.complain(cx, "an answer ended early");
        }
        sip_or_read(&round, taken, rx.len())
    }

    fn end_round(&mut self, cx: &Cx<'_, u32>, consumed: usize) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        talk.round += 1;
        if talk.round < talk.plan.rounds.len() {
            talk.enter(Phase::Resting);
            return Step::idle(consumed).within(Duration::from_millis(talk.plan.rest.into()));
        }
        talk.enter(Phase::Done);
        match talk.plan.closer {
            Closer::Client => Step::close(),
            Closer::Abort => Step::abort(),
            Closer::Stay if self.finishing => Step::close(),
            Closer::Stay => Step::idle(consumed).untimed(),
            Closer::Server => Step::read(consumed).untimed(),
        }
    }
}

/// More at once, or after a pause.
fn sip_or_read(round: &Round, taken: usize, offered: usize) -> Step {
    if round.sip > 0 && taken < offered {
        Step::wait(taken).within(Duration::from_millis(round.pause.into()))
    } else {
        Step::read(taken)
    }
}

impl Handler for App {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        self.dials.pop_front()
    }

    fn undialled(&mut self, _: Instant, index: u32, why: DialError) {
        self.over(index, None, Over::Unmade(why));
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        if cx.origin.role == Role::Opened {
            let talk = &mut self.talks[*cx.conn as usize];
            if talk.id.replace(cx.id).is_some() || talk.end.is_some() {
                self.complain(cx, "opened twice");
                return Step::abort();
            }
            return self.ask(cx);
        }
        *cx.conn = self.talks.len() as u32;
        let nothing = Plan { rounds: Vec::new(), rest: 0, closer: Closer::Server };
        let Peer::Inet(peer) = cx.origin.peer else { return Step::abort() };
        self.talks.push(Talk { id: Some(cx.id), ..Talk::new(nothing, peer) });
        Step::idle(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        if cx.origin.role == Role::Opened {
            self.data_at_client(cx, rx)
        } else {
            self.data_at_server(cx, rx)
        }
    }

    fn room(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        match (cx.origin.role, self.talks[*cx.conn as usize].phase) {
            (Role::Opened, Phase::Question) => self.ask(cx),
            (Role::Accepted { .. }, Phase::Answer) => self.answer(cx, 0),
            _ => Step::read(0),
        }
    }

    fn wake(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        if self.finishing && self.talks[*cx.conn as usize].is_done() {
            Step::close()
        } else {
            Step::stay()
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        if talk.phase == Phase::Resting {
            talk.enter(Phase::Question);
            return self.ask(cx);
        }
        Step::read(0)
    }

    fn end(&mut self, cx: &mut Cx<'_, u32>, why: End) {
        self.over(*cx.conn, Some(cx.id), Over::Ended(why));
    }
}

impl App {
    /// A connection is over, or was not made: then it has no identifier.
    fn over(&mut self, index: u32, id: Option<ConnId>, why: Over) {
        let Some(talk) = self.talks.get_mut(index as usize).filter(|talk| talk.id == id) else {
            self.wrong.get_or_insert_with(|| format!("{id:?} {why:?} without a beginning"));
            return;
        };
        if talk.end.replace(why).is_some() {
            self.wrong.get_or_insert_with(|| format!("{id:?} ended twice"));
        } else if !talk.is_done() && !talk.plan.rounds.is_empty() {
            let (plan, to) = (talk.plan.clone(), talk.to);
            self.unfinished.push(Unfinished { plan, to, why });
        }
    }
}
