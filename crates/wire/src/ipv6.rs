//! IPv6, RFC 8200. Extension headers are walked, at most [`EXTENSION_HEADERS_MAX`] of them, up to
//! the upper-layer header. Invariant of a view: what it calls the payload starts with the header
//! that `protocol` names, or is part of a fragment.

use core::net::Ipv6Addr;

use crate::field::{bytes_at, put, u16_at};
use crate::protocol::Ecn;
use crate::{Malformed, NoRoom};

/// Bytes of a header without extension headers.
pub const HEADER_LENGTH: usize = 40;
/// Every link takes a packet of this size, RFC 8200 section 5.
pub const MTU_MIN: u16 = 1280;
/// Extension headers walked before a packet is given up. RFC 8504 section 5.3 asks hosts to bound
/// the chain; each header but the destination options occurs at most once (RFC 8200 section 4.1).
pub const EXTENSION_HEADERS_MAX: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LENGTH],
    upper: Upper<'a>,
}

/// Where the chain of extension headers ends.
#[derive(Clone, Copy, Debug)]
struct Upper<'a> {
    protocol: u8,
    fragment: bool,
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads a packet; `bytes` may be longer than it.
    ///
    /// # Errors
    /// When the version is not 6, a length reaches past the bytes, the chain of extension headers
    /// is too long or out of order, or a source route has stops left (RFC 5095 section 3).
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) =
            bytes.split_first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let length = usize::from(u16_at(header, 4));
        let rest = rest.get(..length).ok_or(Malformed::Truncated)?;
        Ok(Self { header, upper: walk(header[6], rest)? })
    }

    /// Whether this is a part of a packet that was sent in several. A packet that is its own only
    /// fragment is not (RFC 6946).
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.upper.fragment
    }

    /// What follows the extension headers.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.upper.payload
    }

    /// The header as a value, without extension headers.
    #[must_use]
    pub fn repr(&self) -> Repr {
        let class = self.header[0] << 4 | self.header[1] >> 4;
        let label = bytes_at::<HEADER_LENGTH, 4>(self.header, 0);
        Repr {
            source: Ipv6Addr::from_octets(bytes_at(self.header, 8)),
            destination: Ipv6Addr::from_octets(bytes_at(self.header, 24)),
            protocol: self.upper.protocol,
            hop_limit: self.header[7],
            dscp: class >> 2,
            ecn: Ecn::from_bits(class),
            flow_label: u32::from_be_bytes(label) & 0x000f_ffff,
            // Not above 65,535: the payload length is a 16-bit field.
            payload_length: self.upper.payload.len() as u16,
        }
    }
}

fn walk(mut next: u8, mut rest: &[u8]) -> Result<Upper<'_>, Malformed> {
    for index in 0..=EXTENSION_HEADERS_MAX {
        let unit = match next {
            HOP_BY_HOP if index > 0 => return Err(Malformed::Field),
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT => 8,
            AUTHENTICATION => 4,
            protocol => return Ok(Upper { protocol, fragment: false, payload: rest }),
        };
        let start = *rest.first_chunk::<8>().ok_or(Malformed::Truncated)?;
        let length = match next {
            FRAGMENT => 8,
            // RFC 4302 section 2.2: in 4-byte words, minus 2.
            AUTHENTICATION => (usize::from(start[1]) + 2) * unit,
            _ => (usize::from(start[1]) + 1) * unit,
        };
        if next == ROUTING && start[3] != 0 {
            return Err(Malformed::Unsupported);
        }
        let after = rest.get(length..).ok_or(Malformed::Truncated)?;
        // Offset and more-fragments; the two bits between are reserved.
        if next == FRAGMENT && u16_at(&start, 2) & 0xfff9 != 0 {
            return Ok(Upper { protocol: start[0], fragment: true, payload: after });
        }
        (next, rest) = (start[0], after);
    }
    Err(Malformed::Unsupported)
}

/// A header as a value: one without extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// Where it comes from.
    pub source: Ipv6Addr,
    /// Where it goes to.
    pub destination: Ipv6Addr,
    /// What follows, see [`crate::protocol`].
    pub protocol: u8,
    /// Hops it may still take.
    pub hop_limit: u8,
    /// Differentiated services codepoint, RFC 2474, 6 bits.
    pub dscp: u8,
    /// Explicit congestion notification.
    pub ecn: Ecn,
    /// Flow label, RFC 6437, 20 bits.
    pub flow_label: u32,
    /// Bytes that follow the header.
    pub payload_length: u16,
}

impl Repr {
    /// Writes the header and says how many bytes it took: [`HEADER_LENGTH`].
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than that.
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let header = into.first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        let class = u32::from(self.dscp << 2 | self.ecn.bits());
        let word = 6 << 28 | class << 20 | (self.flow_label & 0x000f_ffff);
        put(header, 0, &word.to_be_bytes());
        put(header, 4, &self.payload_length.to_be_bytes());
        header[6] = self.protocol;
        header[7] = self.hop_limit;
        put(header, 8, &self.source.octets());
        put(header, 24, &self.destination.octets());
        Ok(HEADER_LENGTH)
    }
}
