//! Between having work and having none: connections that fall asleep, wake, wait out their
//! TIME-WAIT, or are over. Invariant: a record without a block needs nothing that is not in it.

use app::{Cx, DialError, End, Handler, Next, Origin, Out};
use base::{ConnId, Instant};
use core::time::Duration;
use port::Port;
use tcp::{Body, Events, Sleeping, Waiting};

use super::serve::{Event, peer};
use super::sweep::RECORDS_A_LOOK;
use super::{Core, sleep_timer, tcp_turn};

/// Records looked at for one that has rested long, when one has to make way.
const CANDIDATES: u32 = 64;

/// What a handler is told of a connection at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Whether this end opened it.
    pub(super) opened: bool,
    /// Whether the handler has heard of it.
    pub(super) told: bool,
    /// Whether the peer had closed its side.
    pub(super) input_ended: bool,
    /// Bytes put out that were not taken.
    pub(super) unsent: u64,
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// After all has been done for a connection: lets it sleep or wait out its TIME-WAIT if there
    /// is nothing more, else sets its timer.
    pub(super) fn settle<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) {
        let working = &self.blocks[block];
        if working.facts.time_wait && !working.facts.listed {
            return self.enter_time_wait(app, block);
        }
        let at_rest = working.is_at_rest();
        let scarce = self.blocks.are_scarce();
        if at_rest && (scarce || working.tcp.may_sleep(&self.settings.tcp, self.now)) {
            return self.sleep(block);
        }
        if scarce && working.has_only_to_hear_of_the_end() {
            // Peers that never close would hold a block each, for a minute.
            return self.enter_time_wait(app, block);
        }
        self.set_timer(block, at_rest);
    }

    /// Sets a block's timer to the earliest of what it waits for.
    pub(super) fn arm(&mut self, block: u32) {
        let at_rest = self.blocks[block].is_at_rest();
        self.set_timer(block, at_rest);
    }

    fn set_timer(&mut self, block: u32, at_rest: bool) {
        let working = &self.blocks[block];
        let mut first = working.tcp.deadline().unwrap_or(Instant::NEVER);
        if at_rest {
            // Awake only to keep its congestion window for a while.
            first = first.min(self.now + self.settings.tcp.retransmission.rto_min);
        }
        first = working.timer.map_or(first, |timer| timer.min(first));
        match first {
            Instant::NEVER => self.wheel.cancel(block),
            first => self.wheel.set(block, first),
        }
    }

    /// Puts all there is of a connection into its record.
    fn sleep(&mut self, block: u32) {
        let working = &self.blocks[block];
        let waiting = match (working.waiting, working.facts.drained) {
            (Next::Idle, _) => Waiting::Idle,
            (Next::Wait, false) => Waiting::Wake,
            (Next::Wait, true) => Waiting::WakeAsked,
            (_, false) => Waiting::Input,
            (_, true) => Waiting::InputAsked,
        };
        let mut sleeping = working.tcp.sleep(&self.settings.tcp, waiting);
        sleeping.timer = sleep_timer::encode(self.now, working.timer);
        if let Some(record) = self.flows.get_mut(working.slot) {
            record.body = Body::Sleeping(sleeping);
        }
        self.release(block);
    }

    /// Gives a sleeping connection a block. `None` when there is none.
    pub(super) fn wake_up(&mut self, slot: u32, sleeping: &Sleeping) -> Option<u32> {
        let record = self.flows.get_mut(slot)?;
        let block = self.blocks.take(slot)?;
        record.body = Body::Working(block);
        let mss = self.link.mss(record.flow.remote());
        let working = &mut self.blocks[block];
        working.tcp.wake(&tcp_turn!(self), sleeping, mss);
        working.sent_to = working.tcp.end();
        working.has_slept(sleeping, self.now);
        Some(block)
    }

    /// Gives a block back; its connection has no use for it any more.
    fn release(&mut self, block: u32) {
        self.set_half_open(block, false);
        self.wheel.cancel(block);
        self.blocks.give(block, &mut self.buffers);
    }

    /// A connection is over, as TCP says: tells the handler, and gives everything back.
    pub(super) fn over<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, events: Events) {
        let unreachable = self.blocks[block].tcp.is_unreachable();
        if self.is_being_opened(block) {
            return self.unmade(app, block, dial_error_of(events, unreachable));
        }
        self.ended(app, block, end_of(events, unreachable));
    }

    /// A connection is over: tells the handler, if it has heard of it, and gives everything back.
    pub(super) fn ended<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, why: End) {
        self.tell_end(app, block, why);
        self.remove(block);
    }

    /// A connection that was being opened was not made: tells the handler, and gives everything
    /// back.
    pub(super) fn unmade<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, why: DialError) {
        let slot = self.blocks[block].slot;
        let conn = self.flows.get(slot).map(|record| record.conn).unwrap_or_default();
        self.remove(block);
        self.counters.undialled.add(1);
        app.undialled(self.now, conn, why);
    }

    /// Whether the handler asked for a connection and has not been told yet what became of it.
    pub(super) fn is_being_opened(&self, block: u32) -> bool {
        let working = &self.blocks[block];
        working.tcp.opened() && !working.facts.opened
    }

    /// Gives a block and the record that names it back.
    fn remove(&mut self, block: u32) {
        let slot = self.blocks[block].slot;
        self.release(block);
        self.flows.remove(slot);
    }

    fn tell_end<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, why: End) {
        let working = &self.blocks[block];
        let last = Last {
            opened: working.tcp.opened(),
            told: working.facts.opened,
            input_ended: working.facts.input_ended,
            unsent: working.unsent(),
        };
        self.tell_end_of(app, working.slot, last, why);
    }

    /// The same for the connection in a slot, which need not have a block.
    pub(super) fn tell_end_of<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        last: Last,
        why: End,
    ) {
        self.count_end(why);
        let Some((id, ends)) = self.names(slot) else { return };
        let Last { opened, told, input_ended, unsent } = last;
        if !opened {
            self.clients.leave(ends.remote);
        }
        if !told {
            return;
        }
        let origin = Origin { peer: peer(&ends), role: self.role(&ends, opened) };
        let now = self.now;
        if let Some(record) = self.flows.get_mut(id.slot()) {
            let out = Out::closed();
            let conn = &mut record.conn;
            app.end(&mut Cx { id, now, origin, input_ended, unsent, conn, out }, why);
        }
    }

    fn count_end(&self, why: End) {
        match why {
            End::Reset | End::TimedOut | End::Unreachable => self.counters.reset.add(1),
            End::Evicted => self.counters.evicted.add(1),
            End::ShortSource => self.counters.short_sources.add(1),
            End::Overflow => self.counters.overflowed.add(1),
            End::Closed | End::Aborted | End::Shutdown => {}
        }
    }

    /// Both sides have closed, this one first, or the other will: only the record stays.
    fn enter_time_wait<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) {
        self.tell_end(app, block, End::Closed);
        let slot = self.blocks[block].slot;
        let time_wait = self.blocks[block].tcp.time_wait(&tcp_turn!(self));
        self.release(block);
        self.begin_time_wait(slot, time_wait);
    }

    /// Ends the TIME-WAIT that has lasted longest.
    pub(super) fn forget_oldest_time_wait(&mut self) {
        while let Some(slot) = self.time_waits.pop_front() {
            let record = self.flows.get(slot);
            if record.is_some_and(|record| matches!(record.body, Body::TimeWait(_))) {
                return self.forget(slot);
            }
        }
    }

    /// Removes the record of a connection in TIME-WAIT. Its place in the queue stays, and means
    /// nothing any more.
    pub(super) fn forget(&mut self, slot: u32) {
        self.flows.remove(slot);
        self.in_time_wait -= 1;
    }

    /// Removes those whose TIME-WAIT is over. What else is in front has ended early, and its slot may
    /// be another's by now.
    fn end_time_waits(&mut self) {
        while let Some(&slot) = self.time_waits.front() {
            if let Some(record) = self.flows.get(slot)
                && let Body::TimeWait(time_wait) = &record.body
            {
                if !time_wait.is_over(&self.settings.tcp, self.now) {
                    return;
                }
                self.forget(slot);
            }
            self.time_waits.pop_front();
        }
    }

    /// Looks at some of the sleeping connections' timers, so that all are looked at in every pass.
    /// Gives how many connections had something to do.
    pub(super) fn sweep<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        self.end_time_waits();
        let looked = self.sweep.begin(self.now, self.flows.len());
        let budget = if self.draining { RECORDS_A_LOOK } else { looked };
        let mut busy = 0;
        for _ in 0..budget {
            let Some(slot) = self.flows.next_slot(self.sweep.next_slot) else {
                self.sweep.next_slot = 0;
                break;
            };
            self.sweep.next_slot = slot + 1;
            busy += u32::from(self.look_at(app, slot));
        }
        busy
    }

    fn look_at<H: Handler<Conn = C>>(&mut self, app: &mut H, slot: u32) -> bool {
        let Some(record) = self.flows.get(slot) else { return false };
        match record.body {
            Body::Sleeping(sleeping) => self.look_at_sleeping(app, slot, &sleeping),
            Body::Working(block) if self.draining => self.drain_block(app, block),
            Body::Replied(index) if self.draining => match self.resume(slot, index) {
                Some(block) => self.drain_block(app, block),
                None => false,
            },
            // The queue has one that began anew, or whose slot was used again, too far in front, and what
            // is behind it waits there.
            Body::TimeWait(time_wait) if time_wait.is_over(&self.settings.tcp, self.now) => {
                self.forget(slot);
                false
            }
            Body::Working(_) | Body::Replied(_) | Body::TimeWait(_) => false,
        }
    }

    fn look_at_sleeping<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        sleeping: &Sleeping,
    ) -> bool {
        let config = &self.settings.tcp;
        let timer = sleep_timer::is_due(self.now, sleeping.timer);
        let probe = sleeping.keep_alive_in(config, self.now) == Some(Duration::ZERO);
        let ask = self.draining && !sleeping.waiting.was_asked();
        if !timer && !probe && !ask || !self.may_begin() {
            return false;
        }
        let Some(block) = self.wake_up(slot, sleeping) else { return false };
        if ask {
            return self.drain_block(app, block);
        }
        if probe {
            self.blocks[block].tcp.keep_alive(&tcp_turn!(self));
        }
        if timer {
            self.blocks[block].timer = Some(self.now);
        }
        self.run_timer(app, block);
        true
    }

    /// Closes an idle connection, gives one up that is being opened, and asks any other one, once,
    /// to finish.
    fn drain_block<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) -> bool {
        if self.is_being_opened(block) {
            self.give_up(app, block, DialError::Shutdown);
            return true;
        }
        let working = &mut self.blocks[block];
        if working.facts.drained || working.facts.closing || !working.facts.opened {
            return false;
        }
        working.facts.drained = true;
        let idle = working.waiting == Next::Idle && !working.facts.fresh && working.unsent() == 0;
        if idle {
            self.begin_close(block);
        } else if self.call(app, block, Event::Drain, &[]) == super::serve::Fate::Over {
            return true;
        }
        self.run(app, block, &[]);
        true
    }

    /// Stops accepting and begins to close what is idle.
    pub(super) fn drain<H: Handler<Conn = C>>(&mut self, app: &mut H) {
        self.draining = true;
        self.sweep.next_slot = 0;
        self.sweep(app);
    }

    /// Ends everything, with a reset for each peer that there is a packet buffer for.
    pub(super) fn shut_down<H: Handler<Conn = C>>(&mut self, app: &mut H) {
        self.draining = true;
        let mut from = 0;
        while let Some(slot) = self.flows.next_slot(from) {
            from = slot + 1;
            let body = self.flows.get(slot).map(|record| record.body);
            let block = match body {
                Some(Body::Working(block)) => Some(block),
                Some(Body::Sleeping(sleeping)) => self.wake_up(slot, &sleeping),
                Some(Body::Replied(index)) => self.resume(slot, index),
                Some(Body::TimeWait(_)) => {
                    self.forget(slot);
                    None
                }
                None => None,
            };
            if let Some(block) = block {
                self.abort(app, block, End::Shutdown);
                // A block is free now, so one that found none can be woken.
                from = if self.blocks.available() == 1 { 0 } else { from };
            }
        }
    }

    /// Somebody woke a connection. Without a block for it the wake waits until there is one.
    pub(super) fn wake_connection<H: Handler<Conn = C>>(&mut self, id: ConnId, app: &mut H) {
        let Some(slot) = self.flows.slot(id) else { return };
        let block = match self.flows.get(slot).map(|record| record.body) {
            Some(Body::Working(block)) => block,
            Some(Body::Sleeping(_)) if !self.may_begin() => return self.put_off(id),
            Some(Body::Sleeping(sleeping)) if self.wake_asleep(app, slot, &sleeping) => return,
            Some(Body::Sleeping(sleeping)) => match self.wake_up(slot, &sleeping) {
                Some(block) => block,
                None => return self.put_off(id),
            },
            Some(Body::Replied(index)) if self.wake_in_flight(app, slot, index) => return,
            Some(Body::Replied(index)) => match self.resume(slot, index) {
                Some(block) => block,
                None => return self.put_off(id),
            },
            Some(Body::TimeWait(_)) | None => return,
        };
        let facts = &self.blocks[block].facts;
        if facts.opened
            && !facts.closing
            && self.call(app, block, Event::Wake, &[]) == super::serve::Fate::Over
        {
            return;
        }
        self.run(app, block, &[]);
    }

    /// Wakes many connections; the cache misses of their records overlap.
    pub(super) fn wake_connections<H: Handler<Conn = C>>(&mut self, ids: &[ConnId], app: &mut H) {
        for batch in ids.chunks(mem::Batch::CAPACITY) {
            for id in batch {
                self.flows.prefetch_slot(id.slot());
            }
            for id in batch {
                self.wake_connection(*id, app);
            }
        }
    }

    /// Keeps a wake for later. There is room for one for each connection, and wakes come together
    /// where they are sent, so what finds none is one of many for the same connection.
    fn put_off(&mut self, id: ConnId) {
        if self.wakes.len() < self.wakes.capacity() {
            self.wakes.push_back(id);
        }
    }

    /// Delivers wakes that were put off, as far as blocks have become free. Gives how many.
    pub(super) fn deliver_wakes<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        let mut delivered = 0;
        while self.may_begin()
            && self.blocks.available() > 0
            && let Some(id) = self.wakes.pop_front()
        {
            delivered += 1;
            self.wake_connection(id, app);
        }
        delivered
    }

    /// Ends, of some connections that idle, the one that has rested longest. Says whether there
    /// was one.
    pub(super) fn evict_idle<H: Handler<Conn = C>>(&mut self, app: &mut H) -> bool {
        let mut oldest: Option<(u64, u32, Sleeping)> = None;
        let mut from = self.sweep.next_slot;
        for _ in 0..CANDIDATES {
            let Some(slot) = self.flows.next_slot(from).or_else(|| self.flows.next_slot(0)) else {
                break;
            };
            from = slot + 1;
            let Some(Body::Sleeping(sleeping)) = self.flows.get(slot).map(|record| record.body)
            else {
                continue;
            };
            let age = sleeping.age_ms(self.now);
            let older = oldest.as_ref().is_none_or(|(most, ..)| age > *most);
            if sleeping.waiting == Waiting::Idle && older {
                oldest = Some((age, slot, sleeping));
            }
        }
        let Some((_, slot, sleeping)) = oldest else { return false };
        let Some(block) = self.wake_up(slot, &sleeping) else { return false };
        self.abort(app, block, End::Evicted);
        true
    }

    /// When there is something to do without anything arriving.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let wakes = !self.wakes.is_empty() && self.may_begin();
        if self.has_listed() || wakes || self.link.is_blocked() || self.retiring.is_under_way() {
            return Some(self.now);
        }
        let look = (self.flows.len() > 0).then(|| self.sweep.next(self.flows.len()));
        let first = [self.wheel.next_deadline(), self.link.deadline(), self.reply_deadline(), look];
        first.into_iter().flatten().min()
    }
}

/// Why a connection was not made, as TCP says. That the network answered that there is no way there
/// does not end the attempt (RFC 1122 section 4.2.3.9), and is told when time has.
fn dial_error_of(events: Events, unreachable: bool) -> DialError {
    if events.any(Events::REFUSED) {
        DialError::Refused
    } else if events.any(Events::TIMED_OUT) && unreachable {
        DialError::Unreachable
    } else if events.any(Events::TIMED_OUT) {
        DialError::TimedOut
    } else {
        DialError::Reset
    }
}

/// Why a connection is over, as TCP says.
//= specs/rfc9293.txt#section-3.9.2.2
//# Since these Unreachable messages indicate soft error
//# conditions, a TCP implementation MUST NOT abort the connection
//# (MUST-56), and it SHOULD make the information available to the
//# application (SHLD-25).
fn end_of(events: Events, unreachable: bool) -> End {
    if events.any(Events::TIMED_OUT) {
        if unreachable { End::Unreachable } else { End::TimedOut }
    } else if events.any(Events::RESET) {
        End::Reset
    } else {
        End::Closed
    }
}
