//! Segments that follow each other, handed to the kernel as one: [`Segment`], [`Run`]. Invariant: cut
//! into parts as long as the first one's payload, a run gives exactly the segments it was made of.

use wire::checksum::Sum;
use wire::ethernet::EtherType;
use wire::protocol::TCP;
use wire::{ethernet, ipv4, ipv6, tcp};

use crate::vnet::Header;

/// Bytes of all headers at most: Ethernet with two tags, IPv6 without extensions, TCP with options.
/// An IPv4 header with options as long would not be ours.
pub(crate) const HEADERS_MAX: usize =
    ethernet::HEADER_LENGTH + 2 * ethernet::TAG_LENGTH + ipv6::HEADER_LENGTH + TCP_LENGTH_MAX;
const TCP_LENGTH_MAX: usize = tcp::HEADER_LENGTH_MAX;
/// Bytes of the longest packet.
const PACKET_MAX: usize = u16::MAX as usize;

/// Flags of a segment that can be part of a run: ACK, and at its end also PSH and FIN.
const ACK: u8 = 0x10;
const ACK_PSH_FIN: u8 = 0x19;
const TCP_FLAGS_AT: usize = 13;

/// A TCP segment that is about to be sent: where its parts are in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    ip: usize,
    tcp: usize,
    pub(crate) headers: usize,
    pub(crate) payload: usize,
    ipv6: bool,
    flags: u8,
    sequence: u32,
}

impl Segment {
    /// `None` for any other frame, which needs nothing done to it.
    pub(crate) fn of(frame: &[u8]) -> Option<Self> {
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
        let [_, _, _, _, a, b, c, d] = *segment.first_chunk::<8>()?;
        (headers <= HEADERS_MAX).then_some(Self {
            ip,
            tcp,
            headers,
            payload: payload.len(),
            ipv6,
            flags: segment[TCP_FLAGS_AT],
            sequence: u32::from_be_bytes([a, b, c, d]),
        })
    }

    /// Whether all that both headers say is the same, but for lengths, sequence number, checksums
    /// and the flags that end a run.
    fn is_like(&self, mine: &[u8], other: &Self, theirs: &[u8]) -> bool {
        let same = |range: core::ops::Range<usize>| mine[range.clone()] == theirs[range];
        let (ip, tcp) = (self.ip, self.tcp);
        let same_ip = if self.ipv6 {
            same(ip..ip + 4) && same(ip + 6..tcp)
        } else {
            same(ip..ip + 2) && same(ip + 6..ip + 10) && same(ip + 12..tcp)
        };
        (self.ip, self.tcp, self.headers) == (other.ip, other.tcp, other.headers)
            && same(0..ip)
            && same_ip
            && same(tcp..tcp + 4)
            && same(tcp + 8..tcp + 13)
            && same(tcp + 14..tcp + 16)
            && same(tcp + 18..self.headers)
    }
}

/// Segments of one connection that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    first: Segment,
    /// Bytes of payload of all.
    payload: usize,
    /// The last one's flags and the sequence number after it.
    flags: u8,
    next: u32,
    pub(crate) count: usize,
}

impl Run {
    /// A run of one.
    pub(crate) const fn new(first: Segment) -> Self {
        let (payload, flags) = (first.payload, first.flags);
        // A payload is shorter than 2^16.
        let next = first.sequence.wrapping_add(payload as u32);
        Self { first, payload, flags, next, count: 1 }
    }

    /// Takes one more segment in, if it may follow.
    pub(crate) fn add(&mut self, first: &[u8], segment: &Segment, frame: &[u8]) -> bool {
        let length = self.first.headers - self.first.ip + self.payload + segment.payload;
        let fits = self.flags == ACK
            && self.payload == self.count * self.first.payload
            && (1..=self.first.payload).contains(&segment.payload)
            && segment.flags & ACK == ACK
            && segment.flags & !ACK_PSH_FIN == 0
            && segment.sequence == self.next
            && length <= PACKET_MAX
            && self.first.is_like(first, segment, frame);
        if fits {
            self.payload += segment.payload;
            self.flags = segment.flags;
            self.next = self.next.wrapping_add(segment.payload as u32);
            self.count += 1;
        }
        fits
    }

    /// The headers of the whole, made from the first one's; gives what is to be said of it too.
    /// The checksum field gets the sum of the pseudo-header, which the kernel goes on from.
    pub(crate) fn head(&self, headers: &mut [u8]) -> Header {
        let Segment { ip, tcp, ipv6, .. } = self.first;
        let total = self.first.headers - tcp + self.payload;
        let pseudo = if ipv6 {
            put(
                headers,
                ip + 4,
                &((self.first.headers - ip - ipv6::HEADER_LENGTH + self.payload) as u16)
                    .to_be_bytes(),
            );
            Sum::default().bytes(&headers[ip + 8..ip + 40]).wide_field(total as u32)
        } else {
            put(headers, ip + 2, &((self.first.headers - ip + self.payload) as u16).to_be_bytes());
            put(headers, ip + 10, &[0, 0]);
            let sum = Sum::default().bytes(&headers[ip..tcp]).finish();
            put(headers, ip + 10, &sum.to_be_bytes());
            Sum::default().bytes(&headers[ip + 12..ip + 20]).wide_field(total as u32)
        };
        let pseudo = !pseudo.field(u16::from(TCP)).finish();
        put(headers, tcp + 16, &pseudo.to_be_bytes());
        headers[tcp + TCP_FLAGS_AT] = self.flags;
        // Offsets into headers of at most `HEADERS_MAX` bytes, and a payload shorter than 2^16.
        if self.count == 1 {
            return Header::tcp(tcp as u16);
        }
        let (headers, segment) = (self.first.headers as u16, self.first.payload as u16);
        Header::tcp_to_be_cut(tcp as u16, headers, segment, ipv6)
    }
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}
