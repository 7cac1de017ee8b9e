//! The stages that write an answer: its head, then its content.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use app::{Cx, Out, Source, Step};

use super::Http;
use super::proceed::Flow;
use crate::conn::Conn;
use crate::exchange::{Exchange, Input, Stage};
use crate::outgoing::{Outgoing, Progress};
use crate::respond::ResponseHead;
use crate::status::is_without_content;
use crate::{Body, HeaderBlock, Response, Segment, Service};

impl<S: Service> Http<S> {
    /// Writes the answer's head, and decides what becomes of the connection.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &Input<'_>,
        exchange: &mut Exchange,
    ) -> Flow {
        if exchange.has_begun_continue() && !self.put_continue(cx, exchange) {
            return Flow::Wait(Step::write(input.consumed()));
        }
        let Stage::Answering(response) = core::mem::replace(&mut exchange.stage, Stage::Sent)
        else {
            return Flow::Last;
        };
        let response = checked(response, exchange.facts.is_head);
        exchange.close = !exchange.facts.keep_alive
            || response.close
            || self.draining
            || !exchange.can_discard(self.settings.discard_bytes);
        let head = ResponseHead {
            status: response.status,
            connection: exchange.connection(),
            content_length: content_length(&response),
            headers: response.headers.bytes(),
            date: &self.date,
        };
        let fits = cx.out.room() >= head.bound();
        if !fits && (cx.out.room() == 0 || !cx.out.is_empty()) {
            exchange.stage = Stage::Answering(response);
            return Flow::Wait(Step::write(input.consumed()));
        }
        let mut long_head = None;
        if fits {
            exchange.head_bytes = head.put(&mut cx.out) as u64;
            exchange.handed = exchange.head_bytes;
        } else {
            let mut bytes = vec![0; head.bound()];
            let length = head.write(&mut bytes);
            bytes.truncate(length);
            exchange.head_bytes = bytes.len() as u64;
            long_head = Some(whole(bytes));
        }
        exchange.status = response.status;
        exchange.token = exchange.token.or(response.token);
        self.counters.count_response(response.status);
        self.counters.header_bytes_out.add(exchange.head_bytes);
        let is_silent = exchange.facts.is_head || is_without_content(response.status);
        let body = if is_silent { Body::Empty } else { response.body };
        let mut outgoing = content(body, &mut cx.out, exchange);
        if let Some(head) = long_head {
            outgoing = outgoing.preceded_by(head);
        }
        exchange.enter(Stage::Sending(outgoing), cx.now, cx.unsent);
        Flow::On
    }

    /// Puts out the answer's content.
    pub(super) fn send(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &Input<'_>,
        exchange: &mut Exchange,
    ) -> Flow {
        let Stage::Sending(outgoing) = &mut exchange.stage else { return Flow::On };
        let progress = outgoing.put(&mut cx.out, cx.id, &mut exchange.handed);
        match progress {
            Progress::Room => Flow::Wait(Step::write(input.consumed())),
            Progress::Later => Flow::Wait(Step::wait(input.consumed())),
            // What went before, whole answers among it, leaves first: a reset would take it along.
            Progress::Short if cx.unsent > 0 || !cx.out.is_empty() => {
                Flow::Wait(Step::write(input.consumed()))
            }
            Progress::Short => {
                self.counters.short_bodies.add(1);
                Flow::Wait(Step::abort())
            }
            Progress::Done => {
                exchange.stage = Stage::Sent;
                if exchange.token.is_none() || cx.out.attached() == 0 {
                    return Flow::On;
                }
                // Whoever asked to be told wants to know whether it was taken.
                let consumed = input.consumed();
                Flow::Wait(if exchange.close { Step::close() } else { Step::write(consumed) })
            }
        }
    }
}

/// A response that can be sent: a service's mistake becomes 500 instead of broken framing.
fn checked(response: Response, is_head: bool) -> Response {
    let is_silent = is_head || is_without_content(response.status);
    let misses_content = matches!(response.body, Body::Absent(1..)) && !is_silent;
    if (200..=599).contains(&response.status) && !misses_content {
        return response;
    }
    Response {
        status: 500,
        headers: HeaderBlock::Static(b""),
        body: Body::Empty,
        token: response.token,
        close: true,
    }
}

/// What `Content-Length` says (RFC 9110 section 8.6).
pub(super) fn content_length(response: &Response) -> Option<u64> {
    match (response.status, &response.body) {
        (204, _) => None,
        (205, _) => Some(0),
        (304, Body::Absent(length)) => Some(*length),
        (304, _) => None,
        (_, body) => Some(body.length()),
    }
}

/// A body on its way out. One that was made for this answer is put out at once if there is room.
fn content(body: Body, out: &mut Out<'_>, exchange: &mut Exchange) -> Outgoing {
    match body {
        Body::Empty | Body::Absent(_) => Outgoing::nothing(),
        Body::Owned(bytes) if exchange.handed > 0 && out.put(&bytes).is_ok() => {
            exchange.handed += bytes.len() as u64;
            Outgoing::nothing()
        }
        Body::Owned(bytes) => Outgoing::one(whole(bytes)),
        Body::One(segment) => Outgoing::one(segment),
        Body::Many(segments) => Outgoing::many(segments),
    }
}

fn whole(bytes: Vec<u8>) -> Segment {
    let length = bytes.len() as u64;
    Segment { source: Source::Memory(Arc::from(bytes)), offset: 0, length }
}
