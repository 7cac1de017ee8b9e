//! The short way of a question that is answered at once, on a connection that sleeps: record, handler,
//! frame, and no working block ([`Reply`] says what makes that right). Invariant: a record that is
//! [`Body::Replied`] names the one entry that holds its answer, and it becomes a sleeping one again, or
//! a working one, before any timer of TCP's would have expired.

use app::{Attachment, Cx, Handler, Next, Origin, Out, Step, Timeout};
use base::Instant;
use mem::Frame;
use port::Port;
use tcp::{Arrival, Body, PlainArrival, Reply, Sleeping, Waiting};

use super::serve::{Event, Fate, peer};
use super::{Core, sleep_timer, tcp_turn};
use crate::link::PlainSegment;

/// Replies that became working connections in one turn at most.
const RESUMED_A_TURN: u32 = 1024;

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Takes a plain segment if its connection sleeps, or has an answer in flight, and nothing but the
    /// short way is needed. False: it is for the long way, as far as it was not dealt with here.
    #[inline]
    pub(super) fn plain_segment<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        segment: &PlainSegment<'_>,
    ) -> bool {
        let Some(record) = self.flows.get_mut(slot) else { return false };
        let sleeping = match record.body {
            Body::Sleeping(sleeping) => sleeping,
            Body::Replied(index) => {
                let reply = &self.replies.get(index).reply;
                let Some(sleeping) = reply.acknowledged(&segment.arrival, self.now) else {
                    return false;
                };
                record.body = Body::Sleeping(sleeping);
                if let (_, Some(frame)) = self.replies.take(index) {
                    self.buffers.give(frame);
                }
                if segment.payload.is_empty() {
                    return true;
                }
                sleeping
            }
            Body::Working(_) | Body::TimeWait(_) => return false,
        };
        let short = sleeping.waiting != Waiting::Wake
            && sleeping.is_question(&self.settings.tcp, &segment.arrival)
            && self.may_answer_at_once();
        if short {
            self.counters.bytes_in.add(segment.payload.len() as u64);
            self.answer(app, slot, &sleeping, segment);
        }
        short
    }

    /// Whether nothing that an answer could need, on the short way or on the long one, is missing.
    fn may_answer_at_once(&mut self) -> bool {
        !self.draining
            && self.buffers.available() > self.settings.buffers_for_payload
            && self.blocks.available() > 0
            && self.replies.has_room()
            && self.link.is_ready()
    }

    /// Calls the handler with a question and sends what it puts out. Only if
    /// [nothing is missing](Self::may_answer_at_once).
    fn answer<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        sleeping: &Sleeping,
        segment: &PlainSegment<'_>,
    ) {
        let (Some((id, ends)), Some(mut frame)) = (self.names(slot), self.buffers.take()) else {
            return;
        };
        let origin = Origin { peer: peer(&ends), role: self.role(&ends, sleeping.opened()) };
        let Some(record) = self.flows.get_mut(slot) else { return self.buffers.give(frame) };
        let out = Out::new(self.buffers.buffer_mut(&mut frame), true);
        let (now, conn) = (self.now, &mut record.conn);
        let mut cx = Cx { id, now, origin, input_ended: false, unsent: 0, conn, out };
        let step = app.data(&mut cx, segment.payload);
        let (filled, attachment) = (cx.out.filled(), cx.out.take_attachment());
        frame.set_range(0..filled);
        let mss = self.link.mss(ends.remote);
        let usual = attachment.is_none()
            && step.consumed() == segment.payload.len()
            && matches!(step.next(), Next::Read | Next::Idle)
            && (1..=sleeping.answer_most(&segment.arrival, mss)).contains(&filled);
        if !usual {
            return self.answer_awake(app, (slot, sleeping), segment, (frame, attachment), step);
        }
        // Not more than fits a segment.
        let answer = filled as u16;
        let (mut reply, sent) = sleeping.answer(&tcp_turn!(self), &segment.arrival, answer, mss);
        reply.asleep.waiting =
            if step.next() == Next::Idle { Waiting::Idle } else { Waiting::Input };
        match step.timeout() {
            Timeout::Keep => {}
            Timeout::Stop => reply.asleep.timer = sleep_timer::encode(now, None),
            Timeout::Set(span) => {
                reply.asleep.timer = sleep_timer::encode(now, Some(now + span));
            }
        }
        self.counters.bytes_out.add(filled as u64);
        self.link.send_plain(&ends, (&sent.header, sent.ecn), self.buffers.data(&frame));
        let index = self.replies.push(reply, frame, slot);
        if let Some(record) = self.flows.get_mut(slot) {
            record.body = Body::Replied(index);
        }
    }

    /// Goes on with a step that asks for more than one answer in one segment, as if the connection had
    /// been woken before the handler was called.
    #[cold]
    fn answer_awake<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, sleeping): (u32, &Sleeping),
        segment: &PlainSegment<'_>,
        (frame, attachment): (Frame, Option<Attachment>),
        step: Step,
    ) {
        let Some(block) = self.wake_up(slot, sleeping) else {
            debug_assert!(false, "a block was there before the handler was called");
            return self.buffers.give(frame);
        };
        let working = &mut self.blocks[block];
        let PlainArrival { header, length, ecn } = segment.arrival;
        let arrival = Arrival { header: &header.into(), length, ecn, can_hold: true };
        let received = working.tcp.receive(&mut tcp_turn!(self), &arrival);
        debug_assert!(received.dropped.is_none() && received.events.is_empty());
        let filled = frame.len();
        self.take_output(block, Some((frame, filled)), attachment);
        if self.after_call(app, block, (Event::Data, segment.payload), step) == Fate::On {
            self.run(app, block, &[]);
        }
    }

    /// Makes a working connection of one whose answer is in flight. `None` when there is no block.
    pub(super) fn resume(&mut self, slot: u32, index: u32) -> Option<u32> {
        let record = self.flows.get_mut(slot)?;
        let block = self.blocks.take(slot)?;
        record.body = Body::Working(block);
        let mss = self.link.mss(record.flow.remote());
        let (reply, frame) = self.replies.take(index);
        let working = &mut self.blocks[block];
        working.tcp.resume(&mut tcp_turn!(self), &reply, mss);
        if let Some(frame) = frame {
            working.sending.push_bytes(frame, &mut self.buffers);
        }
        working.sent_to = working.tcp.end();
        working.has_slept(&reply.asleep, self.now);
        Some(block)
    }

    /// Makes working connections of those whose answers have not been acknowledged in time: they need
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

    /// When the first of the answers in flight needs a timer. None while there is no block for it: one
    /// that is given back has a deadline of its own.
    pub(super) fn reply_deadline(&self) -> Option<Instant> {
        let (_, entry) = self.replies.first()?;
        let patience = Reply::patience(&self.settings.tcp);
        (self.blocks.available() > 0).then(|| entry.reply.sent(self.now) + patience)
    }
}
