//! Explicit congestion notification, RFC 3168 section 6.1. Invariant: a mark that arrived is echoed
//! on every acknowledgment until the peer says that it has slowed down.

use base::Seq;
use wire::protocol::Ecn;
use wire::tcp::Flags;

use crate::segment::Arrival;

/// Where a connection is with ECN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct EcnState {
    /// Agreed on by both ends.
    pub(crate) on: bool,
    /// Congestion was experienced; say so until a CWR comes.
    pub(crate) echo: bool,
    /// The window was reduced; say so on the next new data.
    pub(crate) reduced: bool,
}

impl EcnState {
    /// The receiver's part: section 6.1.3.
    pub(crate) fn receive(&mut self, arrival: &Arrival<'_>) {
        if !self.on {
            return;
        }
        if arrival.header.flags.any(Flags::CWR) {
            self.echo = false;
        }
        if arrival.ecn == Ecn::Congested {
            self.echo = true;
        }
    }

    /// The bits for a segment, and its codepoint: only new data is marked as capable (sections
    /// 6.1.4 to 6.1.6).
    pub(crate) fn on_send(&mut self, new_data: bool) -> (Flags, Ecn) {
        if !self.on {
            return (Flags::NONE, Ecn::NotCapable);
        }
        let mut flags = Flags::NONE.with_if(self.echo, Flags::ECE);
        if !new_data {
            return (flags, Ecn::NotCapable);
        }
        if core::mem::take(&mut self.reduced) {
            flags = flags.with(Flags::CWR);
        }
        (flags, Ecn::Capable0)
    }
}

impl crate::Working {
    /// The sender's part, section 6.1.2: a mark that came back, with the acknowledgment of so many bytes,
    /// counts as a loss, once a window. True when it does.
    pub(crate) fn heed_congestion_echo(
        &mut self,
        header: &wire::tcp::Repr,
        delivered: u32,
    ) -> bool {
        if !self.ecn.on || !header.flags.any(Flags::ECE) || self.recovery.is_under_way() {
            return false;
        }
        //= specs/rfc9293.txt#section-3.8.2
        //# A TCP endpoint SHOULD implement ECN as described in RFC 3168 (SHLD-8).
        self.congestion.reduce(self.flight.pipe().saturating_add(delivered));
        self.ecn.reduced = true;
        let point: Seq = self.send.nxt;
        // With nothing in flight no other echo of the same marks is on its way.
        if point != self.send.una {
            self.recovery.congested(point);
        }
        true
    }
}
