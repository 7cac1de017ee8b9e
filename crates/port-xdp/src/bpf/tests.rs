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
    filter.add_client("192.0.2.9".parse().unwrap(), &(1000..=1001)).unwrap();
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
    let to = |port| verdict(&filter, &ethernet(&[], 0x0800, &ipv4([192, 0, 2, 9], port, 6, 0)));
    assert_eq!([999, 1000, 1001, 1002].map(to), [PASS, OURS, OURS, PASS]);
}

#[test]
fn everything_else_is_the_kernels() {
    let Some(filter) = filter() else { return };
    let mut fragment = ipv4(SERVER, 80, 6, 0);
    fragment[6] = 0x20;
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
        ("a fragment", 0x0800, fragment),
        ("the last fragment", 0x0800, last_fragment),
        ("a header of four words", 0x0800, short_header),
        ("another version", 0x0800, version),
        ("ARP", 0x0806, ipv4(SERVER, 80, 6, 0)),
        ("IPv6 to another port", 0x86dd, ipv6("2001:db8::1", 81, 6)),
        ("IPv6 to another address", 0x86dd, ipv6("2001:db8::2", 80, 6)),
        ("ICMPv6", 0x86dd, ipv6("2001:db8::1", 80, 58)),
        ("an extension header", 0x86dd, ipv6("2001:db8::1", 80, 0)),
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
    for length in 14..whole.len() {
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
