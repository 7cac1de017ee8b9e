//! A capture holds what passed, in order, once, in blocks that a reader can walk.

use std::vec::Vec;

use base::Instant;
use mem::{Batch, Pool};

use super::{Filter, Recorder, Tracer};
use crate::{Caps, MemPort, Port};

/// Direction, time and data of each packet of a capture, read by its block lengths alone.
fn read(mut capture: &[u8]) -> Vec<(u32, u64, Vec<u8>)> {
    let word = |at: &[u8], index: usize| {
        u32::from_le_bytes(at[4 * index..4 * index + 4].try_into().unwrap())
    };
    let mut packets = Vec::new();
    let mut kinds = Vec::new();
    while !capture.is_empty() {
        let length = word(capture, 1) as usize;
        let (block, rest) = capture.split_at(length);
        assert_eq!(word(block, length / 4 - 1) as usize, length);
        kinds.push(word(block, 0));
        if word(block, 0) == 6 {
            let data_length = word(block, 5) as usize;
            let options = &block[28 + data_length.next_multiple_of(4)..];
            assert_eq!(&options[..4], [2, 0, 4, 0]);
            let time = u64::from(word(block, 3)) << 32 | u64::from(word(block, 4));
            packets.push((word(options, 1), time, block[28..28 + data_length].to_vec()));
        }
        capture = rest;
    }
    assert_eq!(kinds[..4], [0x0a0d_0d0a, 1, 1, 1]);
    packets
}

#[test]
fn a_capture_holds_both_directions_once() {
    let (one, mut other) = MemPort::pair(512, Caps::ETHERNET).unwrap();
    let mut capture = Recorder::start(3);
    let (recorder, mut blocks) = Recorder::new(2, Filter::default(), 0, 1 << 16).unwrap();
    let mut one = Tracer::new(one, Some(recorder));
    let mut pool = Pool::new(8, 256).unwrap();
    let mut batch = Batch::new();
    let send = |pool: &mut Pool, batch: &mut Batch, data: &[u8]| {
        let mut frame = pool.take().unwrap();
        pool.buffer_mut(&mut frame)[..data.len()].copy_from_slice(data);
        frame.set_range(0..data.len());
        batch.push(frame).unwrap();
    };
    // Two of these have to wait for room in the ring, and are in the capture once, in order.
    for number in 1..=4 {
        send(&mut pool, &mut batch, &[number; 201]);
    }
    let mut far = Batch::new();
    let mut order = Vec::new();
    for millis in 0..3 {
        one.tx(Instant::from_millis(millis), &mut pool, &mut batch).unwrap();
        other.rx(Instant::ZERO, &mut pool, &mut far).unwrap();
        order.extend(far.iter().map(|frame| pool.data(frame)[0]));
        far.give_all(&mut pool);
    }
    assert_eq!(order, [1, 2, 3, 4]);
    send(&mut pool, &mut batch, b"back");
    other.tx(Instant::ZERO, &mut pool, &mut batch).unwrap();
    one.rx(Instant::from_millis(7), &mut pool, &mut batch).unwrap();
    assert_eq!(batch.len(), 1);
    batch.give_all(&mut pool);
    while blocks.pop(|block| capture.extend_from_slice(block)).is_some() {}
    let packets = read(&capture);
    let expected = [
        (2, 0, [1; 201].to_vec()),
        (2, 0, [2; 201].to_vec()),
        (2, 0, [3; 201].to_vec()),
        (2, 0, [4; 201].to_vec()),
        (1, 7_000_000, b"back".to_vec()),
    ];
    assert_eq!(packets, expected);
}

#[test]
fn what_finds_no_room_is_counted_in_the_next_block() {
    let (recorder, mut blocks) = Recorder::new(0, Filter::default(), 5, 1024).unwrap();
    let mut tracer = Tracer::new(MemPort::pair(512, Caps::ETHERNET).unwrap().0, Some(recorder));
    let recorder = tracer.recorder.as_mut().unwrap();
    for _ in 0..5 {
        recorder.record(Instant::ZERO, super::Direction::Inbound, &[7; 200]);
    }
    recorder.to.publish();
    while blocks.pop(|_| ()).is_some() {}
    blocks.release();
    recorder.record(Instant::ZERO, super::Direction::Inbound, &[8; 4]);
    recorder.to.publish();
    let last = blocks.pop(<[u8]>::to_vec).unwrap();
    let lost = u64::from_le_bytes(last[last.len() - 16..last.len() - 8].try_into().unwrap());
    assert!((1..5).contains(&lost), "{lost}");
}
