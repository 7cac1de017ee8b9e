//! Messages of DHCP and packets of ARP in Ethernet frames. Invariant: what is read was for this client or
//! for all, came from a server's port, and has right checksums, or such as the port vouches for.

use core::net::Ipv4Addr;

use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::{NoRoom, arp, ipv4, udp};

use crate::message::LENGTH_MAX;

/// RFC 2131 section 4.1.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Hops a packet may take: servers may be far, behind routers.
const HOPS: u8 = 64;

/// Bytes of a frame in which every message fits.
pub(crate) const FRAME_MAX: usize =
    ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH + udp::HEADER_LENGTH + LENGTH_MAX + 22;

/// What the client sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outgoing {
    /// A message to servers.
    Message {
        /// From the client's address, or from none.
        from: Ipv4Addr,
        /// To one server, by the station that its answer came from; `None`: to all.
        to: Option<(Ipv4Addr, Mac)>,
        /// The message.
        message: Vec<u8>,
    },
    /// A question to all who may have an address.
    Arp(arp::Repr),
}

impl Outgoing {
    /// Writes a frame, and says how long it is.
    pub(crate) fn emit(&self, own: Mac, into: &mut [u8]) -> Result<usize, NoRoom> {
        match self {
            Self::Arp(packet) => {
                let head = header(own, Mac::BROADCAST, EtherType::ARP).emit(into)?;
                packet.emit(into.get_mut(head..).ok_or(NoRoom)?)?;
                Ok(head + arp::LENGTH)
            }
            Self::Message { from, to, message } => {
                let (destination, station) = to.unwrap_or((Ipv4Addr::BROADCAST, Mac::BROADCAST));
                let head = header(own, station, EtherType::IPV4).emit(into)?;
                let length =
                    u16::try_from(udp::HEADER_LENGTH + message.len()).map_err(|_| NoRoom)?;
                let packet = ipv4::Repr {
                    source: *from,
                    destination,
                    protocol: protocol::UDP,
                    time_to_live: HOPS,
                    dscp: 0,
                    ecn: Ecn::NotCapable,
                    identification: 0,
                    dont_fragment: true,
                    payload_length: length,
                };
                let head = head + packet.emit(into.get_mut(head..).ok_or(NoRoom)?)?;
                let ports = udp::Repr { source_port: CLIENT_PORT, destination_port: SERVER_PORT };
                let pseudo = Sum::pseudo_v4(*from, destination, protocol::UDP, length);
                let datagram = into.get_mut(head..).ok_or(NoRoom)?;
                let head = head + ports.emit(datagram, message, pseudo)?;
                let place = into.get_mut(head..head + message.len()).ok_or(NoRoom)?;
                place.copy_from_slice(message);
                Ok(head + message.len())
            }
        }
    }
}

fn header(source: Mac, destination: Mac, kind: EtherType) -> ethernet::Repr {
    ethernet::Repr { destination, source, service: None, tag: None, kind }
}

/// What may be the client's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incoming<'a> {
    /// A message, and the station it came from.
    Message(Mac, &'a [u8]),
    /// A packet of ARP, which the stack has use for as well.
    Arp(arp::Repr),
}

/// Whether a frame is for the client's port and so never for the stack; looks at every frame, so it
/// looks at little.
#[inline]
pub(crate) fn is_for_client(frame: &[u8]) -> bool {
    const HEADER: usize = ethernet::HEADER_LENGTH;
    let is_udp = frame.get(HEADER + 9) == Some(&protocol::UDP);
    is_udp && read_message(frame, true).is_some()
}

/// What a frame holds. `verified`: nobody need look at the checksum of UDP.
pub(crate) fn read(frame: &[u8], own: Mac, verified: bool) -> Option<Incoming<'_>> {
    let view = ethernet::View::new(frame).ok()?;
    let header = view.repr();
    if header.destination != own && header.destination != Mac::BROADCAST {
        return None;
    }
    match header.kind {
        EtherType::ARP => arp::Repr::parse(view.payload()).ok().map(Incoming::Arp),
        _ => {
            let (port, message) = read_message(frame, verified)?;
            (port == SERVER_PORT).then_some(Incoming::Message(header.source, message))
        }
    }
}

/// A datagram for the client's port: where it is from, and what is in it.
fn read_message(frame: &[u8], verified: bool) -> Option<(u16, &[u8])> {
    let view = ethernet::View::new(frame).ok()?;
    if view.repr().kind != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::View::new(view.payload()).ok()?;
    let header = packet.repr();
    if header.protocol != protocol::UDP || packet.is_fragment() || !packet.verifies() {
        return None;
    }
    let datagram = udp::View::new(packet.payload()).ok()?;
    let ports = datagram.repr();
    // A datagram is no longer than its packet.
    let length = (udp::HEADER_LENGTH + datagram.payload().len()) as u16;
    let pseudo = Sum::pseudo_v4(header.source, header.destination, protocol::UDP, length);
    let right = verified || datagram.has_no_checksum() || datagram.verifies(pseudo);
    (ports.destination_port == CLIENT_PORT && right)
        .then_some((ports.source_port, datagram.payload()))
}
