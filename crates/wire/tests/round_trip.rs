//! Every value that can be written reads back as itself, and no bytes make a parser panic.

use std::net::{Ipv4Addr, Ipv6Addr};

use base::Seq;
use proptest::prelude::*;
use wire::checksum::Sum;
use wire::ethernet::{EtherType, Mac, Tag};
use wire::protocol::Ecn;
use wire::quoted::Quoted;
use wire::tcp::{Flags, Options, SackBlock, SackBlocks, Timestamps};
use wire::{arp, ethernet, icmpv4, icmpv6, ipv4, ipv6, ndisc, tcp, udp};

const TCP: u8 = wire::protocol::TCP;

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from)
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn ecn() -> impl Strategy<Value = Ecn> {
    (0u8..4).prop_map(Ecn::from_bits)
}

fn sack_blocks() -> impl Strategy<Value = SackBlocks> {
    prop::collection::vec(any::<(u32, u32)>(), 0..=3).prop_map(|edges| {
        let mut blocks = SackBlocks::default();
        for (start, end) in edges {
            assert!(blocks.push(SackBlock { start: Seq(start), end: Seq(end) }));
        }
        blocks
    })
}

fn options() -> impl Strategy<Value = Options> {
    let timestamps = any::<Option<(u32, u32)>>();
    (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), timestamps, sack_blocks()).prop_map(
        |(mss, window_scale, sack_permitted, timestamps, sack)| {
            let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
            let mut options = Options { mss, window_scale, sack_permitted, timestamps, sack };
            let room = options.sack_room();
            options.sack.truncate(room);
            options
        },
    )
}

proptest! {
    #[test]
    fn ethernet_header(destination in mac(), source in mac(), kind: u16,
                       service: Option<u16>, tag: Option<u16>, payload: Vec<u8>) {
        prop_assume!(kind != 0x8100 && kind != 0x88a8);
        let (service, tag) = (service.map(Tag), tag.map(Tag));
        let repr = ethernet::Repr { destination, source, service, tag, kind: EtherType(kind) };
        let mut bytes = vec![0; repr.length()];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(repr.length()));
        bytes.extend(&payload);
        let view = ethernet::View::new(&bytes).unwrap();
        prop_assert_eq!(view.repr(), repr);
        prop_assert_eq!(view.payload(), payload);
    }

    #[test]
    fn arp_packet(request: bool, sender_mac in mac(), sender in v4(), target_mac in mac(),
                  target in v4()) {
        let operation = if request { arp::Operation::Request } else { arp::Operation::Reply };
        let repr = arp::Repr { operation, sender_mac, sender, target_mac, target };
        let mut bytes = [0; arp::LENGTH + 18];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(arp::LENGTH));
        prop_assert_eq!(arp::Repr::parse(&bytes), Ok(repr));
    }

    #[test]
    fn ipv4_header(source in v4(), destination in v4(), protocol: u8, time_to_live: u8,
                   dscp in 0u8..64, ecn in ecn(), identification: u16, dont_fragment: bool,
                   payload: Vec<u8>, padding in 0usize..7) {
        let repr = ipv4::Repr { source, destination, protocol, time_to_live, dscp, ecn,
            identification, dont_fragment, payload_length: payload.len() as u16 };
        let mut bytes = vec![0xaa; ipv4::HEADER_LENGTH];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(ipv4::HEADER_LENGTH));
        bytes.extend(&payload);
        bytes.resize(bytes.len() + padding, 0);
        let view = ipv4::View::new(&bytes).unwrap();
        prop_assert!(view.verifies() && !view.is_fragment());
        prop_assert_eq!(view.repr(), repr);
        prop_assert_eq!(view.payload(), payload);
        for length in 0..bytes.len() - padding {
            prop_assert!(ipv4::View::new(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn ipv6_header(source in v6(), destination in v6(), hop_limit: u8, dscp in 0u8..64,
                   ecn in ecn(), flow_label in 0u32..1 << 20, payload: Vec<u8>) {
        let repr = ipv6::Repr { source, destination, protocol: TCP, hop_limit, dscp, ecn,
            flow_label, payload_length: payload.len() as u16 };
        let mut bytes = vec![0xaa; ipv6::HEADER_LENGTH];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(ipv6::HEADER_LENGTH));
        bytes.extend(&payload);
        let view = ipv6::View::new(&bytes).unwrap();
        prop_assert!(!view.is_fragment());
        prop_assert_eq!(view.repr(), repr);
        prop_assert_eq!(view.payload(), payload);
    }

    #[test]
    fn udp_datagram(source in v6(), destination in v6(), source_port: u16, destination_port: u16,
                    payload: Vec<u8>) {
        let repr = udp::Repr { source_port, destination_port };
        let length = (udp::HEADER_LENGTH + payload.len()) as u32;
        let pseudo = Sum::pseudo_v6(source, destination, wire::protocol::UDP, length);
        let mut bytes = vec![0; udp::HEADER_LENGTH];
        prop_assert_eq!(repr.emit(&mut bytes, &payload, pseudo), Ok(udp::HEADER_LENGTH));
        bytes.extend(&payload);
        let view = udp::View::new(&bytes).unwrap();
        prop_assert_eq!(view.repr(), repr);
        prop_assert_eq!(view.payload(), payload);
        prop_assert!(view.verifies(pseudo) && !view.has_no_checksum());
    }

    #[test]
    fn tcp_segment(ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16, urgent: u16,
        //= specs/rfc9293.txt#section-3.1
        //= type=test
        //# The sender MUST generate it (MUST-2) and the receiver MUST check it (MUST-3).
                   options in options(), source in v4(), destination in v4(), payload: Vec<u8>) {
        let repr = tcp::Repr {
            source_port: ports.0,
            destination_port: ports.1,
            sequence: Seq(numbers.0),
            acknowledgment: Seq(numbers.1),
            flags: Flags(flags),
            window,
            urgent,
            options,
        };
        prop_assert!(repr.length() <= tcp::HEADER_LENGTH_MAX && repr.length().is_multiple_of(4));
        let mut bytes = vec![0xaa; repr.length()];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(repr.length()));
        bytes.extend(&payload);
        let pseudo = Sum::pseudo_v4(source, destination, TCP, bytes.len() as u16);
        tcp::fill_checksum(&mut bytes, pseudo);
        let view = tcp::View::new(&bytes).unwrap();
        prop_assert_eq!(view.repr(), repr);
        prop_assert_eq!(view.payload(), payload);
        prop_assert!(view.verifies(pseudo));
        bytes[5] ^= 0x10;
        prop_assert!(!tcp::View::new(&bytes).unwrap().verifies(pseudo));
    }

    #[test]
    fn icmpv4_message(kind in 0usize..5, first: u16, second: u16, code: u8, data: Vec<u8>) {
        let data = &data[..];
        let repr = [
            icmpv4::Repr::EchoRequest { identifier: first, sequence: second, data },
            icmpv4::Repr::EchoReply { identifier: first, sequence: second, data },
            icmpv4::Repr::Unreachable { code, mtu: second, quoted: data },
            icmpv4::Repr::TimeExceeded { code, quoted: data },
            icmpv4::Repr::ParameterProblem { pointer: first as u8, code, quoted: data },
        ][kind];
        let mut bytes = vec![0xaa; repr.length()];
        prop_assert_eq!(repr.emit(&mut bytes), Ok(repr.length()));
        prop_assert_eq!(icmpv4::Repr::parse(&bytes), Ok(repr));
        bytes[0] ^= 0x40;
        prop_assert!(icmpv4::Repr::parse(&bytes).is_err());
    }

    #[test]
    fn icmpv6_message(kind in 0usize..10, ids: (u16, u16), code: u8, word: u32, data: Vec<u8>,
                      addresses in (v6(), v6()), mac in prop::option::of(mac()),
                      bits: (bool, bool, bool)) {
        let (data, (first, second)) = (&data[..], ids);
        let target = Ipv6Addr::from_bits(addresses.0.to_bits() & !(0xff << 120));
        let (router, solicited, overriding) = bits;
        let repr = [
            icmpv6::Repr::EchoRequest { identifier: first, sequence: second, data },
            icmpv6::Repr::EchoReply { identifier: first, sequence: second, data },
            icmpv6::Repr::Unreachable { code, quoted: data },
            icmpv6::Repr::PacketTooBig { mtu: word, quoted: data },
            icmpv6::Repr::TimeExceeded { code, quoted: data },
            icmpv6::Repr::ParameterProblem { code, pointer: word, quoted: data },
            icmpv6::Repr::Ndisc(ndisc::Repr::RouterSolicitation { source: mac }),
            icmpv6::Repr::Ndisc(ndisc::Repr::RouterAdvertisement {
                hop_limit: code, lifetime: first, source: mac, mtu: solicited.then_some(word) }),
            icmpv6::Repr::Ndisc(ndisc::Repr::NeighborSolicitation { target, source: mac }),
            icmpv6::Repr::Ndisc(ndisc::Repr::NeighborAdvertisement {
                target, router, solicited, overriding, link_layer: mac }),
        ][kind];
        let (source, destination) = addresses;
        let mut bytes = vec![0xaa; repr.length()];
        prop_assert_eq!(repr.emit(&mut bytes, source, destination), Ok(repr.length()));
        prop_assert_eq!(icmpv6::Repr::parse(&bytes, source, destination), Ok(repr));
        bytes[0] ^= 0x40;
        prop_assert!(icmpv6::Repr::parse(&bytes, source, destination).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    /// Bytes that pass the first checks get further than purely random ones.
    #[test]
    fn nearly_right_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 40..200),
                                      next in 0u8..64, length in 0u8..200) {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&[0, length]);
        bytes[6..8].copy_from_slice(&[0x40, 0]);
        read_everything(&bytes);
        bytes[0] = 0x60;
        bytes[4..7].copy_from_slice(&[0, length, next]);
        read_everything(&bytes);
        bytes[12] |= 0x50;
        read_everything(&bytes);
        let checked = bytes.len() & !1;
        bytes[2..4].copy_from_slice(&[0, 0]);
        for kind in [133, 134, 135, 136] {
            bytes[..2].copy_from_slice(&[kind, 0]);
            read_ndisc(&mut bytes[..checked]);
        }
    }
}

fn read_everything(bytes: &[u8]) {
    if let Ok(view) = ethernet::View::new(bytes) {
        let _ = (view.repr(), view.payload());
    }
    let _ = arp::Repr::parse(bytes);
    if let Ok(view) = ipv4::View::new(bytes) {
        let _ = (view.repr(), view.verifies(), view.is_fragment(), view.options());
    }
    if let Ok(view) = ipv6::View::new(bytes) {
        let _ = (view.repr(), view.is_fragment());
    }
    if let Ok(view) = tcp::View::new(bytes) {
        let repr = view.repr();
        let mut out = [0; tcp::HEADER_LENGTH_MAX];
        assert!(repr.emit(&mut out).is_ok(), "a header that was read can be written");
    }
    if let Ok(view) = udp::View::new(bytes) {
        let _ = (view.repr(), view.verifies(Sum::default()));
    }
    let _ = icmpv4::Repr::parse(bytes);
    let _ = icmpv6::Repr::parse(bytes, Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    let _ = (Quoted::parse_v4(bytes), Quoted::parse_v6(bytes));
}

/// With a checksum that is right, so that the reader gets to the options.
fn read_ndisc(bytes: &mut [u8]) {
    let any = Ipv6Addr::UNSPECIFIED;
    bytes[2..4].copy_from_slice(&[0, 0]);
    let pseudo = Sum::pseudo_v6(any, any, wire::protocol::ICMPV6, bytes.len() as u32);
    let checksum = pseudo.bytes(bytes).finish();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    let read = icmpv6::Repr::parse(bytes, any, any);
    assert!(!matches!(read, Err(wire::Malformed::Unsupported)), "{read:?}");
}
