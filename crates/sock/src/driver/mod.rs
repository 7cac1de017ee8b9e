//! Both engines' common part: [`Driver`] joins the connections to a [`Network`]. Invariant: every
//! action that [`Connections::handle`] returns is carried out before anything else happens on the
//! same connection, and a connection is given up only here.

mod arrivals;
mod closing;
mod dialling;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use app::{Counters, End, Handler};
use base::{ConnId, Instant};
use rustix::net::sockopt;

use crate::connections::Connections;
use crate::doors::Doors;
use crate::network::{Input, Network, NoRest, Put, Reading, Sending, end_of};
use crate::output::{Line, Outcome, Progress, Stalled};
use crate::record::{Flags, Record, State};
use crate::steps::{Action, Event, Parting, Sent, Turn};
use crate::{Config, SetupError};

/// Handler calls on one connection before the others have their turn.
const CALLS_PER_RUN: u32 = 16;
/// Timers that run out in one turn at most.
const TIMERS_PER_TURN: u32 = 1_024;

/// Connections on a network.
pub(crate) struct Driver<N, C> {
    pub network: N,
    pub connections: Connections<C>,
    /// Connections that had their share of a turn and have more to do.
    queue: VecDeque<ConnId>,
}

/// [`Event`] with the place of received bytes instead of the bytes.
pub(crate) enum Happening {
    Received { input: Input, ended: bool },
    Other(Event<'static>),
}

impl From<Event<'static>> for Happening {
    fn from(event: Event<'static>) -> Self {
        Self::Other(event)
    }
}

impl<N: Network, C: Copy + Default + 'static> Driver<N, C> {
    pub fn new(network: N, config: &Config, counters: Arc<Counters>) -> Result<Self, SetupError> {
        let connections = Connections::new(config, counters)?;
        Ok(Self { network, connections, queue: VecDeque::new() })
    }

    /// Whether connections wait for their next turn.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When something is to be done even if nothing happens.
    pub fn deadline(&self, doors: &Doors) -> Option<Instant> {
        let timer = self.connections.timers.next_deadline();
        match (timer, doors.paused_until()) {
            (Some(timer), Some(pause)) => Some(timer.min(pause)),
            (timer, pause) => timer.or(pause),
        }
    }

    /// Output that was flying has landed.
    pub fn completed<H>(&mut self, app: &mut H, now: Instant, slot: u32, progress: Progress)
    where
        H: Handler<Conn = C>,
    {
        // What the kernel has not answered for is looked for in vain from now on.
        if let Some(record) = self.connections.records.get_mut(slot) {
            record.flags.clear(Flags::FLYING);
        }
        if let Performed::Happened(happening) = self.sent(Sending::Done(progress)) {
            self.happened(app, now, slot, happening);
        }
    }

    /// Something happened on the connection in a slot.
    pub fn happened<H>(&mut self, app: &mut H, now: Instant, slot: u32, happening: Happening)
    where
        H: Handler<Conn = C>,
    {
        match self.connections.records.get(slot).map(|record| record.state) {
            None | Some(State::Gone) => {}
            Some(State::Connecting) => self.connecting(app, now, slot, &happening),
            Some(State::Lingering) => self.lingers(slot, &happening),
            Some(_) => self.run(app, now, slot, happening),
        }
    }

    /// What it means that the peer is gone, as the kernel reports it while nothing is read.
    pub fn gone(&mut self, slot: u32) -> Event<'static> {
        let event = self.connections.gone(slot);
        match (&event, self.connections.records.get(slot)) {
            // The reason is told once, and whoever connects asks for it itself.
            (Event::Failed(_), Some(record)) if record.is_open() => {
                let handle = &record.socket.handle;
                let error =
                    self.network.with_descriptor(handle, |fd, _, _| sockopt::socket_error(fd));
                match error {
                    Some(Ok(Err(errno))) => Event::Failed(end_of(errno)),
                    _ => event,
                }
            }
            _ => event,
        }
    }

    /// Has the handler called and does what comes of it, until the connection has to wait.
    fn run<H>(&mut self, app: &mut H, now: Instant, slot: u32, happening: Happening)
    where
        H: Handler<Conn = C>,
    {
        let id = self.connections.id(slot);
        let mut calls = CALLS_PER_RUN;
        let mut happening = happening;
        loop {
            let action = self.handle(app, now, slot, happening, &mut calls);
            happening = match self.perform(slot, id, action, calls) {
                Performed::Happened(happening) => happening,
                Performed::Waits => return,
                Performed::Yields => return self.enqueue(slot, id),
                Performed::Parts(parting) => return self.part(now, slot, parting),
            };
        }
    }

    /// One exchange with the connection's state machine.
    fn handle<H>(
        &mut self,
        app: &mut H,
        now: Instant,
        slot: u32,
        happening: Happening,
        calls: &mut u32,
    ) -> Action
    where
        H: Handler<Conn = C>,
    {
        let id = self.connections.id(slot);
        let flying = self.flying(slot, id);
        let input = match happening {
            Happening::Received { input, .. } => input,
            Happening::Other(_) => Input::default(),
        };
        let (bytes, space) = self.network.buffers(input);
        let event = match happening {
            Happening::Received { ended, .. } => Event::Received { bytes, ended },
            Happening::Other(event) => event,
        };
        let mut turn = Turn { app, now, space, flying, calls: *calls };
        let action = self.connections.handle(&mut turn, slot, event);
        *calls = turn.calls;
        action
    }

    /// Bytes of output that the kernel has not answered for.
    fn flying(&self, slot: u32, id: ConnId) -> u64 {
        match self.connections.records.get(slot) {
            Some(record) if record.flags.has(Flags::FLYING) => self.network.flying(id),
            _ => 0,
        }
    }

    /// Has the network do what an action asks for.
    fn perform(&mut self, slot: u32, id: ConnId, action: Action, calls: u32) -> Performed {
        let most = self.room_to_hold(slot);
        let Some(record) = self.connections.records.get_mut(slot) else { return Performed::Waits };
        let last = record.state == State::Close;
        let socket = &mut record.socket;
        let rests = match action {
            Action::Part(parting) => return Performed::Parts(parting),
            Action::Yield => return Performed::Yields,
            Action::Read if calls == 0 && self.network.is_readable(socket) => {
                return Performed::Yields;
            }
            Action::Read => return read(self.network.read(socket, id, most)),
            Action::Send { filled, attachment } => {
                let put = Put { filled, attachment, last };
                let sending = self.network.send(socket, id, put);
                return self.sent(sending);
            }
            Action::Resend(stalled) => return self.resend(slot, stalled),
            Action::Rest => self.network.rest(socket, id),
            Action::AwaitRoom => self.network.await_room(socket, id),
        };
        match rests {
            Ok(()) => Performed::Waits,
            Err(NoRest) => Performed::Happened(Event::Failed(End::Reset).into()),
        }
    }

    /// Bytes that can be read without holding more than the limit.
    fn room_to_hold(&self, slot: u32) -> usize {
        let most = self.connections.limits.held_bytes.max(1) as usize;
        match self.connections.work(slot) {
            None => most,
            Some(work) => most.saturating_sub(work.held.bytes().len()).max(1),
        }
    }

    fn resend(&mut self, slot: u32, stalled: Stalled) -> Performed {
        let Some(record) = self.connections.records.get(slot) else { return Performed::Waits };
        let last = record.state == State::Close;
        let sent = self.network.with_descriptor(&record.socket.handle, |fd, sender, _| {
            sender.resend(Line { socket: fd, last }, stalled)
        });
        self.sent(Sending::Done(sent.unwrap_or(Progress::NONE)))
    }

    fn sent(&mut self, sending: Sending) -> Performed {
        let sent = match sending {
            Sending::Flying => Sent::Flying,
            Sending::Done(progress) => {
                self.connections.counters.bytes_out.add(progress.bytes);
                match progress.outcome {
                    Outcome::All => Sent::All,
                    Outcome::Full(stalled) => Sent::Full(stalled),
                    Outcome::Again(stalled) => Sent::Again(stalled),
                    Outcome::Failed(end) => Sent::Failed(end),
                }
            }
        };
        Performed::Happened(Event::Sent(sent).into())
    }

    /// Puts a connection into the queue for the next turn.
    fn enqueue(&mut self, slot: u32, id: ConnId) {
        let Some(record) = self.connections.records.get_mut(slot) else { return };
        if !record.flags.has(Flags::QUEUED) {
            record.flags.set(Flags::QUEUED);
            self.queue.push_back(id);
        }
    }

    /// Lets those in the queue go on, each once. Says how many there were.
    pub fn run_queue<H>(&mut self, app: &mut H, now: Instant) -> u32
    where
        H: Handler<Conn = C>,
    {
        let waiting = self.queue.len();
        for _ in 0..waiting {
            let Some(id) = self.queue.pop_front() else { break };
            let Some(slot) = self.connections.slot(id) else { continue };
            if let Some(record) = self.connections.records.get_mut(slot) {
                record.flags.clear(Flags::QUEUED);
            }
            self.happened(app, now, slot, Event::Resumed.into());
        }
        waiting as u32
    }

    /// Has timers run out. Says how many did.
    pub fn run_timers<H>(&mut self, app: &mut H, now: Instant) -> u32
    where
        H: Handler<Conn = C>,
    {
        let mut ran = 0;
        while ran < TIMERS_PER_TURN {
            let Some(slot) = self.connections.timers.expired(now) else { break };
            self.happened(app, now, slot, Event::TimerRan.into());
            ran += 1;
        }
        ran
    }

    /// Delivers a wake.
    pub fn wake<H>(&mut self, app: &mut H, now: Instant, id: ConnId)
    where
        H: Handler<Conn = C>,
    {
        let Some(slot) = self.connections.slot(id) else { return };
        if self.connections.records.get(slot).is_some_and(Record::is_open) {
            self.run(app, now, slot, Event::Woken.into());
        }
    }
}

/// What came of an action.
enum Performed {
    Happened(Happening),
    Waits,
    Yields,
    Parts(Parting),
}

fn read(reading: Reading) -> Performed {
    match reading {
        Reading::Nothing => Performed::Waits,
        Reading::Bytes { input, ended } => {
            Performed::Happened(Happening::Received { input, ended })
        }
        Reading::Failed(why) => Performed::Happened(Event::Failed(why).into()),
        Reading::NoRest => Performed::Happened(Event::Failed(End::Reset).into()),
    }
}
