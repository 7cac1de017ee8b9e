//! The way of a request from its first byte to the service's reply.

use core::mem::MaybeUninit;

use app::{Cx, Step};
use base::Instant;
use httparse::EMPTY_HEADER;

use super::Http;
use crate::conn::{Conn, Millis, State};
use crate::exchange::{Exchange, Facts, Input, Stage};
use crate::framing::{Expect, Framing};
use crate::head::{self, Head, Scan};
use crate::incoming::Incoming;
use crate::repeated::{Known, LINES_MAX};
use crate::settings::MAX_HEADER_LINES;
use crate::{Body, Headers, Method, Outcome, Reason, Reply, Request, Service, outgoing};

/// Least room for an answer. With less, what was put out leaves first: most answers then need no
/// memory besides.
const ANSWER_ROOM: usize = 1024;

/// Header lines of a request by a program rather than a browser.
const FEW_LINES: usize = 4;

impl<S: Service> Http<S> {
    /// Reads one request and begins its exchange. `None`: it is over, look for the next one.
    pub(super) fn read_request(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
    ) -> Option<Step> {
        let mut scanned = cx.conn.state.scanned();
        // RFC 9112 section 2.2: empty lines before a request line are ignored.
        while input.rest().starts_with(b"\r\n") {
            input.take(2);
            scanned = 0;
        }
        let rest = input.rest();
        if rest.is_empty() {
            return Some(self.rest(cx, input));
        }
        if let Some(known) = self.repeated.take(rest) {
            let step = self.repeat(cx, input, &known);
            self.repeated.put_back(known);
            return step;
        }
        let length = match head::scan(rest, scanned, &self.settings) {
            Scan::Complete(length) => length,
            Scan::Partial(scanned) => return Some(self.read_on(cx, input, scanned)),
            Scan::Refused(reason) => return self.refuse_unread(cx, input, reason),
        };
        if !cx.out.is_empty() && cx.out.room() < ANSWER_ROOM {
            return Some(self.make_room(cx, input));
        }
        input.take(length);
        let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADER_LINES as usize];
        let most = self.settings.header_lines.min(MAX_HEADER_LINES) as usize;
        match head::parse(&rest[..length], &mut lines[..most], &self.settings) {
            Ok(head) => {
                self.repeated.see(&rest[..length], &head);
                self.begin(cx, input, &head)
            }
            Err(reason) => self.refuse_unread(cx, input, reason),
        }
    }

    /// The same for a head that came before.
    fn repeat(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        known: &Known,
    ) -> Option<Step> {
        if !cx.out.is_empty() && cx.out.room() < ANSWER_ROOM {
            return Some(self.make_room(cx, input));
        }
        input.take(known.len());
        if known.lines() <= FEW_LINES {
            return self.begin(cx, input, &known.head(&mut [EMPTY_HEADER; FEW_LINES]));
        }
        self.begin(cx, input, &known.head(&mut [EMPTY_HEADER; LINES_MAX]))
    }

    /// Nothing of a request is there.
    pub(super) fn rest(&self, cx: &mut Cx<'_, Conn>, input: &Input<'_>) -> Step {
        if self.draining {
            return Step::close();
        }
        let since = match cx.conn.state {
            State::Resting { since } | State::Reading { since, .. } => since,
            _ => Millis::of(cx.now),
        };
        cx.conn.state = State::Resting { since };
        let left = self.settings.idle_time.saturating_sub(since.elapsed(cx.now));
        cx.conn.due_within(cx.now, left, Step::idle(input.consumed()))
    }

    /// A part of a head is there.
    fn read_on(&self, cx: &mut Cx<'_, Conn>, input: &Input<'_>, scanned: usize) -> Step {
        if input.is_last {
            return Step::close();
        }
        if !cx.out.is_empty() {
            // So that time spent on taking the answers does not count as time spent on the head.
            return self.make_room(cx, input);
        }
        let since = match cx.conn.state {
            State::Reading { since, .. } => since,
            _ => Millis::of(cx.now),
        };
        cx.conn.state = State::Reading { since, scanned: scanned as u32 };
        let left = self.settings.header_time.saturating_sub(since.elapsed(cx.now));
        cx.conn.due_within(cx.now, left, Step::read(input.consumed()))
    }

    /// What was put out has to leave before the next request is read.
    pub(super) fn make_room(&self, cx: &mut Cx<'_, Conn>, input: &Input<'_>) -> Step {
        cx.conn.due_within(cx.now, self.settings.send_pace.window, Step::write(input.consumed()))
    }

    /// Gives a request to the service, unless the protocol has something against it.
    fn begin(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        head: &Head<'_, '_>,
    ) -> Option<Step> {
        let request = Request {
            method: head.method,
            path: head.target.path,
            query: head.target.query,
            host: head.host,
            version: head.version,
            headers: Headers::new(head.lines),
            id: cx.id,
            origin: cx.origin,
            now: cx.now,
            unix: self.date.unix(),
        };
        let facts = Facts {
            started: started(cx),
            version: head.version,
            is_head: head.method == Method::Head,
            keep_alive: head.keep_alive,
            is_last: !head.keep_alive,
            expects_continue: head.expect == Expect::Continue,
        };
        self.counters.requests.add(1);
        let reply = match self.objection(head) {
            Some(reason) => Err(reason),
            None => {
                let reply = match self.service.call(&request) {
                    Reply::Now(response) if head.framing == Framing::Length(0) => {
                        match self.answer_at_once(cx, input, &facts, response) {
                            Ok(step) => return step,
                            Err(response) => Reply::Now(response),
                        }
                    }
                    reply => reply,
                };
                if self.has_place_for(&reply, cx) {
                    Ok(reply)
                } else {
                    self.forget(&reply, cx.now, facts.started);
                    Err(Reason::Exchanges)
                }
            }
        };
        let mut exchange = Exchange::new(facts, Incoming::new(head.framing), Stage::Waiting);
        match reply {
            Ok(reply) => self.apply(cx, &mut exchange, reply),
            Err(reason) => self.reject(cx, &mut exchange, reason, Some(&request)),
        }
        self.proceed(cx, input, exchange)
    }

    /// What the protocol has against a request that is well-formed.
    fn objection(&self, head: &Head<'_, '_>) -> Option<Reason> {
        match (head.expect, head.framing) {
            (Expect::Unknown, _) => Some(Reason::Expectation),
            (_, Framing::Length(length)) if length > self.settings.body_bytes => {
                Some(Reason::BodySize)
            }
            _ => None,
        }
    }

    /// Whether the exchange can be held if it has to wait.
    fn has_place_for(&self, reply: &Reply, cx: &Cx<'_, Conn>) -> bool {
        if self.exchanges.len() < self.settings.exchanges {
            return true;
        }
        let Reply::Now(response) = reply else { return false };
        let in_memory = match &response.body {
            Body::Empty | Body::Owned(_) | Body::Absent(_) => true,
            Body::One(segment) => outgoing::memory(segment).is_some(),
            Body::Many(_) => false,
        };
        let length = response.body.length().saturating_add(response.headers.bytes().len() as u64);
        in_memory && length.saturating_add(ANSWER_ROOM as u64) <= cx.out.room() as u64
    }

    /// Ends an exchange that could not be held.
    fn forget(&mut self, reply: &Reply, now: Instant, started: Instant) {
        let token = match reply {
            Reply::Now(response) => response.token,
            Reply::Later(token) | Reply::Collect { token, .. } => Some(*token),
        };
        self.done(token, &Outcome::cut_short(now.since(started)));
    }
}

/// When the request that is being read began.
pub(super) fn started(cx: &Cx<'_, Conn>) -> Instant {
    match cx.conn.state {
        State::Reading { since, .. } => {
            let elapsed = u64::try_from(since.elapsed(cx.now).as_nanos()).unwrap_or(0);
            Instant::from_nanos(cx.now.as_nanos().saturating_sub(elapsed))
        }
        _ => cx.now,
    }
}
