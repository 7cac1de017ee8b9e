//! The ring against a queue, and between threads (under Miri, which sees data races, too).

use std::collections::VecDeque;
use std::thread;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::{RingFull, ring};

#[test]
fn what_is_not_published_is_not_seen() {
    let (mut producer, mut consumer) = ring(1024).unwrap();
    assert_eq!(producer.push(b"one"), Ok(()));
    assert_eq!(consumer.pop(<[u8]>::to_vec), None);
    assert!(producer.publish() && !producer.publish());
    assert_eq!(consumer.pop(<[u8]>::to_vec), Some(b"one".to_vec()));
    assert!(consumer.is_empty());
}

#[test]
fn room_comes_back_when_it_is_released() {
    let (mut producer, mut consumer) = ring(64).unwrap();
    let longest = vec![7; producer.longest()];
    assert_eq!((producer.push(&longest), producer.push(&longest)), (Ok(()), Ok(())));
    assert_eq!(producer.push(b""), Err(RingFull));
    producer.publish();
    assert_eq!(consumer.pop(<[u8]>::len), Some(longest.len()));
    assert_eq!(producer.push(b""), Err(RingFull));
    consumer.release();
    assert_eq!(producer.push(b""), Ok(()));
}

#[test]
fn the_longest_packet_fits_an_empty_ring_wherever_the_marks_are() {
    let (mut producer, mut consumer) = ring(256).unwrap();
    let longest = vec![1; producer.longest()];
    for step in 0..64 {
        for packet in [&longest[..], &longest[..step]] {
            assert_eq!(producer.push(packet), Ok(()));
            producer.publish();
            assert_eq!(consumer.pop(<[u8]>::to_vec).as_deref(), Some(packet));
            consumer.release();
        }
    }
}

#[test]
fn packets_cross_threads_whole_and_in_order() {
    let count = if cfg!(miri) { 60 } else { 20_000_u32 };
    let (mut producer, mut consumer) = ring(if cfg!(miri) { 256 } else { 4_096 }).unwrap();
    let packet = |number: u32| vec![number as u8; (number % 97) as usize];
    let sender = thread::spawn(move || {
        for number in 0..count {
            while producer.push(&packet(number)).is_err() {
                producer.publish();
                thread::yield_now();
            }
            if number % 3 == 0 {
                producer.publish();
            }
        }
        producer.publish();
    });
    for number in 0..count {
        loop {
            if let Some(got) = consumer.pop(<[u8]>::to_vec) {
                assert_eq!(got, packet(number));
                break;
            }
            consumer.release();
            thread::yield_now();
        }
    }
    sender.join().unwrap();
    assert!(consumer.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_queue(
        calls in prop::collection::vec(
            prop_oneof![(0..200usize).prop_map(Some), Just(None)],
            0..if cfg!(miri) { 40 } else { 300 },
        ),
    ) {
        let (mut producer, mut consumer) = ring(512).unwrap();
        let mut model = VecDeque::new();
        for (number, call) in calls.into_iter().enumerate() {
            if let Some(length) = call {
                let packet = vec![number as u8; length];
                if producer.push(&packet).is_ok() {
                    model.push_back(packet);
                } else {
                    // An empty ring takes anything up to `longest`.
                    prop_assert!(!model.is_empty());
                }
                producer.publish();
            } else {
                prop_assert_eq!(consumer.pop(<[u8]>::to_vec), model.pop_front());
                consumer.release();
            }
        }
        let rest: Vec<_> = core::iter::from_fn(|| consumer.pop(<[u8]>::to_vec)).collect();
        prop_assert_eq!(model, rest);
    }
}
