//! What is left to be done of a TCP segment that is sent: its checksum, and its cutting where it
//! stands for several. [`Segment`]. Invariant: nothing of a frame changes but the checksum field,
//! which holds the sum of the pseudo-header that whoever completes it goes on from.

use core::num::NonZeroU16;

use wire::checksum::Sum;
use wire::ethernet::EtherType;
use wire::protocol::TCP;
use wire::{ethernet, ipv4, ipv6, tcp};

use super::{Header, LENGTH};

/// Bytes of all headers at most: Ethernet with two tags, IPv6 without extensions, TCP with options.
/// An IPv4 header with options as long would not be ours.
pub const HEADERS_MAX: usize =
    ethernet::HEADER_LENGTH + 2 * ethernet::TAG_LENGTH + ipv6::HEADER_LENGTH + TCP_LENGTH_MAX;
const TCP_LENGTH_MAX: usize = tcp::HEADER_LENGTH_MAX;

/// Where things are in the headers.
const IPV4_ADDRESSES: core::ops::Range<usize> = 12..20;
const IPV6_ADDRESSES: core::ops::Range<usize> = 8..40;
const TCP_CHECKSUM_AT: usize = 16;

/// A TCP segment that is about to be sent: where its parts are in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    ip: usize,
    tcp: usize,
    /// Bytes of all headers.
    pub headers: usize,
    /// Bytes of the TCP header and what follows.
    length: usize,
    ipv6: bool,
}

impl Segment {
    /// `None` for any other frame, which needs nothing done to it.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<Self> {
        let view = ethernet::View::new(frame).ok()?;
        let ip = view.repr().length();
        let (protocol, segment) = match view.repr().kind {
            EtherType::IPV4 => {
                let packet = ipv4::View::new(view.payload()).ok()?;
                (packet.repr().protocol, packet.payload())
            }
            EtherType::IPV6 => {
                let packet = ipv6::View::new(view.payload()).ok()?;
                (packet.repr().protocol, packet.payload())
            }
            _ => return None,
        };
        if protocol != TCP {
            return None;
        }
        let payload = tcp::View::new(segment).ok()?.payload();
        let at = |part: &[u8]| part.as_ptr().addr() - frame.as_ptr().addr();
        let (tcp, headers) = (at(segment), at(payload));
        let ipv6 = view.repr().kind == EtherType::IPV6;
        let length = segment.len();
        (headers <= HEADERS_MAX).then_some(Self { ip, tcp, headers, length, ipv6 })
    }

    /// Writes what is said of the segment, and a copy of its headers behind that, and gives how many
    /// bytes these are. `cut`: bytes of payload of each segment, where there are to be several.
    pub fn write_head(
        &self,
        frame: &[u8],
        cut: Option<NonZeroU16>,
        into: &mut [u8; LENGTH + HEADERS_MAX],
    ) -> usize {
        let (header, headers) = into.split_at_mut(LENGTH);
        let headers = &mut headers[..self.headers];
        headers.copy_from_slice(&frame[..self.headers]);
        let addresses = if self.ipv6 { IPV6_ADDRESSES } else { IPV4_ADDRESSES };
        // Shorter than 2^16.
        let sum = Sum::default().bytes(&headers[self.ip..][addresses]);
        let pseudo = !sum.wide_field(self.length as u32).field(u16::from(TCP)).finish();
        let at = self.tcp + TCP_CHECKSUM_AT;
        headers[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
        // Offsets into headers of at most `HEADERS_MAX` bytes.
        let tcp = self.tcp as u16;
        let said = match cut {
            None => Header::tcp(tcp),
            Some(cut) => Header::tcp_to_be_cut(tcp, self.headers as u16, cut.get(), self.ipv6),
        };
        header.copy_from_slice(&said.to_bytes());
        LENGTH + self.headers
    }
}
