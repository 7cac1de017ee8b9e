//! The stages that read a request's body: for the service, or to be rid of it.

use app::{Cx, Step};

use super::Http;
use super::proceed::Flow;
use crate::conn::Conn;
use crate::exchange::{Exchange, Input};
use crate::{Reason, Service};

impl<S: Service> Http<S> {
    /// The request's body goes to the service.
    pub(super) fn collect(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        exchange: &mut Exchange,
        limit: u64,
    ) -> Flow {
        if exchange.owes_continue() && !self.put_continue(cx, exchange) {
            return Flow::Wait(Step::write(input.consumed()));
        }
        let Some(token) = exchange.token else { return Flow::Last };
        let read = self.take_body(input, exchange, limit, |service, piece| {
            service.collect(token, piece);
        });
        match read {
            Ok(true) => {
                let reply = self.service.resume(token);
                self.apply(cx, exchange, reply);
                Flow::On
            }
            // The rest of the body will not come.
            Ok(false) if input.is_last => Flow::Wait(Step::close()),
            Ok(false) => Flow::Wait(Step::read(input.consumed())),
            Err(reason) => {
                self.give_up(cx, exchange, reason);
                Flow::On
            }
        }
    }

    /// Puts out what is left of 100 (Continue). False when there was not room for all of it.
    pub(super) fn put_continue(&self, cx: &mut Cx<'_, Conn>, exchange: &mut Exchange) -> bool {
        let is_out = exchange.put_continue(&mut cx.out);
        if is_out {
            self.counters.count_response(100);
        }
        is_out
    }

    /// What is left of the request's body is thrown away; its answer has been given.
    pub(super) fn discard(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        exchange: &mut Exchange,
    ) -> Flow {
        let most = self.settings.discard_bytes;
        match self.take_body(input, exchange, most, |_, _| {}) {
            Ok(true) => Flow::Over,
            Ok(false) if input.is_last => Flow::Last,
            Ok(false) if cx.out.is_empty() => Flow::Wait(Step::read(input.consumed())),
            // The answer leaves first: its reader's time is not the body's.
            Ok(false) => Flow::Wait(Step::write(input.consumed())),
            Err(_) => Flow::Last,
        }
    }

    /// Reads as much of the request's body as is there. True when all of it was read.
    fn take_body(
        &mut self,
        input: &mut Input<'_>,
        exchange: &mut Exchange,
        limit: u64,
        mut taken: impl FnMut(&mut S, &[u8]),
    ) -> Result<bool, Reason> {
        let before = exchange.received;
        let result = loop {
            match exchange.take(input) {
                Ok([]) => break Ok(exchange.incoming.is_done()),
                Ok(_) if exchange.content > limit => break Err(Reason::BodySize),
                Ok(piece) => taken(&mut self.service, piece),
                Err(reason) => break Err(reason),
            }
        };
        self.counters.body_bytes_in.add(exchange.received - before);
        result
    }
}
