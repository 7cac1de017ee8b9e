//! UDP, RFC 768. Invariant of a view: the length field is possible and the payload inside the
//! bytes given.

use crate::checksum::Sum;
use crate::field::{put, u16_at};
use crate::{Malformed, NoRoom};

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 8;

/// A datagram that arrived.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LENGTH],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When its length is less than the header's or more than the bytes there are.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        let length = usize::from(u16_at(header, 4));
        if length < HEADER_LENGTH {
            return Err(Malformed::Length);
        }
        let datagram = bytes.get(..length).ok_or(Malformed::Truncated)?;
        Ok(Self { header, payload: &datagram[HEADER_LENGTH..] })
    }

    /// Whether the sender left the checksum out (allowed over IPv4 only).
    #[must_use]
    pub const fn has_no_checksum(&self) -> bool {
        u16_at(self.header, 6) == 0
    }

    /// Whether the checksum is right, given the sum of the pseudo-header.
    #[must_use]
    pub fn verifies(&self, pseudo: Sum) -> bool {
        pseudo.bytes(self.header).bytes(self.payload).verifies()
    }

    /// What follows the header.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The header as a value.
    #[must_use]
    pub const fn repr(&self) -> Repr {
        Repr { source_port: u16_at(self.header, 0), destination_port: u16_at(self.header, 2) }
    }
}

/// A header as a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

impl Repr {
    /// Writes the header for `payload` with its checksum over it and `pseudo`, and says how many
    /// bytes the header took: [`HEADER_LENGTH`].
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than that or the payload longer than a datagram can be.
    pub fn emit(&self, into: &mut [u8], payload: &[u8], pseudo: Sum) -> Result<usize, NoRoom> {
        let header = into.first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        let length = u16::try_from(HEADER_LENGTH + payload.len()).map_err(|_| NoRoom)?;
        put(header, 0, &self.source_port.to_be_bytes());
        put(header, 2, &self.destination_port.to_be_bytes());
        put(header, 4, &length.to_be_bytes());
        put(header, 6, &[0, 0]);
        // Zero means "no checksum", so a sum of zero is sent as its other form, all ones.
        let checksum = match pseudo.bytes(header).bytes(payload).finish() {
            0 => 0xffff,
            sum => sum,
        };
        put(header, 6, &checksum.to_be_bytes());
        Ok(HEADER_LENGTH)
    }
}
