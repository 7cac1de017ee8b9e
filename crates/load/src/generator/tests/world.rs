//! A world for one generator: an engine that obeys the contract, a clock that only tests move, and a
//! server that is a function. Invariant: the same test always runs in the same way.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::{Cx, Dial, DialError, End, Handler, Next, Origin, Out, Peer, Role, Step, Timeout, Wake};
use base::{ConnId, Instant};

use crate::generator::{Conn, Generator, Place};
use crate::{Board, Orders, Phase, Plan, Request, Share, Sources, Tally, Until};

/// How time passes where nothing happens.
const STEP: Duration = Duration::from_micros(100);

/// What a server does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends bytes at this time.
    Send(Instant, Vec<u8>),
    /// Closes at this time.
    Close(Instant),
    /// Cuts off at this time.
    Reset(Instant),
    /// Has vanished, as the engine finds at this time.
    Vanish(Instant, End),
}

/// A server: what it does about bytes that came on a connection at a time, all bytes so far given.
pub type Server = Box<dyn FnMut(Instant, &mut Vec<u8>) -> Vec<Act>>;

#[derive(Default)]
pub struct Wakes(Mutex<Vec<ConnId>>);

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        self.0.lock().unwrap().push(id);
    }
}

struct Open {
    conn: Conn,
    /// What is on its way to the generator.
    coming: Vec<Act>,
    held: Vec<u8>,
    at_server: Vec<u8>,
    next: Next,
    timer: Option<Instant>,
    ended: bool,
}

pub struct World {
    pub generator: Generator,
    pub board: Arc<Board>,
    pub orders: Arc<Orders>,
    pub now: Instant,
    /// What attempts to connect come to, beside an open connection.
    pub refuses: Option<DialError>,
    /// Where connections were opened from.
    pub from: Vec<Option<std::net::SocketAddr>>,
    pub server: Server,
    /// Connections opened.
    pub opened: u32,
    wakes: Arc<Wakes>,
    open: BTreeMap<u32, Open>,
}

/// A phase of plain requests.
pub fn phase() -> Phase {
    let request =
        Request { method: "GET", target: "/", host: "test", ..Request::default() }.bytes();
    Phase {
        name: "test".into(),
        request: request.unwrap(),
        head: false,
        check: None,
        connections: 4,
        rate: None,
        until: Until::Time(Duration::from_secs(1)),
        warmup: Duration::ZERO,
        connection_per_request: false,
        pipeline: NonZeroU32::MIN,
        idle: 0,
        idle_rate: None,
        slow: 0,
        pace: None,
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    }
}

/// A server that answers every request after `delay` with `answer`.
pub fn answering(delay: Duration, answer: &'static [u8]) -> Server {
    Box::new(move |now, bytes| {
        let mut acts = Vec::new();
        while let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") {
            bytes.drain(..end + 4);
            acts.push(Act::Send(now + delay, answer.to_vec()));
        }
        acts
    })
}

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

impl World {
    pub fn new(phases: Vec<Phase>, server: Server) -> Self {
        Self::from_sources(phases, server, Sources::default())
    }

    pub fn from_sources(phases: Vec<Phase>, server: Server, sources: Sources) -> Self {
        Self::of_shard(phases, server, sources, Share { index: 0, count: 1 })
    }

    pub fn of_shard(phases: Vec<Phase>, server: Server, sources: Sources, share: Share) -> Self {
        let target = "127.0.0.1:80".parse().unwrap();
        let (orders, board) = (Arc::new(Orders::default()), Arc::new(Board::default()));
        let wakes = Arc::new(Wakes::default());
        let place = Place {
            share,
            orders: Arc::clone(&orders),
            board: Arc::clone(&board),
            wake: wakes.clone(),
        };
        let plan = Arc::new(Plan { target, sources, phases });
        Self {
            generator: Generator::new(plan, place),
            board,
            orders,
            now: Instant::from_millis(1_000),
            refuses: None,
            from: Vec::new(),
            server,
            opened: 0,
            wakes,
            open: BTreeMap::new(),
        }
    }

    /// Runs one phase to its end, which has to come before `most` have passed. Gives its figures.
    pub fn run(&mut self, most: Duration) -> Tally {
        self.orders.begin_next();
        let (done, deadline) = (self.board.done.get() + 1, self.now + most);
        let mut tally = Tally::default();
        while self.board.done.get() < done {
            assert!(self.now < deadline, "the phase did not end");
            self.turn();
        }
        // Those that are to end, do.
        self.turn();
        for span in self.board.take() {
            match span.index {
                Some(_) => tally.add_packed(&span.tally),
                None => tally.add_connections(&span.tally),
            }
        }
        tally
    }

    pub fn connections(&self) -> usize {
        self.open.len()
    }

    pub fn turn(&mut self) {
        self.now += STEP;
        for _ in 0..64 {
            let Some(dial) = self.generator.dial(self.now) else { break };
            self.dial(dial);
        }
        for slot in self.open.keys().copied().collect::<Vec<_>>() {
            self.deliver(slot);
        }
        let woken = std::mem::take(&mut *self.wakes.0.lock().unwrap());
        for id in woken {
            if self.open.contains_key(&id.slot()) {
                self.call(id.slot(), |generator, cx, _| generator.wake(cx));
            }
        }
    }

    fn dial(&mut self, dial: Dial<Conn>) {
        self.from.push(dial.from);
        if let Some(why) = self.refuses {
            return self.generator.undialled(self.now, dial.conn, why);
        }
        self.opened += 1;
        let open = Open {
            conn: dial.conn,
            coming: Vec::new(),
            held: Vec::new(),
            at_server: Vec::new(),
            next: Next::Read,
            timer: None,
            ended: false,
        };
        self.open.insert(self.opened, open);
        self.call(self.opened, |generator, cx, _| generator.open(cx));
    }

    fn deliver(&mut self, slot: u32) {
        let Some(open) = self.open.get_mut(&slot) else { return };
        if open.timer.is_some_and(|time| time <= self.now) {
            open.timer = None;
            self.call(slot, |generator, cx, _| generator.timer(cx));
        }
        while let Some(open) = self.open.get_mut(&slot) {
            if !matches!(open.next, Next::Read | Next::Idle) {
                return;
            }
            let due = open.coming.iter().position(|act| {
                let (Act::Send(time, _)
                | Act::Close(time)
                | Act::Reset(time)
                | Act::Vanish(time, _)) = act;
                *time <= self.now
            });
            match due.map(|index| open.coming.remove(index)) {
                Some(Act::Send(_, bytes)) => open.held.extend(bytes),
                Some(Act::Close(_)) => open.ended = true,
                Some(Act::Reset(_)) => return self.end(slot, End::Reset),
                Some(Act::Vanish(_, why)) => return self.end(slot, why),
                None => return,
            }
            self.call(slot, Generator::data);
        }
    }

    /// Calls the handler and does what its step says.
    fn call(&mut self, slot: u32, call: fn(&mut Generator, &mut Cx<'_, Conn>, &[u8]) -> Step) {
        let mut buffer = vec![0; 64 * 1024];
        let open = self.open.get_mut(&slot).unwrap();
        let was_read = matches!(open.next, Next::Read | Next::Idle);
        let mut cx = Cx {
            id: ConnId::new(0, slot, 0),
            now: self.now,
            origin: origin(),
            input_ended: open.ended,
            unsent: 0,
            conn: &mut open.conn,
            out: Out::new(&mut buffer, true),
        };
        let step = call(&mut self.generator, &mut cx, &open.held);
        let attached = cx.out.take_attachment();
        let mut out = cx.out.bytes().to_vec();
        out.extend(attached.iter().flat_map(|it| it.source.memory().unwrap()));
        open.held.drain(..step.consumed());
        match step.timeout() {
            Timeout::Keep => {}
            Timeout::Stop => open.timer = None,
            Timeout::Set(span) => open.timer = Some(self.now + span),
        }
        if step.next() != Next::Stay {
            open.next = step.next();
        }
        if !out.is_empty() {
            open.at_server.extend(out);
            let acts = (self.server)(self.now, &mut open.at_server);
            open.coming.extend(acts);
        }
        let (next, ended, held) = (open.next, open.ended, !open.held.is_empty());
        match next {
            Next::Abort => self.end(slot, End::Aborted),
            Next::Close | Next::Finish => self.end(slot, End::Closed),
            Next::Write => self.call(slot, |generator, cx, _| generator.room(cx)),
            Next::Read | Next::Idle if !was_read && held => {
                self.call(slot, Generator::data);
            }
            Next::Read | Next::Idle if ended => self.end(slot, End::Closed),
            _ => {}
        }
    }

    fn end(&mut self, slot: u32, why: End) {
        let mut open = self.open.remove(&slot).unwrap();
        let mut cx = Cx {
            id: ConnId::new(0, slot, 0),
            now: self.now,
            origin: origin(),
            input_ended: open.ended,
            unsent: 0,
            conn: &mut open.conn,
            out: Out::closed(),
        };
        self.generator.end(&mut cx, why);
    }
}

fn origin() -> Origin {
    Origin { peer: Peer::Inet("127.0.0.1:80".parse().unwrap()), role: Role::Opened }
}
