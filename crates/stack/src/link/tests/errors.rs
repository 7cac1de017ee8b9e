//! ICMP errors about segments of ours, as they are passed on.

use alloc::vec::Vec;
use std::vec;

use wire::protocol::{self, Ecn};
use wire::quoted::Quoted;
use wire::{icmpv4, icmpv6, ipv4, ipv6};

use super::super::{Complaint, Trouble};
use super::{Bench, OWN, OWN6, PEER, PEER_MAC, PEER6};

/// What our segment to the peer starts with, as an error quotes it.
const START: [u8; 8] = [0, 80, 0, 5, 0, 0, 0, 9];

fn about(ipv6: bool) -> Quoted {
    Quoted {
        source: if ipv6 { OWN6.into() } else { OWN.into() },
        destination: if ipv6 { PEER6.into() } else { PEER.into() },
        protocol: protocol::TCP,
        source_port: 80,
        destination_port: 5,
        sequence: 9,
    }
}

fn header_v4(own: bool, protocol: u8) -> ipv4::Repr {
    let (source, destination) = if own { (OWN, PEER) } else { (PEER, OWN) };
    ipv4::Repr {
        source,
        destination,
        protocol,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: 8,
    }
}

fn header_v6(own: bool, protocol: u8) -> ipv6::Repr {
    let (source, destination) = if own { (OWN6, PEER6) } else { (PEER6, OWN6) };
    ipv6::Repr {
        source,
        destination,
        protocol,
        hop_limit: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        flow_label: 0,
        payload_length: 8,
    }
}

/// Time exceeded and parameter problems were once not passed on (MUST-54, SHLD-25).
#[test]
fn every_error_about_a_segment_is_passed_on_as_soft_or_hard() {
    let mut bench = Bench::new();
    let mut quoted: Vec<u8> = vec![0; 28];
    header_v4(true, protocol::TCP).emit(&mut quoted).unwrap();
    quoted[20..].copy_from_slice(&START);
    let unreachable = |code| icmpv4::Repr::Unreachable { code, mtu: 700, quoted: &quoted };
    let unreachable_as = |hard| Trouble::Unreachable { hard };
    let cases = [
        (unreachable(icmpv4::NET_UNREACHABLE), unreachable_as(false)),
        (unreachable(icmpv4::HOST_UNREACHABLE), unreachable_as(false)),
        (unreachable(icmpv4::PROTOCOL_UNREACHABLE), unreachable_as(true)),
        (unreachable(icmpv4::PORT_UNREACHABLE), unreachable_as(true)),
        (unreachable(icmpv4::FRAGMENTATION_NEEDED), Trouble::TooBig { mtu: 700 }),
        (icmpv4::Repr::TimeExceeded { code: 0, quoted: &quoted }, unreachable_as(false)),
        (
            icmpv4::Repr::ParameterProblem { pointer: 0, code: 0, quoted: &quoted },
            unreachable_as(false),
        ),
    ];
    for (message, what) in cases {
        let told = bench.link.icmpv4(&header_v4(false, protocol::ICMPV4), &message);
        assert_eq!(told, Ok(Some(Complaint { about: about(false), what })), "{message:?}");
    }
}

#[test]
fn every_error_over_ipv6_is_passed_on_too() {
    let mut bench = Bench::new();
    let mut quoted: Vec<u8> = vec![0; 48];
    header_v6(true, protocol::TCP).emit(&mut quoted).unwrap();
    quoted[40..].copy_from_slice(&START);
    let unreachable = |code| icmpv6::Repr::Unreachable { code, quoted: &quoted };
    let unreachable_as = |hard| Trouble::Unreachable { hard };
    let cases = [
        (unreachable(icmpv6::NO_ROUTE), unreachable_as(false)),
        (unreachable(icmpv6::ADDRESS_UNREACHABLE), unreachable_as(false)),
        (unreachable(icmpv6::PROHIBITED), unreachable_as(true)),
        (unreachable(icmpv6::PORT_UNREACHABLE), unreachable_as(true)),
        (
            icmpv6::Repr::PacketTooBig { mtu: 1_300, quoted: &quoted },
            Trouble::TooBig { mtu: 1_300 },
        ),
        (icmpv6::Repr::TimeExceeded { code: 0, quoted: &quoted }, unreachable_as(false)),
        (
            icmpv6::Repr::ParameterProblem { code: 0, pointer: 0, quoted: &quoted },
            unreachable_as(false),
        ),
    ];
    for (message, what) in cases {
        let told = bench.link.icmpv6(&header_v6(false, protocol::ICMPV6), &message, PEER_MAC);
        assert_eq!(told, Ok(Some(Complaint { about: about(true), what })), "{message:?}");
    }
}
