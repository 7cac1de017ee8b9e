//! Connections that peers open. Invariant: a connection is begun only when there is a record and a
//! working block for it, so that it can be served.

use core::net::IpAddr;
use core::time::Duration;

use app::{Handler, Role};
use base::Seq;
use port::Port;
use tcp::{Answered, Arrival, Body, Flow, Listened, Opening, Reset, Sleeping, Tuple};

use super::input::arrival;
use super::{Core, Stray, tcp_turn};
use crate::Reason;
use crate::link::Segment;

/// Connections of one shard that peers have opened and not shown themselves reachable for, at most:
/// more are answered with cookies, which cost nothing (RFC 4987 section 3.6). Enough for 10,000 new
/// connections a second over round trips of a tenth of one; cookies keep the options of the others.
const HALF_OPEN_MOST: u32 = 1_024;
/// While there are too many, one that has not shown itself for so long is given up when its SYN-ACK
/// would be sent for the fourth time, and not after minutes: what comes next needs its place more.
const HALF_OPEN_FOR: Duration = Duration::from_secs(5);
/// How long there are too many after there was no room for one: until those that are there now have been
/// given up.
const FLOODED_FOR: Duration = Duration::from_secs(10);

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// A segment that belongs to no connection.
    pub(super) fn segment_for_listener<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        segment: &Segment<'_>,
        hash: u64,
    ) {
        let ends = self.ends(segment);
        let arrived = arrival(segment, false);
        if self.draining || self.listener(&ends).is_none() {
            let reset = Reset::answering(&arrived);
            self.stray = Some(Stray { ends, reset, reason: Reason::NoListener });
            return;
        }
        let stray = |reset| Some(Stray { ends, reset, reason: Reason::NoConnection });
        match Listened::to(&arrived) {
            Listened::Ignore => self.stray = stray(None),
            Listened::Syn => self.accept(app, segment, hash, None),
            Listened::Acknowledgment(reset) => {
                let config = &self.settings.tcp;
                match self.cookies.take(config, self.now, &ends, &arrived) {
                    Answered::Complete(sleeping) => {
                        self.begin_from_cookie(app, segment, hash, &sleeping);
                    }
                    Answered::Early => self.drops.count(Reason::NoConnection),
                    Answered::No => self.stray = stray(Some(reset)),
                }
            }
        }
    }

    /// Answers a SYN: by beginning a connection, or with a cookie. `after`: its sequence numbers
    /// must be after this one, that of an earlier connection between the same ends.
    pub(super) fn accept<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        segment: &Segment<'_>,
        hash: u64,
        after: Option<Seq>,
    ) {
        let ends = self.ends(segment);
        let arrived = Arrival { length: 0, ..arrival(segment, false) };
        let mss = self.link.mss(ends.remote);
        let full = self.is_full();
        if !self.admits(&ends, !full || self.settings.evict_idle) {
            return self.refuse(&ends, Reset::answering(&arrived));
        }
        // Each greeting may want a block.
        let greetings = self.replies.greetings();
        let flooded = self.half_open + greetings >= HALF_OPEN_MOST;
        if flooded {
            self.flooded_until = self.now + FLOODED_FOR;
        }
        // Nobody makes way for an address that may not exist.
        if full || flooded || self.blocks.are_scarce_beside(greetings) {
            let config = &self.settings.tcp;
            let cookie = self.cookies.answer(config, self.now, &ends, &arrived, mss);
            return self.send(&ends, &cookie);
        }
        let iss = self.sequence_number(&ends, after);
        if self.greet(segment, hash, &ends, iss).is_some() {
            return;
        }
        let Some(block) = self.begin(segment.flow, hash) else {
            return self.drops.count(Reason::NoWorkingBlock);
        };
        let working = &mut self.blocks[block];
        let opening = Opening { iss, mss, ipv6: ends.remote.is_ipv6() };
        working.tcp.accept(&tcp_turn!(self), &arrived, &opening);
        self.clients.enter(ends.remote);
        working.sent_to = working.tcp.end();
        self.set_half_open(block, true);
        self.run(app, block, &[]);
    }

    /// Whether a connection is half open, and has been for so long that another needs its place more.
    pub(super) fn is_in_the_way(&self, block: u32) -> bool {
        let working = &self.blocks[block];
        working.facts.half_open
            && self.now < self.flooded_until
            && self.now - working.tcp.waiting_since() >= HALF_OPEN_FOR
    }

    /// Takes down whether a block is one in SYN-RECEIVED.
    pub(super) fn set_half_open(&mut self, block: u32, half_open: bool) {
        let facts = &mut self.blocks[block].facts;
        self.half_open = self.half_open + u32::from(half_open) - u32::from(facts.half_open);
        facts.half_open = half_open;
    }

    /// Begins the connection that the acknowledgment of a cookie completes. Without a block for it
    /// the acknowledgment counts as lost: the peer, who believes in the connection, sends again.
    fn begin_from_cookie<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        segment: &Segment<'_>,
        hash: u64,
        sleeping: &Sleeping,
    ) {
        let ends = self.ends(segment);
        let makes_way = self.settings.evict_idle && self.clients.has_room(ends.remote);
        let room = !self.is_full() || makes_way && self.evict_idle(app);
        if !self.admits(&ends, room) {
            return self.refuse(&ends, Reset::answering(&arrival(segment, false)));
        }
        let Some(block) = self.begin(segment.flow, hash) else {
            return self.drops.count(Reason::NoWorkingBlock);
        };
        self.complete_from_cookie(block, sleeping, ends.remote);
        self.clients.enter(ends.remote);
        self.segment_for_block(app, block, segment);
    }

    /// What a segment refused in SYN-RECEIVED is to a cookie: one that went out for an earlier copy
    /// of the SYN, while blocks were scarce. If it completes the handshake of that one, the block
    /// becomes the connection that the cookie stands for.
    pub(super) fn take_cookie_instead(&mut self, block: u32, arrived: &Arrival<'_>) -> Answered {
        let working = &self.blocks[block];
        let ends = self.flows.ends(working.slot, &self.link.addresses);
        let Some(ends) = ends.filter(|_| !working.facts.established && !working.tcp.opened())
        else {
            return Answered::No;
        };
        let answered = self.cookies.take(&self.settings.tcp, self.now, &ends, arrived);
        if let Answered::Complete(sleeping) = &answered {
            self.complete_from_cookie(block, sleeping, ends.remote);
        }
        answered
    }

    fn complete_from_cookie(&mut self, block: u32, sleeping: &Sleeping, remote: IpAddr) {
        let mss = self.link.mss(remote);
        let working = &mut self.blocks[block];
        working.tcp.wake(&tcp_turn!(self), sleeping, mss);
        working.sent_to = working.tcp.end();
        working.facts.established = true;
        self.set_half_open(block, false);
        self.counters.accepted.add(1);
    }

    /// Whether a connection may be accepted within the limits, if there is `room` for it.
    fn admits(&self, ends: &Tuple, room: bool) -> bool {
        if !self.clients.has_room(ends.remote) {
            self.counters.refused_client.add(1);
            return false;
        }
        if !room {
            self.counters.refused_full.add(1);
        }
        room
    }

    /// A record and a block for a connection between these ends.
    pub(super) fn begin(&mut self, flow: Flow, hash: u64) -> Option<u32> {
        if self.is_full() || self.blocks.available() == 0 {
            return None;
        }
        let slot = self.flows.insert(hash, flow, Body::Working(0))?;
        let block = self.blocks.take(slot);
        match (block, self.flows.get_mut(slot)) {
            (Some(block), Some(record)) => {
                record.body = Body::Working(block);
                Some(block)
            }
            _ => {
                self.flows.remove(slot);
                None
            }
        }
    }

    /// Whether no more connections may be begun; one that only waits out its TIME-WAIT makes way.
    pub(super) fn is_full(&mut self) -> bool {
        if self.flows.len() >= self.settings.connections || self.flows.is_full() {
            self.forget_oldest_time_wait();
        }
        self.flows.len() >= self.settings.connections || self.flows.is_full()
    }

    /// The ends of the connection that a segment belongs to.
    pub(super) fn ends(&self, segment: &Segment<'_>) -> Tuple {
        crate::flows::tuple(&segment.flow, &self.link.addresses)
    }

    fn refuse(&mut self, ends: &Tuple, reset: Option<Reset>) {
        if let Some(reset) = reset {
            self.send(ends, &reset.outgoing());
        }
    }

    /// The listener that a connection's near end belongs to.
    pub(super) fn listener(&self, ends: &Tuple) -> Option<u16> {
        let fits = |listener: &crate::Listener| listener.fits(ends.local, ends.local_port);
        self.listeners.iter().position(fits).and_then(|index| u16::try_from(index).ok())
    }

    /// How a connection came to be.
    pub(super) fn role(&self, ends: &Tuple, opened: bool) -> Role {
        match self.listener(ends) {
            Some(listener) if !opened => Role::Accepted { listener },
            _ => Role::Opened,
        }
    }
}
