//! The handler: what each call of the engine means for a connection.
//!
//! | file | what happens there |
//! | --- | --- |
//! | `request.rs` | a request is read and given to the service |
//! | `at_once.rs` | its answer is known, small and in memory: the short way |
//! | `proceed.rs` | its exchange goes through its stages |
//! | `body.rs` | the stages that read the request's body |
//! | `answer.rs` | the stages that write the answer |
//! | `refuse.rs` | the protocol answers by itself |
//! | `timer.rs` | a time limit may have been reached |
//!
//! Invariant: every path out of a call returns one step, and a connection whose step waits for the
//! peer has a timer running.

mod answer;
mod at_once;
mod body;
mod proceed;
mod refuse;
mod request;
mod timer;

use alloc::sync::Arc;
use core::fmt;

use app::{Clock, Cx, End, Handler, Out, Step};
use base::Instant;

use crate::conn::{Conn, Millis, State};
use crate::exchange::{Exchange, Input};
use crate::repeated::Repeated;
use crate::respond::DateLine;
use crate::slab::Slab;
use crate::{Counters, LiveSettings, Outcome, Reason, Service, Settings, Token};

/// HTTP/1.1 over every connection of one shard, with what `S` answers.
pub struct Http<S> {
    service: S,
    live: Arc<LiveSettings>,
    /// A copy of `live`, made once a second.
    settings: Settings,
    clock: Arc<Clock>,
    counters: Arc<Counters>,
    date: DateLine,
    repeated: Repeated,
    exchanges: Slab<Exchange>,
    /// Whether the engine is closing down: every answer from now on closes its connection.
    draining: bool,
}

impl<S> fmt::Debug for Http<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("exchanges", &self.exchanges.len())
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

impl<S: Service> Http<S> {
    /// A handler for one shard. `clock` gives the time for `Date`; `counters` belong to this
    /// handler alone; `settings` may be shared by all shards and changed at any time.
    pub fn new(
        service: S,
        settings: Arc<LiveSettings>,
        clock: Arc<Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            service,
            settings: settings.get(),
            live: settings,
            clock,
            counters,
            date: DateLine::new(),
            repeated: Repeated::default(),
            exchanges: Slab::new(),
            draining: false,
        }
    }

    /// What is served.
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// What is served, to be told of what its shard was told.
    pub const fn service_mut(&mut self) -> &mut S {
        &mut self.service
    }

    /// Once a second: the date, and settings that may have changed.
    fn tick(&mut self, now: Instant) {
        if self.date.is_over(now) {
            self.date.renew(&self.clock, now);
            self.settings = self.live.get();
            self.repeated.forget();
        }
    }

    fn done(&mut self, token: Option<Token>, outcome: &Outcome) {
        if let Some(token) = token {
            self.service.done(token, outcome);
        }
    }
}

impl<S: Service> Handler for Http<S> {
    type Conn = Conn;

    fn open(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.tick(cx.now);
        cx.conn.state = State::Resting { since: Millis::of(cx.now) };
        cx.conn.due_within(cx.now, self.settings.idle_time, Step::idle(0))
    }

    fn data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        self.tick(cx.now);
        let mut input = Input::new(rx, cx.input_ended);
        loop {
            let step = match cx.conn.state {
                State::Exchange(index) => self.go_on(cx, &mut input, index),
                State::Closing { .. } => return Step::close(),
                _ => self.read_request(cx, &mut input),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn room(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.tick(cx.now);
        let mut input = Input::none();
        let step = match cx.conn.state {
            State::Exchange(index) => self.go_on(cx, &mut input, index),
            State::Closing { .. } => return Step::close(),
            _ => {
                cx.conn.state = State::Resting { since: Millis::of(cx.now) };
                None
            }
        };
        // Requests that were left unread are offered after this step.
        step.unwrap_or_else(|| cx.conn.due_within(cx.now, self.settings.idle_time, Step::idle(0)))
    }

    fn wake(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.tick(cx.now);
        match cx.conn.state {
            State::Exchange(index) => self.wake_exchange(cx, index),
            _ => Step::stay(),
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.tick(cx.now);
        cx.conn.timer_ran_out();
        match cx.conn.state {
            State::Exchange(index) => self.timer_in_exchange(cx, index),
            _ => self.timer_between(cx),
        }
    }

    fn drain(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.draining = true;
        if let State::Exchange(index) = cx.conn.state
            && let Some(exchange) = self.exchanges.get_mut(index)
        {
            exchange.close = true;
        }
        Step::stay()
    }

    fn end(&mut self, cx: &mut Cx<'_, Conn>, why: End) {
        if let State::Exchange(index) = cx.conn.state {
            self.end_exchange(cx, index, why);
        }
    }

    fn refuse(&mut self, now: Instant, why: app::Refusal, out: &mut Out<'_>) {
        self.tick(now);
        let reason = match why {
            app::Refusal::Full => Reason::Connections,
            app::Refusal::FullForClient => Reason::ConnectionsOfClient,
        };
        self.refuse_connection(now, reason, out);
    }
}
