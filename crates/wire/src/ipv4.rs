//! IPv4, RFC 791. Options are skipped, fragments recognised but not put together. Invariant of a
//! view: header and payload lie inside the bytes given; padding behind the packet is cut off.

use core::net::Ipv4Addr;

use crate::checksum::Sum;
use crate::field::{bytes_at, put, u16_at};
use crate::protocol::Ecn;
use crate::{Malformed, NoRoom};

/// Bytes of a header without options.
pub const HEADER_LENGTH: usize = 20;
/// Every host must take a packet of this size (RFC 791 section 3.1), and no link need take more.
pub const MTU_MIN: u16 = 576;

const DONT_FRAGMENT: u16 = 0x4000;
/// The more-fragments bit and the 13 bits of the fragment offset.
const FRAGMENT: u16 = 0x3fff;

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    header: &'a [u8; HEADER_LENGTH],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads a packet; `bytes` may be longer than it.
    ///
    /// # Errors
    /// When the version is not 4, or the header or total length cannot be. The checksum is not
    /// looked at: [`View::verifies`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER_LENGTH>().ok_or(Malformed::Truncated)?;
        if header[0] >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let header_length = usize::from(header[0] & 0x0f) * 4;
        let total = usize::from(u16_at(header, 2));
        if header_length < HEADER_LENGTH || total < header_length {
            return Err(Malformed::Length);
        }
        let packet = bytes.get(..total).ok_or(Malformed::Truncated)?;
        //= specs/rfc9293.txt#section-3.9.2
        //# When received options are passed up to TCP from the IP layer, a TCP implementation MUST
        //# ignore options that it does not understand (MUST-50).
        let (head, payload) = packet.split_at_checked(header_length).ok_or(Malformed::Length)?;
        Ok(Self { header, options: &head[HEADER_LENGTH..], payload })
    }

    /// Whether the header checksum is right.
    #[must_use]
    pub fn verifies(&self) -> bool {
        Sum::default().bytes(self.header).bytes(self.options).verifies()
    }

    /// Whether this is a part of a packet that was sent in several.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        u16_at(self.header, 6) & FRAGMENT != 0
    }

    /// The options, as they came.
    #[must_use]
    pub const fn options(&self) -> &'a [u8] {
        self.options
    }

    /// What follows the header.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The header as a value, without options.
    #[must_use]
    pub fn repr(&self) -> Repr {
        let flags = u16_at(self.header, 6);
        Repr {
            source: Ipv4Addr::from_octets(bytes_at(self.header, 12)),
            destination: Ipv4Addr::from_octets(bytes_at(self.header, 16)),
            protocol: self.header[9],
            time_to_live: self.header[8],
            dscp: self.header[1] >> 2,
            ecn: Ecn::from_bits(self.header[1]),
            identification: u16_at(self.header, 4),
            dont_fragment: flags & DONT_FRAGMENT != 0,
            // Not above 65,535: the total length is a 16-bit field.
            payload_length: self.payload.len() as u16,
        }
    }
}

/// A header as a value: one without options, of a packet sent whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// Where it comes from.
    pub source: Ipv4Addr,
    /// Where it goes to.
    pub destination: Ipv4Addr,
    /// What follows, see [`crate::protocol`].
    pub protocol: u8,
    /// Hops it may still take.
    pub time_to_live: u8,
    /// Differentiated services codepoint, RFC 2474, 6 bits.
    pub dscp: u8,
    /// Explicit congestion notification.
    pub ecn: Ecn,
    /// Tells the packets of one sender apart when they are fragmented (RFC 6864).
    pub identification: u16,
    /// Whether routers are to drop it rather than fragment it.
    pub dont_fragment: bool,
    /// Bytes that follow the header.
    pub payload_length: u16,
}

impl Repr {
    /// Writes the header with its checksum and says how many bytes it took: [`HEADER_LENGTH`].
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than that, or the payload is longer than a packet can be.
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let header = into.first_chunk_mut::<HEADER_LENGTH>().ok_or(NoRoom)?;
        let total = self.payload_length.checked_add(HEADER_LENGTH as u16).ok_or(NoRoom)?;
        let flags = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        header[0] = 0x45;
        header[1] = self.dscp << 2 | self.ecn.bits();
        put(header, 2, &total.to_be_bytes());
        put(header, 4, &self.identification.to_be_bytes());
        put(header, 6, &flags.to_be_bytes());
        header[8] = self.time_to_live;
        header[9] = self.protocol;
        put(header, 10, &[0, 0]);
        put(header, 12, &self.source.octets());
        put(header, 16, &self.destination.octets());
        let checksum = Sum::default().bytes(header).finish();
        put(header, 10, &checksum.to_be_bytes());
        Ok(HEADER_LENGTH)
    }
}
