//! What goes into a connection and what comes out: plain values, no bytes. Invariant: payload stays
//! with the caller; here it is only lengths and sequence numbers.

use core::num::NonZeroU16;

use base::Seq;
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Plain, Repr};

/// A segment that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its header.
    pub header: &'a Repr,
    /// Bytes of payload.
    pub length: u32,
    /// The codepoint of the IP packet it came in.
    pub ecn: Ecn,
    /// Whether the caller could keep the payload if it arrived ahead of its turn. When not, such
    /// payload is treated as lost, before anything about it is acknowledged.
    pub can_hold: bool,
}

impl Arrival<'_> {
    /// SEG.LEN: payload, SYN and FIN.
    pub(crate) const fn sequence_length(&self) -> u32 {
        let flags = self.header.flags;
        self.length + flags.any(Flags::SYN) as u32 + flags.any(Flags::FIN) as u32
    }
}

/// A segment that arrived whose header is a [plain](wire::tcp::Plain) one.
#[derive(Clone, Copy, Debug)]
pub struct PlainArrival {
    /// Its header.
    pub header: Plain,
    /// Bytes of payload.
    pub length: u32,
    /// The codepoint of the IP packet it came in.
    pub ecn: Ecn,
}

impl Arrival<'_> {
    /// The same, if it is a plain one.
    #[must_use]
    pub fn plain(&self) -> Option<PlainArrival> {
        let header = self.header.plain()?;
        Some(PlainArrival { header, length: self.length, ecn: self.ecn })
    }
}

/// A segment to be sent, or several that follow each other and differ in nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The header, with both ports zero for the caller to fill in.
    pub header: Repr,
    /// Bytes of payload, from `header.sequence` on: those the caller has kept under these numbers.
    pub length: u32,
    /// Of several: bytes of payload of each but the last. The caller has them cut, PSH and FIN going
    /// to the last. Only where [`Sending::uncut`](crate::Sending::uncut) allows it.
    pub cut: Option<NonZeroU16>,
    /// Whether any of it was sent before.
    pub retransmission: bool,
    /// The codepoint for the IP packet.
    pub ecn: Ecn,
}

impl Outgoing {
    /// One segment without payload.
    pub(crate) const fn bare(header: Repr) -> Self {
        Self { header, length: 0, cut: None, retransmission: false, ecn: Ecn::NotCapable }
    }
}

/// A reset to be sent: the answer to a segment that belongs to no connection or to a wrong one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reset {
    /// SEG.SEQ.
    pub sequence: Seq,
    /// SEG.ACK, with the ACK bit.
    pub acknowledgment: Option<Seq>,
}

impl Reset {
    /// The answer to a segment that should not have come, RFC 9293 section 3.10.7.1. None for a
    /// segment that is a reset itself.
    #[must_use]
    pub fn answering(arrival: &Arrival<'_>) -> Option<Self> {
        let header = arrival.header;
        if header.flags.any(Flags::RST) {
            return None;
        }
        if header.flags.any(Flags::ACK) {
            //= specs/rfc9293.txt#section-3.10.7.1
            //# If the ACK bit is on,
            //#
            //# <SEQ=SEG.ACK><CTL=RST>
            return Some(Self { sequence: header.acknowledgment, acknowledgment: None });
        }
        //= specs/rfc9293.txt#section-3.10.7.1
        //# If the ACK bit is off, sequence number zero is used,
        //#
        //# <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
        let past = header.sequence + arrival.sequence_length();
        Some(Self { sequence: Seq(0), acknowledgment: Some(past) })
    }

    /// The reset as a segment.
    #[must_use]
    pub fn outgoing(self) -> Outgoing {
        let flags = Flags::RST.with_if(self.acknowledgment.is_some(), Flags::ACK);
        let header = Repr {
            sequence: self.sequence,
            acknowledgment: self.acknowledgment.unwrap_or_default(),
            flags,
            options: Options::default(),
            ..Repr::default()
        };
        Outgoing::bare(header)
    }
}

/// What to do with the payload of a segment that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Payload {
    /// Nothing: there is none, or it is old, or outside the window.
    #[default]
    None,
    /// It comes next: hand it to the application.
    InOrder {
        /// Bytes at its start that had arrived before.
        skip: u32,
        /// Bytes after those that are new.
        length: u32,
        /// Bytes kept from earlier segments that follow these and are now in order too.
        held: u32,
    },
    /// Something before it is missing: keep it.
    OutOfOrder {
        /// Bytes at its start that had arrived before.
        skip: u32,
        /// Bytes after those to keep. Some of them may be kept already.
        length: u32,
    },
}

/// What happened to the connection. Several can happen at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Events(u8);

impl Events {
    /// The handshake is complete.
    pub const ESTABLISHED: Self = Self(1);
    /// The peer has sent all it will send, and all of it has arrived.
    pub const INPUT_ENDED: Self = Self(1 << 1);
    /// The peer reset the connection. The working block can be given back.
    pub const RESET: Self = Self(1 << 2);
    /// The connection that was being opened was refused. As [`Events::RESET`].
    pub const REFUSED: Self = Self(1 << 3);
    /// Both sides are done and nothing needs to be remembered. As [`Events::RESET`].
    pub const CLOSED: Self = Self(1 << 4);
    /// Both sides are done: once nothing is left to send, trade the working block for what
    /// [`Working::time_wait`](crate::Working::time_wait) gives.
    pub const TIME_WAIT: Self = Self(1 << 5);
    /// The peer did not answer in time. As [`Events::RESET`].
    pub const TIMED_OUT: Self = Self(1 << 6);
    /// The peer announced urgent data ([`Working::urgent`](crate::Working::urgent)).
    pub const URGENT: Self = Self(1 << 7);

    /// After any of these the connection does not exist any more.
    pub const OVER: Self =
        Self(Self::RESET.0 | Self::REFUSED.0 | Self::CLOSED.0 | Self::TIMED_OUT.0);

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` happened.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing happened.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why a segment, or what was wrong in it, was not taken. One counter each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Dropped {
    /// Outside the receive window; answered with an acknowledgment.
    OutOfWindow,
    /// An old duplicate by its timestamp (PAWS, RFC 7323 section 5).
    OldTimestamp,
    /// Without the timestamps that were agreed (RFC 7323 section 3.2).
    NoTimestamp,
    /// A reset that is in the window but not at its start: challenged (RFC 5961 section 3).
    ChallengedReset,
    /// A SYN on a connection that is synchronized: challenged (RFC 5961 section 4).
    ChallengedSyn,
    /// Acknowledges what was never sent, or so long ago that it must be a guess (RFC 5961 section
    /// 5): challenged or reset.
    BadAcknowledgment,
    /// Without the ACK bit where it is required.
    NoAcknowledgment,
    /// A reset or anything else that is to be passed over in the state it came in.
    Ignored,
    /// Ahead of its turn, with no room to keep it.
    NoRoom,
    /// Ended the connection.
    Reset,
}

/// What a segment that arrived leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// What happened to the connection.
    pub events: Events,
    /// What to do with the payload.
    pub payload: Payload,
    /// Bytes newly acknowledged, SYN and FIN not counted: the caller may let go of them.
    pub acknowledged: u32,
    /// A reset to be sent at once.
    pub reset: Option<Reset>,
    /// Why it, or part of it, was dropped.
    pub dropped: Option<Dropped>,
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn events_are_told_apart() {
        let over = [Events::RESET, Events::REFUSED, Events::CLOSED, Events::TIMED_OUT];
        let on = [Events::ESTABLISHED, Events::INPUT_ENDED, Events::TIME_WAIT, Events::URGENT];
        let all = [over, on].concat();
        for (at, event) in all.iter().enumerate() {
            assert!(!event.is_empty() && event.any(*event));
            assert_eq!(event.any(Events::OVER), over.contains(event));
            let mut others = Events::default();
            assert!(others.is_empty());
            all.iter().enumerate().filter(|(other, _)| *other != at).for_each(|(_, other)| {
                others.add(*other);
            });
            assert!(!event.any(others) && others.with(*event).any(*event), "{event:?}");
        }
    }
}
