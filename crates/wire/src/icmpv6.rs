//! ICMP for IPv6, RFC 4443: echo and errors here, neighbour discovery in [`crate::ndisc`].
//! Invariant: every message was read with its checksum over the pseudo-header right.

use core::net::Ipv6Addr;

use crate::checksum::Sum;
use crate::field::{put, u16_at, u32_at};
use crate::{Malformed, NoRoom, ndisc, protocol};

/// Bytes of a message before its data or quotation.
pub const HEADER_LENGTH: usize = 8;
/// Bytes of the packet that an error quotes (RFC 4443 section 2.4 c: as much as fits the least MTU).
pub const QUOTE_MAX: usize =
    crate::ipv6::MTU_MIN as usize - crate::ipv6::HEADER_LENGTH - HEADER_LENGTH;

/// Code of [`Repr::Unreachable`]: no route to the destination.
pub const NO_ROUTE: u8 = 0;
/// Code of [`Repr::Unreachable`]: forbidden by a filter.
pub const PROHIBITED: u8 = 1;
/// Code of [`Repr::Unreachable`]: no such host.
pub const ADDRESS_UNREACHABLE: u8 = 3;
/// Code of [`Repr::Unreachable`]: nobody listens on the port.
pub const PORT_UNREACHABLE: u8 = 4;

/// A message: its header as a value, its data or quotation borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repr<'a> {
    /// Type 128: answer with the same.
    EchoRequest {
        /// Tells askers apart.
        identifier: u16,
        /// Tells questions apart.
        sequence: u16,
        /// To be sent back.
        data: &'a [u8],
    },
    /// Type 129: an answer to an echo request.
    EchoReply {
        /// The question's.
        identifier: u16,
        /// The question's.
        sequence: u16,
        /// The question's.
        data: &'a [u8],
    },
    /// Type 1: a packet did not arrive.
    Unreachable {
        /// Why.
        code: u8,
        /// The start of the packet; see [`crate::quoted`].
        quoted: &'a [u8],
    },
    /// Type 2: a packet was larger than a link's MTU.
    PacketTooBig {
        /// That MTU.
        mtu: u32,
        /// The start of the packet.
        quoted: &'a [u8],
    },
    /// Type 3: a packet was under way too long.
    TimeExceeded {
        /// 0 hops, 1 reassembly.
        code: u8,
        /// The start of the packet.
        quoted: &'a [u8],
    },
    /// Type 4: a header field makes no sense.
    ParameterProblem {
        /// What kind.
        code: u8,
        /// Where, counted in bytes.
        pointer: u32,
        /// The start of the packet.
        quoted: &'a [u8],
    },
    /// Types 133 to 136. Valid only with a hop limit of 255 in the IP header (RFC 4861).
    Ndisc(ndisc::Repr),
}

impl<'a> Repr<'a> {
    /// Reads a message that came from `source` for `destination`.
    ///
    /// # Errors
    /// When it is too short, its checksum is wrong or a field in it forbidden
    /// ([`Malformed::Field`]), or it is of a type not listed here.
    pub fn parse(
        bytes: &'a [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<Self, Malformed> {
        let (header, rest) =
            bytes.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        let length = u32::try_from(bytes.len()).map_err(|_| Malformed::Length)?;
        let pseudo = Sum::pseudo_v6(source, destination, protocol::ICMPV6, length);
        if !pseudo.bytes(bytes).verifies() {
            return Err(Malformed::Field);
        }
        let (code, first, second) = (header[1], u16_at(header, 4), u16_at(header, 6));
        let word = u32_at(header, 4);
        match header[0] {
            1 => Ok(Self::Unreachable { code, quoted: rest }),
            2 => Ok(Self::PacketTooBig { mtu: word, quoted: rest }),
            3 => Ok(Self::TimeExceeded { code, quoted: rest }),
            4 => Ok(Self::ParameterProblem { code, pointer: word, quoted: rest }),
            128 => Ok(Self::EchoRequest { identifier: first, sequence: second, data: rest }),
            129 => Ok(Self::EchoReply { identifier: first, sequence: second, data: rest }),
            kind => ndisc::Repr::parse(kind, header, rest).map(Self::Ndisc),
        }
    }

    /// Type, code, the header's second word, and what follows.
    const fn parts(&self) -> (u8, u8, u32, &'a [u8]) {
        match *self {
            Self::Unreachable { code, quoted } => (1, code, 0, quoted),
            Self::PacketTooBig { mtu, quoted } => (2, 0, mtu, quoted),
            Self::TimeExceeded { code, quoted } => (3, code, 0, quoted),
            Self::ParameterProblem { code, pointer, quoted } => (4, code, pointer, quoted),
            Self::EchoRequest { identifier, sequence, data } => {
                (128, 0, (identifier as u32) << 16 | sequence as u32, data)
            }
            Self::EchoReply { identifier, sequence, data } => {
                (129, 0, (identifier as u32) << 16 | sequence as u32, data)
            }
            Self::Ndisc(ref message) => (message.kind(), 0, message.word(), &[]),
        }
    }

    /// Bytes the message takes.
    #[must_use]
    pub const fn length(&self) -> usize {
        match self {
            Self::Ndisc(message) => HEADER_LENGTH + message.body_length(),
            _ => HEADER_LENGTH + self.parts().3.len(),
        }
    }

    /// Writes the message, from `source` for `destination`, with its checksum and says how many
    /// bytes it took.
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than [`Repr::length`], or that is above 65,535.
    pub fn emit(
        &self,
        into: &mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<usize, NoRoom> {
        let (kind, code, word, data) = self.parts();
        let length = self.length();
        let wide_length = u32::from(u16::try_from(length).map_err(|_| NoRoom)?);
        let into = into.get_mut(..length).ok_or(NoRoom)?;
        let (header, rest) = into.split_first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        match self {
            Self::Ndisc(message) => message.emit_body(rest),
            _ => rest.copy_from_slice(data),
        }
        header[..4].copy_from_slice(&[kind, code, 0, 0]);
        put(header, 4, &word.to_be_bytes());
        let pseudo = Sum::pseudo_v6(source, destination, protocol::ICMPV6, wide_length);
        let checksum = pseudo.bytes(header).bytes(rest).finish();
        put(header, 2, &checksum.to_be_bytes());
        Ok(length)
    }
}
