//! Active open: the OPEN call, RFC 9293 section 3.10.1, and the SYN-SENT state, section 3.10.7.3.

use base::Seq;
use wire::tcp::Flags;

use crate::options::default_mss;
use crate::segment::{Arrival, Dropped, Events, Received, Reset};
use crate::working::{Opening, State};
use crate::{Turn, Working};

impl Working {
    /// Opens a connection; [`Working::transmit`] gives the SYN.
    pub fn connect(&mut self, turn: &Turn<'_>, opening: &Opening) {
        self.restart(turn, State::SynSent, opening.iss, opening.mss);
        //= specs/rfc9293.txt#section-3.5
        //# Note that a TCP implementation MUST keep track of whether a connection has reached
        //# SYN-RECEIVED state as the result of a passive OPEN or an active OPEN (MUST-11).
        self.opened = true;
        self.send.default_mss = default_mss(opening.ipv6);
        self.send.syn_pending = true;
        self.receive.shift = 0;
    }

    /// SYN-SENT: section 3.10.7.3, in its order.
    pub(crate) fn receive_syn_sent(
        &mut self,
        turn: &Turn<'_>,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<(), Dropped> {
        let header = arrival.header;
        let acceptable = self.check_syn_sent_ack(arrival, received)?;
        if header.flags.any(Flags::RST) {
            //= specs/rfc9293.txt#section-3.10.7.3
            //# If the ACK was acceptable, then signal to the user "error:
            //# connection reset", drop the segment, enter CLOSED state,
            //# delete TCB, and return.  Otherwise (no ACK), drop the
            //# segment and return.
            if !acceptable {
                return Err(Dropped::Ignored);
            }
            self.state = State::Closed;
            received.events.add(Events::REFUSED);
            return Err(Dropped::Reset);
        }
        if !header.flags.any(Flags::SYN) {
            //= specs/rfc9293.txt#section-3.10.7.3
            //# Fifth, if neither of the SYN or RST bits is set, then drop the
            //# segment and return.
            return Err(Dropped::Ignored);
        }
        self.timers.heard(turn.now);
        self.receive.start(header.sequence + 1, turn.config);
        self.agree(turn, header);
        // A SYN's window is never scaled (RFC 7323 section 2.2).
        let window = u32::from(header.window);
        self.send.set_window(window, header.sequence, header.acknowledgment);
        if acceptable {
            self.take_handshake_ack(turn, header);
            self.state = State::Established;
            self.receive.ack_now = true;
            received.events.add(Events::ESTABLISHED);
        } else {
            //= specs/rfc9293.txt#section-3.5
            //# A TCP implementation MUST support simultaneous open attempts (MUST-10).
            self.state = State::SynReceived;
            self.send.syn_pending = true;
        }
        Ok(())
    }

    /// First, check the ACK bit. Gives whether there is an acceptable one.
    fn check_syn_sent_ack(
        &self,
        arrival: &Arrival<'_>,
        received: &mut Received,
    ) -> Result<bool, Dropped> {
        let header = arrival.header;
        if !header.flags.any(Flags::ACK) {
            return Ok(false);
        }
        let ack: Seq = header.acknowledgment;
        if ack.at_or_before(self.send.iss) || self.send.nxt.before(ack) {
            received.reset = Reset::answering(arrival);
            return Err(Dropped::BadAcknowledgment);
        }
        Ok(self.send.una.before(ack))
    }
}
