//! The handler's calls, in the order that its contract promises. Invariant: a handler is offered
//! bytes, or room, only while nothing it put out before is waiting to leave.

use app::{Attachment, Cx, End, Handler, Next, Out, Peer, Step, Timeout};
use base::ConnId;
use core::net::SocketAddr;
use mem::Frame;
use port::Port;
use tcp::{Events, Tuple};

use super::output::Fed;
use super::waiting::Want;
use super::{Core, tcp_turn};

/// Calls of one connection's handler before another connection has its turn.
const CALLS_A_RUN: u32 = 64;
/// Times that output is sent and room offered again in one go.
const ROUNDS_A_RUN: u32 = 4;

/// Bytes put out and not sent with which a handler is still offered room.
const SEND_AHEAD: u64 = 12 * 1024;

/// What a handler is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    Open,
    Data,
    Room,
    Wake,
    Timer,
    Drain,
}

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It goes on.
    On,
    /// It has to wait for a buffer.
    Starved,
    /// It is over, and its block given back.
    Over,
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Does all that can be done for a connection now: calls its handler, sends what is to be
    /// sent, and puts it to rest if there is nothing more. `new`: bytes that have just arrived, if
    /// they are kept nowhere else.
    pub(super) fn run<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, new: &[u8]) {
        let mut new = new;
        for _ in 0..ROUNDS_A_RUN {
            if self.serve(app, block, core::mem::take(&mut new)) == Fate::Over {
                return;
            }
            if self.feed(block) == Fed::Short {
                return self.abort(app, block, End::ShortSource);
            }
            if self.close_if_done(app, block) == Fate::Over {
                return;
            }
            if self.blocks.are_scarce() && self.blocks[block].is_idle() {
                self.blocks[block].tcp.acknowledge_now();
            }
            let all_sent = self.output(block);
            if self.blocks[block].facts.short {
                return self.abort(app, block, End::ShortSource);
            }
            // One that waits for a buffer is on a list already.
            let waits = !all_sent || self.blocks[block].facts.starved;
            if waits || self.next_event(block).is_none() {
                return self.settle(app, block);
            }
        }
        self.list(block);
        self.settle(app, block);
    }

    /// Calls the handler for all that it waits for.
    fn serve<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, mut new: &[u8]) -> Fate {
        for _ in 0..CALLS_A_RUN {
            let Some(event) = self.next_event(block) else { break };
            let bytes = if event == Event::Data { core::mem::take(&mut new) } else { &[] };
            match self.call(app, block, event, bytes) {
                Fate::On => {}
                Fate::Over => return Fate::Over,
                Fate::Starved => {
                    new = bytes;
                    let want = self.want(block, event);
                    self.starve(block, want);
                    break;
                }
            }
        }
        self.keep(app, block, new)
    }

    /// What the handler is to be called for next, if for anything.
    fn next_event(&self, block: u32) -> Option<Event> {
        let working = &self.blocks[block];
        let facts = &working.facts;
        let event = match working.waiting {
            _ if !facts.established || facts.closing => return None,
            _ if !facts.opened => Event::Open,
            Next::Write => Event::Room,
            Next::Read | Next::Idle if facts.fresh => Event::Data,
            _ => return None,
        };
        let may = working.is_writable(self.ahead()) && !self.leaves_buffers_to_others(block);
        may.then_some(event)
    }

    /// Bytes that a handler may put out beyond those sent: enough for the segments of several calls
    /// to be full, and nothing where buffers are scarce.
    fn ahead(&self) -> u64 {
        if self.buffers.available() > self.buffers.capacity() / 4 { SEND_AHEAD } else { 0 }
    }

    /// Whether a connection gets no further buffer while the one it filled before is in flight: the
    /// second half of the pool is for first buffers, or peers that acknowledge nothing could hold it
    /// all. An acknowledgment or a timer of its own leads back here.
    fn leaves_buffers_to_others(&self, block: u32) -> bool {
        let is_short = self.buffers.available() <= self.buffers.capacity() / 2;
        is_short && self.blocks[block].sending.buffers_held() > 0
    }

    /// What a call may put out.
    fn want(&self, block: u32, event: Event) -> Want {
        let asks = self.blocks[block].tcp.opened() && event != Event::Data;
        if asks { Want::Ask } else { Want::Answer }
    }

    /// Whether there is a buffer for what a call may put out.
    fn has_buffer(&self, block: u32, event: Event) -> bool {
        self.buffers.available() > self.leaves(self.want(block, event))
    }

    /// Keeps bytes that were not consumed where they are found later.
    fn keep<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, bytes: &[u8]) -> Fate {
        if bytes.is_empty() {
            return Fate::On;
        }
        let working = &mut self.blocks[block];
        if working.facts.closing {
            working.tcp.consumed(&tcp_turn!(self), bytes.len() as u32);
            return Fate::On;
        }
        if working.received.write(0, bytes, &mut self.buffers) {
            working.received.advance(bytes.len());
            return Fate::On;
        }
        self.abort(app, block, End::Overflow);
        Fate::Over
    }

    /// One call of the handler, and all that follows from its step. `new` are bytes that arrived
    /// and are kept nowhere; without them, what is kept is offered.
    pub(super) fn call<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        event: Event,
        new: &[u8],
    ) -> Fate {
        let needs_room = matches!(event, Event::Open | Event::Data | Event::Room);
        if needs_room && !self.has_buffer(block, event) {
            return Fate::Starved;
        }
        if event == Event::Data && new.is_empty() {
            return self.call_for_kept(app, block);
        }
        let step = self.invoke(app, block, event, new);
        self.after_call(app, block, (event, new), step)
    }

    /// All that follows from the step that a call gave which was offered these bytes.
    pub(super) fn after_call<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        (event, new): (Event, &[u8]),
        step: Step,
    ) -> Fate {
        let consumed = step.consumed().min(new.len());
        if consumed > 0 {
            self.taken(block, consumed);
        }
        if self.keep(app, block, &new[consumed..]) == Fate::Over {
            return Fate::Over;
        }
        self.apply(app, block, event, step)
    }

    /// The same for bytes that are kept, and for the end of input.
    fn call_for_kept<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) -> Fate {
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.clear();
        self.blocks[block].received.gather(&mut scratch, &self.buffers);
        let step = self.invoke(app, block, Event::Data, &scratch);
        let consumed = step.consumed().min(scratch.len());
        self.scratch = scratch;
        let working = &mut self.blocks[block];
        if consumed > 0 {
            working.received.consume(consumed, &mut self.buffers);
            self.taken(block, consumed);
        }
        self.apply(app, block, Event::Data, step)
    }

    /// The handler has taken bytes in.
    fn taken(&mut self, block: u32, count: usize) {
        let room = self.room();
        let (turn, tcp) = (tcp_turn!(self), &mut self.blocks[block].tcp);
        // A window at most.
        tcp.consumed(&turn, count as u32);
        tcp.follow_reader(&turn, room);
    }

    /// Calls the handler and takes what it put out.
    fn invoke<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        event: Event,
        rx: &[u8],
    ) -> Step {
        let Some((id, ends)) = self.identity(block) else { return Step::abort() };
        let (ahead, has_buffer) = (self.ahead(), self.has_buffer(block, event));
        let working = &mut self.blocks[block];
        let role_opened = working.tcp.opened();
        match event {
            Event::Open => working.facts.opened = true,
            // More may be kept than is offered at a time.
            Event::Data => working.facts.fresh = working.received.ready() > rx.len(),
            _ => {}
        }
        let writable = working.is_writable(ahead) && has_buffer;
        let mut frame = writable.then(|| working.open_buffer(&mut self.buffers)).flatten();
        let used = frame.as_ref().map_or(0..0, mem::Frame::range);
        let unseen = event == Event::Data && working.facts.fresh;
        let input_ended = working.facts.input_ended && !unseen;
        // What is in the send queue while it has room counts as taken, as in a kernel's.
        let unsent = if writable { 0 } else { working.unsent() };
        let origin = app::Origin { peer: peer(&ends), role: self.role(&ends, role_opened) };
        let Some(record) = self.flows.get_mut(id.slot()) else { return Step::abort() };
        let out = match &mut frame {
            Some(frame) => Out::new(&mut self.buffers.buffer_mut(frame)[used.end..], true),
            None => Out::closed(),
        };
        let now = self.now;
        let mut cx = Cx { id, now, origin, input_ended, unsent, conn: &mut record.conn, out };
        let step = match event {
            Event::Open => app.open(&mut cx),
            Event::Data => app.data(&mut cx, rx),
            Event::Room => app.room(&mut cx),
            Event::Wake => app.wake(&mut cx),
            Event::Timer => app.timer(&mut cx),
            Event::Drain => app.drain(&mut cx),
        };
        let (filled, attachment) = (cx.out.filled(), cx.out.take_attachment());
        let output = frame.map(|mut frame| {
            frame.set_range(used.start..used.end + filled);
            (frame, filled)
        });
        self.take_output(block, output, attachment);
        step
    }

    /// Takes what a handler put out: a buffer with so many bytes that are new, an attachment.
    pub(super) fn take_output(
        &mut self,
        block: u32,
        bytes: Option<(Frame, usize)>,
        attachment: Option<Attachment>,
    ) {
        let working = &mut self.blocks[block];
        if let Some((frame, filled)) = bytes {
            if frame.range().end > 0 {
                working.sending.push_bytes(frame, &mut self.buffers);
                working.tcp.write(filled as u32);
            } else {
                self.buffers.give(frame);
            }
        }
        if let Some(attachment) = attachment {
            working.sending.push_source(attachment);
        }
    }

    /// Does what a step says.
    fn apply<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        event: Event,
        step: Step,
    ) -> Fate {
        let working = &mut self.blocks[block];
        match step.timeout() {
            Timeout::Keep => {}
            Timeout::Stop => working.timer = None,
            Timeout::Set(span) => working.timer = Some(self.now + span),
        }
        let ready = working.received.ready();
        match step.next() {
            next @ (Next::Read | Next::Idle) => {
                working.waiting = next;
                if event != Event::Data {
                    working.facts.fresh |= ready > 0 || working.facts.input_ended;
                } else if working.facts.input_ended && !working.facts.fresh {
                    self.begin_close(block);
                } else if ready >= self.settings.held_bytes
                    && (step.consumed() == 0 || !working.facts.fresh)
                {
                    self.abort(app, block, End::Overflow);
                    return Fate::Over;
                }
            }
            next @ (Next::Write | Next::Wait) => working.waiting = next,
            Next::Stay => {}
            Next::Close | Next::Finish => self.begin_close(block),
            Next::Abort => {
                self.abort(app, block, End::Aborted);
                return Fate::Over;
            }
        }
        Fate::On
    }

    /// The handler wants no more of a connection than that its output gets there.
    pub(super) fn begin_close(&mut self, block: u32) {
        let working = &mut self.blocks[block];
        working.facts.closing = true;
        working.timer = None;
        let left = working.received.ready();
        working.received.clear(&mut self.buffers);
        if left > 0 {
            working.tcp.consumed(&tcp_turn!(self), left as u32);
        }
    }

    /// Tells TCP to close once it has been told of all there is to send.
    fn close_if_done<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) -> Fate {
        let working = &mut self.blocks[block];
        if !working.facts.closing || working.facts.closed || working.sending.untold() > 0 {
            return Fate::On;
        }
        working.facts.closed = true;
        let events = working.tcp.close(&tcp_turn!(self));
        if events.any(Events::OVER) {
            self.ended(app, block, End::Closed);
            return Fate::Over;
        }
        Fate::On
    }

    /// The identifier and the ends of the connection that a block belongs to.
    pub(super) fn identity(&self, block: u32) -> Option<(ConnId, Tuple)> {
        self.names(self.blocks[block].slot)
    }

    /// The same of the connection in a slot.
    #[inline]
    pub(super) fn names(&self, slot: u32) -> Option<(ConnId, Tuple)> {
        Some((self.flows.id(slot)?, self.flows.ends(slot, &self.link.addresses)?))
    }
}

/// Who is at the other end, as a handler is told.
pub(super) fn peer(ends: &Tuple) -> Peer {
    Peer::Inet(SocketAddr::new(ends.remote, ends.remote_port))
}
