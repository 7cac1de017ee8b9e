//! The loop of a shard. Invariant: all that happens in a turn happens at one time, the clock's when it
//! began; and the shard sleeps only when its mailbox is empty.

use std::fmt;
use std::sync::Arc;

use app::{Clock, Counters, Engine, Handler};
use base::{ConnId, Instant};

use crate::time::{self, Corrector};
use crate::{Letterbox, Order, Survey};

/// Wakes delivered between two turns. More wait until the engine has had its turn, so that ten
/// million wakes do not keep arriving bytes waiting.
const WAKES_A_TURN: usize = 4_096;

/// An engine with what it takes to run it.
pub struct Shard<E> {
    engine: E,
    letterbox: Arc<Letterbox>,
    clock: Arc<Clock>,
    counters: Arc<Counters>,
    /// Wakes taken from the mailbox and not delivered yet.
    wakes: Vec<ConnId>,
    /// The orders that have been carried out.
    order: Order,
    corrector: Corrector,
    /// Who is looking at the connections.
    survey: Option<Survey>,
}

impl<E> Shard<E> {
    /// A shard that runs `engine`, reads its mail from `letterbox` (whose alarm is the engine's),
    /// keeps `clock` right and counts its turns in `counters`.
    #[must_use]
    pub fn new(
        engine: E,
        letterbox: Arc<Letterbox>,
        clock: Arc<Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            engine,
            letterbox,
            clock,
            counters,
            wakes: Vec::new(),
            order: Order::Run,
            corrector: Corrector::default(),
            survey: None,
        }
    }

    /// Serves until told to stop and done with it.
    ///
    /// # Errors
    /// When the engine cannot go on. Connections that were open are dropped with it.
    pub fn run<H: Handler>(mut self, handler: &mut H) -> Result<(), E::Error>
    where
        E: Engine<H>,
    {
        loop {
            let now = time::now();
            self.corrector.correct(&self.clock, now);
            let events = self.engine.turn(now, handler)?;
            self.read_mail(now, handler);
            if events > 0 {
                self.counters.turns.add(1);
                // A turn does not last for centuries.
                self.counters.busy.add((time::now() - now).as_nanos() as u64);
            }
            if self.finished(now, handler) {
                return Ok(());
            }
            if self.look::<H>() {
                continue;
            }
            // Also after a turn that found work: if there is more, `park` returns at once, and asking
            // and waiting are one system call instead of two.
            if self.wakes.is_empty() && self.letterbox.mailbox().may_sleep() {
                self.engine.park(self.next_time(handler))?;
                self.letterbox.mailbox().woke();
            }
        }
    }

    /// Shows some connections to whoever wants to see them. Says whether there are more to be shown.
    fn look<H: Handler>(&mut self) -> bool
    where
        E: Engine<H>,
    {
        let Some(mut survey) = self.survey.take().or_else(|| self.letterbox.surveys().take())
        else {
            return false;
        };
        let mut wants_more = true;
        let next = self.engine.look(survey.from, &mut |seen| {
            wants_more = wants_more && (survey.see)(seen);
        });
        if let Some(next) = next.filter(|_| wants_more) {
            survey.from = next;
            self.survey = Some(survey);
        }
        // The last one is dropped here, and there may be another.
        true
    }

    /// Delivers wakes and carries out orders.
    fn read_mail<H: Handler>(&mut self, now: Instant, handler: &mut H)
    where
        E: Engine<H>,
    {
        if self.wakes.is_empty() && self.letterbox.mailbox().waiting() {
            let order = self.letterbox.mailbox().take(&mut self.wakes);
            self.obey(order, now, handler);
        }
        let rest = self.wakes.len().saturating_sub(WAKES_A_TURN);
        self.counters.wakes.add((self.wakes.len() - rest) as u64);
        for id in self.wakes.drain(rest..) {
            self.engine.wake(now, id, handler);
        }
    }

    fn obey<H: Handler>(&mut self, order: Order, now: Instant, handler: &mut H)
    where
        E: Engine<H>,
    {
        match (self.order, order) {
            (Order::Run, Order::Drain { .. }) => self.engine.drain(now, handler),
            (Order::Run | Order::Drain { .. }, Order::ShutDown) => {
                self.engine.shut_down(now, handler);
            }
            _ => {}
        }
        self.order = order;
    }

    /// Whether the shard has been told to stop and has.
    fn finished<H: Handler>(&mut self, now: Instant, handler: &mut H) -> bool
    where
        E: Engine<H>,
    {
        match self.order {
            Order::Run => return false,
            Order::Drain { until } if self.engine.connections() > 0 && now < until => return false,
            Order::Drain { .. } => self.obey(Order::ShutDown, now, handler),
            Order::ShutDown => {}
        }
        true
    }

    /// When to wake up even if nothing arrives.
    fn next_time<H: Handler>(&self, handler: &H) -> Option<Instant>
    where
        E: Engine<H>,
    {
        let other = match self.order {
            Order::Run => handler.dial_at(),
            Order::Drain { until } => Some(until),
            Order::ShutDown => None,
        };
        [self.engine.deadline(), other].into_iter().flatten().min()
    }
}

/// Whoever waits to see connections is not left waiting, however the shard ends.
impl<E> Drop for Shard<E> {
    fn drop(&mut self) {
        self.letterbox.surveys().close();
    }
}

impl<E: fmt::Debug> fmt::Debug for Shard<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("engine", &self.engine).finish_non_exhaustive()
    }
}
