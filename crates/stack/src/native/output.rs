//! Segments going out. Invariant: TCP is asked for a segment only when it can be sent at once; what
//! cannot be sent now is tried again in the next turn.

use app::{DialError, End, Handler};
use port::Port;
use tcp::{Outgoing, Tuple};

use super::{Core, tcp_turn};
use crate::send_queue::Told;

/// Bytes that TCP is told of ahead of what it has sent. Enough for any window it may have.
const TOLD_AHEAD: u64 = 1 << 20;

/// How telling TCP of more bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fed {
    /// All that can be told now has been.
    Done,
    /// A source is shorter than it was said to be.
    Short,
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Tells TCP of bytes of attachments, as far ahead as is useful.
    pub(super) fn feed(&mut self, block: u32) -> Fed {
        let working = &mut self.blocks[block];
        if working.sending.untold() == 0 || working.facts.closed {
            return Fed::Done;
        }
        let Some(id) = self.flows.id(working.slot) else { return Fed::Done };
        let waiting = working.unsent() - working.sending.untold();
        let most = TOLD_AHEAD.saturating_sub(waiting);
        // Not above 2^20.
        match working.sending.tell(most as u32, id) {
            Told::Bytes(count) => {
                working.tcp.write(count);
                Fed::Done
            }
            // A wake comes, and with it the next attempt.
            Told::Later => Fed::Done,
            Told::Short => Fed::Short,
        }
    }

    /// Sends what TCP has to send. True when all of it went out.
    pub(super) fn output(&mut self, block: u32) -> bool {
        if !self.blocks[block].tcp.has_output() {
            return true;
        }
        let Some(ends) = self.flows.ends(self.blocks[block].slot, &self.link.addresses) else {
            return true;
        };
        self.ahead.forget();
        self.blocks[block].tcp.fit_link(self.link.mss(ends.remote));
        loop {
            if !self.link.is_ready() {
                self.list(block);
                return false;
            }
            let working = &mut self.blocks[block];
            let Some(outgoing) = working.tcp.transmit(&tcp_turn!(self)) else { return true };
            let first = outgoing.header.sequence;
            let end = first + outgoing.length;
            if outgoing.length > 0 && working.sent_to.before(end) {
                working.sent_to = end;
            }
            let offset = first.distance(working.tcp.una());
            let (sending, buffers, ahead) = (&working.sending, &self.buffers, &mut self.ahead);
            let mut whole = true;
            self.counters.bytes_out.add(u64::from(outgoing.length));
            self.moved += outgoing.length as usize;
            self.vitals.retransmitted.add(u64::from(outgoing.retransmission));
            self.link.send_segment(&ends, &outgoing, |into| {
                whole = u64::try_from(offset)
                    .is_ok_and(|offset| sending.copy(offset, into, buffers, ahead));
            });
            if outgoing.length > 0 && !whole {
                self.blocks[block].facts.short = true;
                return true;
            }
            if !self.blocks[block].tcp.has_output() {
                return true;
            }
        }
    }

    /// Sends one segment of a connection's, without payload.
    pub(super) fn send_for_block(&mut self, block: u32, outgoing: &Outgoing) {
        let ends = self.flows.ends(self.blocks[block].slot, &self.link.addresses);
        if let Some(ends) = ends {
            self.send(&ends, outgoing);
        }
    }

    /// Sends one segment without payload, if that is possible now.
    pub(super) fn send(&mut self, ends: &Tuple, outgoing: &Outgoing) {
        if self.link.is_ready() {
            self.link.send_segment(ends, outgoing, |_| {});
        }
    }

    /// Ends a connection at once, with a reset to the peer.
    pub(super) fn abort<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32, why: End) {
        if self.is_being_opened(block) {
            let why = if why == End::Shutdown { DialError::Shutdown } else { DialError::Reset };
            return self.give_up(app, block, why);
        }
        self.reset(block);
        self.ended(app, block, why);
    }

    /// Gives a connection up that is being opened.
    pub(super) fn give_up<H: Handler<Conn = C>>(
        &mut self,
        app: &mut H,
        block: u32,
        why: DialError,
    ) {
        self.reset(block);
        self.unmade(app, block, why);
    }

    /// Sends a reset where the peer may know of the connection.
    fn reset(&mut self, block: u32) {
        if let Some(reset) = self.blocks[block].tcp.abort() {
            self.send_for_block(block, &reset.outgoing());
        }
    }
}
