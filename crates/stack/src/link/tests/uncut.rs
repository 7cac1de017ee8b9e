//! What the port cuts leaves in the order it was given in, waits while the port has no room, and waits
//! for a neighbour as what it stands for.

use core::net::IpAddr;
use core::num::NonZeroU16;
use std::vec::Vec;

use base::Seq;
use mem::{Batch, Pool};
use port::{Caps, Port};
use wire::checksum::Sum;
use wire::{ethernet, ipv4, protocol, tcp};

use super::{Bench, OWN, PEER, arp};

/// Sends 250 bytes, in segments of 100.
fn send_three(bench: &mut Bench) {
    bench.link.set_time(bench.now);
    let (local, remote) = (IpAddr::V4(OWN), IpAddr::V4(PEER));
    let ends = ::tcp::Tuple { local, local_port: 80, remote, remote_port: 7 };
    let reset = ::tcp::Reset { sequence: Seq(5), acknowledgment: None };
    let cut = NonZeroU16::new(100);
    let mut three = ::tcp::Outgoing { length: 250, cut, ..reset.outgoing() };
    three.header.flags = tcp::Flags::ACK;
    bench.link.send_segment(&ends, &three, |into| into.fill(9));
}

/// Sequence numbers and bytes of payload of frames whose checksums are right.
fn segments(frames: &[Vec<u8>]) -> Vec<(u32, usize)> {
    let read = |frame: &Vec<u8>| {
        let view = ethernet::View::new(frame).unwrap();
        let packet = ipv4::View::new(view.payload()).unwrap();
        assert!(packet.verifies());
        let segment = tcp::View::new(packet.payload()).unwrap();
        let length = packet.payload().len() as u16;
        assert!(segment.verifies(Sum::pseudo_v4(OWN, PEER, protocol::TCP, length)));
        (segment.repr().sequence.0, segment.payload().len())
    };
    frames.iter().map(read).collect()
}

fn bench() -> Bench {
    Bench::with(Caps { tso: Some(1_600), ..Caps::ETHERNET })
}

#[test]
fn a_neighbour_that_is_not_known_gets_the_segments_one_by_one() {
    let mut bench = bench();
    send_three(&mut bench);
    assert_eq!(bench.sent().len(), 1, "a question");
    let released = bench.exchange(&arp(wire::arp::Operation::Reply, OWN, PEER));
    assert_eq!(segments(&released), [(5, 100), (105, 100), (205, 50)]);
    assert_eq!(bench.link.recall_frames(), 0);
}

#[test]
fn a_long_frame_leaves_after_what_was_sent_before_it() {
    let mut bench = bench();
    bench.exchange(&arp(wire::arp::Operation::Request, OWN, PEER));
    bench.send_to(PEER);
    send_three(&mut bench);
    bench.send_to(PEER);
    let lengths: Vec<usize> = bench.sent().iter().map(Vec::len).collect();
    assert_eq!(lengths, [54, 54 + 250, 54]);
}

#[test]
fn nothing_is_built_while_a_long_frame_waits_for_the_port() {
    let mut bench = bench();
    bench.exchange(&arp(wire::arp::Operation::Request, OWN, PEER));
    // The wire holds 64 KiB.
    let mut sent = 0;
    while bench.link.is_ready() {
        send_three(&mut bench);
        sent += 1;
        assert!(sent < 1_000);
    }
    assert!(sent > 100 && bench.link.is_blocked());
    let (mut far, mut batch, mut arrived) = (Pool::new(100, 2048).unwrap(), Batch::new(), 0);
    loop {
        bench.wire.rx(bench.now, &mut far, &mut batch).unwrap();
        if batch.is_empty() {
            break;
        }
        arrived += batch.len();
        batch.give_all(&mut far);
    }
    assert!(arrived + 1 == sent && bench.link.is_ready() && !bench.link.is_blocked());
    assert_eq!(bench.sent().len(), 1);
}
