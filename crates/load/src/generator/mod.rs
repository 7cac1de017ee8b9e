//! The handler: [`Generator`]. Invariant: all it does between two phases is wait; within one, all
//! state is in its [`Run`], so that nothing of a phase reaches into the next but idle connections.

mod active;
mod dialling;
mod gathering;
mod idle;
mod run;
mod seats;
mod slow;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use app::{Cx, Dial, DialError, End, Handler, Step, Wake};
use base::{ConnId, Instant};

use crate::sources::Dealer;
use crate::{Board, Orders, Plan, Share};
use run::Run;

/// How often a shard that waits for the next phase looks for it.
const LOOK: Duration = Duration::from_millis(2);

/// What is remembered of a connection in the engine's record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conn {
    /// When it was begun.
    began: Instant,
    /// Its seat, or [`RESTING`].
    seat: u32,
    /// The phase it belongs to, modulo 65,536.
    phase: u16,
    kind: Kind,
}

const _: () = assert!(size_of::<Conn>() == 16);

/// The seat of an idle connection that rests.
const RESTING: u32 = u32::MAX;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    /// Requests go over it.
    #[default]
    Active,
    /// So they do, slowly.
    Slow,
    /// It rests after its first request.
    Idle,
}

/// Where a generator stands among all that run.
#[derive(Clone)]
pub struct Place {
    /// Which part of the plan is its own.
    pub share: Share,
    /// What it is told.
    pub orders: Arc<Orders>,
    /// Where it tells what it counts.
    pub board: Arc<Board>,
    /// Brings it back to connections that have a request to send.
    pub wake: Arc<dyn Wake>,
}

/// The load generator of one shard.
pub struct Generator {
    plan: Arc<Plan>,
    place: Place,
    dealer: Dealer,
    run: Option<Run>,
    idle: idle::Resting,
    /// Phases begun.
    begun: u32,
    /// Connections open.
    open: u64,
    /// The time of the turn.
    now: Instant,
}

impl Generator {
    /// A generator that does its share of a plan.
    #[must_use]
    pub fn new(plan: Arc<Plan>, place: Place) -> Self {
        let dealer = Dealer::new(plan.sources.clone(), place.share);
        let idle = idle::Resting::new(plan.phases.len() > 1);
        Self { plan, place, dealer, run: None, idle, begun: 0, open: 0, now: Instant::ZERO }
    }

    /// What is to be done at a new time, whatever happens on connections.
    fn tick(&mut self, now: Instant) {
        if now == self.now {
            return;
        }
        self.now = now;
        if self.run.is_none() && self.place.orders.begun() > self.begun {
            self.begin(now);
        }
        let Some(run) = &mut self.run else { return };
        run.tick(now, &self.place);
        if run.is_over(now) || self.place.orders.stopped() {
            self.finish(now);
        }
    }

    /// Begins the next phase.
    fn begin(&mut self, now: Instant) {
        let plan = Arc::clone(&self.plan);
        let Some(phase) = plan.phases.get(self.begun as usize) else { return };
        self.begun += 1;
        let share = self.place.share;
        self.place.board.peak.set(self.open);
        let wanted = share.of_few(phase.idle);
        for id in self.idle.release(wanted) {
            self.place.wake.wake(id);
        }
        let missing = wanted.saturating_sub(self.idle.count());
        self.run = Some(Run::new(self.begun, phase.clone(), share, missing, now));
    }

    /// Ends the phase, and its connections with it.
    fn finish(&mut self, now: Instant) {
        let Some(run) = self.run.take() else { return };
        let board = Arc::clone(&self.place.board);
        for id in run.finish(now, &board) {
            self.place.wake.wake(id);
        }
        board.done.add(1);
    }

    /// The phase that a connection belongs to, if it is not over.
    fn run_of(&mut self, conn: &Conn) -> Option<&mut Run> {
        self.run.as_mut().filter(|run| run.number == conn.phase)
    }

    fn count_open(&mut self, change: i64) {
        self.open = self.open.saturating_add_signed(change);
        let board = &self.place.board;
        board.open.set(self.open);
        if self.open > board.peak.get() {
            board.peak.set(self.open);
        }
    }
}

impl Handler for Generator {
    type Conn = Conn;

    fn open(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.count_open(1);
        let Some(run) = self.run_of(cx.conn) else { return Step::abort() };
        run.opened(cx);
        match cx.conn.kind {
            Kind::Active => run.open_active(cx),
            Kind::Slow => run.open_slow(cx),
            Kind::Idle => run.open_idle(cx),
        }
    }

    fn data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        if cx.conn.seat == RESTING {
            return idle::disturbed(self.run.as_mut(), cx, rx);
        }
        let Self { run, idle, .. } = self;
        let Some(run) = run.as_mut().filter(|run| run.number == cx.conn.phase) else {
            return Step::abort();
        };
        match cx.conn.kind {
            Kind::Active => run.active_data(cx, rx),
            Kind::Slow => run.slow_data(cx, rx),
            Kind::Idle => {
                let step = run.idle_data(cx, rx, idle);
                self.place.board.idle.set(u64::from(idle.count()));
                step
            }
        }
    }

    fn room(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let Some(run) = self.run_of(cx.conn) else { return Step::abort() };
        run.flush(cx, 0)
    }

    fn wake(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        if cx.conn.seat == RESTING {
            return if self.idle.is_released(cx.id) { Step::abort() } else { Step::stay() };
        }
        let Some(run) = self.run_of(cx.conn) else { return Step::abort() };
        run.woken(cx)
    }

    fn timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let Some(run) = self.run_of(cx.conn) else { return Step::abort() };
        match cx.conn.kind {
            Kind::Slow => run.slow_timer(cx),
            Kind::Active | Kind::Idle => run.timer(cx),
        }
    }

    fn drain(&mut self, _: &mut Cx<'_, Conn>) -> Step {
        Step::abort()
    }

    fn end(&mut self, cx: &mut Cx<'_, Conn>, why: End) {
        self.count_open(-1);
        if cx.conn.seat == RESTING {
            self.idle.left(cx.id);
            self.place.board.idle.set(u64::from(self.idle.count()));
            if let Some(run) = self.run.as_mut().filter(|_| why != End::Aborted) {
                run.tally.idle_lost += 1;
            }
        } else if let Some(run) = self.run_of(cx.conn) {
            run.ended(cx, why);
        }
        self.place.board.idle.set(u64::from(self.idle.count()));
    }

    fn dial(&mut self, now: Instant) -> Option<Dial<Conn>> {
        self.tick(now);
        let run = self.run.as_mut()?;
        let conn = run.next_dial(now)?;
        let within = run.phase.connect_timeout;
        let mut dial = Dial::new(self.plan.target, conn).within(within);
        dial.from = self.dealer.deal();
        Some(dial)
    }

    fn dial_at(&self) -> Option<Instant> {
        match &self.run {
            Some(run) => Some(run.next_time(self.now)),
            None if self.begun as usize == self.plan.phases.len() => None,
            None => Some(self.now + LOOK),
        }
    }

    fn undialled(&mut self, now: Instant, conn: Conn, why: DialError) {
        let ports = self.dealer.len();
        if let Some(run) = self.run_of(&conn) {
            run.undialled(now, conn, why, ports);
        }
    }
}

/// Whom to wake, when a phase is over.
type Ids = Vec<ConnId>;

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("share", &self.place.share)
            .field("begun", &self.begun)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("share", &self.share).finish_non_exhaustive()
    }
}
