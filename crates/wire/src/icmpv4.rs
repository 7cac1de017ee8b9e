//! ICMP for IPv4, RFC 792, with the MTU of RFC 1191 in its place. Invariant: every message has at
//! least the eight bytes of its header; the checksum covers the whole of it.

use crate::checksum::Sum;
use crate::field::{put, u16_at};
use crate::{Malformed, NoRoom};

/// Bytes of a message before its data or quotation.
pub const HEADER_LENGTH: usize = 8;
/// Bytes of the packet that an error quotes, so that the error fits every link
/// (RFC 1812 section 4.3.2.3: as much as fits 576 bytes).
pub const QUOTE_MAX: usize = 576 - crate::ipv4::HEADER_LENGTH - HEADER_LENGTH;

/// Code of [`Repr::Unreachable`]: no route to the network.
pub const NET_UNREACHABLE: u8 = 0;
/// Code of [`Repr::Unreachable`]: no such host on its network.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`Repr::Unreachable`]: the host does not speak the protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`Repr::Unreachable`]: nobody listens on the port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`Repr::Unreachable`]: larger than the link's MTU, and not to be fragmented.
pub const FRAGMENTATION_NEEDED: u8 = 4;

/// A message: its header as a value, its data or quotation borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repr<'a> {
    /// Type 8: answer with the same.
    EchoRequest {
        /// Tells askers apart.
        identifier: u16,
        /// Tells questions apart.
        sequence: u16,
        /// To be sent back.
        data: &'a [u8],
    },
    /// Type 0: an answer to an echo request.
    EchoReply {
        /// The question's.
        identifier: u16,
        /// The question's.
        sequence: u16,
        /// The question's.
        data: &'a [u8],
    },
    /// Type 3: a packet did not arrive.
    Unreachable {
        /// Why.
        code: u8,
        /// With [`FRAGMENTATION_NEEDED`], the MTU of the link; 0 from routers older than RFC 1191.
        mtu: u16,
        /// The start of the packet; see [`crate::quoted`].
        quoted: &'a [u8],
    },
    /// Type 11: a packet was under way too long.
    TimeExceeded {
        /// 0 hops, 1 reassembly.
        code: u8,
        /// The start of the packet.
        quoted: &'a [u8],
    },
    /// Type 12: a header field makes no sense.
    ParameterProblem {
        /// Where, counted in bytes, when the code is 0.
        pointer: u8,
        /// What kind.
        code: u8,
        /// The start of the packet.
        quoted: &'a [u8],
    },
}

impl<'a> Repr<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is too short, its checksum is wrong ([`Malformed::Field`]), or it is of a type not
    /// listed here.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) =
            bytes.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        if !Sum::default().bytes(bytes).verifies() {
            return Err(Malformed::Field);
        }
        let (code, first, second) = (header[1], u16_at(header, 4), u16_at(header, 6));
        match header[0] {
            0 => Ok(Self::EchoReply { identifier: first, sequence: second, data: rest }),
            3 => Ok(Self::Unreachable { code, mtu: second, quoted: rest }),
            8 => Ok(Self::EchoRequest { identifier: first, sequence: second, data: rest }),
            11 => Ok(Self::TimeExceeded { code, quoted: rest }),
            12 => Ok(Self::ParameterProblem { pointer: header[4], code, quoted: rest }),
            //= specs/rfc9293.txt#section-3.9.2.2
            //# TCP implementations MUST silently discard any received ICMP Source Quench messages
            //# (MUST-55).
            _ => Err(Malformed::Unsupported),
        }
    }

    /// Type, code, the header's second word, and what follows.
    const fn parts(&self) -> (u8, u8, [u16; 2], &'a [u8]) {
        match *self {
            Self::EchoReply { identifier, sequence, data } => (0, 0, [identifier, sequence], data),
            Self::EchoRequest { identifier, sequence, data } => {
                (8, 0, [identifier, sequence], data)
            }
            Self::Unreachable { code, mtu, quoted } => (3, code, [0, mtu], quoted),
            Self::TimeExceeded { code, quoted } => (11, code, [0, 0], quoted),
            Self::ParameterProblem { pointer, code, quoted } => {
                (12, code, [(pointer as u16) << 8, 0], quoted)
            }
        }
    }

    /// Bytes the message takes.
    #[must_use]
    pub const fn length(&self) -> usize {
        HEADER_LENGTH + self.parts().3.len()
    }

    /// Writes the message with its checksum and says how many bytes it took.
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than [`Repr::length`].
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let (kind, code, [first, second], data) = self.parts();
        let length = self.length();
        let into = into.get_mut(..length).ok_or(NoRoom)?;
        let (header, rest) = into.split_first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        rest.copy_from_slice(data);
        header[..4].copy_from_slice(&[kind, code, 0, 0]);
        put(header, 4, &first.to_be_bytes());
        put(header, 6, &second.to_be_bytes());
        let checksum = Sum::default().bytes(header).bytes(rest).finish();
        put(header, 2, &checksum.to_be_bytes());
        Ok(length)
    }
}
