//! Plain frames against the views and values of the protocols' own modules.

extern crate std;

use std::vec;
use std::vec::Vec;

use base::{Prng, Seq};
use core::net::Ipv4Addr;

use super::{Ends, HOP_LIMIT, Layout, emit};
use crate::checksum::Sum;
use crate::ethernet::{self, EtherType, Mac};
use crate::ipv4;
use crate::protocol::{self, Ecn};
use crate::tcp::{self, Flags, Options, Plain, Timestamps};

fn ends(prng: &mut Prng) -> Ends {
    let mac = |prng: &mut Prng| Mac(core::array::from_fn(|_| prng.next_u32() as u8));
    let address = |prng: &mut Prng| Ipv4Addr::from_bits(prng.next_u32());
    Ends {
        macs: (mac(prng), mac(prng)),
        addresses: (address(prng), address(prng)),
        ports: (prng.next_u32() as u16, prng.next_u32() as u16),
    }
}

fn header(prng: &mut Prng) -> Plain {
    let stamps = Timestamps { value: prng.next_u32(), echo: prng.next_u32() };
    Plain {
        sequence: Seq(prng.next_u32()),
        acknowledgment: Seq(prng.next_u32()),
        fin: prng.below(4) == 0,
        window: prng.next_u32() as u16,
        timestamps: (prng.below(2) == 0).then_some(stamps),
    }
}

/// The same frame, by the modules of the protocols.
fn usual(ends: &Ends, (header, push, ecn): (&Plain, bool, Ecn), payload: &[u8]) -> Vec<u8> {
    let tcp = tcp::Repr {
        source_port: ends.ports.0,
        destination_port: ends.ports.1,
        sequence: header.sequence,
        acknowledgment: header.acknowledgment,
        flags: Flags::ACK.with_if(push, Flags::PSH).with_if(header.fin, Flags::FIN),
        window: header.window,
        options: Options { timestamps: header.timestamps, ..Options::default() },
        ..tcp::Repr::default()
    };
    let length = tcp.length() + payload.len();
    let (source, destination) = ends.addresses;
    let ip = ipv4::Repr {
        source,
        destination,
        protocol: protocol::TCP,
        time_to_live: HOP_LIMIT,
        dscp: 0,
        ecn,
        identification: 0,
        dont_fragment: true,
        payload_length: length as u16,
    };
    let (from, to) = ends.macs;
    let ethernet = ethernet::Repr {
        destination: to,
        source: from,
        service: None,
        tag: None,
        kind: EtherType::IPV4,
    };
    let mut frame = vec![0; 34 + length];
    ethernet.emit(&mut frame).unwrap();
    ip.emit(&mut frame[14..]).unwrap();
    let head = tcp.emit(&mut frame[34..]).unwrap();
    frame[34 + head..].copy_from_slice(payload);
    let pseudo = Sum::pseudo_v4(source, destination, protocol::TCP, length as u16);
    tcp::fill_checksum(&mut frame[34..], pseudo);
    frame
}

#[test]
fn what_is_written_is_what_the_protocols_modules_write_and_reads_the_same() {
    let mut prng = Prng::new(3);
    for _ in 0..3_000 {
        let (ends, header) = (ends(&mut prng), header(&mut prng));
        let ecn = [Ecn::NotCapable, Ecn::Capable0, Ecn::Capable1, Ecn::Congested];
        let (push, ecn) = (prng.below(2) == 0, ecn[prng.below(4) as usize]);
        let length = prng.below(300);
        let payload: Vec<u8> = (0..length).map(|_| prng.next_u32() as u8).collect();
        let expected = usual(&ends, (&header, push, ecn), &payload);
        let mut frame = [0x55; 400];
        let written = emit(&mut frame, &ends, (&header, push, ecn), &payload, true).unwrap();
        assert_eq!(&frame[..written], expected);
        // Padding behind it, and a tail that was there before, change nothing.
        let layout = Layout::of(&frame, true).unwrap();
        assert_eq!(layout.header(&frame), Some(header));
        assert_eq!(layout.payload(&frame), payload);
        assert_eq!(layout.segment(), (34, written as u16));
        assert_eq!(layout.ends(&frame), Some((ends, ecn)));
        assert!(
            emit(&mut frame[..written - 1], &ends, (&header, push, ecn), &payload, true).is_none()
        );
    }
}

/// Whether the views of the protocols' modules find a frame intact.
fn is_intact(frame: &[u8]) -> Option<(ipv4::Repr, tcp::Repr)> {
    let ethernet = ethernet::View::new(frame).ok()?;
    let ip = ipv4::View::new(ethernet.payload()).ok().filter(ipv4::View::verifies)?;
    let (header, payload) = (ip.repr(), ip.payload());
    let usual = ethernet.repr().kind == EtherType::IPV4 && !ip.is_fragment();
    let tcp = tcp::View::new(payload).ok()?;
    let (from, to) = (header.source, header.destination);
    let pseudo = Sum::pseudo_v4(from, to, protocol::TCP, header.payload_length);
    let intact = usual && header.protocol == protocol::TCP && tcp.verifies(pseudo);
    intact.then_some((header, tcp.repr()))
}

#[test]
fn what_is_broken_or_not_plain_is_not_taken_for_plain() {
    let mut prng = Prng::new(4);
    let mut taken = 0;
    for _ in 0..20_000 {
        let (ends, header) = (ends(&mut prng), header(&mut prng));
        let payload = [7; 20];
        let mut frame = usual(&ends, (&header, true, Ecn::NotCapable), &payload);
        // A header is changed, and its checksum made right half of the time.
        let place = 12 + prng.below(54) as usize;
        frame[place % 66] ^= 1 << prng.below(8);
        if prng.below(2) == 0 {
            frame[24..26].copy_from_slice(&[0, 0]);
            let sum = Sum::default().bytes(&frame[14..34]).finish();
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
            let length = (frame.len() - 34) as u16;
            let address = |at: usize| Ipv4Addr::from_octets(frame[at..at + 4].try_into().unwrap());
            let pseudo = Sum::pseudo_v4(address(26), address(30), protocol::TCP, length);
            frame[50..52].copy_from_slice(&[0, 0]);
            tcp::fill_checksum(&mut frame[34..], pseudo);
        }
        let Some(layout) = Layout::of(&frame, true) else { continue };
        taken += 1;
        let (ip, tcp) = is_intact(&frame).expect("a plain frame is intact");
        assert_eq!(tcp.plain(), layout.header(&frame));
        assert_eq!(layout.payload(&frame).len() + tcp.length(), ip.payload_length.into());
    }
    assert!(taken > 4_000, "{taken} are plain");
    for length in 0..66 {
        let frame = usual(&ends(&mut prng), (&header(&mut prng), true, Ecn::NotCapable), &[]);
        assert_eq!(Layout::of(&frame[..length.min(frame.len() - 1)], true), None);
    }
}
