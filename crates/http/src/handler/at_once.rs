//! The short way of an answer: one that is known at once, small and in memory, to a request without a
//! body, is written in one go. Nearly all answers of a site are. Invariant: what goes out, what is
//! counted and what the service is told is what the stages of `proceed.rs` would come to.

use app::{Cx, Step};

use super::Http;
use super::answer::content_length;
use crate::conn::Conn;
use crate::exchange::{Facts, Input};
use crate::outgoing::{self, COPY_BYTES};
use crate::respond::{Connection, ResponseHead};
use crate::status::is_without_content;
use crate::{Body, Outcome, Response, Service};

impl<S: Service> Http<S> {
    /// Writes such an answer; what it gives is as for [`Http::proceed`]. Any other is given back, with
    /// nothing done.
    #[inline]
    pub(super) fn answer_at_once(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &Input<'_>,
        facts: &Facts,
        response: Response,
    ) -> Result<Option<Step>, Response> {
        let is_silent = facts.is_head || is_without_content(response.status);
        let content = match &response.body {
            _ if is_silent => Some(&[][..]),
            Body::Empty => Some(&[][..]),
            Body::Owned(bytes) => Some(bytes.as_slice()),
            Body::One(segment) => outgoing::memory(segment),
            Body::Many(_) | Body::Absent(_) => None,
        };
        let close = !facts.keep_alive || response.close || self.draining;
        let head = ResponseHead {
            status: response.status,
            connection: Connection::of(facts.version, close),
            content_length: content_length(&response),
            headers: response.headers.bytes(),
            date: &self.date,
        };
        let Some(content) = content.filter(|content| {
            (200..=599).contains(&response.status)
                && content.len() as u64 <= COPY_BYTES
                && head.bound() + content.len() <= cx.out.room()
        }) else {
            return Err(response);
        };
        let head_bytes = head.put(&mut cx.out) as u64;
        let body_bytes = cx.out.put_some(content) as u64;
        self.counters.count_response(response.status);
        self.counters.header_bytes_out.add(head_bytes);
        self.counters.body_bytes_out.add(body_bytes);
        if response.token.is_some() {
            let duration = cx.now.since(facts.started);
            let (status, complete) = (response.status, true);
            self.done(response.token, &Outcome { status, body_bytes, complete, duration });
        }
        if !close {
            return Ok(self.next_request(cx, input));
        }
        let is_last = facts.is_last && input.rest().is_empty();
        Ok(Some(self.close(cx, if is_last { Step::finish() } else { Step::close() })))
    }
}
