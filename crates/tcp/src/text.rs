//! Segment text and FIN: the seventh and eighth check of RFC 9293 section 3.10.7.4. Invariant: what
//! RCV.NXT has passed has been handed to the caller exactly once; what lies behind a hole has been
//! handed over to be kept, before anything says that it arrived.

use base::Seq;
use wire::tcp::Flags;

use crate::segment::{Arrival, Dropped, Events, Payload, Received};
use crate::working::State;
use crate::{Turn, Working};

impl Working {
    /// Whether text is taken in this state.
    pub(crate) const fn takes_text(&self) -> bool {
        matches!(self.state, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// Seventh, process the segment text.
    pub(crate) fn take_text(
        &mut self,
        turn: &Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        let syn = arrival.header.flags.any(Flags::SYN);
        if arrival.length == 0 || syn || !self.takes_text() {
            return Ok(());
        }
        let first = arrival.header.sequence;
        let start = first.max(self.receive.nxt);
        let end = (first + arrival.length).min(self.receive.edge);
        if !start.before(end) {
            // Nothing of it is new, or the window is closed: a probe, which wants an answer.
            self.report_duplicate(arrival);
            self.receive.ack_now = true;
            return Ok(());
        }
        let skip = start.distance(first) as u32;
        let length = end.distance(start) as u32;
        if skip > 0 {
            self.reports.duplicated(first, start);
        }
        if start == self.receive.nxt {
            self.take_in_order(turn, end, (skip, length), received);
            return Ok(());
        }
        self.take_ahead(arrival, (start, end), (skip, length), received)
    }

    pub(crate) fn take_in_order(
        &mut self,
        turn: &Turn<'_>,
        end: Seq,
        (skip, length): (u32, u32),
        received: &mut Received,
    ) {
        let filled = !self.held.is_empty();
        if let Some(first) = self.held.as_slice().first()
            && first.start.before(end)
        {
            // A part of it was kept already (RFC 2883 section 4).
            self.reports.duplicated(first.start, first.end.min(end));
        }
        let next = self.held.advance(end);
        let held = next.distance(end) as u32;
        received.payload = Payload::InOrder { skip, length, held };
        self.receive.advance(length + held);
        if self.receive.urgent.is_some_and(|urgent| urgent.at_or_before(next)) {
            self.receive.urgent = None;
        }
        // A FIN in the middle of text was none: nothing more would come of waiting for it.
        self.receive.fin.take_if(|fin| fin.before(next));
        if filled || skip > 0 {
            // RFC 5681 section 4.2: at once when a gap is filled in full or in part.
            self.receive.ack_now = true;
        }
        if self.state == State::FinWait2 {
            // The peer is still sending: it has all the time it needs.
            self.timers.idle = turn.now + turn.config.timeouts.fin_wait_2;
        }
        let pause = self.timeout(turn);
        self.receive.acknowledge_soon(length + held, turn, pause);
    }

    fn take_ahead(
        &mut self,
        arrival: &Arrival<'_>,
        (start, end): (Seq, Seq),
        (skip, length): (u32, u32),
        received: &mut Received,
    ) -> Result<(), Dropped> {
        // RFC 5681 section 4.2: a segment out of order is acknowledged at once.
        self.receive.ack_now = true;
        if !arrival.can_hold {
            return Err(Dropped::NoRoom);
        }
        let known = self
            .held
            .as_slice()
            .iter()
            .any(|range| range.start.at_or_before(start) && end.at_or_before(range.end));
        if known {
            self.reports.duplicated(start, end);
            return Ok(());
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# Segments with higher beginning sequence numbers SHOULD be held for later processing
        //# (SHLD-31).
        let block = self.held.insert(start, end).ok_or(Dropped::NoRoom)?;
        self.reports.changed(block);
        received.payload = Payload::OutOfOrder { skip, length };
        Ok(())
    }

    /// Forgets what arrived ahead of its turn, because the caller cannot keep it any longer. RFC 2018
    /// section 8 allows that; the peer sends it again after a timeout.
    pub fn renege(&mut self) {
        self.held.clear();
    }

    /// Text that had all arrived before is told of as a duplicate (RFC 2883).
    pub(crate) fn report_duplicate(&mut self, arrival: &Arrival<'_>) {
        let first = arrival.header.sequence;
        let end = (first + arrival.length).min(self.receive.nxt);
        if self.sack && first.before(end) {
            self.reports.duplicated(first, end);
        }
    }

    /// Eighth, check the FIN bit. One that arrives ahead of missing text is remembered.
    pub(crate) fn check_fin(
        &mut self,
        turn: &Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) {
        let header = arrival.header;
        if header.flags.any(Flags::FIN) && !header.flags.any(Flags::SYN) {
            let at = header.sequence + arrival.length;
            self.receive.ack_now = true;
            // One past the window is not to be believed yet: its text was cut off.
            if at.before(self.receive.edge) || at == self.receive.nxt {
                self.receive.fin.get_or_insert(at);
            }
        }
        if self.receive.ended || self.receive.fin != Some(self.receive.nxt) {
            return;
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# If the FIN bit is set, signal the user "connection closing" and
        //# return any pending RECEIVEs with same message, advance RCV.NXT
        //# over the FIN, and send an acknowledgment for the FIN.
        received.events.add(Events::INPUT_ENDED);
        self.receive.ack_now = true;
        self.receive.ended = true;
        self.receive.nxt += 1;
        self.receive.edge = self.receive.edge.max(self.receive.nxt);
        self.receive.urgent = None;
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.enter_time_wait(turn, received),
            _ => {}
        }
    }
}
