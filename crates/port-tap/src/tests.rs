//! Segments joined to one for the kernel, and cut again as the kernel would. What a real device does
//! is tested in `tests/heavy`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use ::port::{Lost, Port};
use base::{Instant, Seq};
use mem::{Batch, Pool};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{Ecn, TCP};
use wire::{ipv4, ipv6, tcp};

use crate::TapPort;
use crate::join::{Run, Segment};
use crate::split::Uncut;

const V4: (IpAddr, IpAddr) =
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)));
const V6: (IpAddr, IpAddr) = (
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
);

/// A frame with a segment whose checksum is right.
fn frame(ends: (IpAddr, IpAddr), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let header = tcp::Repr {
        source_port: 80,
        destination_port: 40_000,
        sequence: Seq(sequence),
        acknowledgment: Seq(7),
        flags: tcp::Flags(flags),
        window: 500,
        urgent: 0,
        options: tcp::Options {
            timestamps: Some(tcp::Timestamps { value: 1, echo: 2 }),
            ..tcp::Options::default()
        },
    };
    let mut segment = vec![0; header.length() + payload.len()];
    let head = header.emit(&mut segment).unwrap();
    segment[head..].copy_from_slice(payload);
    let length = segment.len();
    let (mut ip, kind, pseudo) = match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = vec![0; ipv4::HEADER_LENGTH];
            let header = ipv4::Repr {
                source,
                destination,
                protocol: TCP,
                time_to_live: 64,
                dscp: 0,
                ecn: Ecn::NotCapable,
                identification: 0,
                dont_fragment: true,
                payload_length: length as u16,
            };
            header.emit(&mut ip).unwrap();
            (ip, EtherType::IPV4, Sum::pseudo_v4(source, destination, TCP, length as u16))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut ip = vec![0; ipv6::HEADER_LENGTH];
            let header = ipv6::Repr {
                source,
                destination,
                protocol: TCP,
                hop_limit: 64,
                dscp: 0,
                ecn: Ecn::NotCapable,
                flow_label: 0,
                payload_length: length as u16,
            };
            header.emit(&mut ip).unwrap();
            (ip, EtherType::IPV6, Sum::pseudo_v6(source, destination, TCP, length as u32))
        }
        _ => unreachable!(),
    };
    tcp::fill_checksum(&mut segment, pseudo);
    let mut frame = vec![0; ethernet::HEADER_LENGTH];
    let (destination, source) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let header = ethernet::Repr { destination, source, service: None, tag: None, kind };
    header.emit(&mut frame).unwrap();
    frame.append(&mut ip);
    frame.append(&mut segment);
    frame
}

/// Joins as many of the frames as follow each other; gives how many, and what the kernel gets.
fn join(frames: &[Vec<u8>]) -> (usize, Vec<u8>, crate::vnet::Header) {
    let first = Segment::of(&frames[0]).unwrap();
    let mut run = Run::new(first);
    let mut joined = frames[0].clone();
    for frame in &frames[1..] {
        let next = Segment::of(frame).unwrap();
        if !run.add(&frames[0], &next, frame) {
            break;
        }
        joined.extend_from_slice(&frame[next.headers..]);
    }
    let header = run.head(&mut joined[..first.headers]);
    (run.count, joined, header)
}

/// Completes the checksum of a frame as whoever sends it on would.
fn complete(frame: &mut [u8], tcp: usize) {
    let sum = Sum::default().bytes(&frame[tcp..]).finish();
    frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn what_was_joined_is_cut_into_what_it_was() {
    for (ends, tcp) in [(V4, 34), (V6, 54)] {
        let (ack, last) = (0x10, 0x18);
        let mut frames = vec![
            frame(ends, u32::MAX - 10, ack, &[1; 1000]),
            frame(ends, 989, ack, &[2; 1000]),
            frame(ends, 1989, last, &[3; 400]),
        ];
        let (count, joined, header) = join(&frames);
        assert_eq!(count, 3);
        assert!(header.is_to_be_cut());
        let mut uncut = Uncut::new(&joined, header).unwrap();
        for expected in &mut frames {
            let mut buffer = [0; 2048];
            let length = uncut.next(&joined, &mut buffer).unwrap();
            // The checksums alone are left to whoever vouches for them.
            let segment = &mut buffer[..length];
            segment[tcp + 16..tcp + 18].fill(0);
            expected[tcp + 16..tcp + 18].fill(0);
            assert_eq!(segment, &expected[..]);
        }
        assert_eq!(uncut.next(&joined, &mut [0; 2048]), None);
    }
}

#[test]
fn the_checksum_left_to_the_kernel_comes_out_right() {
    for (ends, tcp) in [(V4, 34), (V6, 54)] {
        let original = frame(ends, 5, 0x18, b"hello");
        let (_, mut left, header) = join(std::slice::from_ref(&original));
        assert!(!header.is_to_be_cut());
        assert_ne!(left, original);
        complete(&mut left, tcp);
        assert_eq!(left, original);
    }
}

#[test]
fn what_differs_is_not_joined() {
    let ack = 0x10;
    let first = || frame(V4, 100, ack, &[1; 100]);
    let count = |frames: &[Vec<u8>]| join(frames).0;
    assert_eq!(count(&[first(), frame(V4, 200, ack, &[1; 100])]), 2);
    for (what, second) in [
        ("a gap", frame(V4, 201, ack, &[1; 100])),
        ("one longer than those before", frame(V4, 200, ack, &[1; 101])),
        ("no payload", frame(V4, 200, ack, &[])),
        ("a reset", frame(V4, 200, 0x14, &[1; 100])),
        ("a mark of congestion", frame(V4, 200, 0x90, &[1; 100])),
    ] {
        assert_eq!(count(&[first(), second]), 1, "{what}");
    }
    let mut other_port = frame(V4, 200, ack, &[1; 100]);
    other_port[37] ^= 1;
    assert_eq!(count(&[first(), other_port]), 1);
    let after_short = [first(), frame(V4, 200, ack, &[1; 50]), frame(V4, 250, ack, &[1; 50])];
    assert_eq!(count(&after_short), 2);
    let after_fin = [first(), frame(V4, 200, 0x11, &[1; 100]), frame(V4, 301, ack, &[1; 100])];
    assert_eq!(count(&after_fin), 2);
}

#[test]
fn a_frame_that_contradicts_its_header_is_not_cut() {
    let whole = frame(V4, 1, 0x10, &[0; 3000]);
    let header = crate::vnet::Header::tcp_to_be_cut(34, 66, 1000, false);
    assert!(Uncut::new(&whole, header).is_some());
    assert_eq!(Uncut::new(&whole[..2000], header), None);
    let nothing = crate::vnet::Header::tcp_to_be_cut(34, 66, 0, false);
    assert_eq!(Uncut::new(&whole, nothing), None);
}

/// Gives a port frames as a device's queue would: each after what is said of it.
fn port_and_device() -> (TapPort, OwnedFd) {
    let (near, far) =
        socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
    (TapPort::new(near, 1500, None).unwrap(), far)
}

/// It was counted among the frames that the port could not carry.
#[test]
fn a_wrong_checksum_is_counted_as_one_unless_the_kernel_vouches_for_it() {
    let (mut port, device) = port_and_device();
    let mut pool = Pool::new(8, 2048).unwrap();
    for ends in [V4, V6] {
        let right = frame(ends, 1, 0x10, b"right");
        let mut wrong = right.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let before = port.lost();
        for (vouched, frame) in [(0, &right), (0, &wrong), (1, &wrong), (2, &wrong)] {
            let said = [vouched, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            rustix::io::write(&device, &[&said[..], frame].concat()).unwrap();
        }
        let mut batch = Batch::new();
        port.rx(Instant::ZERO, &mut pool, &mut batch).unwrap();
        assert_eq!(batch.len(), 3);
        assert_eq!(port.lost(), Lost { checksum: before.checksum + 1, frames: 0 });
        batch.give_all(&mut pool);
    }
    assert_eq!(pool.available(), pool.capacity());
}
