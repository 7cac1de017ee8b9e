//! One request and its answer: [`Exchange`], and the stages it goes through.
//!
//! Invariant: an exchange is on the stack while it can go on, and in the handler's slab while it
//! waits for input, room or a wake.

use app::Out;
use base::Instant;

use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::respond::Connection;
use crate::{Outcome, Reason, Response, Token, Version};

/// What tells the client to send the body it is holding back (RFC 9110 section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub stage: Stage,
    /// What is left of the request's body.
    pub incoming: Incoming,
    pub token: Option<Token>,
    pub facts: Facts,
    /// Whether the connection is closed after the answer; decided when the head is written.
    pub close: bool,
    /// The status sent; 0 before.
    pub status: u16,
    /// How many bytes of [`CONTINUE`] are still to go out.
    continue_left: u8,
    /// Bytes of the answer's head.
    pub head_bytes: u64,
    /// Bytes of the answer handed to the engine, its head included.
    pub handed: u64,
    /// Bytes of the request's body read, framing included.
    pub received: u64,
    /// Bytes of content in them.
    pub content: u64,
    window: Window,
}

/// [`Settings::exchanges`](crate::Settings::exchanges) of them can be held.
const _: () = assert!(size_of::<Exchange>() <= 256);

/// What of a request's head matters after the service has seen it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// When the request's first byte came.
    pub started: Instant,
    pub version: Version,
    /// A HEAD request: the answer has no content.
    pub is_head: bool,
    pub keep_alive: bool,
    /// The client has said that it sends no further request.
    pub is_last: bool,
    /// The client waits for 100 (Continue) before it sends the body.
    pub expects_continue: bool,
}

/// What an exchange is at.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The request's body goes to the service, at most `limit` bytes of it.
    Collecting { limit: u64 },
    /// The service has no answer yet.
    Waiting,
    /// The answer is there, none of it has been written.
    Answering(Response),
    /// The answer's content goes out.
    Sending(Outgoing),
    /// All of the answer was handed to the engine.
    Sent,
    /// What is left of the request's body is thrown away.
    Discarding,
}

/// A span over which progress is measured.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    /// The progress at the start.
    mark: i64,
}

impl Exchange {
    pub fn new(facts: Facts, incoming: Incoming, stage: Stage) -> Self {
        Self {
            stage,
            incoming,
            token: None,
            facts,
            close: false,
            status: 0,
            continue_left: 0,
            head_bytes: 0,
            handed: 0,
            received: 0,
            content: 0,
            window: Window { start: facts.started, mark: 0 },
        }
    }

    /// Whether the client has sent all that it said it would, and nothing besides.
    pub fn ends_input(&self, input: &Input<'_>) -> bool {
        self.facts.is_last && self.incoming.is_done() && input.rest().is_empty()
    }

    /// Goes over to another stage.
    pub fn enter(&mut self, stage: Stage, now: Instant, unsent: u64) {
        if let Stage::Collecting { .. } = stage
            && self.facts.expects_continue
            && !self.incoming.is_done()
        {
            self.continue_left = CONTINUE.len() as u8;
        }
        self.stage = stage;
        self.open_window(now, unsent);
    }

    /// Starts to measure progress anew.
    pub fn open_window(&mut self, now: Instant, unsent: u64) {
        self.window = Window { start: now, mark: self.progress(unsent) };
    }

    pub const fn window_start(&self) -> Instant {
        self.window.start
    }

    /// How many bytes came or were taken in this window. Below zero for what was put out and not
    /// taken.
    pub fn passed(&self, unsent: u64) -> i64 {
        self.progress(unsent) - self.window.mark
    }

    fn progress(&self, unsent: u64) -> i64 {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        if self.is_receiving() {
            signed(self.received)
        } else {
            signed(self.handed).saturating_sub(signed(unsent))
        }
    }

    /// Whether it waits for the request's body rather than for the answer to be taken.
    pub const fn is_receiving(&self) -> bool {
        matches!(self.stage, Stage::Collecting { .. } | Stage::Discarding)
    }

    /// Takes the next piece of the request's body out of `input`; empty when there is none.
    pub fn take<'b>(&mut self, input: &mut Input<'b>) -> Result<&'b [u8], Reason> {
        let mut rest = input.rest();
        let before = rest.len();
        let piece = self.incoming.next(&mut rest);
        let read = before - rest.len();
        input.take(read);
        self.received += read as u64;
        self.content += piece.map_or(0, |piece| piece.len() as u64);
        piece
    }

    /// Puts out what is left of 100 (Continue). False when there was not room for all of it.
    pub fn put_continue(&mut self, out: &mut Out<'_>) -> bool {
        let left = usize::from(self.continue_left);
        let put = out.put_some(&CONTINUE[CONTINUE.len() - left..]);
        self.continue_left -= put as u8;
        self.continue_left == 0
    }

    /// Whether 100 (Continue) is still to go out, or what is left of it.
    pub const fn owes_continue(&self) -> bool {
        self.continue_left > 0
    }

    /// Whether a part of 100 (Continue) has gone out: what comes next must not end up in the middle
    /// of it.
    pub const fn has_begun_continue(&self) -> bool {
        self.owes_continue() && (self.continue_left as usize) < CONTINUE.len()
    }

    /// Whether what is left of the request's body can be read and thrown away, to keep the
    /// connection. Not when the client holds it back: it may never come.
    pub fn can_discard(&self, most: u64) -> bool {
        let held_back = self.facts.expects_continue && self.content == 0;
        self.incoming.is_done() || (!held_back && self.incoming.known_length() <= most)
    }

    /// What the answer says about the connection.
    pub const fn connection(&self) -> Connection {
        Connection::of(self.facts.version, self.close)
    }

    /// How it went, when it ends now.
    pub fn outcome(&self, now: Instant, unsent: u64, complete: bool) -> Outcome {
        let taken = self.handed.saturating_sub(unsent);
        Outcome {
            status: self.status,
            body_bytes: taken.saturating_sub(self.head_bytes),
            complete,
            duration: now.since(self.facts.started),
        }
    }
}

/// The bytes of one call, and how many of them are done with.
#[derive(Debug)]
pub(crate) struct Input<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Whether nothing will come after these bytes.
    pub is_last: bool,
}

impl<'b> Input<'b> {
    pub const fn new(bytes: &'b [u8], is_last: bool) -> Self {
        Self { bytes, at: 0, is_last }
    }

    /// The input of a call that brings none.
    pub const fn none() -> Self {
        Self::new(&[], false)
    }

    /// What is not done with.
    pub fn rest(&self) -> &'b [u8] {
        &self.bytes[self.at..]
    }

    /// The next `count` bytes are done with.
    pub const fn take(&mut self, count: usize) {
        self.at += count;
    }

    /// How many bytes are done with.
    pub const fn consumed(&self) -> usize {
        self.at
    }
}
