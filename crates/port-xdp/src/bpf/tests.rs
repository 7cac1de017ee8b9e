//! What the program takes and what it leaves, frame by frame, as the kernel runs it. Loading it needs
//! a right that not everybody has: where it is missing, these tests say so and check nothing.

use std::os::fd::AsFd;

use super::{Filter, call};
use crate::Error;

const DROP: u32 = 1;
const PASS: u32 = 2;
const OURS: u32 = DROP;

/// A filter that drops what it would take, there being no socket, with some entries.
fn filter() -> Option<Filter> {
    let filter = match Filter::load_with(DROP as i32) {
        Err(error @ (Error::Permission { .. } | Error::Unsupported { .. })) => {
            eprintln!("not checked: {error}");
            return None;
        }
        loaded => loaded.unwrap(),
    };
    for listener in ["192.0.2.1:80", "192.0.2.1:65535", "[2001:db8::1]:80"] {
        filter.add_listener(listener.parse().unwrap()).unwrap();
    }
    for (network, length, ports) in [
        ("198.51.100.0", 24, 1024..=65535),
        ("198.51.100.9", 32, 1000..=1001),
        ("2001:db8:9::", 48, 7..=7),
    ] {
        filter.add_clients((network.parse().unwrap(), length), &ports).unwrap();
    }
    Some(filter)
}

fn verdict(filter: &Filter, frame: &[u8]) -> u32 {
    call::run(filter.program.as_fd(), frame).unwrap()
}

/// An Ethernet header, `tags` and a type, and what follows.
fn ethernet(tags: &[u16], kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(0x8100_u16.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

/// An IPv4 packet with so many words of options, and a TCP header.
fn ipv4(to: [u8; 4], port: u16, protocol: u8, options: u8) -> Vec<u8> {
    let mut packet = vec![0; 20 + usize::from(options) * 4];
    packet[0] = 0x45 + options;
    packet[9] = protocol;
    packet[16..20].copy_from_slice(&to);
    packet.extend(tcp(port));
    packet
}

fn ipv6(to: &str, port: u16, next: u8) -> Vec<u8> {
    let mut packet = vec![0; 24];
    packet[0] = 0x60;
    packet[6] = next;
    packet.extend(to.parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend(tcp(port));
    packet
}

fn tcp(port: u16) -> Vec<u8> {
    let mut header = vec![0; 20];
    header[2..4].copy_from_slice(&port.to_be_bytes());
    header
}

const SERVER: [u8; 4] = [192, 0, 2, 1];

#[test]
fn segments_for_what_is_listened_on_are_ours() {
    let Some(filter) = filter() else { return };
    let ours = |frame: &[u8]| verdict(&filter, frame) == OURS;
    assert!(ours(&ethernet(&[], 0x0800, &ipv4(SERVER, 80, 6, 0))));
    assert!(ours(&ethernet(&[], 0x0800, &ipv4(SERVER, 65535, 6, 0))));
    assert!(ours(&ethernet(&[], 0x0800, &ipv4(SERVER, 80, 6, 1))));
    assert!(ours(&ethernet(&[], 0x0800, &ipv4(SERVER, 80, 6, 10))));
    assert!(ours(&ethernet(&[], 0x86dd, &ipv6("2001:db8::1", 80, 6))));
    // A tag that only says how urgent it is.
    assert!(ours(&ethernet(&[0xa000], 0x0800, &ipv4(SERVER, 80, 6, 0))));
    assert!(ours(&ethernet(&[0xa000], 0x86dd, &ipv6("2001:db8::1", 80, 6))));
}

#[test]
fn ports_that_connections_are_opened_from_are_ours() {
    let Some(filter) = filter() else { return };
    let to = |last, port| {
        verdict(&filter, &ethernet(&[], 0x0800, &ipv4([198, 51, 100, last], port, 6, 0)))
    };
    // Every address of the network, but for the one that is named by itself.
    assert_eq!([1023, 1024, 65535].map(|port| to(1, port)), [PASS, OURS, OURS]);
    assert_eq!([999, 1000, 1001, 1002].map(|port| to(9, port)), [PASS, OURS, OURS, PASS]);
    let to = |address| verdict(&filter, &ethernet(&[], 0x86dd, &ipv6(address, 7, 6)));
    assert_eq!([to("2001:db8:9:1::5"), to("2001:db8:8::5")], [OURS, PASS]);
    let network = ("198.51.100.0".parse().unwrap(), 24);
    filter.remove_clients(network).unwrap();
    let frame = ethernet(&[], 0x0800, &ipv4([198, 51, 100, 1], 1024, 6, 0));
    assert_eq!(verdict(&filter, &frame), PASS);
}

/// An ICMP error of this kind about a packet, with the quoted one's ports turned round.
fn error(kind: u8, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    message.extend(quoted);
    message
}

/// An IPv4 packet from an address and port of ours, as it is quoted: a header with so many words of
/// options, and eight bytes of TCP.
fn quoted_ipv4(from: [u8; 4], port: u16, protocol: u8, options: u8) -> Vec<u8> {
    let mut packet = ipv4([203, 0, 113, 1], 0, protocol, options);
    packet[12..16].copy_from_slice(&from);
    let tcp = packet.len() - 20;
    packet[tcp..tcp + 2].copy_from_slice(&port.to_be_bytes());
    packet.truncate(tcp + 8);
    packet
}

fn quoted_ipv6(from: &str, port: u16, next: u8) -> Vec<u8> {
    let mut packet = ipv6("2001:db8:ffff::1", 0, next);
    packet[8..24].copy_from_slice(&from.parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet[40..42].copy_from_slice(&port.to_be_bytes());
    packet.truncate(48);
    packet
}

/// A packet that carries this.
fn carrying(mut packet: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    packet.truncate(packet.len() - 20);
    packet.extend(payload);
    packet
}

#[test]
fn icmp_errors_about_segments_of_ours_are_ours() {
    let Some(filter) = filter() else { return };
    let v4 = |kind, quoted: &[u8]| {
        let packet = carrying(ipv4(SERVER, 0, 1, 2), &error(kind, quoted));
        verdict(&filter, &ethernet(&[], 0x0800, &packet))
    };
    let v6 = |kind, quoted: &[u8]| {
        let packet = carrying(ipv6("2001:db8::1", 0, 58), &error(kind, quoted));
        verdict(&filter, &ethernet(&[], 0x86dd, &packet))
    };
    let of_listener = quoted_ipv4(SERVER, 80, 6, 0);
    assert_eq!([3, 11, 12].map(|kind| v4(kind, &of_listener)), [OURS; 3]);
    assert_eq!([0, 4, 5, 8, 13].map(|kind| v4(kind, &of_listener)), [PASS; 5]);
    assert_eq!(v4(3, &quoted_ipv4(SERVER, 80, 6, 3)), OURS, "with options");
    assert_eq!(v4(3, &quoted_ipv4([198, 51, 100, 7], 40_000, 6, 0)), OURS, "of a client");
    assert_eq!(v4(3, &quoted_ipv4(SERVER, 22, 6, 0)), PASS, "of the kernel");
    assert_eq!(v4(3, &quoted_ipv4(SERVER, 80, 17, 0)), PASS, "UDP");
    let mut fragment = of_listener.clone();
    fragment[7] = 1;
    assert_eq!(v4(3, &fragment), PASS, "no ports");
    let of_listener = quoted_ipv6("2001:db8::1", 80, 6);
    assert_eq!([1, 2, 3, 4].map(|kind| v6(kind, &of_listener)), [OURS; 4]);
    assert_eq!([0, 5, 128, 135].map(|kind| v6(kind, &of_listener)), [PASS; 4]);
    assert_eq!(v6(2, &quoted_ipv6("2001:db8:9::5", 7, 6)), OURS);
    assert_eq!(v6(2, &quoted_ipv6("2001:db8:9::5", 8, 6)), PASS);
    assert_eq!(v6(2, &quoted_ipv6("2001:db8::1", 80, 44)), PASS, "a fragment");
    for quoted in [quoted_ipv4(SERVER, 80, 6, 10), quoted_ipv4(SERVER, 80, 6, 0)] {
        for length in 0..quoted.len() {
            assert_eq!(v4(3, &quoted[..length]), PASS, "{length} bytes quoted");
        }
    }
}

#[test]
fn everything_else_is_the_kernels() {
    let Some(filter) = filter() else { return };
    let mut last_fragment = ipv4(SERVER, 80, 6, 0);
    last_fragment[7] = 0x01;
    let mut short_header = ipv4(SERVER, 80, 6, 0);
    short_header[0] = 0x44;
    let mut version = ipv4(SERVER, 80, 6, 0);
    version[0] = 0x65;
    let packets = [
        ("ssh", 0x0800, ipv4(SERVER, 22, 6, 0)),
        ("another address", 0x0800, ipv4([192, 0, 2, 2], 80, 6, 0)),
        ("UDP", 0x0800, ipv4(SERVER, 80, 17, 0)),
        ("ICMP", 0x0800, ipv4(SERVER, 80, 1, 0)),
        ("the last fragment", 0x0800, last_fragment),
        ("GRE", 0x0800, ipv4(SERVER, 80, 47, 0)),
        ("IPv6 in IPv4", 0x0800, ipv4(SERVER, 80, 41, 0)),
        ("ESP", 0x0800, ipv4(SERVER, 80, 50, 0)),
        ("SCTP", 0x0800, ipv4(SERVER, 80, 132, 0)),
        ("PPPoE", 0x8864, ipv4(SERVER, 80, 6, 0)),
        ("MPLS", 0x8847, ipv4(SERVER, 80, 6, 0)),
        ("a tag of a provider's", 0x88a8, ipv4(SERVER, 80, 6, 0)),
        ("a header of four words", 0x0800, short_header),
        ("another version", 0x0800, version),
        ("ARP", 0x0806, ipv4(SERVER, 80, 6, 0)),
        ("IPv6 to another port", 0x86dd, ipv6("2001:db8::1", 81, 6)),
        ("IPv6 to another address", 0x86dd, ipv6("2001:db8::2", 80, 6)),
        ("ICMPv6", 0x86dd, ipv6("2001:db8::1", 80, 58)),
        ("an authentication header", 0x86dd, ipv6("2001:db8::1", 80, 51)),
        ("GRE over IPv6", 0x86dd, ipv6("2001:db8::1", 80, 47)),
    ];
    for (what, kind, packet) in packets {
        assert_eq!(verdict(&filter, &ethernet(&[], kind, &packet)), PASS, "{what}");
    }
    let ours = ipv4(SERVER, 80, 6, 0);
    assert_eq!(verdict(&filter, &ethernet(&[5], 0x0800, &ours)), PASS, "another VLAN");
    assert_eq!(verdict(&filter, &ethernet(&[0, 0], 0x0800, &ours)), PASS, "two tags");
}

#[test]
fn no_frame_is_too_short_for_the_kernel() {
    let Some(filter) = filter() else { return };
    let whole = ethernet(&[0], 0x0800, &ipv4(SERVER, 80, 6, 10));
    // With ports and sequence number a segment is ours, if only for us to drop.
    for length in 14..whole.len() - 12 {
        assert_eq!(verdict(&filter, &whole[..length]), PASS, "{length} bytes");
    }
    assert_eq!(verdict(&filter, &whole), OURS);
}

#[test]
fn what_is_not_listened_on_any_more_is_the_kernels() {
    let Some(filter) = filter() else { return };
    let frame = ethernet(&[], 0x0800, &ipv4(SERVER, 80, 6, 0));
    filter.remove_listener("192.0.2.1:80".parse().unwrap()).unwrap();
    assert_eq!(verdict(&filter, &frame), PASS);
}

/// The kernel put the fragments together, knew nobody at the port and answered with a reset, which ended
/// the connection.
#[test]
fn the_first_fragment_of_a_segment_is_ours_and_no_other_is() {
    let Some(filter) = filter() else { return };
    let fragment = |flags: u8, offset: u8, bytes: usize| {
        let mut packet = ipv4(SERVER, 80, 6, 0);
        (packet[6], packet[7]) = (flags, offset);
        packet.truncate(20 + bytes);
        verdict(&filter, &ethernet(&[], 0x0800, &packet))
    };
    assert_eq!([20, 8, 7].map(|bytes| fragment(0x20, 0, bytes)), [OURS, OURS, PASS]);
    assert_eq!([fragment(0x20, 1, 20), fragment(0, 1, 20), fragment(0x1f, 0, 20)], [PASS; 3]);
    let fragment = |offset_and_flags: u16, port| {
        let [high, low] = offset_and_flags.to_be_bytes();
        let packet = extended("2001:db8::1", &[(44, vec![0, 0, high, low, 0, 0, 0, 0])], port);
        verdict(&filter, &ethernet(&[], 0x86dd, &packet))
    };
    // The first of several, one that is alone, and later ones.
    assert_eq!([1, 0, 6, 8, 9].map(|field| fragment(field, 80)), [OURS, OURS, OURS, PASS, PASS]);
    assert_eq!([1, 0].map(|field| fragment(field, 81)), [PASS, PASS]);
}

/// An IPv6 packet with these extension headers, whose first byte is filled in, and a TCP header.
fn extended(to: &str, headers: &[(u8, Vec<u8>)], port: u16) -> Vec<u8> {
    let kinds = headers.iter().map(|(kind, _)| *kind);
    let mut packet = ipv6(to, port, headers.first().map_or(6, |(kind, _)| *kind));
    packet.truncate(40);
    for ((_, header), next) in headers.iter().zip(kinds.skip(1).chain([6])) {
        packet.push(next);
        packet.extend(&header[1..]);
    }
    packet.extend(tcp(port));
    packet
}

/// They went to the kernel, which answered with a reset.
#[test]
fn segments_behind_extension_headers_are_ours_as_others_are() {
    let Some(filter) = filter() else { return };
    let options = |units: u8| {
        let mut header = vec![0; 8 * (usize::from(units) + 1)];
        header[1] = units;
        header
    };
    let route = |left: u8| vec![0, 0, 2, left, 0, 0, 0, 0];
    let behind = |headers: &[(u8, Vec<u8>)], port| {
        let packet = extended("2001:db8::1", headers, port);
        verdict(&filter, &ethernet(&[], 0x86dd, &packet))
    };
    let all = [(0, options(0)), (60, options(5)), (43, route(0)), (60, options(1))];
    for headers in [&all[..0], &all[..1], &all[1..2], &all[2..3], &all] {
        assert_eq!([80, 81].map(|port| behind(headers, port)), [OURS, PASS], "{headers:?}");
    }
    assert_eq!(behind(&[(43, route(1))], 80), PASS, "on its way to somebody else");
    assert_eq!(behind(&[(60, options(0)), (51, options(0))], 80), PASS, "an authentication header");
    let many = vec![(60, options(0)); 5];
    assert_eq!([behind(&many[..4], 80), behind(&many, 80)], [OURS, PASS]);
    assert_eq!(behind(&[(60, options(255))], 80), OURS);
    let whole = ethernet(&[], 0x86dd, &extended("2001:db8::1", &all, 80));
    for length in 14..whole.len() - 12 {
        assert_eq!(verdict(&filter, &whole[..length]), PASS, "{length} bytes");
    }
}
