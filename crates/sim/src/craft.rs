//! Frames made by hand: what attackers and odd peers send.

use std::net::IpAddr;

use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::{arp, ipv4, ipv6, tcp};

/// A frame with one TCP segment in it, with right checksums. `None` for addresses of two families.
pub(crate) fn craft(
    link: &ethernet::Repr,
    ends: (IpAddr, IpAddr),
    header: &tcp::Repr,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let length = header.length() + payload.len();
    let mut segment = vec![0; length];
    header.emit(&mut segment).ok()?;
    segment[header.length()..].copy_from_slice(payload);
    // Payloads here are far below 65,535 bytes.
    let short = length as u16;
    let (kind, packet) = match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let pseudo = Sum::pseudo_v4(source, destination, protocol::TCP, short);
            tcp::fill_checksum(&mut segment, pseudo);
            let mut packet = vec![0; ipv4::HEADER_LENGTH];
            ipv4::Repr {
                source,
                destination,
                protocol: protocol::TCP,
                time_to_live: 64,
                dscp: 0,
                ecn: Ecn::NotCapable,
                identification: 0,
                dont_fragment: true,
                payload_length: short,
            }
            .emit(&mut packet)
            .ok()?;
            (EtherType::IPV4, packet)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let pseudo = Sum::pseudo_v6(source, destination, protocol::TCP, u32::from(short));
            tcp::fill_checksum(&mut segment, pseudo);
            let mut packet = vec![0; ipv6::HEADER_LENGTH];
            ipv6::Repr {
                source,
                destination,
                protocol: protocol::TCP,
                hop_limit: 64,
                dscp: 0,
                ecn: Ecn::NotCapable,
                flow_label: 0,
                payload_length: short,
            }
            .emit(&mut packet)
            .ok()?;
            (EtherType::IPV6, packet)
        }
        _ => return None,
    };
    let mut frame = framed(link.source, link.destination, kind)?;
    frame.extend(packet);
    frame.extend(segment);
    Some(frame)
}

/// The answer to an ARP request for an address. `None` when the frame is none.
pub(crate) fn answer_arp(frame: &[u8], address: IpAddr, own: Mac) -> Option<Vec<u8>> {
    let view = ethernet::View::new(frame).ok()?;
    if view.repr().kind != EtherType::ARP {
        return None;
    }
    let request = arp::Repr::parse(view.payload()).ok()?;
    let reply = arp::Repr {
        operation: arp::Operation::Reply,
        sender_mac: own,
        sender: request.target,
        target_mac: request.sender_mac,
        target: request.sender,
    };
    let mut answer = framed(own, request.sender_mac, EtherType::ARP)?;
    let mut body = vec![0; arp::LENGTH];
    reply.emit(&mut body).ok()?;
    answer.extend(body);
    let wanted = request.operation == arp::Operation::Request && address == request.target;
    wanted.then_some(answer)
}

fn framed(source: Mac, destination: Mac, kind: EtherType) -> Option<Vec<u8>> {
    let header = ethernet::Repr { destination, source, service: None, tag: None, kind };
    let mut frame = vec![0; header.length()];
    header.emit(&mut frame).ok()?;
    Some(frame)
}
