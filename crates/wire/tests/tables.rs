//! Headers written down byte by byte, and what is to be made of each.

use base::Seq;
use wire::Malformed;
use wire::ethernet::{EtherType, Tag};
use wire::quoted::Quoted;
use wire::tcp::{Flags, Options, SackBlock, SackBlocks, Timestamps};
use wire::{arp, ethernet, icmpv4, ipv4, ipv6, tcp, udp};

fn parsed(options: &[u8]) -> Options {
    let mut segment = vec![0; tcp::HEADER_LENGTH];
    segment.extend(options);
    segment.resize(segment.len().next_multiple_of(4), 0);
    segment[12] = (segment.len() / 4) as u8 * 16;
    tcp::View::new(&segment).unwrap().repr().options
}

#[test]
fn options_of_common_systems() {
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# A given TCP implementation can support any currently defined options, but the following options
    //# MUST be supported (MUST-4
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# A TCP implementation MUST be able to receive a TCP Option in any segment (MUST-5).
    //= specs/rfc9293.txt#section-3.2
    //= type=test
    //# There is no guarantee that senders will use this option, so receivers MUST be prepared to
    //# process options even if they do not begin on a word boundary (MUST-64).
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# The content of the header beyond the End of Option List Option MUST be header padding of zeros
    //# (MUST-69).
    let linux = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];
    let windows = [2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2];
    let options = parsed(&linux);
    assert_eq!(options.mss, Some(1460));
    assert_eq!(options.window_scale, Some(7));
    assert_eq!(options.timestamps, Some(Timestamps { value: 7, echo: 0 }));
    assert!(options.sack_permitted);
    let options = parsed(&windows);
    assert_eq!((options.mss, options.window_scale), (Some(1460), Some(8)));
    assert!(options.sack_permitted && options.timestamps.is_none());
    let mut written = [0; 40];
    let linux_again = tcp::Repr { options: parsed(&linux), ..tcp::Repr::default() };
    linux_again.emit(&mut written).unwrap();
    assert_eq!(written[20..], linux, "SYNs look like those of Linux");
}

#[test]
fn malformed_options_are_skipped_or_end_the_list() {
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# A TCP implementation MUST (MUST-6) ignore without error any TCP Option it does not implement,
    //# assuming that the option has a length field.
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# TCP implementations MUST be prepared to handle an illegal option length (e.g., zero); a
    //# suggested procedure is to reset the connection and log the error cause (MUST-7).
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# All TCP Options except End of Option List Option (EOL) and No-Operation (NOP) MUST have length
    //# fields, including all future options (MUST-68).
    let plain = Options { mss: Some(1460), ..Options::default() };
    let mss = [2, 4, 5, 180];
    let cases: [(&str, &[u8], bool); 8] = [
        ("unknown, skipped by its length", &[253, 5, 1, 2, 3], true),
        ("no-operations", &[1, 1, 1], true),
        ("known with a wrong length", &[3, 4, 1, 1], true),
        ("SACK with half a block", &[5, 6, 1, 2, 3, 4], true),
        ("length zero", &[253, 0], false),
        ("length one", &[253, 1], false),
        ("length past the end", &[253, 40, 0], false),
        ("end of list", &[0], false),
    ];
    for (case, first, goes_on) in cases {
        let expected = if goes_on { plain } else { Options::default() };
        assert_eq!(parsed(&[first, &mss].concat()), expected, "{case}");
    }
    assert_eq!(parsed(&[&mss[..], &[8]].concat()), plain, "a kind without a length");
}

#[test]
fn sack_blocks_take_what_room_is_left() {
    let mut sack = SackBlocks::default();
    for start in [10, 20, 30, 40] {
        assert!(sack.push(SackBlock { start: Seq(start), end: Seq(start + 5) }));
    }
    assert!(!sack.push(SackBlock::default()), "RFC 2018: at most four");
    let mut options = Options { sack, ..Options::default() };
    assert_eq!(options.length(), 36);
    options.timestamps = Some(Timestamps::default());
    assert_eq!(options.length(), 40, "RFC 2018 section 3: three blocks beside timestamps");
    let repr = tcp::Repr { options, ..tcp::Repr::default() };
    let mut bytes = [0; 60];
    repr.emit(&mut bytes).unwrap();
    let read = tcp::View::new(&bytes).unwrap().repr().options.sack;
    assert_eq!(read.as_slice(), &sack.as_slice()[..3]);
}

#[test]
fn sack_blocks_that_another_packs_tighter_are_all_read_and_written_as_far_as_they_fit() {
    let blocks: Vec<u8> = (0..24).collect();
    let packed = [&[2, 4, 5, 180, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 26][..], &blocks].concat();
    let mut options = parsed(&packed);
    assert_eq!((packed.len(), options.sack.as_slice().len()), (40, 3));
    assert_eq!((options.sack_room(), options.length()), (2, 36), "we align timestamps and blocks");
    let mut bytes = [0; 60];
    let repr = tcp::Repr { options, ..tcp::Repr::default() };
    let length = repr.emit(&mut bytes).unwrap();
    options.sack.truncate(2);
    assert_eq!(tcp::View::new(&bytes[..length]).unwrap().repr().options, options);
}

#[test]
fn tcp_lengths() {
    let mut bytes = [0u8; 24];
    for (words, expected) in [
        (0, Err(Malformed::Length)),
        (4, Err(Malformed::Length)),
        (5, Ok(4)),
        (6, Ok(0)),
        (7, Err(Malformed::Truncated)),
        (15, Err(Malformed::Truncated)),
    ] {
        bytes[12] = words << 4;
        let read = tcp::View::new(&bytes).map(|view| view.payload().len());
        assert_eq!(read, expected, "{words}");
    }
    assert_eq!(tcp::View::new(&bytes[..19]).map(|_| ()), Err(Malformed::Truncated));
}

#[test]
fn flags_print_as_their_names() {
    assert_eq!(format!("{:?}", Flags::SYN | Flags::ACK), "SYN|ACK");
    assert_eq!(format!("{:?}", Flags::NONE), "none");
}

#[test]
fn vlan_tags_are_read() {
    let addresses = [0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
    let tagged = [&addresses[..], &[0x81, 0, 0x60, 0x64, 8, 0, 0xee]].concat();
    let view = ethernet::View::new(&tagged).unwrap();
    assert_eq!(view.repr().tag.map(Tag::vlan), Some(100));
    assert_eq!((view.repr().kind, view.payload()), (EtherType::IPV4, &[0xee][..]));
    let both = [&addresses[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 0x86, 0xdd]].concat();
    let repr = ethernet::View::new(&both).unwrap().repr();
    assert_eq!((repr.service, repr.tag), (Some(Tag(5)), Some(Tag(7))));
    assert_eq!(repr.kind, EtherType::IPV6);
    for length in 0..both.len() {
        assert!(ethernet::View::new(&both[..length]).is_err(), "{length}");
    }
}

#[test]
fn arp_for_anything_but_ethernet_and_ipv4_is_not_for_us() {
    let mut packet = [0u8; arp::LENGTH];
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    assert!(arp::Repr::parse(&packet).is_ok());
    for at in 0..8 {
        let mut other = packet;
        other[at] ^= 0x10;
        assert_eq!(arp::Repr::parse(&other), Err(Malformed::Unsupported), "byte {at}");
    }
}

#[test]
fn ipv4_fragments_and_options() {
    //= specs/rfc9293.txt#section-3.9.2
    //= type=test
    //# When received options are passed up to TCP from the IP layer, a TCP implementation MUST ignore
    //# options that it does not understand (MUST-50).
    let mut packet = vec![0u8; 28];
    packet[0] = 0x46;
    packet[3] = 28;
    packet[20..24].copy_from_slice(&[1, 1, 1, 0]);
    for (flags, fragment) in [(0x0000, false), (0x4000, false), (0x2000, true), (0x0001, true)] {
        packet[6..8].copy_from_slice(&u16::to_be_bytes(flags));
        let view = ipv4::View::new(&packet).unwrap();
        assert_eq!(view.is_fragment(), fragment, "{flags:#x}");
        assert_eq!((view.options(), view.payload().len()), (&[1, 1, 1, 0][..], 4));
    }
    for (first, total, expected) in [
        (0x35, 28, Malformed::Version),
        (0x44, 28, Malformed::Length),
        (0x46, 23, Malformed::Length),
        (0x46, 29, Malformed::Truncated),
    ] {
        (packet[0], packet[3]) = (first, total);
        assert_eq!(ipv4::View::new(&packet).map(|_| ()), Err(expected));
    }
}

/// An IPv6 packet whose next header is `next` and whose payload is `rest`.
fn v6_packet(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0u8; ipv6::HEADER_LENGTH];
    packet[0] = 0x60;
    packet[5] = rest.len() as u8;
    packet[6] = next;
    packet.extend(rest);
    packet
}

#[test]
fn ipv6_extension_headers() {
    let hop_by_hop = [6, 0, 1, 4, 0, 0, 0, 0];
    let then = |next: u8, header: [u8; 8]| [&[next], &header[1..]].concat();
    type Case = (&'static str, u8, Vec<u8>, Result<(u8, usize), Malformed>);
    let cases: [Case; 9] = [
        ("none", 6, vec![9; 3], Ok((6, 3))),
        ("one", 0, [&hop_by_hop[..], &[9; 5]].concat(), Ok((6, 5))),
        ("routing that has arrived", 43, [&then(17, [0; 8]), &[9; 2][..]].concat(), Ok((17, 2))),
        ("routing with stops left", 43, vec![6, 0, 0, 1, 0, 0, 0, 0], Err(Malformed::Unsupported)),
        ("authentication", 51, [&[6, 1], &[0; 10][..], &[9; 4]].concat(), Ok((6, 4))),
        (
            "its own only fragment",
            44,
            [&[6, 0, 0, 0, 1, 2, 3, 4], &[9; 4][..]].concat(),
            Ok((6, 4)),
        ),
        ("hop-by-hop not first", 60, [then(0, [0; 8]), vec![6; 8]].concat(), Err(Malformed::Field)),
        ("cut short", 60, vec![6, 1, 0, 0, 0, 0, 0, 0], Err(Malformed::Truncated)),
        ("too many", 60, [60, 0, 0, 0, 0, 0, 0, 0].repeat(9), Err(Malformed::Unsupported)),
    ];
    for (case, next, rest, expected) in cases {
        let packet = v6_packet(next, &rest);
        let read = ipv6::View::new(&packet).map(|view| {
            assert!(!view.is_fragment(), "{case}");
            (view.repr().protocol, view.payload().len())
        });
        assert_eq!(read, expected, "{case}");
    }
    let fragment = v6_packet(44, &[6, 0, 0, 1, 0, 0, 0, 0, 1, 2]);
    assert!(ipv6::View::new(&fragment).unwrap().is_fragment());
}

#[test]
fn udp_lengths_and_missing_checksum() {
    let mut datagram = [0, 1, 0, 2, 0, 10, 0, 0, 7, 7, 7];
    let view = udp::View::new(&datagram).unwrap();
    assert!(view.has_no_checksum());
    assert_eq!(view.payload(), [7, 7], "what is behind the length is padding");
    for (length, expected) in [(7, Malformed::Length), (12, Malformed::Truncated)] {
        datagram[5] = length;
        assert_eq!(udp::View::new(&datagram).map(|_| ()), Err(expected));
    }
}

#[test]
fn an_icmp_error_names_the_packet_it_quotes() {
    let packet = ipv4::Repr {
        source: [10, 0, 0, 1].into(),
        destination: [10, 0, 0, 2].into(),
        protocol: wire::protocol::TCP,
        time_to_live: 64,
        dscp: 0,
        ecn: wire::protocol::Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: 1480,
    };
    let mut quoted = [0; 28];
    packet.emit(&mut quoted).unwrap();
    quoted[20..].copy_from_slice(&[0x1f, 0x90, 0xc0, 0x00, 1, 2, 3, 4]);
    let error = icmpv4::Repr::Unreachable {
        code: icmpv4::FRAGMENTATION_NEEDED,
        mtu: 1400,
        quoted: &quoted,
    };
    let mut bytes = [0; 64];
    let length = error.emit(&mut bytes).unwrap();
    let Ok(icmpv4::Repr::Unreachable { mtu: 1400, quoted, .. }) =
        icmpv4::Repr::parse(&bytes[..length])
    else {
        panic!("{bytes:?}");
    };
    let read = Quoted::parse_v4(quoted).unwrap();
    assert_eq!((read.source_port, read.destination_port), (8080, 49152));
    assert_eq!(read.sequence, 0x0102_0304);
    assert_eq!(read.destination, packet.destination);
    let mut later_fragment = quoted.to_vec();
    later_fragment[7] = 1;
    assert_eq!(Quoted::parse_v4(&later_fragment), Err(Malformed::Unsupported));
    assert_eq!(Quoted::parse_v4(&quoted[..27]), Err(Malformed::Truncated));
}

#[test]
fn source_quench_is_not_read() {
    //= specs/rfc9293.txt#section-3.9.2.2
    //= type=test
    //# TCP implementations MUST silently discard any received ICMP Source Quench messages (MUST-55).
    let mut bytes = [4, 0, 0, 0, 0, 0, 0, 0];
    let checksum = wire::checksum::Sum::default().bytes(&bytes).finish();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(icmpv4::Repr::parse(&bytes), Err(Malformed::Unsupported));
}
