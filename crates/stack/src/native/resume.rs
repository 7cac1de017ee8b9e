//! From the short way to the long one: a connection without a block gets the one that would have been
//! there all the time, because something unusual happened, or its handler wants more than one segment.
//! Invariant: what was done on the short way is not done again, and nothing that it left out is missing.

use app::Handler;
use base::Instant;
use port::Port;
use tcp::{Arrival, Body, PlainArrival, Reply, Sleeping};

use super::reply::Called;
use super::serve::{Event, Fate};
use super::{Core, tcp_turn};
use crate::link::PlainSegment;
use crate::replies::InFlight;

/// Replies that became working connections in one turn at most.
const RESUMED_A_TURN: u32 = 1024;

/// What a connection is made a working one from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before<'s> {
    /// It sleeps like this.
    Asleep(&'s Sleeping),
    /// It has the segment of this entry in flight.
    InFlight(u32),
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Goes on with a step that asks for more than one segment, or for something to be
    /// sent on its own account, as if the connection had been woken before the handler was called with
    /// this segment.
    #[cold]
    pub(super) fn go_on_with_text<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, sleeping): (u32, &Sleeping),
        segment: &PlainSegment<'_>,
        called: Called,
    ) {
        let PlainArrival { header, length, ecn } = segment.arrival;
        let arrival = Arrival { header: &header.into(), length, ecn, can_hold: true };
        let event = (Event::Data, segment.payload);
        self.go_on_awake(app, (slot, Before::Asleep(sleeping)), Some(&arrival), (event, called));
    }

    /// The same before it was woken.
    #[cold]
    pub(super) fn go_on_woken<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        before: Before<'_>,
        called: Called,
    ) {
        let event = (Event::Wake, &[][..]);
        self.go_on_awake(app, (slot, before), None, (event, called));
    }

    /// The same before it was opened, by this SYN-ACK if this end opened it.
    #[cold]
    pub(super) fn go_on_opened<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        of: (u32, Before<'_>),
        syn_ack: Option<&Arrival<'_>>,
        called: Called,
    ) {
        let event = (Event::Open, &[][..]);
        self.go_on_awake(app, of, syn_ack, (event, called));
    }

    fn go_on_awake<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (slot, before): (u32, Before<'_>),
        arrival: Option<&Arrival<'_>>,
        (event, called): ((Event, &[u8]), Called),
    ) {
        let Called { step, frame, attachment } = called;
        let block = match before {
            Before::Asleep(sleeping) => self.wake_up(slot, sleeping),
            Before::InFlight(index) => self.resume(slot, index),
        };
        let Some(block) = block else {
            debug_assert!(false, "a block was there before the handler was called");
            return self.buffers.give(frame);
        };
        if let Some(arrival) = arrival {
            let received = self.blocks[block].tcp.receive(&mut tcp_turn!(self), arrival);
            debug_assert!(received.dropped.is_none());
            self.note_events(block, received.events);
        }
        // The handler has been told.
        let facts = &mut self.blocks[block].facts;
        (facts.opened, facts.fresh) = (true, false);
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
            InFlight::Attempt(attempt, until) => {
                working.tcp.resume_attempt(turn, attempt, mss);
                working.timer = Some(*until);
            }
            InFlight::Greeting(greeting) => working.tcp.resume_greeting(turn, greeting, mss),
            InFlight::Answer(reply) => {
                working.tcp.resume(turn, reply, mss);
                working.has_slept(&reply.asleep, self.now);
            }
            InFlight::Farewell(farewell) => {
                working.tcp.resume_farewell(turn, farewell, mss);
                working.has_slept(&farewell.asleep, self.now);
                working.has_closed(!farewell.is_first());
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
