//! The world between threads, and the clock. packetdrill makes calls that block from a second thread
//! while the first goes on with the script. Invariants: a thread that waits sleeps in the kernel
//! (packetdrill looks for that in /proc); after every change those that wait have looked again before
//! the next call changes anything; and the clock stands still until a call that has just stopped
//! waiting has read it, so that it returns at the time of what it waited for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use base::Instant;

use crate::profile::Flags;
use crate::world::{Outcome, Stop, World};

/// Longest that is waited, by the machine's own clock, for another thread to do its part. Reached
/// only when the caller is not packetdrill.
const HANDOVER: Duration = Duration::from_secs(2);
/// Virtual time after which a packet that was asked for is given up.
const GIVE_UP: Duration = Duration::from_secs(4 * 60 * 60);
/// What the virtual clock adds to its own count to look like the time of day.
pub(crate) const EPOCH_SECONDS: u64 = 1_700_000_000;

/// How a call waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Not at all: this is the error number then.
    pub(crate) refusal: Option<i32>,
    /// So long.
    pub(crate) timeout: Option<Duration>,
    /// The error number when that has passed.
    pub(crate) expiry: i32,
}

impl Patience {
    /// As sockets wait: `EAGAIN` for those that do not.
    pub(crate) fn of(nonblocking: bool, timeout: Option<Duration>) -> Self {
        let refusal = nonblocking.then_some(libc::EAGAIN);
        Self { refusal, timeout, expiry: libc::EAGAIN }
    }
}

/// A thread that waits.
#[derive(Debug)]
struct Waiter {
    until: Option<Instant>,
    /// The change it has looked at last.
    seen: u64,
}

#[derive(Debug)]
struct State {
    world: World,
    /// Counts changes.
    change: u64,
    waiters: HashMap<ThreadId, Waiter>,
    /// Threads whose call has stopped waiting and that have not read the clock since.
    returning: HashSet<ThreadId>,
}

/// The world, for any thread.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    moved: Condvar,
    /// The thread that goes through the script. When it waits itself nobody else moves the clock.
    driver: ThreadId,
}

/// The instance that packetdrill has, for calls that come without it.
static CURRENT: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

impl Shared {
    pub(crate) fn new(flags: Flags) -> Arc<Self> {
        let state = State {
            world: World::new(flags),
            change: 0,
            waiters: HashMap::new(),
            returning: HashSet::new(),
        };
        let shared = Arc::new(Self {
            state: Mutex::new(state),
            moved: Condvar::new(),
            driver: thread::current().id(),
        });
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shared));
        shared
    }

    /// The instance made last, while it lasts.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// packetdrill is done with it.
    pub(crate) fn retire(&self) {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|one| std::ptr::eq(Arc::as_ptr(one), self)) {
            *current = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.moved.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, by the machine's own clock, until `done`, or gives up on the other threads.
    fn hand_over<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        done: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'a, State>, bool) {
        self.moved.notify_all();
        let mut left = HANDOVER;
        let step = Duration::from_millis(50);
        while !done(&state) && !left.is_zero() {
            let waited = self.moved.wait_timeout(state, step);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            left = left.saturating_sub(step);
        }
        let finished = done(&state);
        (state, finished)
    }

    /// Something has changed: everyone who waits looks again.
    fn changed<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.change += 1;
        let me = thread::current().id();
        let looked = |state: &State| {
            state.waiters.iter().all(|(id, one)| *id == me || one.seen == state.change)
        };
        self.hand_over(state, looked).0
    }

    /// Looks, without changing anything that somebody may wait for.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.lock().world)
    }

    /// Makes a call that does not wait.
    pub(crate) fn now<T>(&self, call: impl FnOnce(&mut World) -> Outcome<T>) -> Result<T, i32> {
        let mut state = self.lock();
        state.returning.remove(&thread::current().id());
        let outcome = call(&mut state.world);
        drop(self.changed(state));
        outcome.map_err(|stop| match stop {
            Stop::Error(number) => number,
            Stop::Wait => libc::EAGAIN,
        })
    }

    /// Makes a call, again and again while it would have to wait. `patience` is asked for once it
    /// would.
    pub(crate) fn call<T>(
        &self,
        patience: impl FnOnce(&mut World) -> Patience,
        mut call: impl FnMut(&mut World) -> Outcome<T>,
    ) -> Result<T, i32> {
        let me = thread::current().id();
        let mut state = self.lock();
        state.returning.remove(&me);
        let mut outcome = call(&mut state.world);
        if outcome.is_ok() || outcome.as_ref().err() != Some(&Stop::Wait) {
            drop(self.changed(state));
            return outcome.map_err(Stop::number);
        }
        let patience = patience(&mut state.world);
        if let Some(refusal) = patience.refusal {
            drop(self.changed(state));
            return Err(refusal);
        }
        let until = patience.timeout.map(|span| state.world.net.now + span);
        // The attempt itself may have changed something: a connection being opened.
        state = self.changed(state);
        while outcome.as_ref().err() == Some(&Stop::Wait) {
            if until.is_some_and(|until| until <= state.world.net.now) {
                outcome = Err(Stop::Error(patience.expiry));
                break;
            }
            if me == self.driver {
                let next = Self::next(&state).into_iter().chain(until).min();
                let Some(next) = next else {
                    outcome = Err(Stop::Error(libc::EDEADLK));
                    break;
                };
                state = self.advance(state, next);
            } else {
                let seen = state.change;
                state.waiters.insert(me, Waiter { until, seen });
                self.moved.notify_all();
                while state.change == seen {
                    state = self.wait(state);
                }
            }
            outcome = call(&mut state.world);
        }
        if state.waiters.remove(&me).is_some() {
            state.returning.insert(me);
        }
        self.moved.notify_all();
        outcome.map_err(Stop::number)
    }

    /// Before the clock moves: calls that have stopped waiting read it first.
    fn let_return<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let me = thread::current().id();
        let none = |state: &State| state.returning.iter().all(|id| *id == me);
        let (mut state, finished) = self.hand_over(state, none);
        if !finished {
            state.returning.clear();
        }
        state
    }

    /// The next moment at which something happens by itself.
    fn next(state: &State) -> Option<Instant> {
        let waiters = state.waiters.values().filter_map(|one| one.until);
        waiters.chain(state.world.deadline()).min()
    }

    /// Moves the clock to `to`, with a stop at everything that happens before.
    fn advance<'a>(&self, mut state: MutexGuard<'a, State>, to: Instant) -> MutexGuard<'a, State> {
        state = self.let_return(state);
        while let Some(at) = Self::next(&state).filter(|at| *at <= to) {
            let before = state.world.net.now;
            state.world.run_until(at.max(before));
            state = self.changed(state);
            state = self.let_return(state);
            if Self::next(&state) == Some(at) && state.world.net.now == before {
                // Something is due and stays so; the clock goes on all the same.
                break;
            }
        }
        state.world.run_until(to);
        state
    }

    /// `usleep`.
    pub(crate) fn sleep(&self, span: Duration) {
        let mut state = self.lock();
        state.returning.remove(&thread::current().id());
        let to = state.world.net.now + span;
        drop(self.advance(state, to));
    }

    /// `gettimeofday`, in microseconds. Whoever asks may be waiting for the time to pass, so it
    /// does.
    pub(crate) fn time_of_day(&self) -> u64 {
        let mut state = self.lock();
        if state.returning.remove(&thread::current().id()) {
            self.moved.notify_all();
        } else {
            let to = state.world.net.now + Duration::from_micros(1);
            state = self.advance(state, to);
        }
        time_of_day(state.world.net.now)
    }

    /// The next packet that is sent, with its time; None when none is in a very long time. The clock
    /// goes on until then.
    pub(crate) fn next_packet(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.lock();
        state.returning.remove(&thread::current().id());
        let give_up = state.world.net.now + GIVE_UP;
        loop {
            if let Some((at, packet)) = state.world.net.outbound.pop_front() {
                return Some((time_of_day(at), packet));
            }
            state = self.let_return(state);
            let next = Self::next(&state).filter(|at| *at <= give_up)?;
            // Never without an end, even if a timer is due for ever.
            let tick = state.world.net.now + Duration::from_nanos(1_000);
            let to = if next > state.world.net.now { next } else { tick };
            state = self.advance(state, to);
        }
    }
}

impl Stop {
    fn number(self) -> i32 {
        match self {
            Self::Error(number) => number,
            Self::Wait => libc::EAGAIN,
        }
    }
}

fn time_of_day(now: Instant) -> u64 {
    EPOCH_SECONDS * 1_000_000 + now.as_micros()
}
