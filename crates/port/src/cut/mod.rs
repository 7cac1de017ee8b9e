//! A frame that stands for several TCP segments, made into them: [`Cut`]. Invariant: the segments'
//! payloads behind one another are the frame's; each has the headers of the frame with its own length
//! and sequence number, and only the last ends the stream or pushes.

use core::num::NonZeroU16;

use wire::checksum::Sum;
use wire::ethernet::EtherType;
use wire::{ethernet, ipv4, ipv6, protocol, tcp};

/// Where things are in the headers.
const IPV4_LENGTH_AT: usize = 2;
const IPV4_CHECKSUM_AT: usize = 10;
const IPV4_ADDRESSES_AT: usize = 12;
const IPV6_LENGTH_AT: usize = 4;
const IPV6_ADDRESSES_AT: usize = 8;
const TCP_SEQUENCE_AT: usize = 4;
const TCP_FLAGS_AT: usize = 13;
const TCP_CHECKSUM_AT: usize = 16;
/// Flags that belong on the last segment alone, and the one that belongs on the first.
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// A long segment on its way to being cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
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

impl Cut {
    /// Into segments of so many bytes of payload. `None` for a frame that is no TCP segment, or is
    /// longer than its IP packet.
    #[must_use]
    pub fn new(frame: &[u8], segment: NonZeroU16) -> Option<Self> {
        let view = ethernet::View::new(frame).ok()?;
        let packet = view.payload();
        let ip = view.repr().length();
        let (protocol, length, bytes) = match view.repr().kind {
            EtherType::IPV4 => {
                let packet = ipv4::View::new(packet).ok()?;
                let header = packet.repr();
                (header.protocol, header.payload_length.into(), packet.payload())
            }
            EtherType::IPV6 => {
                let packet = ipv6::View::new(packet).ok()?;
                (packet.repr().protocol, packet.payload().len(), packet.payload())
            }
            _ => return None,
        };
        let tcp = bytes.as_ptr().addr() - frame.as_ptr().addr();
        let payload = tcp::View::new(bytes).ok()?.payload();
        let headers = payload.as_ptr().addr() - frame.as_ptr().addr();
        let whole = protocol == protocol::TCP && tcp + length == frame.len();
        whole.then_some(Self {
            ip,
            tcp,
            headers,
            ipv6: view.repr().kind == EtherType::IPV6,
            length: frame.len(),
            segment: usize::from(segment.get()),
            done: 0,
        })
    }

    /// Has as many segments stay together as fit a buffer of so many bytes, and one at least.
    #[must_use]
    pub const fn for_buffers_of(mut self, bytes: usize) -> Self {
        let fit = bytes.saturating_sub(self.headers) / self.segment;
        if self.length <= bytes {
            self.segment = self.length;
        } else if fit > 1 {
            self.segment *= fit;
        }
        self
    }

    /// Bytes of the frame.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Writes the next segment of `frame` into a buffer, and says how long it is. Its TCP checksum is
    /// whatever the frame's was. `None` when there are no more, or the buffer is too small for one.
    pub fn next(&mut self, frame: &[u8], into: &mut [u8]) -> Option<usize> {
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
            let sum = Sum::default().bytes(&headers[ip..tcp]).finish();
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

    /// Fills in the TCP checksum of a segment that [`Cut::next`] wrote.
    pub fn fill_checksum(&self, segment: &mut [u8]) {
        let addresses = if self.ipv6 { IPV6_ADDRESSES_AT } else { IPV4_ADDRESSES_AT };
        let end = if self.ipv6 { ipv6::HEADER_LENGTH } else { ipv4::HEADER_LENGTH };
        let Some((packet, tcp)) = segment.split_at_mut_checked(self.tcp) else { return };
        let Some(place) = tcp.get_mut(TCP_CHECKSUM_AT..TCP_CHECKSUM_AT + 2) else { return };
        place.fill(0);
        let sum = Sum::default()
            .bytes(&packet[self.ip + addresses..self.ip + end])
            // Shorter than 2^16.
            .wide_field(tcp.len() as u32)
            .field(u16::from(protocol::TCP))
            .bytes(tcp)
            .finish();
        put(tcp, TCP_CHECKSUM_AT, &sum.to_be_bytes());
    }
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests;
