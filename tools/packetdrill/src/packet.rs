//! IP packets in and out. Invariant: a [`Segment`]'s lengths and checksums are right, and what is
//! emitted has right ones.

use std::net::{IpAddr, SocketAddr};

use wire::checksum::Sum;
use wire::protocol::{self, Ecn};
use wire::quoted::Quoted;
use wire::{icmpv4, icmpv6, ipv4, ipv6};

use crate::profile::Profile;

/// A packet that arrived.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    Segment(Segment<'a>),
    /// An ICMP error about one of our packets.
    Error(Quoted, Trouble),
    /// A whole packet to be sent back: the answer to an echo request.
    Reply(Vec<u8>),
}

/// A TCP segment that arrived.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) ecn: Ecn,
    pub(crate) header: wire::tcp::Repr,
    pub(crate) payload: &'a [u8],
}

/// What an ICMP error says, with the error number for the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    TooBig { mtu: u16 },
    Soft(i32),
    Hard(i32),
}

/// Reads a packet; None when it is damaged or nothing that is answered.
pub(crate) fn parse(bytes: &[u8]) -> Option<Inbound<'_>> {
    match bytes.first()? >> 4 {
        4 => parse_v4(bytes),
        6 => parse_v6(bytes),
        _ => None,
    }
}

fn parse_v4(bytes: &[u8]) -> Option<Inbound<'_>> {
    let packet = ipv4::View::new(bytes).ok().filter(ipv4::View::verifies)?;
    if packet.is_fragment() {
        return None;
    }
    let header = packet.repr();
    let (source, destination) = (header.source, header.destination);
    match header.protocol {
        protocol::TCP => {
            let length = header.payload_length;
            let sum = Sum::pseudo_v4(source, destination, protocol::TCP, length);
            segment(packet.payload(), sum, [source.into(), destination.into()], header.ecn)
        }
        protocol::ICMPV4 => match icmpv4::Repr::parse(packet.payload()).ok()? {
            icmpv4::Repr::EchoRequest { identifier, sequence, data } => {
                let reply = icmpv4::Repr::EchoReply { identifier, sequence, data };
                let mut body = vec![0; reply.length()];
                reply.emit(&mut body).ok()?;
                let way = Way::plain(destination.into(), source.into());
                way.packet(protocol::ICMPV4, &body).map(Inbound::Reply)
            }
            icmpv4::Repr::Unreachable { code, mtu, quoted } => {
                let quoted = Quoted::parse_v4(quoted).ok()?;
                Some(Inbound::Error(quoted, unreachable_v4(code, mtu)))
            }
            icmpv4::Repr::TimeExceeded { quoted, .. } => {
                let quoted = Quoted::parse_v4(quoted).ok()?;
                Some(Inbound::Error(quoted, Trouble::Soft(libc::EHOSTUNREACH)))
            }
            icmpv4::Repr::ParameterProblem { quoted, .. } => {
                let quoted = Quoted::parse_v4(quoted).ok()?;
                Some(Inbound::Error(quoted, Trouble::Soft(libc::EPROTO)))
            }
            icmpv4::Repr::EchoReply { .. } => None,
        },
        _ => None,
    }
}

/// What the codes of destination unreachable mean for TCP: RFC 1122 section 4.2.3.9.
fn unreachable_v4(code: u8, mtu: u16) -> Trouble {
    match code {
        icmpv4::NET_UNREACHABLE | 6 | 11 => Trouble::Soft(libc::ENETUNREACH),
        icmpv4::PROTOCOL_UNREACHABLE => Trouble::Hard(libc::ENOPROTOOPT),
        icmpv4::PORT_UNREACHABLE => Trouble::Hard(libc::ECONNREFUSED),
        icmpv4::FRAGMENTATION_NEEDED => Trouble::TooBig { mtu },
        5 => Trouble::Soft(libc::EOPNOTSUPP),
        7 => Trouble::Soft(libc::EHOSTDOWN),
        8 => Trouble::Soft(libc::ENONET),
        9 => Trouble::Hard(libc::ENETUNREACH),
        10 | 13 => Trouble::Hard(libc::EHOSTUNREACH),
        _ => Trouble::Soft(libc::EHOSTUNREACH),
    }
}

fn parse_v6(bytes: &[u8]) -> Option<Inbound<'_>> {
    let packet = ipv6::View::new(bytes).ok()?;
    if packet.is_fragment() {
        return None;
    }
    let header = packet.repr();
    let (source, destination) = (header.source, header.destination);
    let ends: [IpAddr; 2] = [source.into(), destination.into()];
    match header.protocol {
        protocol::TCP => {
            let length = u32::from(header.payload_length);
            let sum = Sum::pseudo_v6(source, destination, protocol::TCP, length);
            segment(packet.payload(), sum, ends, header.ecn)
        }
        protocol::ICMPV6 => {
            let message = icmpv6::Repr::parse(packet.payload(), source, destination).ok()?;
            let (quoted, trouble) = match message {
                icmpv6::Repr::EchoRequest { identifier, sequence, data } => {
                    let reply = icmpv6::Repr::EchoReply { identifier, sequence, data };
                    let mut body = vec![0; reply.length()];
                    reply.emit(&mut body, destination, source).ok()?;
                    let way = Way::plain(destination.into(), source.into());
                    return way.packet(protocol::ICMPV6, &body).map(Inbound::Reply);
                }
                icmpv6::Repr::PacketTooBig { mtu, quoted } => {
                    (quoted, Trouble::TooBig { mtu: u16::try_from(mtu).unwrap_or(u16::MAX) })
                }
                icmpv6::Repr::Unreachable { code, quoted } => (quoted, unreachable_v6(code)),
                icmpv6::Repr::TimeExceeded { quoted, .. } => {
                    (quoted, Trouble::Soft(libc::EHOSTUNREACH))
                }
                icmpv6::Repr::ParameterProblem { quoted, .. } => {
                    (quoted, Trouble::Hard(libc::EPROTO))
                }
                icmpv6::Repr::EchoReply { .. } | icmpv6::Repr::Ndisc(_) => return None,
            };
            Some(Inbound::Error(Quoted::parse_v6(quoted).ok()?, trouble))
        }
        _ => None,
    }
}

/// The same for IPv6: RFC 5461 section 2.
const fn unreachable_v6(code: u8) -> Trouble {
    match code {
        icmpv6::NO_ROUTE => Trouble::Soft(libc::ENETUNREACH),
        icmpv6::PROHIBITED => Trouble::Hard(libc::EACCES),
        icmpv6::PORT_UNREACHABLE => Trouble::Hard(libc::ECONNREFUSED),
        _ => Trouble::Soft(libc::EHOSTUNREACH),
    }
}

fn segment(bytes: &[u8], sum: Sum, ends: [IpAddr; 2], ecn: Ecn) -> Option<Inbound<'_>> {
    let segment = wire::tcp::View::new(bytes).ok()?;
    if !segment.verifies(sum) {
        return None;
    }
    let (header, [source, destination]) = (segment.repr(), ends);
    Some(Inbound::Segment(Segment {
        local: SocketAddr::new(destination, header.destination_port),
        remote: SocketAddr::new(source, header.source_port),
        ecn,
        header,
        payload: segment.payload(),
    }))
}

/// Where a packet goes, and what else stands in its IP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Type of service or traffic class, without the ECN bits.
    pub(crate) class: u8,
    pub(crate) hops: u8,
    pub(crate) ecn: Ecn,
}

impl Way {
    pub(crate) const fn plain(source: IpAddr, destination: IpAddr) -> Self {
        Self { source, destination, class: 0, hops: 64, ecn: Ecn::NotCapable }
    }

    /// The pseudo-header's sum.
    fn pseudo(&self, protocol: u8, length: usize) -> Sum {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Sum::pseudo_v4(source, destination, protocol, length as u16)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Sum::pseudo_v6(source, destination, protocol, length as u32)
            }
            _ => Sum::default(),
        }
    }

    /// A whole packet around `body`. None when the addresses are of two families.
    fn packet(&self, protocol: u8, body: &[u8]) -> Option<Vec<u8>> {
        let payload_length = u16::try_from(body.len()).ok()?;
        let (dscp, ecn) = (self.class >> 2, self.ecn);
        let mut packet = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = ipv4::Repr {
                    source,
                    destination,
                    protocol,
                    time_to_live: self.hops,
                    dscp,
                    ecn,
                    identification: 0,
                    dont_fragment: true,
                    payload_length,
                };
                let mut packet = vec![0; ipv4::HEADER_LENGTH];
                header.emit(&mut packet).ok()?;
                packet
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = ipv6::Repr {
                    source,
                    destination,
                    protocol,
                    hop_limit: self.hops,
                    dscp,
                    ecn,
                    flow_label: 0,
                    payload_length,
                };
                let mut packet = vec![0; ipv6::HEADER_LENGTH];
                header.emit(&mut packet).ok()?;
                packet
            }
            _ => return None,
        };
        packet.extend_from_slice(body);
        Some(packet)
    }
}

/// A segment as an IP packet, its options in the profile's order.
pub(crate) fn emit(
    profile: Profile,
    way: &Way,
    header: &wire::tcp::Repr,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let mut segment = match profile {
        Profile::Linux => {
            let mut bytes = vec![0; header.length()];
            header.emit(&mut bytes).ok()?;
            bytes
        }
        Profile::FreeBsd => {
            let bare = wire::tcp::Repr { options: wire::tcp::Options::default(), ..*header };
            let mut bytes = vec![0; bare.length()];
            bare.emit(&mut bytes).ok()?;
            bytes.extend_from_slice(&crate::freebsd::options(&header.options));
            bytes[12] = ((bytes.len() / 4) as u8) << 4;
            bytes
        }
    };
    segment.extend_from_slice(payload);
    let sum = way.pseudo(protocol::TCP, segment.len());
    wire::tcp::fill_checksum(&mut segment, sum);
    way.packet(protocol::TCP, &segment)
}
