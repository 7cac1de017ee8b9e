//! What the kernel is told of a segment, and what it makes of that. What a real device does is tested
//! in `tests/heavy`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;

use ::port::vnet::{self, Header};
use ::port::{Cut, Lost, Port};
use base::{Instant, Seq};
use mem::{Batch, Pool};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{Ecn, TCP};
use wire::{ipv4, ipv6, tcp};

use crate::TapPort;

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

/// What the kernel gets of a frame.
fn hand_over(frame: &[u8], cut: Option<NonZeroU16>) -> (Vec<u8>, Header) {
    let (mut port, device) = port_and_device();
    let mut given = vec![0; vnet::LENGTH + frame.len() + 1];
    match cut {
        Some(cut) => assert!(port.tx_uncut(Instant::ZERO, frame, cut).unwrap()),
        None => {
            let mut pool = Pool::new(1, 2048).unwrap();
            let mut batch = Batch::new();
            let mut sent = pool.take().unwrap();
            pool.buffer_mut(&mut sent)[..frame.len()].copy_from_slice(frame);
            sent.set_range(0..frame.len());
            batch.push(sent).unwrap();
            port.tx(Instant::ZERO, &mut pool, &mut batch).unwrap();
        }
    }
    assert_eq!(rustix::io::read(&device, &mut given).unwrap(), vnet::LENGTH + frame.len());
    let header = Header::from_bytes(*given.first_chunk().unwrap());
    (given[vnet::LENGTH..vnet::LENGTH + frame.len()].to_vec(), header)
}

/// Completes the checksum of a frame as whoever sends it on would.
fn complete(frame: &mut [u8], tcp: usize) {
    let sum = Sum::default().bytes(&frame[tcp..]).finish();
    frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn a_frame_to_be_cut_becomes_the_segments_that_it_stands_for() {
    for ends in [V4, V6] {
        let (ack, last) = (0x10, 0x19);
        let payload = [[1; 1000], [2; 1000], [3; 1000]].concat();
        let whole = frame(ends, u32::MAX - 10, last, &payload[..2400]);
        let (given, header) = hand_over(&whole, NonZeroU16::new(1000));
        assert!(header.is_to_be_cut());
        let mut cut = Cut::new(&given, NonZeroU16::new(header.segment).unwrap()).unwrap();
        let expected = [
            frame(ends, u32::MAX - 10, ack, &[1; 1000]),
            frame(ends, 989, ack, &[2; 1000]),
            frame(ends, 1989, last, &[3; 400]),
        ];
        for expected in expected {
            let mut buffer = [0; 2048];
            let length = cut.next(&given, &mut buffer).unwrap();
            cut.fill_checksum(&mut buffer[..length]);
            assert_eq!(buffer[..length], expected);
        }
        assert_eq!(cut.next(&given, &mut [0; 2048]), None);
    }
}

#[test]
fn the_checksum_left_to_the_kernel_comes_out_right() {
    for (ends, tcp) in [(V4, 34), (V6, 54)] {
        let original = frame(ends, 5, 0x18, b"hello");
        let (mut left, header) = hand_over(&original, None);
        assert!(!header.is_to_be_cut());
        assert_ne!(left, original);
        complete(&mut left, tcp);
        assert_eq!(left, original);
    }
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
