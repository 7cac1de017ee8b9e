//! What it means that a connection's timer ran out. A timer may be early, never late: what is due
//! is found out here.

use app::{Cx, Step};

use super::Http;
use crate::conn::{Conn, Millis, State};
use crate::exchange::{Input, Stage};
use crate::{Reason, Service};

impl<S: Service> Http<S> {
    /// What the timer means between requests, or after the last one.
    pub(super) fn timer_between(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        match cx.conn.state {
            State::Reading { since, .. } => {
                let left = self.settings.header_time.saturating_sub(since.elapsed(cx.now));
                if !left.is_zero() {
                    return cx.conn.due_within(cx.now, left, Step::stay());
                }
                self.refuse_unread(cx, &mut Input::none(), Reason::HeaderTime)
                    .unwrap_or_else(Step::close)
            }
            State::Resting { .. } if cx.unsent > 0 => self.watch_leaving(cx, None),
            State::Leaving { unsent } if cx.unsent > 0 => self.watch_leaving(cx, Some(unsent)),
            State::Closing { unsent } if cx.unsent > 0 => self.watch_leaving(cx, Some(unsent)),
            State::Closing { .. } => Step::stay(),
            State::Resting { since } => {
                let left = self.settings.idle_time.saturating_sub(since.elapsed(cx.now));
                if !left.is_zero() {
                    return cx.conn.due_within(cx.now, left, Step::stay());
                }
                self.counters.idle_closed.add(1);
                Step::close()
            }
            State::Leaving { .. } | State::Exchange(_) => {
                cx.conn.state = State::Resting { since: Millis::of(cx.now) };
                cx.conn.due_within(cx.now, self.settings.idle_time, Step::stay())
            }
        }
    }

    /// Output is leaving; `before` is how much of it there was when last looked at.
    fn watch_leaving(&self, cx: &mut Cx<'_, Conn>, before: Option<u32>) -> Step {
        let pace = self.settings.send_pace;
        let unsent = u32::try_from(cx.unsent).unwrap_or(u32::MAX);
        if let Some(before) = before
            && u64::from(before.saturating_sub(unsent)) < pace.bytes
        {
            self.counters.slow_readers.add(1);
            return Step::abort();
        }
        cx.conn.state = match cx.conn.state {
            State::Closing { .. } => State::Closing { unsent },
            _ => State::Leaving { unsent },
        };
        cx.conn.due_after(cx.now, pace.window, Step::stay())
    }

    /// The timer during an exchange: has the peer done enough in this window?
    pub(super) fn timer_in_exchange(&mut self, cx: &mut Cx<'_, Conn>, index: u32) -> Step {
        let Some(mut exchange) = self.unpark(index) else { return Step::abort() };
        let pace = self.pace(&exchange);
        let left = pace.window.saturating_sub(cx.now.since(exchange.window_start()));
        if !left.is_zero() {
            return self.park(cx, exchange, Step::stay());
        }
        let receiving = exchange.is_receiving();
        let nothing_to_take = !receiving && cx.unsent == 0;
        let least = i64::try_from(pace.bytes).unwrap_or(i64::MAX);
        if nothing_to_take || exchange.passed(cx.unsent) >= least {
            exchange.open_window(cx.now, cx.unsent);
            return self.park(cx, exchange, Step::stay());
        }
        if !receiving {
            self.counters.slow_readers.add(1);
            return self.park(cx, exchange, Step::abort());
        }
        if matches!(exchange.stage, Stage::Discarding) {
            return self.close(cx, Step::close());
        }
        self.give_up(cx, &mut exchange, Reason::BodyTime);
        self.proceed(cx, &mut Input::none(), exchange).unwrap_or_else(Step::close)
    }
}
