//! What a connection sends, and when: what is held back, Nagle's algorithm as each system has it,
//! bursts, and room in the send buffer. Invariant: what the application wrote goes out in order;
//! only how it is cut and marked differs between profiles.

use std::time::Duration;

use base::Seq;
use tcp::{Outgoing, Turn};
use wire::tcp::Flags as Bits;

use crate::connection::{Connection, Net};
use crate::profile::Profile;

/// Linux's bookkeeping for one piece of its send queue, bytes.
const PIECE_OVERHEAD: usize = 1_280;
/// Largest piece of Linux's send queue: 64 KiB less the headers it keeps room for.
const PIECE_MAX: u32 = 65_535 - 320;
/// FreeBSD wakes a writer when this much is free.
const WAKE_FREEBSD: usize = 2_048;

impl Connection {
    /// Bytes written that the state machine does not know of yet.
    fn held(&self) -> usize {
        self.output.end().distance(self.working.end()).max(0) as usize
    }

    /// Bytes written and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.output.end().distance(self.working.next().max(self.working.una())).max(0) as usize
    }

    /// Hands everything written to the state machine.
    pub(crate) fn release(&mut self) {
        let held = self.held();
        if held > 0 && !self.send_shut {
            self.working.write(held as u32);
        }
        self.held_since = None;
    }

    /// Longest that a short segment is held back by TCP_CORK or MSG_MORE.
    pub(crate) fn hold(&self) -> Duration {
        self.working.info(&self.config).timeout
    }

    /// Hands over what is not to be held back: all of it, or whole segments.
    pub(crate) fn write_held(&mut self, net: &Net) {
        let held = self.held();
        if held == 0 || self.over {
            self.held_since = None;
            return;
        }
        let holds = (self.options.cork || self.more) && !self.send_shut;
        let short = if holds { self.unsent() % usize::from(self.working.mss().max(1)) } else { 0 };
        let now = held.saturating_sub(short);
        if now > 0 {
            self.working.write(now as u32);
        }
        self.held_since = match (short, self.held_since) {
            (0, _) => None,
            (_, since) => since.or(Some(net.now)),
        };
    }

    /// Everything that the state machine has to send.
    pub(crate) fn transmit(&mut self, net: &mut Net) {
        let mut batch = Vec::new();
        loop {
            self.config.sending.nagle = self.nagle(net);
            let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
            let Some(mut outgoing) = self.working.transmit(&turn) else { break };
            let end = outgoing.header.sequence + outgoing.length;
            let full = outgoing.length >= u32::from(self.working.mss());
            if outgoing.length > 0 && !outgoing.retransmission && !full {
                self.small_end = Some(end);
            }
            if end.before(self.output.end()) {
                // More was written than the state machine knows of.
                outgoing.header.flags = outgoing.header.flags.without(Bits::PSH);
            }
            batch.push(outgoing);
        }
        if net.flags.profile == Profile::Linux {
            self.mark_bursts(&mut batch);
        }
        for outgoing in &batch {
            self.emit(net, outgoing);
        }
        self.tail = self.tail.min(self.unsent());
        let una = self.working.una();
        self.pieces.retain(|start| una.before(*start));
    }

    /// Whether a short segment waits for what is in flight. Linux lets one go as long as no other
    /// short one is (Minshall's variant).
    fn nagle(&self, net: &Net) -> bool {
        let small = || self.small_end.is_some_and(|end| self.working.una().before(end));
        !self.options.no_delay && (!net.is_linux() || small())
    }

    /// Linux sends several segments as one large one and marks the last of them with PSH; only the
    /// end of a write that says that more follows is without.
    fn mark_bursts(&self, batch: &mut [Outgoing]) {
        let info = self.working.info(&self.config);
        let mss = u32::from(self.working.mss().max(1));
        let half = (info.congestion_window / u32::from(info.send_mss.max(1)) / 2).max(1);
        let most = self.burst_segments(&info, mss).min(half);
        let (mut length, last) = (0, batch.len());
        let mut next: Option<Seq> = None;
        for index in 0..last {
            let is_new = |outgoing: &Outgoing| outgoing.length > 0 && !outgoing.retransmission;
            let follows = batch.get(index + 1).is_some_and(is_new);
            let outgoing = &mut batch[index];
            if !is_new(outgoing) {
                continue;
            }
            let end = outgoing.header.sequence + outgoing.length;
            length = if next == Some(outgoing.header.sequence) { length + 1 } else { 1 };
            next = Some(end);
            if self.more && end == self.output.end() {
                outgoing.header.flags = outgoing.header.flags.without(Bits::PSH);
            }
            let ends = self.pieces.contains(&end);
            if length == most || ends || !follows {
                if length > 1 {
                    outgoing.header.flags = outgoing.header.flags.with(Bits::PSH);
                }
                length = 0;
                next = None;
            }
        }
    }

    /// How many segments go as one: as many as are sent in a millisecond, more on short paths.
    fn burst_segments(&self, info: &tcp::Info, mss: u32) -> u32 {
        let Some(round_trip) = info.round_trip.map(|time| time.as_micros().max(1) as u64) else {
            return u32::MAX;
        };
        let slow = info.slow_start_threshold.is_none_or(|most| info.congestion_window < most / 2);
        let percent = if slow { 200 } else { 120 };
        let rate = u64::from(info.congestion_window) * 1_000_000 * percent / 100 / round_trip;
        let shortest = info.round_trip_min.map_or(u64::MAX, |time| time.as_micros() as u64) >> 9;
        let near = if shortest < 32 { 65_536 >> shortest } else { 0 };
        let segments = ((rate >> 10) + near) / u64::from(mss);
        (segments.min(u64::from(u32::MAX)) as u32).max(self.options.settings.burst_min).max(1)
    }

    /// Takes as much of `bytes` as the send buffer has room for. Gives how much.
    pub(crate) fn write(&mut self, net: &mut Net, bytes: &[u8], more: bool) -> usize {
        let mut taken = 0;
        self.more = more;
        while taken < bytes.len() {
            let left = bytes.len() - taken;
            let room = if net.is_linux() { self.piece_room() } else { self.free_bytes() };
            let count = room.min(left);
            if count == 0 {
                break;
            }
            self.output.push(&bytes[taken..taken + count]);
            self.tail += count;
            taken += count;
            // The end of a piece that is followed by another goes out as if nothing was held.
            self.flush(net);
        }
        if taken < bytes.len() {
            self.no_space = true;
        }
        taken
    }

    /// Room in FreeBSD's send buffer.
    fn free_bytes(&self) -> usize {
        (self.options.send_buffer as usize).saturating_sub(self.output.len())
    }

    /// Linux fills the last piece up, and begins another while the buffer is not full.
    fn piece_room(&mut self) -> usize {
        let piece = self.piece_size();
        let left = piece.saturating_sub(self.tail);
        if self.tail > 0 && left > 0 {
            return left;
        }
        let waits = self.unsent() >= self.options.notsent_lowat as usize;
        if self.buffered() >= self.options.send_buffer as usize || waits {
            return 0;
        }
        self.tail = 0;
        self.pieces.push_back(self.output.end());
        piece
    }

    /// Bytes of one piece: whole segments, not more than half the peer's window.
    fn piece_size(&self) -> usize {
        let window = self.working.info(&self.config).send_window_max;
        let most = if window > 536 { (window / 2).min(PIECE_MAX) } else { PIECE_MAX };
        let mss = u32::from(self.working.mss().max(1));
        ((most / mss).max(1) * mss) as usize
    }

    /// What Linux counts against the send buffer.
    fn buffered(&self) -> usize {
        let pieces = self.output.len().div_ceil(self.piece_size().max(1));
        self.output.len() + pieces * PIECE_OVERHEAD
    }

    /// Whether a writer that waits is to be woken.
    pub(crate) fn has_space(&self, net: &Net) -> bool {
        if !net.is_linux() {
            return self.free_bytes() >= WAKE_FREEBSD.min(self.options.send_buffer as usize / 2);
        }
        let (buffered, limit) = (self.buffered(), self.options.send_buffer as usize);
        let waiting = (self.unsent() as u64) << 1;
        limit.saturating_sub(buffered) >= buffered / 2
            && waiting < u64::from(self.options.notsent_lowat)
    }

    /// Linux lets the send buffer grow when somebody found no room in it.
    pub(crate) fn grow_send_buffer(&mut self, net: &Net) {
        let info = self.working.info(&self.config);
        if net.is_linux() {
            let mss = u32::from(info.send_mss.max(1));
            self.options.grow_send_buffer(info.congestion_window / mss, mss);
        }
    }

    /// Wakes whoever found no room, now that there is.
    pub(crate) fn offer_space(&mut self, net: &Net) {
        if self.no_space {
            self.grow_send_buffer(net);
        }
        if self.no_space && self.has_space(net) {
            self.no_space = false;
            self.wakeups.output += 1;
        }
    }
}
