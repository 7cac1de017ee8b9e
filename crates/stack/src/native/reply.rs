//! The short way: a connection that is greeted, or sleeps and is asked a question that is answered at
//! once, or ends. Record, handler, frame, and no working block ([`Greeting`], [`Reply`] and
//! [`Farewell`](tcp::Farewell) say what makes that right). Invariant: a record that is [`Body::Replied`] names the one entry that holds what is in
//! flight, and it becomes a sleeping one, or a working one, before any timer of TCP's would have expired.

use app::{Attachment, Cx, End, Handler, Next, Origin, Out, Step, Timeout};
use base::{Instant, Seq};
use mem::Frame;
use port::Port;
use tcp::{Arrival, Body, Greeting, Opening, PlainArrival, Reply, Sleeping, Tuple, Waiting};
use wire::protocol::Ecn;

use super::rest::Last;
use super::serve::{Event, Fate, peer};
use super::{Core, sleep_timer, tcp_turn};
use crate::link::{PlainSegment, Segment};
use crate::replies::InFlight;

/// Replies that became working connections in one turn at most.
const RESUMED_A_TURN: u32 = 1024;

/// What a handler did in a call for a connection without a block.
struct Called {
    step: Step,
    /// With the bytes that it put out.
    frame: Frame,
    attachment: Option<Attachment>,
}

impl Called {
    /// Whether the connection waits for input now, and a block is of no use.
    fn only_waits(&self) -> bool {
        matches!(self.step.next(), Next::Read | Next::Idle) && self.attachment.is_none()
    }
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Takes a plain segment if its connection sleeps, or has one segment in flight, and nothing but
    /// the short way is needed. False: it is for the long way, as far as it was not dealt with here.
    #[inline]
    pub(super) fn plain_segment<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        segment: &PlainSegment<'_>,
    ) -> bool {
        let Some(record) = self.flows.get(slot) else { return false };
        let sleeping = match record.body {
            Body::Sleeping(sleeping) => sleeping,
            Body::Replied(index) => {
                let acknowledged = match &self.replies.get(index).flight {
                    InFlight::Farewell(farewell) => {
                        let over = farewell.is_acknowledged(&segment.arrival);
                        if over {
                            self.over_asleep(app, slot, index);
                        }
                        return over;
                    }
                    InFlight::Answer(reply) => reply.acknowledged(&segment.arrival, self.now),
                    InFlight::Greeting(_) => self.complete(app, (slot, index), segment),
                };
                let Some(sleeping) = acknowledged else { return false };
                self.fall_asleep(slot, index, sleeping);
                if segment.payload.is_empty() && !segment.arrival.header.fin {
                    return true;
                }
                sleeping
            }
            Body::Working(_) | Body::TimeWait(_) => return false,
        };
        if sleeping.waiting == Waiting::Wake || !self.replies.has_room() || !self.may_call() {
            return false;
        }
        let config = &self.settings.tcp;
        let (question, end) = (
            sleeping.is_question(config, &segment.arrival),
            sleeping.is_end(config, &segment.arrival),
        );
        if question {
            self.counters.bytes_in.add(segment.payload.len() as u64);
            self.answer(app, slot, sleeping, segment);
        } else if end {
            self.take_leave(app, slot, sleeping, segment);
        }
        question || end
    }

    /// What was in flight is acknowledged.
    #[inline]
    fn fall_asleep(&mut self, slot: u32, index: u32, sleeping: Sleeping) {
        if let (_, Some(frame)) = self.replies.take(index) {
            self.buffers.give(frame);
        }
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::Sleeping(sleeping);
        }
    }

    /// Whether nothing that a call could need afterwards, on the short way or on the long one, is
    /// missing.
    fn may_call(&mut self) -> bool {
        !self.draining
            && self.buffers.available() > self.settings.buffers_for_payload
            && self.blocks.available() > 0
            && self.link.is_ready()
    }

    /// Calls the handler for a connection without a block: of data, those bytes, or that there are no
    /// more. Only if [it may](Self::may_call).
    #[inline]
    fn call_asleep<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, ends): (u32, &Tuple),
        sleeping: &Sleeping,
        (event, rx): (Event, &[u8]),
    ) -> Option<Called> {
        let id = self.flows.id(slot)?;
        let origin = Origin { peer: peer(ends), role: self.role(ends, sleeping.opened()) };
        let mut frame = self.buffers.take()?;
        let Some(record) = self.flows.get_mut(slot) else {
            self.buffers.give(frame);
            return None;
        };
        let out = Out::new(self.buffers.buffer_mut(&mut frame), true);
        let (now, conn) = (self.now, &mut record.conn);
        let input_ended = event == Event::Data && rx.is_empty();
        let mut cx = Cx { id, now, origin, input_ended, unsent: 0, conn, out };
        let step = if event == Event::Open { app.open(&mut cx) } else { app.data(&mut cx, rx) };
        let (filled, attachment) = (cx.out.filled(), cx.out.take_attachment());
        frame.set_range(0..filled);
        Some(Called { step, frame, attachment })
    }

    /// Calls the handler with a question and sends what it puts out.
    fn answer<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        sleeping: Sleeping,
        segment: &PlainSegment<'_>,
    ) {
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return };
        let event = (Event::Data, segment.payload);
        let Some(called) = self.call_asleep(app, (slot, &ends), &sleeping, event) else { return };
        let mss = self.link.mss(ends.remote);
        let filled = called.frame.len();
        let short = called.only_waits()
            && called.step.consumed() == segment.payload.len()
            && (1..=sleeping.answer_most(&segment.arrival, mss)).contains(&filled);
        if !short {
            return self.go_on_awake(app, (slot, &sleeping), Some(segment), called);
        }
        // Not more than fits a segment.
        let answer = filled as u16;
        let (mut reply, sent) = sleeping.answer(&tcp_turn!(self), &segment.arrival, answer, mss);
        note_step(&mut reply.asleep, called.step, self.now);
        self.counters.bytes_out.add(filled as u64);
        self.link.send_plain(
            &ends,
            (&sent.header, true, sent.ecn),
            self.buffers.data(&called.frame),
        );
        let index = self.replies.push(InFlight::Answer(reply), Some(called.frame), slot);
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::Replied(index);
        }
    }

    /// The peer has closed its side: tells the handler, and closes this one if it wants that.
    fn take_leave<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        sleeping: Sleeping,
        segment: &PlainSegment<'_>,
    ) {
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return };
        let event = (Event::Data, &[][..]);
        let Some(called) = self.call_asleep(app, (slot, &ends), &sleeping, event) else { return };
        let closes = matches!(called.step.next(), Next::Close | Next::Finish);
        let nothing_more = called.attachment.is_none() && called.frame.is_empty();
        // A handler that waits for input which does not come has nothing more to say either.
        if !(nothing_more && (closes || called.only_waits())) {
            return self.go_on_awake(app, (slot, &sleeping), Some(segment), called);
        }
        self.buffers.give(called.frame);
        let mss = self.link.mss(ends.remote);
        let (farewell, fin) = sleeping.take_leave(&tcp_turn!(self), &segment.arrival, mss);
        self.link.send_plain(&ends, (&fin, false, Ecn::NotCapable), &[]);
        let index = self.replies.push(InFlight::Farewell(farewell), None, slot);
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::Replied(index);
        }
    }

    /// The peer has acknowledged our FIN: tells the handler, and gives everything back.
    fn over_asleep<H: Handler<Conn = C>>(&mut self, app: &mut H, slot: u32, index: u32) {
        if let (InFlight::Farewell(farewell), _) = self.replies.take(index) {
            let opened = farewell.asleep.opened();
            let last = Last { opened, told: true, input_ended: true, unsent: 0 };
            self.tell_end_of(app, slot, last, End::Closed);
        }
        self.flows.remove(slot);
    }

    /// Answers a SYN with nothing kept but a record and an entry. `None`: there is no room for it, or
    /// the SYN is for the long way.
    pub(super) fn greet(
        &mut self,
        segment: &Segment<'_>,
        hash: u64,
        ends: &Tuple,
        iss: Seq,
    ) -> Option<()> {
        if !self.replies.has_room() || !self.link.is_ready() || self.is_full() {
            return None;
        }
        let syn = Arrival { length: 0, ..super::input::arrival(segment, false) };
        let mss = self.link.mss(ends.remote);
        let opening = Opening { iss, mss, ipv6: ends.remote.is_ipv6() };
        let (greeting, syn_ack) = Greeting::answer(&tcp_turn!(self), &syn, &opening)?;
        let slot = self.flows.insert(hash, segment.flow, Body::Working(0))?;
        let index = self.replies.push(InFlight::Greeting(greeting), None, slot);
        self.flows.get_mut(slot)?.body = Body::Replied(index);
        self.clients.enter(ends.remote);
        self.send(ends, &syn_ack);
        Some(())
    }

    /// A greeted connection whose handshake is complete: tells the handler of it. `None`: the segment,
    /// or what the handler wants, is for the long way.
    fn complete<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, index): (u32, u32),
        segment: &PlainSegment<'_>,
    ) -> Option<Sleeping> {
        let InFlight::Greeting(greeting) = self.replies.get(index).flight else { return None };
        let ends = self.flows.ends(slot, &self.link.addresses)?;
        let (mss, now) = (self.link.mss(ends.remote), self.now);
        let mut sleeping = greeting.completed(&self.settings.tcp, &segment.arrival, mss, now)?;
        if !self.may_call() {
            return None;
        }
        self.link.keep_way_back();
        self.counters.accepted.add(1);
        let called = self.call_asleep(app, (slot, &ends), &sleeping, (Event::Open, &[]))?;
        if called.only_waits() && called.frame.is_empty() {
            self.buffers.give(called.frame);
            note_step(&mut sleeping, called.step, now);
            return Some(sleeping);
        }
        self.fall_asleep(slot, index, sleeping);
        self.go_on_awake(app, (slot, &sleeping), None, called);
        None
    }

    /// Goes on with a step that asks for more than one answer in one segment, or for something to be
    /// sent on its own account, as if the connection had been woken before the handler was called.
    #[cold]
    fn go_on_awake<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, sleeping): (u32, &Sleeping),
        question: Option<&PlainSegment<'_>>,
        called: Called,
    ) {
        let Called { step, frame, attachment } = called;
        let Some(block) = self.wake_up(slot, sleeping) else {
            debug_assert!(false, "a block was there before the handler was called");
            return self.buffers.give(frame);
        };
        let mut event = (Event::Open, &[][..]);
        if let Some(segment) = question {
            let PlainArrival { header, length, ecn } = segment.arrival;
            let arrival = Arrival { header: &header.into(), length, ecn, can_hold: true };
            let received = self.blocks[block].tcp.receive(&mut tcp_turn!(self), &arrival);
            debug_assert!(received.dropped.is_none());
            self.note_events(block, received.events);
            // The handler has been told.
            self.blocks[block].facts.fresh = false;
            event = (Event::Data, segment.payload);
        }
        let filled = frame.len();
        self.take_output(block, Some((frame, filled)), attachment);
        if self.after_call(app, block, event, step) == Fate::On {
            self.run(app, block, &[]);
        }
    }

    /// Makes a working connection of one that has one segment in flight. `None` when there is no
    /// block.
    pub(super) fn resume(&mut self, slot: u32, index: u32) -> Option<u32> {
        let record = self.flows.get_mut(slot)?;
        let block = self.blocks.take(slot)?;
        record.body = Body::Working(block);
        let mss = self.link.mss(record.flow.remote());
        let (flight, frame) = self.replies.take(index);
        let working = &mut self.blocks[block];
        let turn = &mut tcp_turn!(self);
        match &flight {
            InFlight::Greeting(greeting) => working.tcp.resume_greeting(turn, greeting, mss),
            InFlight::Answer(reply) => {
                working.tcp.resume(turn, reply, mss);
                working.has_slept(&reply.asleep, self.now);
            }
            InFlight::Farewell(farewell) => {
                working.tcp.resume_farewell(turn, farewell, mss);
                working.has_slept(&farewell.asleep, self.now);
                working.has_closed();
            }
        }
        if let Some(frame) = frame {
            working.sending.push_bytes(frame, &mut self.buffers);
        }
        working.sent_to = working.tcp.end();
        self.set_half_open(block, matches!(flight, InFlight::Greeting(_)));
        Some(block)
    }

    /// Makes working connections of those whose segments have not been acknowledged in time: they need
    /// timers now. Gives how many.
    pub(super) fn resume_late_replies(&mut self) -> u32 {
        let mut count = 0;
        while count < RESUMED_A_TURN
            && self.reply_deadline().is_some_and(|at| at <= self.now)
            && let Some((index, entry)) = self.replies.first()
            && let Some(block) = self.resume(entry.slot, index)
        {
            count += 1;
            self.arm(block);
        }
        count
    }

    /// When the first of the segments in flight needs a timer. None while there is no block for it: one
    /// that is given back has a deadline of its own.
    pub(super) fn reply_deadline(&self) -> Option<Instant> {
        let (_, entry) = self.replies.first()?;
        let patience = Reply::patience(&self.settings.tcp);
        (self.blocks.available() > 0).then(|| entry.flight.sent(self.now) + patience)
    }
}

/// Remembers what a step says.
fn note_step(sleeping: &mut Sleeping, step: Step, now: Instant) {
    sleeping.waiting = if step.next() == Next::Idle { Waiting::Idle } else { Waiting::Input };
    match step.timeout() {
        Timeout::Keep => {}
        Timeout::Stop => sleeping.timer = sleep_timer::encode(now, None),
        Timeout::Set(span) => sleeping.timer = sleep_timer::encode(now, Some(now + span)),
    }
}
