//! Passive open: the LISTEN state, RFC 9293 section 3.10.7.2. Invariant: what a segment for a
//! listener leads to depends on nothing but the segment, so nothing is kept for a stranger before
//! the caller decides to.

use wire::tcp::Flags;

use crate::options::default_mss;
use crate::segment::{Arrival, Reset};
use crate::working::{Opening, State};
use crate::{Turn, Working};

/// What a segment for a listener is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listened {
    /// A SYN: [`Working::accept`] it, or answer it with a cookie.
    Syn,
    /// An acknowledgment of something: of a cookie, if one is outstanding; otherwise it is to be
    /// answered with this reset.
    Acknowledgment(Reset),
    /// Nothing to act on.
    Ignore,
}

impl Listened {
    /// Sorts a segment that came for a listener.
    #[must_use]
    pub fn to(arrival: &Arrival<'_>) -> Self {
        let flags = arrival.header.flags;
        //= specs/rfc9293.txt#section-3.10.7.2
        //# An incoming RST segment could not be valid since it could not
        //# have been sent in response to anything sent by this
        //# incarnation of the connection.  An incoming RST should be
        //# ignored.  Return.
        if flags.any(Flags::RST) {
            return Self::Ignore;
        }
        if flags.any(Flags::ACK) {
            //= specs/rfc9293.txt#section-3.10.7.2
            //# An acceptable reset
            //# segment should be formed for any arriving ACK-bearing segment.
            return Reset::answering(arrival).map_or(Self::Ignore, Self::Acknowledgment);
        }
        // A SYN with a FIN makes no sense and is only sent by scanners.
        if flags.any(Flags::SYN) && !flags.any(Flags::FIN) {
            return Self::Syn;
        }
        Self::Ignore
    }
}

impl Working {
    /// Accepts a SYN; [`Working::transmit`] gives the SYN-ACK. Payload on the SYN is not taken: it
    /// is not acknowledged either, so the peer sends it again.
    pub fn accept(&mut self, turn: &Turn<'_>, syn: &Arrival<'_>, opening: &Opening) {
        let header = syn.header;
        self.restart(turn, State::SynReceived, opening.iss, opening.mss);
        self.send.default_mss = default_mss(opening.ipv6);
        self.receive.start(header.sequence + 1, turn.config);
        self.agree(turn, header);
        self.send.set_window(u32::from(header.window), header.sequence, opening.iss);
        self.send.syn_pending = true;
    }
}
