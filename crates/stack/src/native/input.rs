//! Packets that arrived, in three passes over a batch: parse and hash all; look up and prefetch all;
//! process each. So the cache misses of a batch overlap. Invariant: packets are processed in the
//! order they arrived.

use alloc::vec::Vec;

use app::{DialError, End, Handler};
use base::Seq;
use mem::{Batch, Pool};
use port::Port;
use tcp::{Answered, Arrival, Body, Events, Flow, Late, Payload, Received, Unreachable};
use wire::tcp::Flags;

use super::{Core, Stray, tcp_turn};
use crate::Reason;
use crate::link::{Complaint, Control, Found, Packet, Segment, Trouble};

/// Blocks looked at in one go for bytes ahead of their turn, when buffers have run out.
const BLOCKS_A_LOOK: u32 = 16;

/// A packet between the passes.
pub(super) enum Parsed {
    Segment { found: Found, hash: u64, likely: Option<u32> },
    Control(Control),
    Dropped,
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Takes a batch in.
    pub(super) fn input<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        arrivals: &Pool,
        batch: &Batch,
    ) {
        let mut packets = core::mem::take(&mut self.parsed);
        for frame in batch.iter() {
            arrivals.prefetch(frame);
        }
        for frame in batch.iter() {
            self.parse(arrivals.data(frame), &mut packets);
        }
        self.look_up(&mut packets);
        for (parsed, frame) in packets.iter().zip(batch.iter()) {
            let data = arrivals.data(frame);
            match parsed {
                Parsed::Segment { found, hash, likely } => {
                    self.link.begin_answer(&found.flow, data);
                    let slot = self.flows.find_likely(*likely, *hash, &found.flow);
                    self.segment(app, (found, *hash, slot), data);
                    if self.stray.is_some() {
                        self.deal_with_stray(data);
                    }
                }
                Parsed::Control(control) => {
                    if let Some(complaint) = self.link.control(control, data)
                        && !self.complaint(app, &complaint)
                    {
                        // It may speak of a connection of another shard.
                        self.link.pass_on(data, self.passed);
                    }
                }
                Parsed::Dropped => {}
            }
        }
        self.link.end_answer();
        packets.clear();
        self.parsed = packets;
    }

    /// Starts loading the records of packets whose buckets have been asked for: of those first that are
    /// in the bucket, and then of those that are behind it.
    #[inline]
    fn look_up(&self, parsed: &mut [Parsed]) {
        let mut missing = false;
        for parsed in &mut *parsed {
            if let Parsed::Segment { hash, likely, .. } = parsed {
                *likely = self.flows.prefetch_record(*hash);
                missing |= likely.is_none();
            }
        }
        if missing {
            for parsed in parsed {
                if let Parsed::Segment { hash, likely: likely @ None, .. } = parsed {
                    *likely = self.flows.prefetch_record_in_chain(*hash);
                }
            }
        }
    }

    /// A segment that fits nothing here goes to the link's next shard, if that has not seen it: the
    /// path of a connection may have moved from its queue to ours. Nobody's is answered with a reset.
    fn deal_with_stray(&mut self, frame: &[u8]) {
        let Some(stray) = self.stray.take() else { return };
        if self.link.pass_on(frame, self.passed) {
            return;
        }
        self.drops.count(stray.reason);
        if let Some(reset) = stray.reset {
            self.send(&stray.ends, &reset.outgoing());
        }
    }

    /// Adds what a frame holds to the packets of its batch.
    #[inline]
    fn parse(&self, frame: &[u8], packets: &mut Vec<Parsed>) {
        match self.link.parse_plain(frame) {
            Some(found) => self.note_segment(found, packets),
            None => self.parse_any(frame, packets),
        }
    }

    #[inline]
    fn note_segment(&self, found: Found, packets: &mut Vec<Parsed>) {
        let hash = self.flows.hash(&found.flow);
        self.flows.prefetch_bucket(hash);
        packets.push(Parsed::Segment { found, hash, likely: None });
    }

    #[inline(never)]
    fn parse_any(&self, frame: &[u8], packets: &mut Vec<Parsed>) {
        match self.link.parse_any(frame) {
            Ok(Packet::Segment(found)) => self.note_segment(found, packets),
            Ok(Packet::Control(control)) => packets.push(Parsed::Control(control)),
            Err(reason) => {
                self.drops.count(reason);
                packets.push(Parsed::Dropped);
            }
        }
    }

    fn segment<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        (found, hash, slot): (&Found, u64, Option<u32>),
        frame: &[u8],
    ) {
        if let Some(slot) = slot
            && let Some(segment) = found.read_plain(frame)
            && self.plain_segment(app, slot, &segment)
        {
            return;
        }
        let Some(segment) = found.read(frame) else { return };
        self.counters.bytes_in.add(segment.payload.len() as u64);
        let Some(slot) = slot else {
            return self.segment_for_listener(app, &segment, hash);
        };
        if segment.header.flags.any(Flags::SYN) && self.made(app, slot, &segment) {
            return;
        }
        let block = match self.flows.get(slot).map(|record| record.body) {
            Some(Body::Working(block)) => Some(block),
            Some(Body::Sleeping(sleeping)) => self.wake_up(slot, &sleeping),
            Some(Body::Replied(index)) => self.resume(slot, index),
            Some(Body::TimeWait(_)) => {
                return self.segment_for_time_wait(app, slot, &segment, hash);
            }
            None => return,
        };
        match block {
            Some(block) => self.segment_for_block(app, block, &segment),
            None => self.drops.count(Reason::NoWorkingBlock),
        }
    }

    pub(super) fn segment_for_block<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        segment: &Segment<'_>,
    ) {
        let payload = segment.payload;
        self.moved += payload.len();
        if !payload.is_empty() && !self.has_room(block, segment.header.sequence, payload.len()) {
            // As if the payload had been lost, before anything about it is acknowledged. What the
            // segment acknowledges still counts: that is what gives buffers back.
            self.drops.count(Reason::NoBuffer);
            let most = self.settings.payload_most;
            // Of several that came as one, the first may still be taken.
            let part = if payload.len() > most { most } else { 0 };
            return self.segment_for_block(app, block, &segment.cut_after(part));
        }
        // What is ahead of its turn may not take the buffers that what comes before it needs.
        let spare = 2 * self.buffers_for(payload.len()) - 1;
        let can_hold = self.buffers.available() >= spare.max(self.buffers.capacity() / 2);
        let held = &mut self.blocks[block];
        let arrival = arrival(segment, can_hold);
        let before = held.tcp.receive_next();
        let mut received = held.tcp.receive(&mut tcp_turn!(self), &arrival);
        if received.acknowledged > 0 {
            held.sending.release(received.acknowledged, &mut self.buffers);
        }
        if received.reset.is_some() {
            match self.take_cookie_instead(block, &arrival) {
                Answered::Complete(_) => {
                    return self.segment_for_block(app, block, segment);
                }
                Answered::Early => received.reset = None,
                Answered::No => {
                    let ends = self.ends(segment);
                    let reset = received.reset.take();
                    self.stray = Some(Stray { ends, reset, reason: Reason::NoConnection });
                }
            }
        }
        let held = &mut self.blocks[block];
        if let Payload::OutOfOrder { skip, length } = received.payload
            && !held.facts.closing
        {
            let first = arrival.header.sequence + skip;
            let ahead = first.distance(before).unsigned_abs() as usize;
            let bytes = &payload[skip as usize..(skip + length) as usize];
            let kept = held.received.write(ahead, bytes, &mut self.buffers);
            debug_assert!(kept, "room was there before TCP was told so");
        }
        self.after_segment(app, block, &received, payload);
    }

    /// Whether there are buffers, and places for them, for payload that starts at `first`. What is next in order is worth
    /// more than what is ahead of its turn, which is forgotten for it: of this connection, then of
    /// some others. Else what is ahead could hold all buffers, and wait for ever for what lies
    /// before it.
    fn has_room(&mut self, block: u32, first: Seq, length: usize) -> bool {
        let held = &self.blocks[block];
        let next = held.tcp.receive_next();
        // What is beyond the window will not be taken.
        let end = usize::try_from(first.distance(next)).unwrap_or(0) + length;
        let end = end.min(held.tcp.receive_window() as usize);
        if !held.received.fits(end) && !self.blocks.widen(block) {
            return false;
        }
        let wanted = self.buffers_for(length);
        if self.buffers.available() >= wanted {
            return true;
        }
        if next.before(first) {
            return false;
        }
        self.blocks[block].forget_ahead(&mut self.buffers);
        for _ in 0..BLOCKS_A_LOOK {
            if self.buffers.available() >= wanted {
                break;
            }
            self.blocks.next_in_turn().forget_ahead(&mut self.buffers);
        }
        self.buffers.available() >= wanted
    }

    /// Buffers that must be free for so many bytes of payload: those that a segment can need, or those
    /// of several that came as one.
    const fn buffers_for(&self, length: usize) -> u32 {
        let settings = &self.settings;
        if length <= settings.payload_most {
            settings.buffers_for_payload
        } else {
            super::buffers_for(length)
        }
    }

    /// Acts on what a segment led to.
    fn after_segment<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        received: &Received,
        payload: &[u8],
    ) {
        if received.dropped.is_some() {
            self.drops.count(Reason::Refused);
        }
        if let Some(reset) = received.reset {
            self.send_for_block(block, &reset.outgoing());
        }
        let events = received.events;
        self.note_events(block, events);
        if events.any(Events::OVER) {
            return self.over(app, block, events);
        }
        let new = match received.payload {
            Payload::InOrder { skip, length, held } => {
                let new = &payload[skip as usize..(skip + length) as usize];
                match self.take_in(block, new, held as usize) {
                    Some(new) => new,
                    None => return self.abort(app, block, End::Overflow),
                }
            }
            Payload::None | Payload::OutOfOrder { .. } => &[],
        };
        self.run(app, block, new);
    }

    /// Puts new bytes in order where the handler will get them from: gives them back when it can
    /// have them straight from the packet. `None` when there is no room to keep them.
    fn take_in<'p>(&mut self, block: u32, new: &'p [u8], held: usize) -> Option<&'p [u8]> {
        let block = &mut self.blocks[block];
        if block.facts.closing {
            block.tcp.consumed(&tcp_turn!(self), (new.len() + held) as u32);
            return Some(&[]);
        }
        block.facts.fresh = true;
        if block.received.is_vacant() && block.can_take_now() {
            return Some(new);
        }
        if !block.received.write(0, new, &mut self.buffers) {
            return None;
        }
        block.received.advance(new.len() + held);
        Some(&[])
    }

    /// Remembers what happened to a connection, for the handler to be told.
    pub(super) fn note_events(&mut self, block: u32, events: Events) {
        if events.any(Events::ESTABLISHED) {
            self.set_half_open(block, false);
        }
        let working = &mut self.blocks[block];
        let facts = &mut working.facts;
        if events.any(Events::ESTABLISHED) {
            facts.established = true;
            self.link.keep_way_back();
            if working.tcp.opened() {
                // It ran for the connection to be established.
                working.timer = None;
                self.counters.opened.add(1);
            } else {
                self.counters.accepted.add(1);
            }
        }
        facts.time_wait |= events.any(Events::TIME_WAIT);
        if events.any(Events::INPUT_ENDED) {
            facts.input_ended = true;
            facts.fresh = true;
        }
    }

    fn segment_for_time_wait<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        slot: u32,
        segment: &Segment<'_>,
        hash: u64,
    ) {
        let ends = self.ends(segment);
        // The old connection may have been one that this end opened.
        let listens = !self.draining && self.listener(&ends).is_some();
        let Some(record) = self.flows.get_mut(slot) else { return };
        let Body::TimeWait(mut time_wait) = record.body else { return };
        let turn = &mut tcp_turn!(self);
        let mut late = time_wait.receive(turn, &arrival(segment, false));
        record.body = Body::TimeWait(time_wait);
        if matches!(late, Late::Reopen { .. }) && !listens {
            late = time_wait.refuse(turn);
        }
        match late {
            Late::Ignore => self.drops.count(Reason::Refused),
            Late::Acknowledge(outgoing) => self.send(&ends, &outgoing),
            Late::Over => self.forget(slot),
            Late::Reopen { after } => {
                self.forget(slot);
                self.accept(app, segment, hash, Some(after));
            }
        }
    }

    /// An ICMP error about a packet of ours. Says whether it is of a connection here.
    pub(super) fn complaint<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        complaint: &Complaint,
    ) -> bool {
        let about = &complaint.about;
        if about.protocol != wire::protocol::TCP {
            return false;
        }
        let Some(local) = self.link.addresses.index(about.source) else { return false };
        let remote = about.destination;
        let flow = Flow::new(remote, about.destination_port, local, about.source_port);
        let found = self.flows.find(self.flows.hash(&flow), &flow);
        let Some(slot) = found else { return false };
        let block = match self.flows.get(slot).map(|record| record.body) {
            Some(Body::Working(block)) => Some(block),
            Some(Body::Replied(index)) => self.resume(slot, index),
            // Nothing is in flight that could be spoken of.
            Some(Body::Sleeping(_) | Body::TimeWait(_)) | None => None,
        };
        let Some(block) = block else { return true };
        let error = match complaint.what {
            Trouble::TooBig { mtu } => Unreachable::TooBig { mss: mss_of(mtu, remote) },
            Trouble::Unreachable { hard: true } => Unreachable::Hard,
            Trouble::Unreachable { hard: false } => Unreachable::Soft,
        };
        let events = self.blocks[block].tcp.unreachable(self.now, Seq(about.sequence), error);
        if events.any(Events::OVER) {
            self.unmade(app, block, DialError::Unreachable);
        } else {
            self.run(app, block, &[]);
        }
        true
    }
}

/// The segment size for an MTU. A router older than RFC 1191 says 0; what every path takes then.
fn mss_of(mtu: u16, remote: core::net::IpAddr) -> u16 {
    let (least, headers) = if remote.is_ipv4() {
        (wire::ipv4::MTU_MIN, wire::ipv4::HEADER_LENGTH)
    } else {
        (wire::ipv6::MTU_MIN, wire::ipv6::HEADER_LENGTH)
    };
    mtu.max(least) - (headers + wire::tcp::HEADER_LENGTH) as u16
}

/// A segment as TCP wants it.
pub(super) const fn arrival<'a>(segment: &'a Segment<'_>, can_hold: bool) -> Arrival<'a> {
    // A frame's payload is shorter than 2^16.
    let length = segment.payload.len() as u32;
    Arrival { header: &segment.header, length, ecn: segment.ecn, can_hold }
}
