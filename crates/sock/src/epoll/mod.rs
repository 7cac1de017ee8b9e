//! The engine on epoll: [`Epoll`]. Invariant: a turn handles the events of one `epoll_wait` and a
//! bounded number of accepts, so that no connection waits for more than one round of the others;
//! accepting comes last, so that clients who are in go before clients who are not.

mod network;

use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Engine, Handler};
use base::{ConnId, Instant};
use rustix::event::epoll::EventFlags;

use crate::doors::{Accepted, Doors};
use crate::driver::Driver;
use crate::patience::{Patience, Wait};
use crate::record::SocketFlags;
use crate::steps::Event;
use crate::time::until;
use crate::{Alarm, Config, EngineError, Listener, SetupError};
use network::{EpollNetwork, Token};

/// Clients taken in at each listener in one turn.
const ACCEPTS_PER_TURN: u32 = 64;

/// Drives a handler over kernel sockets with epoll.
pub struct Epoll<C> {
    driver: Driver<EpollNetwork, C>,
    doors: Doors,
    alarm: Alarm,
    /// Whether anybody waits at a listener, by its index. Only accepting itself finds out that
    /// nobody does any more.
    waiting: Vec<bool>,
    patience: Patience,
}

impl<C: Copy + Default + 'static> Epoll<C> {
    /// An engine that accepts from `listeners`, sleeps until `alarm` is rung, and counts in
    /// `counters`.
    ///
    /// # Errors
    /// [`SetupError`], with what was missing.
    pub fn new(
        config: Config,
        listeners: Vec<Listener>,
        alarm: Alarm,
        counters: Arc<Counters>,
    ) -> Result<Self, SetupError> {
        let network = EpollNetwork::new(&config)?;
        network.watch_alarm(&alarm)?;
        let mut engine = Self {
            driver: Driver::new(network, &config, counters)?,
            waiting: vec![false; listeners.len()],
            doors: Doors::new(listeners),
            alarm,
            patience: Patience::default(),
        };
        engine.open_doors()?;
        engine.count_memory();
        Ok(engine)
    }

    fn count_memory(&self) {
        let connections = &self.driver.connections;
        connections.counters.memory.set(connections.memory() + self.driver.network.memory());
    }

    fn open_doors(&mut self) -> Result<(), SetupError> {
        for (index, listener) in self.doors.listeners.iter().enumerate() {
            self.driver.network.watch_listener(listener, index)?;
        }
        Ok(())
    }

    /// Stops hearing of clients who wait.
    fn shut_doors(&mut self) {
        for listener in &self.doors.listeners {
            self.driver.network.unwatch(listener);
        }
        self.waiting.fill(false);
    }

    /// Takes in those who wait, up to a bound. Says how many there were.
    fn accept<H>(&mut self, app: &mut H, now: Instant) -> u32
    where
        H: Handler<Conn = C>,
    {
        let mut accepted = 0;
        for listener in 0..self.waiting.len() {
            if std::mem::take(&mut self.waiting[listener]) {
                accepted += self.accept_from(app, now, listener);
            }
        }
        accepted
    }

    fn accept_from<H>(&mut self, app: &mut H, now: Instant, listener: usize) -> u32
    where
        H: Handler<Conn = C>,
    {
        for accepted in 0..ACCEPTS_PER_TURN {
            match self.doors.accept(listener) {
                Accepted::Connection(fd, peer) => {
                    self.driver.arrived(app, now, fd, (peer, listener as u16));
                }
                Accepted::Lost => {}
                Accepted::Nobody => return accepted,
                Accepted::Exhausted(errno) => {
                    if self.driver.exhausted(app, now, &mut self.doors, (listener, errno)) {
                        self.shut_doors();
                    }
                    return accepted + 1;
                }
            }
        }
        ACCEPTS_PER_TURN
    }

    /// Notes what epoll reported of a socket, and says what that means for its connection.
    fn interpret(&mut self, slot: u32, flags: EventFlags) -> Event<'static> {
        let gone = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let Some(record) = self.driver.connections.records.get_mut(slot) else {
            return Event::Resumed;
        };
        if gone || flags.intersects(EventFlags::IN | EventFlags::RDHUP) {
            record.socket.flags.set(SocketFlags::READABLE);
        }
        if gone || flags.contains(EventFlags::RDHUP) {
            record.socket.flags.set(SocketFlags::HUNG_UP);
        }
        match () {
            () if gone => self.driver.gone(slot),
            () if flags.contains(EventFlags::OUT) => Event::Writable,
            () => Event::Resumed,
        }
    }

    /// Handles the events of the last wait. Says how many there were.
    fn handle_events<H>(&mut self, app: &mut H, now: Instant) -> u32
    where
        H: Handler<Conn = C>,
    {
        let mut handled = 0;
        while let Some((token, flags)) = self.driver.network.next_event() {
            handled += 1;
            match token {
                // Here and not before: whoever rings until now has left their message already.
                Token::Alarm => self.alarm.clear(),
                Token::Listener(index) => self.waiting[index] = true,
                Token::Connection(id) => {
                    if let Some(slot) = self.driver.connections.slot(id) {
                        let event = self.interpret(slot, flags);
                        self.driver.happened(app, now, slot, event.into());
                    }
                }
            }
        }
        handled
    }
}

impl<H: Handler> Engine<H> for Epoll<H::Conn> {
    type Error = EngineError;

    fn turn(&mut self, now: Instant, app: &mut H) -> Result<u32, EngineError> {
        if !self.driver.network.has_events() {
            self.driver.network.wait(Some(Duration::ZERO))?;
        }
        let mut work = self.driver.run_timers(app, now);
        work += self.driver.run_queue(app, now);
        work += self.handle_events(app, now);
        if self.doors.resumes(now) && self.open_doors().is_err() {
            self.shut_doors();
            self.doors.pause(now);
        }
        work += self.accept(app, now);
        work += self.driver.dial(app, now);
        self.count_memory();
        Ok(work)
    }

    fn wake(&mut self, now: Instant, id: ConnId, app: &mut H) {
        self.driver.wake(app, now, id);
    }

    fn drain(&mut self, now: Instant, app: &mut H) {
        self.shut_doors();
        self.doors.close();
        self.driver.drain(app, now);
    }

    fn shut_down(&mut self, now: Instant, app: &mut H) {
        self.shut_doors();
        self.doors.close();
        self.driver.shut_down(app, now);
    }

    fn connections(&self) -> u32 {
        self.driver.connections.open
    }

    fn deadline(&self) -> Option<Instant> {
        self.driver.deadline(&self.doors)
    }

    fn park(&mut self, until_time: Option<Instant>) -> Result<(), EngineError> {
        if self.driver.network.has_events() {
            return Ok(());
        }
        if self.driver.has_work() {
            return self.driver.network.wait(Some(Duration::ZERO));
        }
        let network = &mut self.driver.network;
        self.patience.wait(|wait| {
            network.wait(match wait {
                Wait::Look => Some(Duration::ZERO),
                Wait::Sleep => until_time.map(until),
            })?;
            Ok(network.has_events())
        })
    }
}

impl<C> std::fmt::Debug for Epoll<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoll").field("doors", &self.doors).finish_non_exhaustive()
    }
}
