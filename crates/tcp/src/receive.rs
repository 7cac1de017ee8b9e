//! SEGMENT ARRIVES, RFC 9293 section 3.10.7: the numbered checks of section 3.10.7.4, one call each.
//! Invariant: a segment that fails a check changes nothing but what that check says.

use wire::tcp::{Flags, Repr};

use crate::segment::{Arrival, Dropped, Events, Received, Reset};
use crate::working::State;
use crate::{Turn, Working};

impl Working {
    /// Takes one segment. Afterwards the caller acts on what is given back, then calls
    /// [`Working::transmit`] until it has nothing more.
    pub fn receive(&mut self, turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> Received {
        match self.predicted(turn, arrival) {
            Some(received) => received,
            None => self.receive_any(turn, arrival),
        }
    }

    /// The same without prediction.
    pub(crate) fn receive_any(&mut self, turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> Received {
        let mut received = Received::default();
        let outcome = match self.state {
            State::Closed => {
                received.reset = Reset::answering(arrival);
                Err(Dropped::Ignored)
            }
            State::SynSent => self.receive_syn_sent(turn, arrival, &mut received),
            _ => self.receive_synchronized(turn, arrival, &mut received),
        };
        if let Err(dropped) = outcome {
            received.dropped = Some(dropped);
        }
        self.arm(turn);
        received
    }

    fn receive_synchronized(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        self.check_sequence(turn, arrival)?; // first, with PAWS
        self.check_reset(turn, arrival, received)?; // second
        // Third, security: compartments are not implemented (section 3.10.7.4 allows that).
        self.check_syn(turn, arrival, received)?; // fourth
        self.check_acknowledgment(turn, arrival, received)?; // fifth
        // A guessed acknowledgment must not have moved TS.Recent: all that the peer sends afterwards
        // would be taken for old.
        self.take_timestamp(turn.now, arrival.header);
        self.check_urgent(arrival, received); // sixth
        let text = self.take_text(turn, arrival, received); // seventh
        self.check_fin(turn, arrival, received); // eighth
        text
    }

    /// First, check sequence number. The timestamp is looked at before (RFC 7323 section 5.3).
    fn check_sequence(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: &Arrival<'_>,
    ) -> Result<(), Dropped> {
        let header = arrival.header;
        if let Err(dropped) = self.check_timestamp(turn, header) {
            if dropped == Dropped::OldTimestamp {
                self.answer_invalid(turn, arrival);
            }
            return Err(dropped);
        }
        if self.is_acceptable(arrival) {
            self.timers.heard(turn.now);
            return Ok(());
        }
        if header.flags.any(Flags::RST) {
            return Err(Dropped::OutOfWindow);
        }
        if self.is_peers_syn(header) {
            if self.acknowledges_syn(header) {
                // The peer's SYN-ACK, when both sides opened at once (section 3.5, figure 8).
                return Ok(());
            }
            // Our SYN-ACK was lost: say it again.
            self.send.syn_pending = true;
            return Err(Dropped::OutOfWindow);
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# If an incoming segment is not acceptable, an acknowledgment
        //# should be sent in reply (unless the RST bit is set, if so
        //# drop the segment and return):
        self.report_duplicate(arrival);
        self.answer_invalid(turn, arrival);
        Err(Dropped::OutOfWindow)
    }

    /// The SYN that brought us to SYN-RECEIVED, once more.
    fn is_peers_syn(&self, header: &Repr) -> bool {
        self.state == State::SynReceived
            && header.flags.any(Flags::SYN)
            && header.sequence + 1 == self.receive.nxt
    }

    fn acknowledges_syn(&self, header: &Repr) -> bool {
        let ack = header.acknowledgment;
        header.flags.any(Flags::ACK) && self.send.una.before(ack) && ack.at_or_before(self.send.nxt)
    }

    /// The four cases of RFC 9293 table 6.
    fn is_acceptable(&self, arrival: &Arrival<'_>) -> bool {
        let (start, window) = (self.receive.nxt, self.receive.window());
        let first = arrival.header.sequence;
        let length = arrival.sequence_length();
        match (length, window) {
            //= specs/rfc9293.txt#section-3.10.7.4
            //# If the RCV.WND is zero, no segments will be acceptable, but
            //# special allowance should be made to accept valid ACKs, URGs,
            //# and RSTs.
            //= specs/rfc9293.txt#section-3.4
            //# A TCP receiver MUST process the RST and URG fields of all incoming segments, even
            //# when the receive window is zero (MUST-66).
            (_, 0) => first == start,
            (0, _) => first.within(start, window),
            _ => {
                // It begins in the window, or before it and reaches into it: the RFC's second test,
                // and segments that cover the whole window, which that one misses.
                first.within(start, window) || first.before(start) && start.before(first + length)
            }
        }
    }

    /// An acknowledgment for a segment that is not acceptable. Those without payload may be part of
    /// a war of acknowledgments or of an attack, so they are answered within the budget only.
    fn answer_invalid(&mut self, turn: &mut Turn<'_>, arrival: &Arrival<'_>) {
        if arrival.length > 0 || turn.challenges.allow(turn.now) {
            self.receive.ack_now = true;
        }
    }

    /// Sends a challenge ACK, within the budget (RFC 5961 section 7).
    fn challenge(&mut self, turn: &mut Turn<'_>) {
        if turn.challenges.allow(turn.now) {
            self.receive.ack_now = true;
        }
    }

    /// Second, check the RST bit, as RFC 5961 section 3.2 hardens it.
    fn check_reset(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        if !arrival.header.flags.any(Flags::RST) {
            return Ok(());
        }
        if arrival.header.sequence != self.receive.nxt {
            //= specs/rfc9293.txt#section-3.10.7.4
            //# 3)  If the RST bit is set and the sequence number does not
            //# exactly match the next expected sequence value, yet is
            //# within the current receive window, TCP endpoints MUST
            //# send an acknowledgment (challenge ACK):
            self.challenge(turn);
            return Err(Dropped::ChallengedReset);
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# 2)  If the RST bit is set and the sequence number exactly
        //# matches the next expected sequence number (RCV.NXT), then
        //# TCP endpoints MUST reset the connection in the manner
        //# prescribed below according to the connection state.
        //= specs/rfc9293.txt#section-3.6
        //# If the local TCP connection is closed by the remote side due to a FIN or RST received
        //# from the remote side, then the local application MUST be informed whether it closed
        //# normally or was aborted (MUST-12).
        let event = match self.state {
            State::SynReceived if self.opened => Events::REFUSED,
            State::Closing | State::LastAck | State::TimeWait => Events::CLOSED,
            _ => Events::RESET,
        };
        //= specs/rfc9293.txt#section-3.5.3
        //# TCP implementations SHOULD allow a received RST segment to include data (SHLD-2).
        self.state = State::Closed;
        received.events.add(event);
        Err(Dropped::Reset)
    }

    /// Fourth, check the SYN bit, as RFC 5961 section 4.2 hardens it.
    fn check_syn(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        let header = arrival.header;
        if !header.flags.any(Flags::SYN) || self.is_peers_syn(header) {
            return Ok(());
        }
        if self.state == State::SynReceived && !self.opened {
            //= specs/rfc9293.txt#section-3.10.7.4
            //# If the connection was initiated with a passive OPEN, then
            //# return this connection to the LISTEN state and return.
            self.state = State::Closed;
            received.events.add(Events::RESET);
            return Err(Dropped::Reset);
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# RFC 5961 recommends that in
        //# these synchronized states, if the SYN bit is set,
        //# irrespective of the sequence number, TCP endpoints MUST send
        //# a "challenge ACK" to the remote peer:
        self.challenge(turn);
        Err(Dropped::ChallengedSyn)
    }

    /// Fifth, check the ACK field. RFC 5961 section 5.2 bounds it from below.
    fn check_acknowledgment(
        &mut self,
        turn: &mut Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        let header = arrival.header;
        //= specs/rfc9293.txt#section-3.10.7.4
        //# if the ACK bit is off, drop the segment and return
        if !header.flags.any(Flags::ACK) {
            return Err(Dropped::NoAcknowledgment);
        }
        let ack = header.acknowledgment;
        if self.state == State::SynReceived {
            if !self.acknowledges_syn(header) {
                received.reset = Reset::answering(arrival);
                return Err(Dropped::BadAcknowledgment);
            }
            self.take_handshake_ack(turn, header);
            let shift = if header.flags.any(Flags::SYN) { 0 } else { self.send.shift };
            self.send.set_window(u32::from(header.window) << shift, header.sequence, ack);
            self.state = if self.send.fin { State::FinWait1 } else { State::Established };
            received.events.add(Events::ESTABLISHED);
        }
        let oldest = self.send.una - self.send.max_window;
        if ack.before(oldest) || self.send.nxt.before(ack) {
            self.challenge(turn);
            return Err(Dropped::BadAcknowledgment);
        }
        self.ecn.receive(arrival);
        received.acknowledged = self.acknowledge(turn, arrival);
        self.advance_close(turn, received);
        if self.state == State::Closed { Err(Dropped::Ignored) } else { Ok(()) }
    }

    /// Sixth, check the URG bit.
    fn check_urgent(&mut self, arrival: &Arrival<'_>, received: &mut Received) {
        let header = arrival.header;
        if !header.flags.any(Flags::URG) || !self.takes_text() {
            return;
        }
        let pointer = header.sequence + u32::from(header.urgent);
        let news = self.receive.urgent.is_none_or(|known| known.before(pointer));
        if news && self.receive.nxt.before(pointer) {
            //= specs/rfc9293.txt#section-3.8.5
            //# A TCP implementation MUST (MUST-32) inform the application layer asynchronously
            //# whenever it receives an urgent pointer and there was previously no pending urgent
            //# data, or whenever the urgent pointer advances in the data stream.
            self.receive.urgent = Some(pointer);
            received.events.add(Events::URGENT);
        }
    }

    /// Where the urgent data that is outstanding ends (RCV.UP).
    #[must_use]
    pub const fn urgent(&self) -> Option<base::Seq> {
        //= specs/rfc9293.txt#section-3.8.5
        //# The TCP implementation MUST (MUST-33) provide a way for the application to learn how
        //# much urgent data remains to be read from the connection, or at least to determine
        //# whether more urgent data remains to be read [19].
        self.receive.urgent
    }
}
