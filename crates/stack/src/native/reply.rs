//! The short way: a connection that sleeps, or has one segment in flight, and needs no more for what
//! happens to it than a call of its handler and one segment. Record, handler, frame, and no working block
//! ([`Reply`](tcp::Reply) and its like say what makes that right). Invariant: a record that is
//! [`Body::Replied`] names the one entry that holds what is in flight, and it becomes a sleeping one, or
//! a working one, before any timer of TCP's would have expired.

use app::{Attachment, Cx, End, Handler, Next, Origin, Out, Step, Timeout};
use base::Instant;
use mem::Frame;
use port::Port;
use tcp::{Body, Sleeping, TimeWait, Tuple, Waiting};
use wire::protocol::Ecn;
use wire::tcp::Plain;

use super::rest::Last;
use super::resume::Before;
use super::serve::{Event, peer};
use super::{Core, sleep_timer, tcp_turn};
use crate::link::PlainSegment;
use crate::replies::InFlight;

/// What a handler did in a call for a connection without a block.
pub(super) struct Called {
    pub(super) step: Step,
    /// With the bytes that it put out.
    pub(super) frame: Frame,
    pub(super) attachment: Option<Attachment>,
}

/// What a handler is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// Nothing of the peer's: a wake.
    Nothing,
    /// The peer's SYN-ACK.
    SynAck,
    /// So many bytes of text; `asked`: with the acknowledgment of ours on it, so that this is an answer.
    Text { length: usize, asked: bool },
    /// The peer's FIN.
    Fin,
}

/// What a step leads to that needs no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// So many bytes in one segment.
    Speak(u16),
    /// An acknowledgment by itself.
    Acknowledge,
    /// Nothing.
    Rest,
    /// A FIN; `first`: before the peer's.
    Leave { first: bool },
}

impl Called {
    /// What it leads to, where a segment has room for `most` bytes. `None`: it wants more than that.
    #[inline]
    pub(super) fn deed(&self, heard: Heard, most: usize) -> Option<Deed> {
        let (filled, next) = (self.frame.len(), self.step.next());
        let closes = matches!(next, Next::Close | Next::Finish);
        let stays = next == Next::Stay && heard == Heard::Nothing;
        let waits = matches!(next, Next::Read | Next::Idle) || stays;
        if self.attachment.is_some() || !(closes || waits) {
            return None;
        }
        match heard {
            // A handler that waits for input which does not come has nothing more to say either.
            Heard::Fin => (filled == 0).then_some(Deed::Leave { first: false }),
            _ if closes => (filled == 0).then_some(Deed::Leave { first: true }),
            Heard::Text { length, .. } if self.step.consumed() != length => None,
            // Not more than fits a segment.
            _ if filled > 0 => (filled <= most).then_some(Deed::Speak(filled as u16)),
            Heard::Nothing => Some(Deed::Rest),
            Heard::SynAck => Some(Deed::Acknowledge),
            // Of an exchange that is over, so that nothing follows soon that the acknowledgment could go
            // with. Of any other text the next may be here already (RFC 9293, MUST-58).
            Heard::Text { asked, .. } => (asked && next == Next::Idle).then_some(Deed::Acknowledge),
        }
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
        match record.body {
            Body::Sleeping(sleeping) => self.listen(app, (slot, &sleeping), segment, false),
            Body::Replied(index) => {
                let (acknowledged, asked) = match &self.replies.get(index).flight {
                    InFlight::Answer(reply) => {
                        (reply.acknowledged(&segment.arrival, self.now), true)
                    }
                    InFlight::Farewell(_) => return self.parted(app, (slot, index), segment),
                    InFlight::Greeting(_) => (self.complete(app, (slot, index), segment), false),
                    InFlight::Attempt(..) => return false,
                };
                let Some(sleeping) = &acknowledged else { return false };
                self.fall_asleep(slot, index, sleeping);
                let is_bare = segment.payload.is_empty() && !segment.arrival.header.fin;
                is_bare || self.listen(app, (slot, sleeping), segment, asked)
            }
            Body::Working(_) | Body::TimeWait(_) => false,
        }
    }

    /// Takes what a plain segment says to a connection that sleeps. `asked`: it acknowledges a question of
    /// ours. False: it is for the long way.
    #[inline]
    fn listen<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, sleeping): (u32, &Sleeping),
        segment: &PlainSegment<'_>,
        asked: bool,
    ) -> bool {
        let is_short = segment.payload.len() <= self.settings.payload_most;
        if sleeping.waiting == Waiting::Wake || !is_short || !self.may_call() {
            return false;
        }
        let config = &self.settings.tcp;
        let heard = if sleeping.is_question(config, &segment.arrival) {
            self.counters.bytes_in.add(segment.payload.len() as u64);
            Heard::Text { length: segment.payload.len(), asked }
        } else if sleeping.is_end(config, &segment.arrival) {
            Heard::Fin
        } else {
            return false;
        };
        self.hear(app, (slot, sleeping), (heard, segment));
        true
    }

    /// What was in flight is acknowledged.
    #[inline]
    pub(super) fn fall_asleep(&mut self, slot: u32, index: u32, sleeping: &Sleeping) {
        if let (_, Some(frame)) = self.replies.take(index) {
            self.buffers.give(frame);
        }
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::Sleeping(*sleeping);
        }
    }

    /// Whether nothing that a call could need afterwards, on the short way or on the long one, is
    /// missing. While the engine drains everything goes the long way, which remembers who was asked to
    /// finish.
    #[inline]
    pub(super) fn may_call(&mut self) -> bool {
        !self.draining
            && self.replies.has_room()
            && self.buffers.available() > self.settings.buffers_for_payload
            && self.blocks.available() > 0
            && self.link.is_ready()
    }

    /// Calls the handler for a connection without a block: of data, those bytes, or that there are no
    /// more. Only if [it may](Self::may_call).
    #[inline(always)]
    pub(super) fn call_asleep<H: Handler<Conn = C>>(
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
        let step = match event {
            Event::Open => app.open(&mut cx),
            Event::Wake => app.wake(&mut cx),
            _ => app.data(&mut cx, rx),
        };
        let (filled, attachment) = (cx.out.filled(), cx.out.take_attachment());
        frame.set_range(0..filled);
        Some(Called { step, frame, attachment })
    }

    /// Calls the handler with text that came, or with the end of it, and does what it wants.
    #[inline]
    fn hear<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, sleeping): (u32, &Sleeping),
        (heard, segment): (Heard, &PlainSegment<'_>),
    ) {
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return };
        let event = (Event::Data, segment.payload);
        let Some(called) = self.call_asleep(app, (slot, &ends), sleeping, event) else { return };
        let taken = sleeping.take_in(&segment.arrival, self.now);
        match called.deed(heard, taken.text_most(self.link.mss(ends.remote))) {
            Some(deed) => self.perform((slot, &ends), taken, deed, (called.step, called.frame)),
            None => self.go_on_with_text(app, (slot, sleeping), segment, called),
        }
    }

    /// Somebody woke a connection that sleeps. False: that is for the long way.
    pub(super) fn wake_asleep<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        sleeping: &Sleeping,
    ) -> bool {
        if !sleeping.may_speak() || !self.may_call() {
            return false;
        }
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return false };
        let event = (Event::Wake, &[][..]);
        let Some(called) = self.call_asleep(app, (slot, &ends), sleeping, event) else {
            return false;
        };
        match called.deed(Heard::Nothing, sleeping.text_most(self.link.mss(ends.remote))) {
            Some(deed) => {
                self.perform((slot, &ends), *sleeping, deed, (called.step, called.frame));
            }
            None => self.go_on_woken(app, slot, Before::Asleep(sleeping), called),
        }
        true
    }

    /// Somebody woke a connection that has one segment in flight: most often in vain. False: that is
    /// for the long way.
    pub(super) fn wake_in_flight<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        index: u32,
    ) -> bool {
        // Before the handler has heard of it, or after it has closed, a wake says nothing to it.
        let InFlight::Answer(reply) = self.replies.get(index).flight else { return true };
        if !self.may_call() {
            return false;
        }
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return false };
        let event = (Event::Wake, &[][..]);
        let Some(called) = self.call_asleep(app, (slot, &ends), &reply.asleep, event) else {
            return false;
        };
        if called.deed(Heard::Nothing, 0) != Some(Deed::Rest) {
            self.go_on_woken(app, slot, Before::InFlight(index), called);
            return true;
        }
        if let Some(asleep) = self.replies.asleep_mut(index) {
            note_step(asleep, called.step, self.now);
        }
        self.buffers.give(called.frame);
        true
    }

    /// Does what a step leads to, on a connection that will be `asleep` but for that; the frame has the
    /// bytes put out.
    #[inline(always)]
    pub(super) fn perform(
        &mut self,
        (slot, ends): (u32, &Tuple),
        mut asleep: Sleeping,
        deed: Deed,
        (step, frame): (Step, Frame),
    ) {
        let mss = self.link.mss(ends.remote);
        note_step(&mut asleep, step, self.now);
        let mut kept = None;
        let flight = match deed {
            Deed::Speak(length) => {
                let (reply, sent) = asleep.speak(&tcp_turn!(self), length, mss);
                self.counters.bytes_out.add(u64::from(length));
                let bytes = self.buffers.data(&frame);
                self.link.send_plain(ends, (&sent.header, true, sent.ecn), bytes);
                kept = Some(frame);
                Some(InFlight::Answer(reply))
            }
            Deed::Leave { first } => {
                let turn = &tcp_turn!(self);
                let (farewell, fin) =
                    if first { asleep.close(turn, mss) } else { asleep.take_leave(turn, mss) };
                self.send_bare(ends, &fin);
                self.buffers.give(frame);
                Some(InFlight::Farewell(farewell))
            }
            Deed::Acknowledge | Deed::Rest => {
                if deed == Deed::Acknowledge {
                    let acknowledgment = asleep.acknowledgment(&tcp_turn!(self), mss);
                    self.send_bare(ends, &acknowledgment);
                }
                self.buffers.give(frame);
                None
            }
        };
        let body = match flight {
            Some(flight) => Body::Replied(self.replies.push(flight, kept, slot)),
            None => Body::Sleeping(asleep),
        };
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = body;
        }
    }

    /// Sends a plain segment without text.
    fn send_bare(&mut self, ends: &Tuple, header: &Plain) {
        self.link.send_plain(ends, (header, false, Ecn::NotCapable), &[]);
    }

    /// A segment for a connection whose FIN is in flight. False: it is for the long way.
    fn parted<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, index): (u32, u32),
        segment: &PlainSegment<'_>,
    ) -> bool {
        let InFlight::Farewell(farewell) = self.replies.get(index).flight else { return false };
        if farewell.is_over(&segment.arrival) {
            self.replies.take(index);
            self.tell_parted(app, slot, &farewell.asleep);
            self.flows.remove(slot);
            return true;
        }
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return false };
        let mss = self.link.mss(ends.remote);
        let answered = farewell.answered(&tcp_turn!(self), &segment.arrival, mss);
        let Some((time_wait, header)) = answered.filter(|_| self.link.is_ready()) else {
            return false;
        };
        self.replies.take(index);
        self.tell_parted(app, slot, &farewell.asleep);
        self.send_bare(&ends, &header);
        self.begin_time_wait(slot, time_wait);
        true
    }

    /// Both sides have closed: tells the handler.
    fn tell_parted<H: Handler<Conn = C>>(&mut self, app: &mut H, slot: u32, asleep: &Sleeping) {
        let last = Last { opened: asleep.opened(), told: true, input_ended: true, unsent: 0 };
        self.tell_end_of(app, slot, last, End::Closed);
    }

    /// From now on only the record is left, which waits out its TIME-WAIT.
    pub(super) fn begin_time_wait(&mut self, slot: u32, time_wait: TimeWait) {
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::TimeWait(time_wait);
        }
        if self.time_waits.len() == self.time_waits.capacity() {
            self.forget_oldest_time_wait();
        }
        self.time_waits.push_back(slot);
        self.in_time_wait += 1;
    }
}

/// Remembers what a step says.
pub(super) fn note_step(sleeping: &mut Sleeping, step: Step, now: Instant) {
    match step.next() {
        Next::Stay => {}
        Next::Idle => sleeping.waiting = Waiting::Idle,
        _ => sleeping.waiting = Waiting::Input,
    }
    match step.timeout() {
        Timeout::Keep => {}
        Timeout::Stop => sleeping.timer = sleep_timer::encode(now, None),
        Timeout::Set(span) => sleeping.timer = sleep_timer::encode(now, Some(now + span)),
    }
}
