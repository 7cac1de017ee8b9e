//! Why packets were dropped. Invariant: every packet that is neither used nor answered is counted
//! under exactly one reason.

use app::Counter;
use wire::Malformed;

/// Why a packet was dropped, or what was odd about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Reason {
    /// A header contradicts itself or is cut short.
    Malformed,
    /// A checksum is wrong.
    Checksum,
    /// Part of a packet that was fragmented. They are not put together.
    Fragment,
    /// Sent to somebody else, or from an address that nobody can have.
    NotForUs,
    /// Neither TCP, UDP, ICMP nor ARP.
    UnknownProtocol,
    /// Another station claims one of our addresses.
    AddressConflict,
    /// For a connection that does not exist.
    NoConnection,
    /// For a port that nobody listens on.
    NoListener,
    /// A connection could not be woken, or a new one begun, for want of a working block.
    NoWorkingBlock,
    /// Payload could not be kept for want of buffers.
    NoBuffer,
    /// Not taken by the connection it was for.
    Refused,
    /// Going out: no route to the destination.
    NoRoute,
    /// Going out: the neighbour did not answer in time, or too many packets wait for neighbours.
    NoNeighbor,
    /// Going out: no packet buffer was free.
    NoFrame,
    /// Going out: the port takes no more.
    PortFull,
    /// Going out: longer than a packet can be.
    TooLong,
    /// Lost at the port, before the stack or behind it.
    Port,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::Port as usize + 1;

    /// Every reason.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Malformed,
        Self::Checksum,
        Self::Fragment,
        Self::NotForUs,
        Self::UnknownProtocol,
        Self::AddressConflict,
        Self::NoConnection,
        Self::NoListener,
        Self::NoWorkingBlock,
        Self::NoBuffer,
        Self::Refused,
        Self::NoRoute,
        Self::NoNeighbor,
        Self::NoFrame,
        Self::PortFull,
        Self::TooLong,
        Self::Port,
    ];

    /// Its name, for metrics: it does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Checksum => "checksum",
            Self::Fragment => "fragment",
            Self::NotForUs => "not_for_us",
            Self::UnknownProtocol => "unknown_protocol",
            Self::AddressConflict => "address_conflict",
            Self::NoConnection => "no_connection",
            Self::NoListener => "no_listener",
            Self::NoWorkingBlock => "no_working_block",
            Self::NoBuffer => "no_buffer",
            Self::Refused => "refused",
            Self::NoRoute => "no_route",
            Self::NoNeighbor => "no_neighbor",
            Self::NoFrame => "no_frame",
            Self::PortFull => "port_full",
            Self::TooLong => "too_long",
            Self::Port => "port",
        }
    }
}

impl From<Malformed> for Reason {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A counter for each [`Reason`].
#[derive(Debug, Default)]
pub struct Drops([Counter; Reason::COUNT]);

impl Drops {
    pub(crate) fn count(&self, reason: Reason) {
        self.0[reason as usize].add(1);
    }

    /// Counts so many that somebody else has dropped.
    pub(crate) fn add(&self, reason: Reason, packets: u64) {
        self.0[reason as usize].add(packets);
    }

    /// Packets dropped for a reason so far.
    #[must_use]
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_reason_is_listed_in_its_place() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
        }
    }
}
