//! An exchange on its way through its stages: from the service's reply to the end of the answer and
//! of the request's body.

use app::{Cx, End, Step};

use super::Http;
use crate::conn::{Conn, Millis, State};
use crate::exchange::{Exchange, Input, Stage};
use crate::{Pace, Reason, Reply, Response, Service};

/// Where a stage leaves an exchange.
pub(super) enum Flow {
    /// The next stage can begin.
    On,
    /// It waits; this is the step.
    Wait(Step),
    /// It is over, and the connection goes on.
    Over,
    /// It is over, and so is the connection when what was put out has left.
    Last,
}

impl<S: Service> Http<S> {
    /// Takes up an exchange that waited.
    pub(super) fn go_on(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        index: u32,
    ) -> Option<Step> {
        match self.unpark(index) {
            Some(exchange) => self.proceed(cx, input, exchange),
            None => Some(Step::abort()),
        }
    }

    pub(super) fn unpark(&mut self, index: u32) -> Option<Exchange> {
        let exchange = self.exchanges.take(index);
        self.counters.exchanges.set(u64::from(self.exchanges.len()));
        exchange
    }

    /// Takes an exchange as far as it goes now. `None`: it is over, and the connection is ready for
    /// the next request.
    pub(super) fn proceed(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        mut exchange: Exchange,
    ) -> Option<Step> {
        loop {
            let flow = match exchange.stage {
                Stage::Collecting { limit } => self.collect(cx, input, &mut exchange, limit),
                Stage::Waiting => Flow::Wait(Step::wait(input.consumed())),
                Stage::Answering(_) => self.answer(cx, input, &mut exchange),
                Stage::Sending(_) => self.send(cx, input, &mut exchange),
                Stage::Sent => self.finish(cx, input, &mut exchange),
                Stage::Discarding => self.discard(cx, input, &mut exchange),
            };
            match flow {
                Flow::On => {}
                Flow::Wait(step) => return Some(self.park(cx, exchange, step)),
                Flow::Over => return self.next_request(cx, input),
                Flow::Last if exchange.ends_input(input) => {
                    return Some(self.close(cx, Step::finish()));
                }
                Flow::Last => return Some(self.close(cx, Step::close())),
            }
        }
    }

    /// Keeps an exchange until it can go on, with a timer where it is the peer who has to do
    /// something.
    pub(super) fn park(&mut self, cx: &mut Cx<'_, Conn>, exchange: Exchange, step: Step) -> Step {
        let pace = self.pace(&exchange);
        let waits_for_service = matches!(exchange.stage, Stage::Waiting);
        let left = pace.window.saturating_sub(cx.now.since(exchange.window_start()));
        match self.exchanges.insert(exchange) {
            Ok(index) => cx.conn.state = State::Exchange(index),
            Err(mut exchange) => {
                let outcome = exchange.outcome(cx.now, cx.unsent, false);
                self.done(exchange.token.take(), &outcome);
                cx.conn.state = State::Closing { unsent: 0 };
                return Step::abort();
            }
        }
        self.counters.exchanges.set(u64::from(self.exchanges.len()));
        if waits_for_service && cx.out.is_empty() && cx.unsent == 0 {
            return step;
        }
        cx.conn.due_within(cx.now, left, step)
    }

    pub(super) const fn pace(&self, exchange: &Exchange) -> Pace {
        if exchange.is_receiving() { self.settings.body_pace } else { self.settings.send_pace }
    }

    /// The connection is ready for the next request, which may be there already.
    #[inline]
    pub(super) fn next_request(&self, cx: &mut Cx<'_, Conn>, input: &Input<'_>) -> Option<Step> {
        cx.conn.state = State::Resting { since: Millis::of(cx.now) };
        if cx.out.attached() == 0 { None } else { self.leave_attached(cx, input) }
    }

    /// Something that is attached has to leave first.
    fn leave_attached(&self, cx: &mut Cx<'_, Conn>, input: &Input<'_>) -> Option<Step> {
        if !input.rest().is_empty() {
            return Some(self.make_room(cx, input));
        }
        // Much is leaving: from now on it is the pace that counts, not the time of rest.
        let leaving = cx.unsent.saturating_add(cx.out.filled() as u64 + cx.out.attached());
        cx.conn.state = State::Leaving { unsent: u32::try_from(leaving).unwrap_or(u32::MAX) };
        let window = self.settings.send_pace.window;
        Some(cx.conn.due_after(cx.now, window, Step::idle(input.consumed())))
    }

    /// Closes the connection, in the way that `step` says, when what was put out has left.
    pub(super) fn close(&self, cx: &mut Cx<'_, Conn>, step: Step) -> Step {
        let leaving = cx.unsent.saturating_add(cx.out.filled() as u64 + cx.out.attached());
        cx.conn.state = State::Closing { unsent: u32::try_from(leaving).unwrap_or(u32::MAX) };
        cx.conn.due_after(cx.now, self.settings.send_pace.window, step)
    }

    /// What the service replied.
    pub(super) fn apply(&mut self, cx: &Cx<'_, Conn>, exchange: &mut Exchange, reply: Reply) {
        let stage = match reply {
            Reply::Now(response) => Stage::Answering(response),
            Reply::Later(token) => {
                exchange.token = Some(token);
                Stage::Waiting
            }
            // A mistake of the service's: there is one body, and it was collected or given up.
            Reply::Collect { .. } if exchange.token.is_some() => {
                Stage::Answering(Response::new(500))
            }
            Reply::Collect { token, limit } => {
                exchange.token = Some(token);
                let limit = limit.min(self.settings.body_bytes);
                if exchange.incoming.known_length() > limit {
                    return self.give_up(cx, exchange, Reason::BodySize);
                }
                Stage::Collecting { limit }
            }
        };
        exchange.enter(stage, cx.now, cx.unsent);
    }

    /// The answer was handed over; the rest of the request's body may still be to come.
    fn finish(
        &mut self,
        cx: &mut Cx<'_, Conn>,
        input: &mut Input<'_>,
        exchange: &mut Exchange,
    ) -> Flow {
        let outcome = exchange.outcome(cx.now, 0, true);
        self.counters.body_bytes_out.add(outcome.body_bytes);
        self.done(exchange.token.take(), &outcome);
        if exchange.close {
            return Flow::Last;
        }
        if exchange.incoming.is_done() {
            return Flow::Over;
        }
        exchange.enter(Stage::Discarding, cx.now, cx.unsent);
        self.discard(cx, input, exchange)
    }

    /// A wake: for the service's answer, or for a file.
    pub(super) fn wake_exchange(&mut self, cx: &mut Cx<'_, Conn>, index: u32) -> Step {
        let is_meant = self
            .exchanges
            .get_mut(index)
            .is_some_and(|exchange| matches!(exchange.stage, Stage::Waiting | Stage::Sending(_)));
        if !is_meant {
            return Step::stay();
        }
        let Some(mut exchange) = self.unpark(index) else { return Step::abort() };
        if let (Stage::Waiting, Some(token)) = (&exchange.stage, exchange.token) {
            let reply = self.service.resume(token);
            self.apply(cx, &mut exchange, reply);
        }
        self.proceed(cx, &mut Input::none(), exchange)
            .unwrap_or_else(|| cx.conn.due_within(cx.now, self.settings.idle_time, Step::idle(0)))
    }

    /// The connection is over.
    pub(super) fn end_exchange(&mut self, cx: &Cx<'_, Conn>, index: u32, why: End) {
        let Some(mut exchange) = self.unpark(index) else { return };
        if why == End::ShortSource {
            self.counters.short_bodies.add(1);
        }
        let complete = matches!(exchange.stage, Stage::Sent) && why == End::Closed;
        let outcome = exchange.outcome(cx.now, if complete { 0 } else { cx.unsent }, complete);
        if !matches!(exchange.stage, Stage::Discarding) {
            self.counters.body_bytes_out.add(outcome.body_bytes);
        }
        self.done(exchange.token.take(), &outcome);
    }
}
