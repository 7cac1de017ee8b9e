//! The first of the three passes: what a frame is, and whose connection it belongs to. Invariant: a
//! [`Found`] segment's lengths and checksums are right and it was sent to this end.

use core::net::{IpAddr, Ipv4Addr};
use core::ops::Range;

use ::tcp::{Flow, PlainArrival};
use port::Port;
use wire::ethernet::{EtherType, Mac};
use wire::plain::Layout;
use wire::protocol::{self, Ecn};
use wire::{ethernet, ipv4, ipv6, tcp};

use super::Link;
use super::udp::Datagram;
use crate::drops::Reason;

/// What a frame that arrived holds.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// A TCP segment for one of our addresses.
    Segment(Found),
    /// Something that the link answers by itself; where it starts in the frame.
    Control(Control),
}

/// What the link deals with by itself.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Arp { payload: usize },
    Udp(Datagram),
    Icmpv4 { header: ipv4::Repr, message: Range<usize> },
    Icmpv6 { header: ipv6::Repr, message: Range<usize>, from: Mac },
}

/// A TCP segment: whose it is, and where. What it says is read when its turn has come, so that
/// little is carried from one pass to the next.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) flow: Flow,
    ecn: Ecn,
    /// Where in the frame.
    start: u16,
    end: u16,
    /// Of a plain frame, where everything is.
    plain: Option<Layout>,
}

/// A plain segment that has been read.
#[derive(Clone, Debug)]
pub(crate) struct PlainSegment<'f> {
    pub(crate) arrival: PlainArrival,
    pub(crate) payload: &'f [u8],
}

/// A TCP segment that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Segment<'f> {
    pub(crate) flow: Flow,
    pub(crate) ecn: Ecn,
    pub(crate) header: tcp::Repr,
    pub(crate) payload: &'f [u8],
}

impl Found {
    /// Reads it in its frame if it is a plain one.
    #[inline]
    pub(crate) fn read_plain<'f>(&self, frame: &'f [u8]) -> Option<PlainSegment<'f>> {
        let (header, payload) = match self.plain {
            Some(layout) => (layout.header(frame)?, layout.payload(frame)),
            None => {
                let segment = self.read(frame)?;
                (segment.header.plain()?, segment.payload)
            }
        };
        // A frame's payload is shorter than 2^16.
        let length = payload.len() as u32;
        Some(PlainSegment { arrival: PlainArrival { header, length, ecn: self.ecn }, payload })
    }

    /// Reads it in its frame.
    #[inline]
    pub(crate) fn read<'f>(&self, frame: &'f [u8]) -> Option<Segment<'f>> {
        let bytes = frame.get(usize::from(self.start)..usize::from(self.end))?;
        let segment = tcp::View::new(bytes).ok()?;
        let (header, payload) = (segment.repr(), segment.payload());
        Some(Segment { flow: self.flow, ecn: self.ecn, header, payload })
    }
}

impl Segment<'_> {
    /// The segment as it would be with its payload cut off after so many bytes, and the FIN too.
    pub(crate) fn cut_after(&self, length: usize) -> Self {
        let mut cut = self.clone();
        cut.header.flags = cut.header.flags.without(tcp::Flags::FIN);
        cut.payload = &self.payload[..length];
        cut
    }
}

impl<P: Port> Link<P> {
    /// A plain frame for us. What is not, or not intact, is looked at again by
    /// [`Link::parse_any`], which knows what is wrong with it.
    #[inline]
    pub(crate) fn parse_plain(&self, bytes: &[u8]) -> Option<Found> {
        let layout = Layout::of(bytes, !self.caps.checksums_verified)?;
        let (ends, ecn) = layout.ends(bytes)?;
        let (remote, local) = ends.addresses;
        if ends.macs.1 != self.mac || !is_sender(remote) {
            return None;
        }
        let index = self.addresses.index(IpAddr::V4(local))?;
        let flow = Flow::new(IpAddr::V4(remote), ends.ports.0, index, ends.ports.1);
        let (start, end) = layout.segment();
        Some(Found { flow, ecn, start, end, plain: Some(layout) })
    }

    /// Says what any frame is, or why it is nothing.
    pub(crate) fn parse_any(&self, bytes: &[u8]) -> Result<Packet, Reason> {
        let frame = ethernet::View::new(bytes)?;
        let header = frame.repr();
        if header.destination != self.mac && !header.destination.is_multicast() {
            return Err(Reason::NotForUs);
        }
        match header.kind {
            EtherType::IPV4 => self.parse_ipv4(bytes, frame.payload(), header.destination),
            EtherType::IPV6 => self.parse_ipv6(bytes, frame.payload(), &header),
            EtherType::ARP => {
                let payload = offset(bytes, frame.payload()).start;
                Ok(Packet::Control(Control::Arp { payload }))
            }
            _ => Err(Reason::UnknownProtocol),
        }
    }

    fn parse_ipv4(&self, frame: &[u8], bytes: &[u8], to: Mac) -> Result<Packet, Reason> {
        let packet = ipv4::View::new(bytes)?;
        if !packet.verifies() {
            return Err(Reason::Checksum);
        }
        if packet.is_fragment() {
            return Err(Reason::Fragment);
        }
        let header = packet.repr();
        let (remote, local) = (IpAddr::V4(header.source), IpAddr::V4(header.destination));
        // Nor is anything for one host alone in a link-layer broadcast.
        if !is_sender(header.source) || to.is_multicast() {
            return Err(Reason::NotForUs);
        }
        match header.protocol {
            protocol::TCP => {
                let length = header.payload_length;
                let sum = wire::checksum::Sum::pseudo_v4(
                    header.source,
                    header.destination,
                    protocol::TCP,
                    length,
                );
                self.parse_tcp(frame, packet.payload(), sum, (remote, local), header.ecn)
            }
            protocol::ICMPV4 if self.addresses.contains(local) => {
                let message = offset(frame, packet.payload());
                Ok(Packet::Control(Control::Icmpv4 { header, message }))
            }
            protocol::UDP if self.addresses.contains(local) => {
                let message = offset(frame, packet.payload());
                let packet = offset(frame, bytes).start;
                Ok(Packet::Control(Control::Udp(Datagram { remote, local, packet, message })))
            }
            protocol::ICMPV4 | protocol::UDP => Err(Reason::NotForUs),
            _ => Err(Reason::UnknownProtocol),
        }
    }

    fn parse_ipv6(
        &self,
        frame: &[u8],
        bytes: &[u8],
        ethernet: &ethernet::Repr,
    ) -> Result<Packet, Reason> {
        let packet = ipv6::View::new(bytes)?;
        if packet.is_fragment() {
            return Err(Reason::Fragment);
        }
        let header = packet.repr();
        let (remote, local) = (IpAddr::V6(header.source), IpAddr::V6(header.destination));
        let source = header.source;
        // A mapped address stands for an IPv4 one inside a program and is never on the wire, nor is
        // the loopback address (RFC 4291 section 2.5.3). Who has no address yet asks only for
        // neighbours.
        let is_nobody = header.protocol == protocol::TCP && source.is_unspecified();
        if source.is_multicast()
            || source.is_loopback()
            || source.to_ipv4_mapped().is_some()
            || is_nobody
        {
            return Err(Reason::NotForUs);
        }
        match header.protocol {
            protocol::TCP if !ethernet.destination.is_multicast() => {
                let length = u32::from(header.payload_length);
                let sum = wire::checksum::Sum::pseudo_v6(
                    header.source,
                    header.destination,
                    protocol::TCP,
                    length,
                );
                self.parse_tcp(frame, packet.payload(), sum, (remote, local), header.ecn)
            }
            protocol::ICMPV6
                if self.addresses.contains(local) || self.addresses.hears(header.destination) =>
            {
                let message = offset(frame, packet.payload());
                let from = ethernet.source;
                Ok(Packet::Control(Control::Icmpv6 { header, message, from }))
            }
            // Nobody is answered who has no address.
            protocol::UDP if self.addresses.contains(local) && !source.is_unspecified() => {
                let message = offset(frame, packet.payload());
                let packet = offset(frame, bytes).start;
                Ok(Packet::Control(Control::Udp(Datagram { remote, local, packet, message })))
            }
            protocol::TCP | protocol::ICMPV6 | protocol::UDP => Err(Reason::NotForUs),
            _ => Err(Reason::UnknownProtocol),
        }
    }

    fn parse_tcp(
        &self,
        frame: &[u8],
        bytes: &[u8],
        pseudo: wire::checksum::Sum,
        (remote, local): (IpAddr, IpAddr),
        ecn: Ecn,
    ) -> Result<Packet, Reason> {
        let segment = tcp::View::new(bytes)?;
        let index = self.addresses.index(local).ok_or(Reason::NotForUs)?;
        // An answer to ourselves would never leave, and could be taken for the other end's.
        if segment.flags().any(tcp::Flags::SYN) && self.addresses.contains(remote) {
            return Err(Reason::NotForUs);
        }
        let caps = &self.caps;
        let accepted = caps.checksums_verified
            || caps.checksums_partial && segment.is_left_to_device(pseudo)
            || segment.verifies(pseudo);
        if !accepted {
            return Err(Reason::Checksum);
        }
        let flow = Flow::new(remote, segment.source_port(), index, segment.destination_port());
        // Frames are shorter than 2^16.
        let Range { start, end } = offset(frame, bytes);
        Ok(Packet::Segment(Found { flow, ecn, start: start as u16, end: end as u16, plain: None }))
    }
}

/// Whether a host on a link can have this address: not one of this network or this very host, of
/// many hosts, or of all (RFC 1122 section 3.2.1.3).
#[inline]
const fn is_sender(source: Ipv4Addr) -> bool {
    let [first, ..] = source.octets();
    !matches!(first, 0 | 127) && !source.is_multicast() && !source.is_broadcast()
}

/// Where a part of the frame is in it.
fn offset(frame: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - frame.as_ptr().addr();
    start..start + part.len()
}
