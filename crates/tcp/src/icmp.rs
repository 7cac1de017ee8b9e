//! ICMP errors about a connection, RFC 9293 section 3.9.2.2, and the path MTU (RFC 1191, 8201,
//! 4821). Invariant: an error is believed only if it quotes a sequence number that is in flight
//! (RFC 5927 section 4), and one about a connection that is synchronized never ends it (section
//! 6.2.1).

use base::Seq;

use crate::Working;
use crate::options::MSS_MIN;
use crate::rtt::Rtt;
use crate::segment::Events;
use crate::timer::BLACK_HOLE_EXPIRIES;
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

/// The segment size tried when large ones seem to vanish (RFC 4821 section 7.7; the size that RFC
/// 9293 section 3.7.1 has every IPv6 path take, 1280 − 60, less room for tunnels).
const MSS_BLACK_HOLE: u16 = 1_024;

impl Working {
    /// An ICMP error quotes a segment of this connection that started at `sequence`.
    pub fn unreachable(&mut self, sequence: Seq, error: Unreachable) -> Events {
        //= specs/rfc9293.txt#section-3.9.2.2
        //# TCP implementations MUST act on an ICMP error message passed up from the IP layer,
        //# directing it to the connection that created the error (MUST-54).
        let in_flight = self.send.una.at_or_before(sequence) && sequence.before(self.send.nxt);
        if !in_flight {
            return Events::default();
        }
        match error {
            Unreachable::TooBig { mss } => self.path_narrowed(mss),
            //= specs/rfc9293.txt#section-3.9.2.2
            //# Since these Unreachable messages indicate soft error
            //# conditions, a TCP implementation MUST NOT abort the connection
            //# (MUST-56), and it SHOULD make the information available to the
            //# application (SHLD-25).
            Unreachable::Soft => {}
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

    /// Segments are too large for the path: smaller ones, and what is in flight again. That is no
    /// congestion (RFC 1191 section 6.5).
    fn path_narrowed(&mut self, mss: u16) {
        let mss = mss.max(MSS_MIN);
        if mss >= self.send.mss {
            return;
        }
        self.set_send_mss(mss);
        if !matches!(self.state, State::SynSent | State::SynReceived) {
            self.flight.mark_lost(|_| true);
            self.recovery.forced = true;
        }
    }

    /// The timer expired once more: after some expiries, perhaps large segments are dropped without
    /// a word (RFC 4821 section 7.7, RFC 2923).
    pub(crate) fn suspect_black_hole(&mut self) {
        let suspicious = |rtt: &Rtt| rtt.backoff() == BLACK_HOLE_EXPIRIES;
        if suspicious(&self.rtt) && self.send.mss > MSS_BLACK_HOLE {
            self.set_send_mss(MSS_BLACK_HOLE);
        }
    }
}
