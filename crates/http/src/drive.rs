//! An engine for one connection and no network: [`Driver`]. Tests and fuzzing push bytes, time and
//! wakes through a handler with it and look at what comes out.
//!
//! Invariant: it keeps the contract in `app` to the letter and panics when the handler does not.

mod answers;
mod head;
mod probe;
mod script;
mod session;

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use app::{Cx, End, Handler, Next, Origin, Out, Peer, Role, Source, Step, Timeout};
use base::{ConnId, Instant};

pub use answers::{Answer, read_answers};
pub use head::{HeadFacts, read_head};
pub use probe::{COLLECT_LIMIT, Probe};
pub use script::{REQUESTS, Script};
pub use session::{Event, Session};

/// What the driver's network is like.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Bytes of room in each call's output.
    pub room: usize,
    /// Whether sources can be attached.
    pub attachable: bool,
    /// Whether output is taken as soon as it is there; else by [`Driver::take`].
    pub eager: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self { room: 64 * 1024, attachable: true, eager: true }
    }
}

/// One connection of a handler, and the world around it.
#[derive(Debug)]
pub struct Driver<H: Handler> {
    /// The handler.
    pub handler: H,
    conn: H::Conn,
    wire: Wire,
    now: Instant,
    /// Bytes that arrived and were not consumed.
    held: Vec<u8>,
    /// Whether bytes arrived, or the input ended, since the handler last saw them.
    fresh: bool,
    input_ended: bool,
    /// Bytes put out that the network has not taken.
    leaving: Vec<u8>,
    sent: Vec<u8>,
    /// Where each call's output goes.
    buffer: Vec<u8>,
    next: Next,
    timer: Option<Instant>,
    end: Option<End>,
}

/// What is called.
#[derive(Clone, Copy)]
enum Call {
    Open,
    Data,
    Room,
    Wake,
    Timer,
    Drain,
}

impl<H: Handler> Driver<H> {
    /// Opens a connection.
    pub fn open(handler: H, wire: Wire) -> Self {
        let mut driver = Self {
            handler,
            conn: H::Conn::default(),
            wire,
            now: Instant::from_millis(1_000),
            held: Vec::new(),
            fresh: false,
            input_ended: false,
            leaving: Vec::new(),
            sent: Vec::new(),
            buffer: vec![0; wire.room],
            next: Next::Idle,
            timer: None,
            end: None,
        };
        driver.call(Call::Open);
        driver.settle();
        driver
    }

    /// These bytes arrive.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.input_ended || self.is_over() {
            return;
        }
        self.held.extend_from_slice(bytes);
        self.fresh |= !bytes.is_empty();
        self.settle();
    }

    /// The peer closes its side.
    pub fn end_input(&mut self) {
        self.fresh |= !self.input_ended;
        self.input_ended = true;
        self.settle();
    }

    /// The network takes at most `count` bytes of what is leaving.
    pub fn take(&mut self, count: usize) {
        let count = count.min(self.leaving.len());
        self.sent.extend(self.leaving.drain(..count));
        self.settle();
    }

    /// A wake arrives.
    pub fn wake(&mut self) {
        if !self.is_over() {
            self.call(Call::Wake);
            self.settle();
        }
    }

    /// The engine closes down.
    pub fn drain(&mut self) {
        if self.is_over() {
            return;
        }
        if self.next == Next::Idle && self.leaving.is_empty() && self.held.is_empty() {
            self.over(End::Shutdown);
        } else {
            self.call(Call::Drain);
            self.settle();
        }
    }

    /// Time passes; the timer is called when it has run out.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.timer.filter(|&due| due <= until && !self.is_over()) {
            self.now = self.now.max(due);
            self.timer = None;
            self.call(Call::Timer);
            self.settle();
        }
        self.now = until;
    }

    /// The peer resets the connection.
    pub fn reset(&mut self) {
        if !self.is_over() {
            self.over(End::Reset);
        }
    }

    /// The bytes that the network has taken so far.
    #[must_use]
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Bytes put out that the network has not taken.
    #[must_use]
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Bytes that arrived and were not consumed.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What the connection waits for.
    #[must_use]
    pub const fn next(&self) -> Next {
        self.next
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether a timer is running.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        self.timer.is_some()
    }

    const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Makes every call that is due.
    fn settle(&mut self) {
        let mut rounds = 0;
        while !self.is_over() {
            rounds += 1;
            assert!(rounds < 1_000_000, "the handler makes no progress");
            if self.wire.eager {
                self.sent.append(&mut self.leaving);
            }
            if !self.leaving.is_empty() {
                return;
            }
            match self.next {
                Next::Write => self.call(Call::Room),
                Next::Read | Next::Idle if self.fresh => self.call(Call::Data),
                Next::Read | Next::Idle if self.input_ended => self.over(End::Closed),
                Next::Close | Next::Finish => self.over(End::Closed),
                _ => return,
            }
        }
    }

    fn call(&mut self, call: Call) {
        let mut buffer = core::mem::take(&mut self.buffer);
        let is_closed = !self.leaving.is_empty();
        let out =
            if is_closed { Out::closed() } else { Out::new(&mut buffer, self.wire.attachable) };
        let mut cx = Cx {
            id: ConnId::new(0, 0, 1),
            now: self.now,
            origin: Origin {
                peer: Peer::Inet(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 49_152)),
                role: Role::Accepted { listener: 0 },
            },
            input_ended: self.input_ended,
            unsent: self.leaving.len() as u64,
            conn: &mut self.conn,
            out,
        };
        let step = match call {
            Call::Open => self.handler.open(&mut cx),
            Call::Data => self.handler.data(&mut cx, &self.held),
            Call::Room => self.handler.room(&mut cx),
            Call::Wake => self.handler.wake(&mut cx),
            Call::Timer => self.handler.timer(&mut cx),
            Call::Drain => self.handler.drain(&mut cx),
        };
        let attachment = cx.out.take_attachment();
        self.leaving.extend_from_slice(cx.out.bytes());
        self.buffer = buffer;
        if let Some(attachment) = attachment
            && !self.read_attachment(&attachment.source, attachment.offset, attachment.length)
        {
            return self.over(End::ShortSource);
        }
        self.obey(step, matches!(call, Call::Data));
    }

    fn obey(&mut self, step: Step, was_data: bool) {
        assert!(was_data || step.consumed() == 0, "consumed without being offered anything");
        assert!(step.consumed() <= self.held.len(), "consumed more than was offered");
        self.held.drain(..step.consumed());
        match step.timeout() {
            Timeout::Keep => {}
            Timeout::Stop => self.timer = None,
            Timeout::Set(span) => self.timer = Some(self.now + span),
        }
        // What is left is offered at once after any other call, after `data` when more comes.
        if was_data {
            self.fresh = false;
        }
        if step.next() != Next::Stay {
            self.next = step.next();
            self.fresh |= !was_data && !self.held.is_empty();
        }
        if self.next == Next::Abort {
            self.over(End::Aborted);
        }
    }

    fn read_attachment(&mut self, source: &Source, offset: u64, length: u64) -> bool {
        let (Ok(start), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return false;
        };
        match source {
            Source::File(file) => {
                let mut bytes = vec![0; length];
                let is_whole = file.read_at(offset, &mut bytes) == Ok(length);
                self.leaving.extend_from_slice(&bytes);
                is_whole
            }
            memory => {
                let bytes = memory.memory().and_then(|bytes| bytes.get(start..start + length));
                self.leaving.extend_from_slice(bytes.unwrap_or_default());
                bytes.is_some()
            }
        }
    }

    fn over(&mut self, why: End) {
        let mut cx = Cx {
            id: ConnId::new(0, 0, 1),
            now: self.now,
            origin: Origin { peer: Peer::Unix, role: Role::Accepted { listener: 0 } },
            input_ended: self.input_ended,
            unsent: self.leaving.len() as u64,
            conn: &mut self.conn,
            out: Out::closed(),
        };
        self.handler.end(&mut cx, why);
        self.leaving.clear();
        self.end = Some(why);
        self.timer = None;
    }
}
