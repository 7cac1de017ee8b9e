//! UDP: datagrams that somebody takes, and those that nobody does.

use alloc::vec::Vec;
use std::vec;

use wire::ethernet::{self, EtherType};
use wire::protocol::{self, Ecn};
use wire::{icmpv4, ipv4, ipv6, udp};

use super::super::neighbors::Claim;
use super::{Bench, OWN, OWN_MAC, OWN6, PEER, PEER_MAC, PEER6, frame};
use crate::Reason;

/// A datagram of the peer's in its frame, over either family, with a VLAN tag or not.
fn datagram(port: u16, ipv6: bool, tagged: bool) -> Vec<u8> {
    let payload = b"question";
    let header = udp::Repr { source_port: 9, destination_port: port };
    let length = udp::HEADER_LENGTH + payload.len();
    let mut packet = if ipv6 {
        let mut packet = vec![0; ipv6::HEADER_LENGTH + length];
        let ip = ipv6::Repr {
            source: PEER6,
            destination: OWN6,
            protocol: protocol::UDP,
            hop_limit: 64,
            dscp: 0,
            ecn: Ecn::NotCapable,
            flow_label: 0,
            payload_length: length as u16,
        };
        ip.emit(&mut packet).unwrap();
        packet
    } else {
        let mut packet = vec![0; ipv4::HEADER_LENGTH + length];
        let ip = ipv4::Repr {
            source: PEER,
            destination: OWN,
            protocol: protocol::UDP,
            time_to_live: 64,
            dscp: 0,
            ecn: Ecn::NotCapable,
            identification: 0,
            dont_fragment: true,
            payload_length: length as u16,
        };
        ip.emit(&mut packet).unwrap();
        packet
    };
    let head = packet.len() - length;
    let pseudo = if ipv6 {
        wire::checksum::Sum::pseudo_v6(PEER6, OWN6, protocol::UDP, length as u32)
    } else {
        wire::checksum::Sum::pseudo_v4(PEER, OWN, protocol::UDP, length as u16)
    };
    header.emit(&mut packet[head..], payload, pseudo).unwrap();
    packet[head + udp::HEADER_LENGTH..].copy_from_slice(payload);
    let kind = if ipv6 { EtherType::IPV6 } else { EtherType::IPV4 };
    let mut bytes = frame(OWN_MAC, kind, &packet);
    if tagged {
        // IEEE 802.1Q, VLAN 5, behind both addresses.
        bytes.splice(12..12, [0x81, 0, 0, 5]);
    }
    bytes
}

#[test]
fn datagrams_go_to_whoever_takes_those_of_their_port() {
    let mut bench = Bench::new();
    let (tell, told) = std::sync::mpsc::channel();
    bench.link.take_datagrams(
        53,
        std::boxed::Box::new(move |from, to, bytes| {
            tell.send((from, to, bytes.to_vec())).unwrap();
        }),
    );
    for (ipv6, tagged) in [(false, false), (true, false), (false, true)] {
        assert!(bench.exchange(&datagram(53, ipv6, tagged)).is_empty());
        let (from, to, bytes) = told.try_recv().unwrap();
        assert_eq!((from.port(), to.port(), &bytes[..]), (9, 53, &b"question"[..]));
        assert_eq!(to.is_ipv6(), ipv6);
    }
    let mut damaged = datagram(53, false, false);
    *damaged.last_mut().unwrap() ^= 1;
    assert!(bench.exchange(&damaged).is_empty() && told.try_recv().is_err());
    assert_eq!(bench.drops.get(Reason::Checksum), 1);
}

#[test]
fn a_datagram_that_nobody_takes_is_answered_within_a_budget() {
    let mut bench = Bench::new();
    bench.link.set_time(bench.now);
    bench.link.learn(PEER.into(), PEER_MAC, Claim::Wanted);
    let sent = datagram(54, false, false);
    let answers = bench.exchange(&sent);
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    let packet = ethernet::View::new(answer).unwrap().payload();
    let packet = ipv4::View::new(packet).unwrap();
    let message = icmpv4::Repr::parse(packet.payload()).unwrap();
    let icmpv4::Repr::Unreachable { code, quoted, .. } = message else { panic!("{message:?}") };
    assert_eq!(code, icmpv4::PORT_UNREACHABLE);
    assert_eq!(quoted, &sent[14..], "all of it");
    let count = (0..400).filter(|_| !bench.exchange(&sent).is_empty()).count();
    assert!((1..=150).contains(&count), "{count}");
    assert_eq!(bench.drops.get(Reason::NoListener), 401);
}
