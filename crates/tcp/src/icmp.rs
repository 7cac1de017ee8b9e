//! ICMP errors about a connection, RFC 9293 section 3.9.2.2. Invariant: an error is believed only if it quotes a sequence number that is in flight
//! (RFC 5927 section 4), and one about a connection that is synchronized never ends it (section
//! 6.2.1).

use base::{Instant, Seq};

use crate::Working;
use crate::segment::Events;
use crate::working::State;

/// What kind of error came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// It may pass: network or host unreachable, time exceeded, source route failed.
    Soft,
    /// It will not: protocol or port unreachable, forbidden.
    Hard,
    /// The packet was larger than a link on the way takes.
    TooBig {
        /// What would fit: the MTU less the fixed IP and TCP headers.
        mss: u16,
    },
}

impl Working {
    /// An ICMP error quotes a segment of this connection that started at `sequence`.
    pub fn unreachable(&mut self, now: Instant, sequence: Seq, error: Unreachable) -> Events {
        //= specs/rfc9293.txt#section-3.9.2.2
        //# TCP implementations MUST act on an ICMP error message passed up from the IP layer,
        //# directing it to the connection that created the error (MUST-54).
        let in_flight = self.send.una.at_or_before(sequence) && sequence.before(self.send.nxt);
        if !in_flight {
            return Events::default();
        }
        match error {
            Unreachable::TooBig { mss } => self.path_narrowed(mss, now),
            //= specs/rfc9293.txt#section-3.9.2.2
            //# Since these Unreachable messages indicate soft error
            //# conditions, a TCP implementation MUST NOT abort the connection
            //# (MUST-56), and it SHOULD make the information available to the
            //# application (SHLD-25).
            Unreachable::Soft => self.send.unreached = Some(self.send.una),
            Unreachable::Hard => {
                //= specs/rfc9293.txt#section-3.9.2.2
                //# These are hard error conditions, so TCP implementations SHOULD abort the
                //# connection (SHLD-26).
                if self.state == State::SynSent {
                    self.state = State::Closed;
                    return Events::REFUSED;
                }
            }
        }
        Events::default()
    }

    /// Whether the last that was heard of the path is that the peer cannot be reached: worth telling
    /// when the connection is given up.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.send.unreached == Some(self.send.una)
    }
}
