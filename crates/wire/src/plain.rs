//! The frame that nearly every segment comes and leaves in: Ethernet without tags, IPv4 without options
//! and in one piece, and TCP that only acknowledges, with or without text or FIN, with timestamps or
//! without any option. All its fields have fixed places, so it is read and written without looking for them.
//! Invariant: what is read here reads the same through the views of the protocols' own modules; what
//! is not plain, or wrong in any way, is left to them.

use core::net::Ipv4Addr;

use crate::checksum::Sum;
use crate::ethernet::{self, EtherType, Mac};
use crate::field::{bytes_at, put, u16_at, u32_at};
use crate::ipv4;
use crate::protocol::{self, Ecn};
use crate::tcp::{self, Flags, Plain, Timestamps};

/// Where the IPv4 header starts, and the TCP header.
const IP: usize = ethernet::HEADER_LENGTH;
const TCP: usize = IP + ipv4::HEADER_LENGTH;
/// Where the options or the payload start.
const REST: usize = TCP + tcp::HEADER_LENGTH;
/// Bytes of timestamps with their padding, and the first of them (RFC 7323 appendix A).
const STAMPS: usize = tcp::Options::TIMESTAMPS_LENGTH;
const STAMPS_START: [u8; 4] = [1, 1, 8, 10];

/// Version 4, a header of five words.
const VERSION_AND_LENGTH: u8 = 0x45;
const DONT_FRAGMENT: u16 = 0x4000;
/// The more-fragments bit, the reserved one, and the fragment offset.
const FRAGMENT: u16 = !DONT_FRAGMENT;
/// Data offsets, with the reserved bits zero.
const WITHOUT_OPTIONS: u8 = 5 << 4;
const WITH_STAMPS: u8 = 8 << 4;

/// A plain frame: which one it is, and where its payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Where the payload starts.
    payload: u16,
    /// Where it ends; the frame may be padded.
    end: u16,
}

/// Who sends a frame to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The stations.
    pub macs: (Mac, Mac),
    /// The hosts.
    pub addresses: (Ipv4Addr, Ipv4Addr),
    /// The ports.
    pub ports: (u16, u16),
}

impl Layout {
    /// Says whether a frame is plain and intact. Checksums are looked at if `verify`.
    #[must_use]
    #[inline]
    pub fn of(frame: &[u8], verify: bool) -> Option<Self> {
        let head = frame.first_chunk::<REST>()?;
        let end = IP + usize::from(u16_at(head, IP + 2));
        let segment = frame.get(TCP..end)?;
        let payload = match head[TCP + 12] {
            WITHOUT_OPTIONS => REST,
            WITH_STAMPS if segment.get(REST - TCP..REST - TCP + 4)? == STAMPS_START => {
                REST + STAMPS
            }
            _ => return None,
        };
        let plain = u16_at(head, 12) == EtherType::IPV4.0
            && head[IP] == VERSION_AND_LENGTH
            && u16_at(head, IP + 6) & FRAGMENT == 0
            && head[IP + 9] == protocol::TCP
            && Flags(head[TCP + 13]).without(Flags::PSH | Flags::FIN) == Flags::ACK
            && payload <= end;
        if !plain || verify && !verifies(head, segment) {
            return None;
        }
        // `end` is 14 more than a 16-bit number; a frame that long is not plain.
        Some(Self { payload: payload as u16, end: u16::try_from(end).ok()? })
    }

    /// The header of a frame of this layout.
    #[must_use]
    #[inline]
    pub fn header(self, frame: &[u8]) -> Option<Plain> {
        let head = frame.first_chunk::<REST>()?;
        let timestamps = if usize::from(self.payload) == REST {
            None
        } else {
            let head = frame.first_chunk::<{ REST + STAMPS }>()?;
            let (value, echo) = (u32_at(head, REST + 4), u32_at(head, REST + 8));
            Some(Timestamps { value, echo })
        };
        Some(Plain {
            sequence: base::Seq(u32_at(head, TCP + 4)),
            acknowledgment: base::Seq(u32_at(head, TCP + 8)),
            fin: Flags(head[TCP + 13]).any(Flags::FIN),
            window: u16_at(head, TCP + 14),
            timestamps,
        })
    }

    /// The payload of a frame of this layout.
    #[must_use]
    #[inline]
    pub fn payload(self, frame: &[u8]) -> &[u8] {
        frame.get(usize::from(self.payload)..usize::from(self.end)).unwrap_or_default()
    }

    /// Where the TCP segment starts and ends in such a frame.
    #[must_use]
    #[inline]
    pub const fn segment(self) -> (u16, u16) {
        (TCP as u16, self.end)
    }

    /// Who sent such a frame to whom, and its ECN codepoint.
    #[must_use]
    #[inline]
    pub fn ends(self, frame: &[u8]) -> Option<(Ends, Ecn)> {
        let head = frame.first_chunk::<REST>()?;
        let address = |at| Ipv4Addr::from_octets(bytes_at(head, at));
        let ends = Ends {
            macs: (Mac(bytes_at(head, 6)), Mac(bytes_at(head, 0))),
            addresses: (address(IP + 12), address(IP + 16)),
            ports: (u16_at(head, TCP), u16_at(head, TCP + 2)),
        };
        Some((ends, Ecn::from_bits(head[IP + 1])))
    }
}

/// Whether both checksums are right.
#[inline]
fn verifies(head: &[u8; REST], segment: &[u8]) -> bool {
    // Bytes 12 to 19 of the IP header are the addresses, which count in both.
    let addresses = Sum::default().bytes(&head[IP + 12..TCP]);
    // A plain frame's length is a 16-bit number.
    let pseudo = addresses.field(u16::from(protocol::TCP)).field(segment.len() as u16);
    addresses.bytes(&head[IP..IP + 12]).verifies() && pseudo.bytes(segment).verifies()
}

/// Writes a plain frame with this payload and says how many bytes it took. The TCP checksum stays zero
/// unless `checksum`. `None` when `into` is too short for it, or it is longer than an IPv4 packet.
#[must_use]
#[inline]
pub fn emit(
    into: &mut [u8],
    ends: &Ends,
    (header, push, ecn): (&Plain, bool, Ecn),
    payload: &[u8],
    checksum: bool,
) -> Option<usize> {
    let options = if header.timestamps.is_some() { STAMPS } else { 0 };
    let length = REST + options + payload.len();
    let total = u16::try_from(length - IP).ok()?;
    let (head, rest) = into.get_mut(..length)?.split_first_chunk_mut::<REST>()?;
    put(head, 0, &ends.macs.1.0);
    put(head, 6, &ends.macs.0.0);
    put(head, 12, &EtherType::IPV4.0.to_be_bytes());
    emit_ip(head, ends.addresses, total, ecn);
    let offset = if header.timestamps.is_some() { WITH_STAMPS } else { WITHOUT_OPTIONS };
    let flags = Flags::ACK.with_if(push, Flags::PSH).with_if(header.fin, Flags::FIN);
    put(head, TCP, &ends.ports.0.to_be_bytes());
    put(head, TCP + 2, &ends.ports.1.to_be_bytes());
    put(head, TCP + 4, &header.sequence.0.to_be_bytes());
    put(head, TCP + 8, &header.acknowledgment.0.to_be_bytes());
    put(head, TCP + 12, &[offset, flags.0]);
    put(head, TCP + 14, &header.window.to_be_bytes());
    put(head, TCP + 16, &[0, 0, 0, 0]);
    let mut sum = Sum::default();
    let text = match header.timestamps {
        Some(Timestamps { value, echo }) => {
            let (stamps, text) = rest.split_first_chunk_mut::<STAMPS>()?;
            put(stamps, 0, &STAMPS_START);
            put(stamps, 4, &value.to_be_bytes());
            put(stamps, 8, &echo.to_be_bytes());
            sum = sum.wide_field(u32::from_be_bytes(STAMPS_START));
            sum = sum.wide_field(value).wide_field(echo);
            text
        }
        None => rest,
    };
    text.copy_from_slice(payload);
    if checksum {
        let (source, destination) = ends.addresses;
        // Of what was just written, not what is read back: a load that waits for a store is slow.
        let sum = sum
            .wide_field(source.to_bits())
            .wide_field(destination.to_bits())
            .field(u16::from(protocol::TCP))
            .field(total - (TCP - IP) as u16)
            .wide_field(u32::from(ends.ports.0) << 16 | u32::from(ends.ports.1))
            .wide_field(header.sequence.0)
            .wide_field(header.acknowledgment.0)
            .wide_field(u32::from_be_bytes([offset, flags.0, 0, 0]) | u32::from(header.window))
            .bytes(payload);
        put(head, TCP + 16, &sum.finish().to_be_bytes());
    }
    Some(length)
}

/// Hops a packet of ours may take: the default of RFC 1700, "Assigned Numbers".
pub const HOP_LIMIT: u8 = 64;

#[inline]
fn emit_ip(head: &mut [u8; REST], (from, to): (Ipv4Addr, Ipv4Addr), total: u16, ecn: Ecn) {
    let first = u32::from_be_bytes([VERSION_AND_LENGTH, ecn.bits(), 0, 0]) | u32::from(total);
    // RFC 6864 section 4.1: the identification means nothing in a packet that is never fragmented.
    let second = u32::from(DONT_FRAGMENT);
    let third = u32::from_be_bytes([HOP_LIMIT, protocol::TCP, 0, 0]);
    let sum = Sum::default().wide_field(first).wide_field(second).wide_field(third);
    let sum = sum.wide_field(from.to_bits()).wide_field(to.to_bits());
    put(head, IP, &first.to_be_bytes());
    put(head, IP + 4, &second.to_be_bytes());
    put(head, IP + 8, &(third | u32::from(sum.finish())).to_be_bytes());
    put(head, IP + 12, &from.octets());
    put(head, IP + 16, &to.octets());
}

#[cfg(test)]
mod tests;
