//! What a wire owes its ends: everything, in order, once.

use std::thread;
use std::vec::Vec;

use base::Instant;
use mem::{Batch, Frame, Pool};

use super::MemPort;
use crate::{Caps, Port};

const NOW: Instant = Instant::ZERO;

fn frame(pool: &mut Pool, data: &[u8]) -> Frame {
    let mut frame = pool.take().unwrap();
    pool.buffer_mut(&mut frame)[30..30 + data.len()].copy_from_slice(data);
    frame.set_range(30..30 + data.len());
    frame
}

/// Takes everything out of a batch.
fn read(pool: &mut Pool, batch: &mut Batch) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = batch.pop() {
        all.push(pool.data(&frame).to_vec());
        pool.give(frame);
    }
    all
}

#[test]
fn frames_arrive_in_order_at_the_other_end_only() {
    let (mut one, mut other) = MemPort::pair(4096, Caps::ETHERNET).unwrap();
    let (mut pool, mut far) = (Pool::new(8, 2048).unwrap(), Pool::new(8, 2048).unwrap());
    let mut batch = Batch::new();
    for text in ["a", "bc", ""] {
        batch.push(frame(&mut pool, text.as_bytes())).unwrap();
    }
    one.tx(NOW, &mut pool, &mut batch).unwrap();
    assert_eq!((batch.len(), pool.taken()), (0, 0));
    one.rx(NOW, &mut pool, &mut batch).unwrap();
    assert!(batch.is_empty());
    other.rx(NOW, &mut far, &mut batch).unwrap();
    assert_eq!(read(&mut far, &mut batch), [&b"a"[..], b"bc", b""]);
    assert_eq!((one.sent(), one.received(), other.sent(), other.received()), (3, 0, 0, 3));
}

#[test]
fn what_does_not_fit_waits_in_the_batch_or_in_the_ring() {
    let (mut one, mut other) = MemPort::pair(1024, Caps::ETHERNET).unwrap();
    let (mut pool, mut far) = (Pool::new(8, 512).unwrap(), Pool::new(1, 512).unwrap());
    let (mut out, mut into) = (Batch::new(), Batch::new());
    for number in 0..5 {
        out.push(frame(&mut pool, &[number; 300])).unwrap();
    }
    let mut got = Vec::new();
    for _ in 0..5 {
        one.tx(NOW, &mut pool, &mut out).unwrap();
        other.rx(NOW, &mut far, &mut into).unwrap();
        assert!(into.len() <= 1);
        got.extend(read(&mut far, &mut into).into_iter().map(|data| data[0]));
    }
    assert_eq!((got, pool.taken()), (Vec::from([0, 1, 2, 3, 4]), 0));
}

#[test]
fn a_frame_that_fits_nowhere_is_dropped_and_counted() {
    let (mut one, mut other) = MemPort::pair(1024, Caps::ETHERNET).unwrap();
    let (mut pool, mut far) = (Pool::new(4, 2048).unwrap(), Pool::new(4, 64).unwrap());
    let (mut out, mut into) = (Batch::new(), Batch::new());
    for length in [1000, 100, 10] {
        out.push(frame(&mut pool, &[1; 2000][..length])).unwrap();
    }
    one.tx(NOW, &mut pool, &mut out).unwrap();
    other.rx(NOW, &mut far, &mut into).unwrap();
    assert_eq!((one.oversized(), other.oversized(), into.len()), (1, 1, 1));
    into.give_all(&mut far);
    assert_eq!((pool.taken(), far.taken()), (0, 0));
}

/// Hangs when a wake-up is lost: each end sleeps until the other has answered.
#[test]
fn two_threads_wake_each_other() {
    let (one, other) = MemPort::pair(4096, Caps::ETHERNET).unwrap();
    let rounds = 500;
    let play = move |mut port: MemPort, starts: bool| {
        let mut pool = Pool::new(2, 64).unwrap();
        let mut batch = Batch::new();
        if starts {
            batch.push(frame(&mut pool, b"ball")).unwrap();
        }
        for _ in 0..rounds {
            port.tx(NOW, &mut pool, &mut batch).unwrap();
            while batch.is_empty() {
                port.wait(None).unwrap();
                port.rx(NOW, &mut pool, &mut batch).unwrap();
            }
        }
        port.tx(NOW, &mut pool, &mut batch).unwrap();
    };
    let partner = thread::spawn(move || play(other, false));
    play(one, true);
    partner.join().unwrap();
}
