//! What happens on a connection, as the contract has it: [`Connections::handle`] takes an
//! [`Event`], calls the handler as often as is due, and says with an [`Action`] what the network has
//! to do next. Invariant: knows no system call; everything the next decision depends on is in the
//! record and its working block, so a connection can be left and taken up again at any point.

use std::time::Duration;

use app::{Attachment, Cx, End, Handler, Next, Out, Step, Timeout};
use base::Instant;

use crate::connections::Connections;
use crate::held::Held;
use crate::output::Stalled;
use crate::record::{Flags, State};

/// Something that happened on a connection.
pub(crate) enum Event<'a> {
    /// It has just been put into its slot, or has just been established.
    Opened,
    /// Bytes came in; with `ended`, no more will.
    Received { bytes: &'a [u8], ended: bool },
    /// The peer reset it, or is gone.
    Failed(End),
    /// The answer to [`Action::Send`] and [`Action::Resend`].
    Sent(Sent),
    /// There is room for output that stalled.
    Writable,
    /// A wake was sent.
    Woken,
    /// The timer ran out.
    TimerRan,
    /// The engine closes down.
    Draining,
    /// It is this connection's turn again after [`Action::Yield`].
    Resumed,
}

/// What became of output.
pub(crate) enum Sent {
    /// The kernel took it all.
    All,
    /// The kernel has it and will say how much it takes.
    Flying,
    /// There is no room for this much; [`Event::Writable`] is to follow.
    Full(Stalled),
    /// There is room for the rest, but others go first.
    Again(Stalled),
    /// It cannot go out.
    Failed(End),
}

/// What the network has to do for a connection.
pub(crate) enum Action {
    /// Nothing, until something happens.
    Rest,
    /// Read; nothing until there are bytes.
    Read,
    /// Send the first bytes of the write space, then the attachment.
    Send { filled: usize, attachment: Option<Attachment> },
    /// Send what stalled earlier.
    Resend(Stalled),
    /// Report when there is room for more output.
    AwaitRoom,
    /// Let others have their turn, then [`Event::Resumed`].
    Yield,
    /// It is over.
    Part(Parting),
}

/// How a connection that is over for its handler is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parting {
    /// Our side first, then wait for the peer to close its own: a peer that is still sending would
    /// otherwise be answered with a reset, which destroys what it has not read (RFC 9112 9.6).
    Linger,
    /// Both sides at once.
    Close,
    /// With a reset.
    Reset,
}

/// What a run of calls on one connection is made with.
pub(crate) struct Turn<'a, H> {
    pub app: &'a mut H,
    pub now: Instant,
    /// Where handlers write.
    pub space: &'a mut [u8],
    /// Bytes of this connection that the kernel has and has not answered for.
    pub flying: u64,
    /// Calls left before others have their turn.
    pub calls: u32,
}

/// One of the handler's methods.
enum Call<'a> {
    Open,
    Data(&'a [u8]),
    Held,
    Room,
    Wake,
    Timer,
    Drain,
}

impl<C: Copy + Default + 'static> Connections<C> {
    /// Lets the handler have its say on an open connection.
    pub fn handle<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32, event: Event<'_>) -> Action
    where
        H: Handler<Conn = C>,
    {
        self.busy(slot);
        let done = match event {
            Event::Opened => self.call(turn, slot, Call::Open),
            Event::Received { bytes, ended } => self.received(turn, slot, bytes, ended),
            Event::Failed(why) => Some(self.end(turn, slot, why)),
            Event::Sent(sent) => self.sent(turn, slot, sent),
            Event::Writable => self.resend(slot),
            Event::Woken => self.call(turn, slot, Call::Wake),
            Event::TimerRan => self.call(turn, slot, Call::Timer),
            Event::Draining => self.drain_one(turn, slot),
            Event::Resumed => None,
        };
        match done {
            Some(action) => action,
            None => self.settle(turn, slot),
        }
    }

    /// Does what the connection's state asks for until something outside has to happen.
    fn settle<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32) -> Action
    where
        H: Handler<Conn = C>,
    {
        loop {
            if self.is_leaving(slot) {
                return self.leave(slot);
            }
            let Some(record) = self.records.get_mut(slot) else { return Action::Rest };
            let call = match record.state {
                State::Connecting | State::Lingering | State::Gone | State::Wait => {
                    return Action::Rest;
                }
                State::Close => return self.end(turn, slot, End::Closed),
                State::Write => Call::Room,
                State::Read | State::Idle if record.flags.take(Flags::OFFER) => Call::Held,
                State::Read | State::Idle if record.flags.has(Flags::END_TOLD) => {
                    return self.end(turn, slot, End::Closed);
                }
                State::Read | State::Idle if record.flags.has(Flags::INPUT_ENDED) => Call::Held,
                State::Idle if self.draining => return self.end(turn, slot, End::Closed),
                State::Idle => {
                    self.idle(slot);
                    return Action::Read;
                }
                State::Read => return Action::Read,
            };
            if turn.calls == 0 {
                if matches!(call, Call::Held) {
                    record.flags.set(Flags::OFFER);
                }
                return Action::Yield;
            }
            turn.calls -= 1;
            if let Some(action) = self.call(turn, slot, call) {
                return action;
            }
        }
    }

    /// What it means that the peer is gone. Whoever reads finds that out, or the reason, behind what
    /// there is still to read.
    pub fn gone(&self, slot: u32) -> Event<'static> {
        let state = self.records.get(slot).map(|record| record.state);
        match state {
            Some(State::Lingering) => Event::Resumed,
            Some(State::Read | State::Idle) if !self.is_leaving(slot) => Event::Resumed,
            _ => Event::Failed(End::Reset),
        }
    }

    /// Whether earlier output has not all been taken.
    pub fn is_leaving(&self, slot: u32) -> bool {
        self.records.get(slot).is_some_and(|record| record.flags.has(Flags::FLYING))
            || self.work(slot).is_some_and(|work| work.output.is_some())
    }

    /// What is to be done for output that has not all been taken.
    fn leave(&mut self, slot: u32) -> Action {
        let Some(record) = self.records.get_mut(slot) else { return Action::Rest };
        if record.flags.has(Flags::FLYING) {
            return Action::Rest;
        }
        if record.flags.take(Flags::AGAIN) {
            return self.resend(slot).unwrap_or(Action::Rest);
        }
        Action::AwaitRoom
    }

    /// Takes stalled output up again.
    fn resend(&mut self, slot: u32) -> Option<Action> {
        self.work(slot)?.output.as_ref()?;
        let mut work = self.take_work(slot);
        let stalled = work.output.take();
        self.set_work(slot, work);
        stalled.map(Action::Resend)
    }

    fn sent<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32, sent: Sent) -> Option<Action>
    where
        H: Handler<Conn = C>,
    {
        let record = self.records.get_mut(slot)?;
        record.flags.clear(Flags::FLYING);
        let (stalled, again) = match sent {
            Sent::All => return None,
            Sent::Flying => {
                record.flags.set(Flags::FLYING);
                return Some(Action::Rest);
            }
            Sent::Failed(end) => return Some(self.end(turn, slot, end)),
            Sent::Full(stalled) => (stalled, false),
            Sent::Again(stalled) => (stalled, true),
        };
        if again {
            record.flags.set(Flags::AGAIN);
        }
        let mut work = self.take_work(slot);
        work.output = Some(stalled);
        self.set_work(slot, work);
        Some(if again { Action::Yield } else { Action::AwaitRoom })
    }

    fn received<H>(
        &mut self,
        turn: &mut Turn<'_, H>,
        slot: u32,
        bytes: &[u8],
        ended: bool,
    ) -> Option<Action>
    where
        H: Handler<Conn = C>,
    {
        self.counters.bytes_in.add(bytes.len() as u64);
        let reads = !self.is_leaving(slot);
        let record = self.records.get_mut(slot)?;
        if ended {
            record.flags.set(Flags::INPUT_ENDED);
        }
        if bytes.is_empty() || matches!(record.state, State::Close) {
            return None;
        }
        let reads = reads && record.reads();
        record.flags.set(Flags::OFFER);
        if reads && self.work(slot).is_none() {
            // Whoever sends as fast as is read would otherwise have all turns.
            turn.calls = turn.calls.saturating_sub(1);
            return self.call(turn, slot, Call::Data(bytes));
        }
        let mut work = self.take_work(slot);
        let held = work.held.append(bytes);
        self.set_work(slot, work);
        held.is_err().then(|| self.end(turn, slot, End::Overflow))
    }

    fn drain_one<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32) -> Option<Action>
    where
        H: Handler<Conn = C>,
    {
        let leaving = self.is_leaving(slot);
        let record = self.records.get_mut(slot)?;
        if record.flags.has(Flags::DRAIN_TOLD) || matches!(record.state, State::Close) {
            return None;
        }
        record.flags.set(Flags::DRAIN_TOLD);
        if matches!(record.state, State::Idle) {
            return (!leaving).then(|| self.end(turn, slot, End::Closed));
        }
        self.call(turn, slot, Call::Drain)
    }

    /// Calls the handler once and does what its step says, as far as that needs no network.
    fn call<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32, call: Call<'_>) -> Option<Action>
    where
        H: Handler<Conn = C>,
    {
        let leaving = self.is_leaving(slot);
        let id = self.id(slot);
        let stalled = self.work(slot).and_then(|work| work.output.as_ref());
        let unsent = turn.flying + stalled.map_or(0, Stalled::unsent);
        let held = match call {
            Call::Held => self.take_held(slot),
            _ => Held::default(),
        };
        let record = self.records.get_mut(slot)?;
        let input_ended = record.flags.has(Flags::INPUT_ENDED);
        let mut cx = Cx {
            id,
            now: turn.now,
            origin: record.origin(),
            input_ended,
            unsent,
            conn: &mut record.conn,
            out: if leaving { Out::closed() } else { Out::new(turn.space, true) },
        };
        let step = match call {
            Call::Open => turn.app.open(&mut cx),
            Call::Data(bytes) => turn.app.data(&mut cx, bytes),
            Call::Held => turn.app.data(&mut cx, held.bytes()),
            Call::Room => turn.app.room(&mut cx),
            Call::Wake => turn.app.wake(&mut cx),
            Call::Timer => turn.app.timer(&mut cx),
            Call::Drain => turn.app.drain(&mut cx),
        };
        let (filled, attachment) = (cx.out.filled(), cx.out.take_attachment());
        let over = self.apply(turn, slot, step, call.offered(&held)).err();
        if let Call::Held = call {
            self.put_back(slot, held, step.consumed());
        }
        if let Some(end) = over {
            return Some(self.end(turn, slot, end));
        }
        if filled > 0 || attachment.is_some() {
            return Some(Action::Send { filled, attachment });
        }
        None
    }

    /// Does what a step says. `offered` is what the handler was shown. The error is why the
    /// connection is over.
    fn apply<H>(
        &mut self,
        turn: &Turn<'_, H>,
        slot: u32,
        step: Step,
        offered: Offered<'_>,
    ) -> Result<(), End> {
        match step.timeout() {
            Timeout::Keep => {}
            Timeout::Stop => self.timers.cancel(slot),
            Timeout::Set(span) => self.start_timer(slot, turn.now, span),
        }
        let has_held = self.work(slot).is_some_and(|work| !work.held.is_empty());
        let Some(record) = self.records.get_mut(slot) else { return Ok(()) };
        // A connection that is closing goes on closing, whatever a late call says.
        let closing = matches!(record.state, State::Close);
        record.state = match step.next() {
            Next::Abort => return Err(End::Aborted),
            Next::Stay => record.state,
            _ if closing => State::Close,
            Next::Read => State::Read,
            Next::Idle => State::Idle,
            Next::Write => State::Write,
            Next::Wait => State::Wait,
            Next::Close => State::Close,
            Next::Finish => {
                record.flags.set(Flags::INPUT_ENDED);
                State::Close
            }
        };
        let (bytes, fresh) = match offered {
            Offered::Nothing => {
                if has_held && matches!(step.next(), Next::Read | Next::Idle) {
                    record.flags.set(Flags::OFFER);
                }
                return Ok(());
            }
            Offered::Bytes { bytes, fresh } => (bytes, fresh),
        };
        record.flags.clear(Flags::OFFER);
        if record.flags.has(Flags::INPUT_ENDED) {
            record.flags.set(Flags::END_TOLD);
        }
        let left = &bytes[step.consumed().min(bytes.len())..];
        if left.is_empty() || record.state == State::Close {
            return Ok(());
        }
        let wants_more = record.reads() && !record.flags.has(Flags::END_TOLD);
        if wants_more && left.len() >= self.limits.held_bytes as usize {
            return Err(End::Overflow);
        }
        if !fresh {
            return Ok(());
        }
        let mut work = self.take_work(slot);
        let held = work.held.append(left);
        self.set_work(slot, work);
        held.map_err(|_| End::Overflow)
    }

    pub fn start_timer(&mut self, slot: u32, now: Instant, span: Duration) {
        self.timers.set(slot, now + span);
    }

    fn take_held(&mut self, slot: u32) -> Held {
        let mut work = self.take_work(slot);
        let held = std::mem::take(&mut work.held);
        self.set_work(slot, work);
        held
    }

    fn put_back(&mut self, slot: u32, mut held: Held, consumed: usize) {
        held.consume(consumed);
        if held.is_empty() {
            return;
        }
        let mut work = self.take_work(slot);
        work.held = held;
        self.set_work(slot, work);
    }

    /// Tells the handler that the connection is over, and takes it out of the books.
    pub fn end<H>(&mut self, turn: &mut Turn<'_, H>, slot: u32, why: End) -> Action
    where
        H: Handler<Conn = C>,
    {
        self.count(why);
        let id = self.id(slot);
        let stalled = self.work(slot).and_then(|work| work.output.as_ref());
        let unsent = turn.flying + stalled.map_or(0, Stalled::unsent);
        let Some(record) = self.records.get_mut(slot) else { return Action::Rest };
        let input_ended = record.flags.has(Flags::INPUT_ENDED);
        let mut cx = Cx {
            id,
            now: turn.now,
            origin: record.origin(),
            input_ended,
            unsent,
            conn: &mut record.conn,
            out: Out::closed(),
        };
        turn.app.end(&mut cx, why);
        self.strike(slot);
        Action::Part(match why {
            End::Aborted => Parting::Reset,
            End::Closed if input_ended => Parting::Close,
            End::Closed | End::ShortSource | End::Overflow => Parting::Linger,
            End::Reset | End::TimedOut | End::Unreachable | End::Evicted | End::Shutdown => {
                Parting::Close
            }
        })
    }

    fn count(&self, why: End) {
        match why {
            End::Reset | End::TimedOut | End::Unreachable => self.counters.reset.add(1),
            End::Evicted => self.counters.evicted.add(1),
            End::ShortSource => self.counters.short_sources.add(1),
            End::Overflow => self.counters.overflowed.add(1),
            End::Closed | End::Aborted | End::Shutdown => {}
        }
    }
}

/// What a call showed the handler.
enum Offered<'a> {
    Nothing,
    /// Received bytes; `fresh` when they are not held yet.
    Bytes {
        bytes: &'a [u8],
        fresh: bool,
    },
}

impl Call<'_> {
    fn offered<'a>(&'a self, held: &'a Held) -> Offered<'a> {
        match self {
            Call::Data(bytes) => Offered::Bytes { bytes, fresh: true },
            Call::Held => Offered::Bytes { bytes: held.bytes(), fresh: false },
            _ => Offered::Nothing,
        }
    }
}
