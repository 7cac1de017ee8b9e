//! A frame that the kernel hands over uncut, made into segments of the size it names: [`Uncut`].
//! Invariant: the segments' payloads behind one another are the frame's; each has the headers of the
//! frame with its own length and sequence number, and only the last ends the stream or pushes.

use wire::ethernet::EtherType;
use wire::{ethernet, ipv4, ipv6, tcp};

use crate::vnet::Header;

/// Where things are in the headers.
const IPV4_LENGTH_AT: usize = 2;
const IPV4_CHECKSUM_AT: usize = 10;
const IPV6_LENGTH_AT: usize = 4;
const TCP_SEQUENCE_AT: usize = 4;
const TCP_FLAGS_AT: usize = 13;
/// Flags that belong on the last segment alone, and the one that belongs on the first.
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// A long segment on its way to being cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Uncut {
    /// Where the IP header starts, and the TCP header.
    ip: usize,
    tcp: usize,
    /// Bytes of all headers.
    headers: usize,
    ipv6: bool,
    /// Bytes of the frame.
    length: usize,
    /// Bytes of payload in each segment.
    segment: usize,
    /// Bytes of payload that have been taken off.
    done: usize,
}

impl Uncut {
    /// `None` for a frame that is no TCP segment or contradicts its header.
    pub(crate) fn new(frame: &[u8], header: Header) -> Option<Self> {
        let view = ethernet::View::new(frame).ok()?;
        let packet = view.payload();
        let ip = view.repr().length();
        let (length, segment) = match view.repr().kind {
            EtherType::IPV4 => {
                let packet = ipv4::View::new(packet).ok()?;
                (packet.repr().payload_length.into(), packet.payload())
            }
            EtherType::IPV6 => {
                let packet = ipv6::View::new(packet).ok()?;
                (packet.payload().len(), packet.payload())
            }
            _ => return None,
        };
        let tcp = segment.as_ptr().addr() - frame.as_ptr().addr();
        let payload = tcp::View::new(segment).ok()?.payload();
        let headers = payload.as_ptr().addr() - frame.as_ptr().addr();
        let ipv6 = view.repr().kind == EtherType::IPV6;
        let whole = tcp + length == frame.len() && header.segment > 0;
        whole.then_some(Self {
            ip,
            tcp,
            headers,
            ipv6,
            length: frame.len(),
            segment: header.segment.into(),
            done: 0,
        })
    }

    /// Writes the next segment of `frame` into a buffer, and says how long it is. `None` when
    /// there are no more, or the buffer is too small for one.
    pub(crate) fn next(&mut self, frame: &[u8], into: &mut [u8]) -> Option<usize> {
        let start = self.headers + self.done;
        let count = self.segment.min(self.length.checked_sub(start)?);
        if count == 0 {
            return None;
        }
        let (headers, rest) = into.split_at_mut_checked(self.headers)?;
        headers.copy_from_slice(frame.get(..self.headers)?);
        rest.get_mut(..count)?.copy_from_slice(frame.get(start..start + count)?);
        let is_last = start + count == self.length;
        self.renumber(headers, count, is_last);
        self.done += count;
        Some(self.headers + count)
    }

    /// Makes the frame's headers those of a segment of `count` bytes.
    fn renumber(&self, headers: &mut [u8], count: usize, is_last: bool) {
        // A segment is shorter than the frame, whose length fits 16 bits.
        let packet = (self.headers - self.ip + count) as u16;
        let (ip, tcp) = (self.ip, self.tcp);
        if self.ipv6 {
            put(headers, ip + IPV6_LENGTH_AT, &(packet - ipv6::HEADER_LENGTH as u16).to_be_bytes());
        } else {
            put(headers, ip + IPV4_LENGTH_AT, &packet.to_be_bytes());
            put(headers, ip + IPV4_CHECKSUM_AT, &[0, 0]);
            let sum = wire::checksum::Sum::default().bytes(&headers[ip..tcp]).finish();
            put(headers, ip + IPV4_CHECKSUM_AT, &sum.to_be_bytes());
        }
        let at = tcp + TCP_SEQUENCE_AT;
        let first = [headers[at], headers[at + 1], headers[at + 2], headers[at + 3]];
        // Not above 65,535.
        let sequence = u32::from_be_bytes(first).wrapping_add(self.done as u32);
        put(headers, at, &sequence.to_be_bytes());
        if !is_last {
            headers[tcp + TCP_FLAGS_AT] &= !FIN_PSH;
        }
        if self.done > 0 {
            headers[tcp + TCP_FLAGS_AT] &= !CWR;
        }
    }
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}
