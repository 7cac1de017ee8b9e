//! Refusals: the protocol answers by itself, and closes.

use core::time::Duration;

use app::{Cx, Out, Step};
use base::Instant;

use super::Http;
use super::request::started;
use crate::conn::Conn;
use crate::exchange::{Exchange, Facts, Input, Stage};
use crate::framing::Framing;
use crate::incoming::Incoming;
use crate::respond::{Connection, DateLine, ResponseHead};
use crate::{Body, Outcome, Reason, Rejection, Request, Response, Service, Version, outgoing};

impl<S: Service> Http<S> {
    /// Refuses a request whose head could not be read, or did not come.
    pub(super) fn refuse_unread(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        reason: Reason,
    ) -> Option<Step> {
        let facts = Facts {
            started: started(cx),
            version: Version::Http11,
            is_head: false,
            keep_alive: false,
            is_last: false,
            expects_continue: false,
        };
        let incoming = Incoming::new(Framing::Length(0));
        let mut exchange = Exchange::new(facts, incoming, Stage::Waiting);
        self.reject(cx, &mut exchange, reason, None);
        self.proceed(cx, input, exchange)
    }

    /// Makes a refusal the answer of an exchange.
    pub(super) fn reject(
        &mut self,
        cx: &Cx<'_, Conn>,
        exchange: &mut Exchange,
        reason: Reason,
        request: Option<&Request<'_>>,
    ) {
        self.counters.count_refusal(reason);
        let (origin, now, unix) = (Some(cx.origin), cx.now, self.date.unix());
        let rejection = Rejection { reason, request, origin, now, unix };
        let mut response = self.service.refuse(&rejection);
        response.status = reason.status();
        response.close = true;
        exchange.enter(Stage::Answering(response), cx.now, cx.unsent);
    }

    /// Refuses a request that the service had accepted.
    pub(super) fn give_up(&mut self, cx: &Cx<'_, Conn>, exchange: &mut Exchange, reason: Reason) {
        let mut outcome = Outcome::cut_short(cx.now.since(exchange.facts.started));
        outcome.status = reason.status();
        self.done(exchange.token.take(), &outcome);
        self.reject(cx, exchange, reason, None);
    }

    /// Refuses a connection that cannot be held.
    pub(super) fn refuse_connection(&mut self, now: Instant, reason: Reason, out: &mut Out<'_>) {
        self.counters.count_refusal(reason);
        let unix = self.date.unix();
        let rejection = Rejection { reason, request: None, origin: None, now, unix };
        let response = self.service.refuse(&rejection);
        let put = put_whole(&response, reason.status(), &self.date, out)
            || put_whole(&Response::new(0), reason.status(), &self.date, out);
        if put {
            self.counters.count_response(reason.status());
        }
        let mut outcome = Outcome::cut_short(Duration::ZERO);
        outcome.status = reason.status();
        outcome.complete = put;
        self.done(response.token, &outcome);
    }
}

/// Puts out an answer that closes the connection, if it is in memory and there is room for it.
fn put_whole(response: &Response, status: u16, date: &DateLine, out: &mut Out<'_>) -> bool {
    let content = match &response.body {
        Body::Empty => Some([].as_slice()),
        Body::Owned(bytes) => Some(bytes.as_slice()),
        Body::One(segment) => outgoing::memory(segment),
        Body::Many(_) | Body::Absent(_) => None,
    };
    let Some(content) = content else { return false };
    let head = ResponseHead {
        status,
        connection: Connection::Close,
        content_length: Some(content.len() as u64),
        headers: response.headers.bytes(),
        date,
    };
    if out.room() < head.bound() + content.len() {
        return false;
    }
    head.put(out);
    out.put(content).is_ok()
}
