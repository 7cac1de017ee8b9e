//! The short way into a connection, in either role: a SYN that was answered or sent is an entry, and so
//! the connection begins without a working block ([`Greeting`] and [`Attempt`] say what makes that
//! right). Invariant: as in `reply.rs`.

use app::{Dial, Handler};
use base::Seq;
use port::Port;
use tcp::{Arrival, Attempt, Body, Flow, Greeting, Opening, Reply, Sleeping, Tuple};

use super::input::arrival;
use super::reply::{Deed, Heard, note_step};
use super::resume::Before;
use super::serve::Event;
use super::{Core, tcp_turn};
use crate::link::{PlainSegment, Segment};
use crate::replies::InFlight;

impl<P: Port, C: Copy + Default> Core<P, C> {
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
        let syn = Arrival { length: 0, ..arrival(segment, false) };
        let mss = self.link.mss(ends.remote);
        let opening = Opening { iss, mss, ipv6: ends.remote.is_ipv6() };
        let (greeting, syn_ack) = Greeting::answer(&tcp_turn!(self), &syn, &opening)?;
        self.insert_in_flight(segment.flow, hash, InFlight::Greeting(greeting), C::default())?;
        self.clients.enter(ends.remote);
        self.send(ends, &syn_ack);
        Some(())
    }

    /// Sends a SYN with nothing kept but a record and an entry. `None` as there.
    pub(super) fn attempt(
        &mut self,
        (flow, hash): (Flow, u64),
        ends: &Tuple,
        opening: &Opening,
        dial: &Dial<C>,
    ) -> Option<()> {
        let short = dial.within <= Reply::patience(&self.settings.tcp);
        if short || !self.replies.has_room() || !self.link.is_ready() || self.is_full() {
            return None;
        }
        let (attempt, syn) = Attempt::begin(&tcp_turn!(self), opening)?;
        let flight = InFlight::Attempt(attempt, self.now + dial.within);
        self.insert_in_flight(flow, hash, flight, dial.conn)?;
        self.send(ends, &syn);
        Some(())
    }

    fn insert_in_flight(&mut self, flow: Flow, hash: u64, flight: InFlight, conn: C) -> Option<()> {
        let slot = self.flows.insert(hash, flow, Body::Working(0))?;
        let index = self.replies.push(flight, None, slot);
        let record = self.flows.get_mut(slot)?;
        (record.body, record.conn) = (Body::Replied(index), conn);
        Some(())
    }

    /// A greeted connection whose handshake is complete: tells the handler of it. `None`: the segment,
    /// or what the handler wants, is for the long way.
    pub(super) fn complete<H: Handler<Conn = C>>(
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
        if called.deed(Heard::Nothing, 0) == Some(Deed::Rest) {
            self.buffers.give(called.frame);
            note_step(&mut sleeping, called.step, now);
            return Some(sleeping);
        }
        self.fall_asleep(slot, index, &sleeping);
        self.go_on_opened(app, (slot, Before::Asleep(&sleeping)), None, called);
        None
    }

    /// The answer to our SYN: tells the handler of the connection, and sends what it has to say with the
    /// acknowledgment. False: the segment is for the long way.
    pub(super) fn made<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        segment: &Segment<'_>,
    ) -> bool {
        let Some(Body::Replied(index)) = self.flows.get(slot).map(|record| record.body) else {
            return false;
        };
        let InFlight::Attempt(attempt, _) = self.replies.get(index).flight else { return false };
        let Some(ends) = self.flows.ends(slot, &self.link.addresses) else { return false };
        let (mss, syn_ack) = (self.link.mss(ends.remote), arrival(segment, true));
        let answered = attempt.answered(&self.settings.tcp, &syn_ack, mss, self.now);
        let Some(sleeping) = answered.filter(|_| self.may_call()) else { return false };
        let event = (Event::Open, &[][..]);
        let Some(called) = self.call_asleep(app, (slot, &ends), &sleeping, event) else {
            return false;
        };
        let Some(deed) = called.deed(Heard::SynAck, sleeping.text_most(mss)) else {
            let before = Before::InFlight(index);
            self.go_on_opened(app, (slot, before), Some(&syn_ack), called);
            return true;
        };
        self.link.keep_way_back();
        self.counters.opened.add(1);
        self.replies.take(index);
        self.perform((slot, &ends), sleeping, deed, (called.step, called.frame));
        true
    }
}
