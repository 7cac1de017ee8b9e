//! Frames that do not fit their buffers, and frames that are not what they were said to be. What
//! segments look like is tested with `port-tap`, where they come from.

use core::net::Ipv4Addr;
use core::num::NonZeroU16;
use std::vec;
use std::vec::Vec;

use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{Ecn, TCP, UDP};
use wire::{ipv4, tcp};

use super::Cut;

/// A frame over IPv4 with so many bytes of payload.
fn frame(protocol: u8, payload: usize) -> Vec<u8> {
    let header = tcp::Repr { flags: tcp::Flags::ACK, ..tcp::Repr::default() };
    let mut frame = vec![0; ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH];
    let mut segment = vec![7; header.length() + payload];
    header.emit(&mut segment).unwrap();
    let (destination, source) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    ethernet::Repr { destination, source, service: None, tag: None, kind: EtherType::IPV4 }
        .emit(&mut frame)
        .unwrap();
    ipv4::Repr {
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        protocol,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: segment.len() as u16,
    }
    .emit(&mut frame[ethernet::HEADER_LENGTH..])
    .unwrap();
    frame.append(&mut segment);
    frame
}

fn lengths(frame: &[u8], mut cut: Cut, room: usize) -> Vec<usize> {
    let mut buffer = vec![0; room];
    let mut all = Vec::new();
    while let Some(length) = cut.next(frame, &mut buffer) {
        let packet = ipv4::View::new(&buffer[ethernet::HEADER_LENGTH..length]).unwrap();
        assert!(packet.verifies());
        all.push(length - 54);
    }
    all
}

#[test]
fn as_much_stays_together_as_a_buffer_holds() {
    let whole = frame(TCP, 2_500);
    let cut = Cut::new(&whole, NonZeroU16::new(1_000).unwrap()).unwrap();
    assert_eq!(lengths(&whole, cut, 4_096), [1_000, 1_000, 500]);
    assert_eq!(lengths(&whole, cut.for_buffers_of(1_054), 1_054), [1_000, 1_000, 500]);
    assert_eq!(lengths(&whole, cut.for_buffers_of(2_500), 2_500), [2_000, 500]);
    assert_eq!(lengths(&whole, cut.for_buffers_of(2_554), 2_554), [2_500]);
    // No buffer is large enough for one.
    assert_eq!(lengths(&whole, cut.for_buffers_of(500), 500), []);
}

#[test]
fn a_frame_that_is_no_whole_segment_is_not_cut() {
    let segment = NonZeroU16::new(1_000).unwrap();
    let whole = frame(TCP, 2_500);
    assert!(Cut::new(&whole, segment).is_some());
    assert_eq!(Cut::new(&whole[..2_000], segment), None);
    assert_eq!(Cut::new(&[&whole[..], &[0]].concat(), segment), None);
    assert_eq!(Cut::new(&frame(UDP, 2_500), segment), None);
}
