//! The engine on io_uring: [`Uring`]. Invariant: a turn enters the kernel once at most for all
//! connections, handing over what the last turn queued; what comes back is handled in the order in
//! which the kernel reported it.

mod network;
mod places;
mod receive_buffers;
mod ring;
mod send_slots;

use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Engine, Handler, Peer};
use base::{ConnId, Instant};
use rustix::io::Errno;

use crate::doors::{Accepted, Doors};
use crate::driver::{Driver, Happening};
use crate::listener::LocalAddress;
use crate::network::{Input, end_of};
use crate::patience::{Patience, Wait};
use crate::record::{Flags, SocketFlags, State, canonical};
use crate::steps::Event;
use crate::time::until;
use crate::{Alarm, Config, EngineError, Listener, SetupError};
use network::UringNetwork;
use receive_buffers::ReceiveBuffers;
pub use ring::uring_capacity;
use ring::{Completion, Operation};

/// Completions handled in one turn.
const COMPLETIONS_PER_TURN: u32 = 1_024;

/// Drives a handler over kernel sockets with io_uring. Needs Linux 6.1.
pub struct Uring<C> {
    driver: Driver<UringNetwork, C>,
    doors: Doors,
    /// Whether an accept is in flight, by listener.
    accepting: Vec<bool>,
    alarm: Alarm,
    patience: Patience,
}

impl<C: Copy + Default + 'static> Uring<C> {
    /// An engine that accepts from `listeners`, sleeps until `alarm` is rung, and counts in
    /// `counters`. It belongs to the thread that first drives it.
    ///
    /// # Errors
    /// [`SetupError`], with what was missing.
    pub fn new(
        config: Config,
        listeners: Vec<Listener>,
        alarm: Alarm,
        counters: Arc<Counters>,
    ) -> Result<Self, SetupError> {
        let mut network = UringNetwork::new(&config)?;
        network.watch_alarm(&alarm);
        let mut engine = Self {
            driver: Driver::new(network, &config, counters)?,
            accepting: vec![false; listeners.len()],
            doors: Doors::new(listeners),
            alarm,
            patience: Patience::default(),
        };
        engine.open_doors();
        engine.count_memory();
        Ok(engine)
    }

    fn count_memory(&self) {
        let connections = &self.driver.connections;
        connections.counters.memory.set(connections.memory() + self.driver.network.memory());
    }

    fn open_doors(&mut self) {
        for (index, listener) in self.doors.listeners.iter().enumerate() {
            if !std::mem::replace(&mut self.accepting[index], true) {
                self.driver.network.accept(listener, index as u16);
            }
        }
    }

    fn open_doors_unless_paused(&mut self) {
        if self.doors.paused_until().is_none() {
            self.open_doors();
        }
    }

    fn close_doors(&mut self) {
        for (index, accepting) in self.accepting.iter().enumerate() {
            if *accepting {
                self.driver.network.cancel(Operation::Accept(index as u16));
            }
        }
        self.doors.close();
    }

    fn complete<H>(&mut self, app: &mut H, now: Instant, completion: Completion)
    where
        H: Handler<Conn = C>,
    {
        match completion.operation {
            Operation::Cancel => {}
            // It came so late that nobody waits for it any more.
            Operation::Install => drop(completion.result.map(|fd| {
                // SAFETY: the kernel has made this descriptor for us.
                unsafe { OwnedFd::from_raw_fd(fd as i32) }
            })),
            Operation::ClosePlace(place) => self.driver.network.places.give_back(place),
            // An accept that failed for want of a descriptor may have waited for this one.
            Operation::Close => self.open_doors_unless_paused(),
            Operation::Alarm => {
                // Here and not before: whoever rings until now has left their message already.
                self.alarm.clear();
                if !completion.more {
                    self.driver.network.watch_alarm(&self.alarm);
                }
            }
            Operation::Accept(listener) => self.accepted(app, now, listener, completion),
            Operation::Receive(id) => self.received(app, now, id, completion),
            Operation::Send(slot, id) => {
                let progress = self.driver.network.send_slots.land(slot, completion.result);
                if self.landed(id, SocketFlags::NONE) {
                    self.driver.completed(app, now, id.slot(), progress);
                }
            }
            Operation::AwaitEnd(id) => {
                if completion.more || self.landed(id, SocketFlags::WATCHED) {
                    let gone = (libc::POLLERR | libc::POLLHUP) as u32;
                    if completion.result.is_ok_and(|events| events & gone != 0) {
                        let event = self.driver.gone(id.slot());
                        self.driver.happened(app, now, id.slot(), event.into());
                    }
                }
            }
            Operation::AwaitRoom(id) => {
                if self.landed(id, SocketFlags::WATCHED_FOR_ROOM) {
                    self.driver.happened(app, now, id.slot(), Event::Writable.into());
                }
            }
        }
    }

    /// An operation of a connection is over. Whether the connection is still of interest; if not,
    /// and this was the last operation, its slot is free again.
    fn landed(&mut self, id: ConnId, flag: SocketFlags) -> bool {
        let Some(record) = self.driver.connections.records.get_mut(id.slot()) else {
            return false;
        };
        record.socket.flags.clear(flag);
        record.socket.in_flight -= 1;
        if record.state == State::Gone {
            if record.socket.in_flight == 0 {
                self.driver.release(id.slot());
            }
            return false;
        }
        true
    }

    fn received<H>(&mut self, app: &mut H, now: Instant, id: ConnId, completion: Completion)
    where
        H: Handler<Conn = C>,
    {
        let slot = id.slot();
        let over = SocketFlags::RECEIVING.and(SocketFlags::STOPPING);
        let open = completion.more || self.landed(id, over);
        let happening = match (completion.result, completion.buffer) {
            (Ok(0), _) => Happening::Received { input: Input::default(), ended: true },
            (Ok(len), Some(buffer)) => {
                let input = Input { start: ReceiveBuffers::start(buffer), len: len as usize };
                Happening::Received { input, ended: false }
            }
            // Over for now: stopped, or no buffer was left. Whoever wants more starts it again.
            (Ok(_), None) | (Err(Errno::CANCELED | Errno::NOBUFS | Errno::INTR), _) => {
                Event::Resumed.into()
            }
            (Err(errno), _) => Event::Failed(end_of(errno)).into(),
        };
        if open {
            self.driver.happened(app, now, slot, happening);
            self.stop_unwanted(slot);
        }
        if let Some(buffer) = completion.buffer {
            self.driver.network.receive_buffers.give_back(buffer);
        }
    }

    /// Has receiving stop on a connection that got bytes while it does not read, so that no more
    /// have to be held.
    fn stop_unwanted(&mut self, slot: u32) {
        let leaving = self.driver.connections.is_leaving(slot);
        let id = self.driver.connections.id(slot);
        let Some(record) = self.driver.connections.records.get_mut(slot) else { return };
        let wanted = (record.reads() && !leaving) || record.state == State::Lingering;
        // Output that the kernel has only just been told of will have left in a moment.
        if !wanted && record.is_open() && !record.flags.has(Flags::FLYING) {
            self.driver.network.stop_receiving(&mut record.socket, id);
        }
    }

    fn accepted<H>(&mut self, app: &mut H, now: Instant, listener: u16, completion: Completion)
    where
        H: Handler<Conn = C>,
    {
        let index = usize::from(listener);
        if !completion.more {
            self.accepting[index] = false;
        }
        let accepted = match completion.result {
            Ok(fd) => {
                // SAFETY: the kernel has just made this descriptor for us.
                let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
                self.identify(fd, index)
            }
            Err(errno) => Accepted::from_error(errno),
        };
        match accepted {
            Accepted::Connection(fd, peer) => self.driver.arrived(app, now, fd, (peer, listener)),
            Accepted::Nobody | Accepted::Lost => {}
            // The kernel accepts many at once, and those before this one may have become places.
            Accepted::Exhausted(_) => match self.doors.accept(index) {
                Accepted::Connection(fd, peer) => {
                    self.driver.arrived(app, now, fd, (peer, listener));
                }
                Accepted::Nobody | Accepted::Lost => {}
                // Accepting goes on when it rests no more, or the socket that made way is closed.
                Accepted::Exhausted(errno) => {
                    self.driver.exhausted(app, now, &mut self.doors, (index, errno));
                    return;
                }
            },
        }
        if !completion.more {
            self.open_doors_unless_paused();
        }
    }

    /// Asks who is at the other end, which a multishot accept does not tell.
    fn identify(&self, fd: OwnedFd, listener: usize) -> Accepted {
        match self.doors.listeners.get(listener).map(Listener::local_addr) {
            None => Accepted::Lost,
            Some(LocalAddress::Unix(_)) => Accepted::Connection(fd, Peer::Unix),
            Some(LocalAddress::Inet(_)) => {
                let peer = rustix::net::getpeername(&fd).ok().flatten();
                match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
                    Some(peer) => Accepted::Connection(fd, canonical(Some(peer))),
                    None => Accepted::Lost,
                }
            }
        }
    }
}

impl<H: Handler> Engine<H> for Uring<H::Conn> {
    type Error = EngineError;

    fn turn(&mut self, now: Instant, app: &mut H) -> Result<u32, EngineError> {
        let ring = &mut self.driver.network.ring;
        if ring.has_queued() || !ring.has_completions() {
            ring.enter(0, None)?;
        }
        let mut work = self.driver.run_timers(app, now);
        work += self.driver.run_queue(app, now);
        self.driver.network.ring.collect();
        for _ in 0..COMPLETIONS_PER_TURN {
            let Some(completion) = self.driver.network.ring.next() else { break };
            self.complete(app, now, completion);
            work += 1;
        }
        self.driver.network.receive_buffers.publish();
        if self.doors.resumes(now) {
            self.open_doors();
        }
        work += self.driver.dial(app, now);
        self.count_memory();
        self.driver.network.broken.take().map_or(Ok(work), Err)
    }

    fn wake(&mut self, now: Instant, id: ConnId, app: &mut H) {
        self.driver.wake(app, now, id);
    }

    fn drain(&mut self, now: Instant, app: &mut H) {
        self.close_doors();
        self.driver.drain(app, now);
    }

    fn shut_down(&mut self, now: Instant, app: &mut H) {
        self.close_doors();
        self.driver.shut_down(app, now);
    }

    fn connections(&self) -> u32 {
        self.driver.connections.open
    }

    fn deadline(&self) -> Option<Instant> {
        self.driver.deadline(&self.doors)
    }

    fn park(&mut self, until_time: Option<Instant>) -> Result<(), EngineError> {
        let ring = &mut self.driver.network.ring;
        if ring.has_completions() {
            return Ok(());
        }
        if self.driver.has_work() {
            return self.driver.network.ring.enter(0, None);
        }
        let ring = &mut self.driver.network.ring;
        self.patience.wait(|wait| {
            match (wait, until_time.map(until)) {
                (Wait::Look, _) | (Wait::Sleep, Some(Duration::ZERO)) => ring.enter(0, None),
                (Wait::Sleep, timeout) => ring.enter(1, timeout),
            }?;
            Ok(ring.has_completions())
        })
    }
}

impl<C> std::fmt::Debug for Uring<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring").field("doors", &self.doors).finish_non_exhaustive()
    }
}
