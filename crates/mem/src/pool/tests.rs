//! The pool's promises: nothing handed out twice, nothing lost, no frame reaching into another.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Batch, Frame, Pool};
use crate::Region;

#[test]
fn an_empty_pool_gives_nothing_until_something_comes_back() {
    let mut pool = Pool::new(2, 64).unwrap();
    let (first, second) = (pool.take().unwrap(), pool.take().unwrap());
    assert_eq!((pool.take(), pool.available(), pool.taken()), (None, 0, 2));
    pool.give(first);
    assert_eq!(pool.available(), 1);
    let again = pool.take().unwrap();
    [again, second].into_iter().for_each(|frame| pool.give(frame));
    assert_eq!((pool.available(), pool.taken()), (2, 0));
}

#[test]
#[should_panic = "instead of given back"]
#[cfg(debug_assertions)]
fn a_frame_dropped_is_noticed() {
    let mut pool = Pool::new(1, 64).unwrap();
    drop(pool.take());
}

#[test]
fn a_range_beyond_the_buffer_is_cut_off() {
    let mut pool = Pool::new(2, 64).unwrap();
    let mut frame = pool.take().unwrap();
    frame.set_range(60..usize::MAX);
    assert_eq!(pool.data(&frame).len(), 4);
    frame.set_range(70..80);
    assert_eq!(pool.data(&frame), b"");
    pool.give(frame);
}

#[test]
fn one_frame_is_copied_into_another() {
    let mut pool = Pool::new(2, 64).unwrap();
    let (mut from, mut into) = (pool.take().unwrap(), pool.take().unwrap());
    pool.buffer_mut(&mut from)[10..15].copy_from_slice(b"crore");
    from.set_range(10..15);
    let (data, buffer) = pool.data_and_buffer(&from, &mut into);
    buffer[..data.len()].copy_from_slice(data);
    into.set_range(0..5);
    assert_eq!(pool.data(&into), b"crore");
    [from, into].into_iter().for_each(|frame| pool.give(frame));
}

/// Twelve buffers of 128 bytes, the first 24 of each being its head.
fn shared() -> Pool {
    let memory = Region::reserve(12 * 128).unwrap();
    let address = memory.address();
    let pool = Pool::over(memory, 128, 24).unwrap();
    assert!(pool.starts_at(address) && !pool.starts_at(address + 1));
    assert_eq!((pool.available(), pool.buffer_bytes()), (12, 104));
    pool
}

#[test]
fn a_lent_buffer_is_neither_free_nor_taken_and_comes_back_by_its_place() {
    let mut pool = shared();
    let first = pool.take().unwrap();
    let mut second = pool.take().unwrap();
    pool.buffer_mut(&mut second).fill(7);
    second.set_range(4..20);
    assert_eq!(pool.place(&second), 128 + 24 + 4);
    let place = pool.lend(second);
    assert_eq!((place, pool.taken(), pool.lent(), pool.available()), (156, 1, 1, 10));
    // The other side has put something else there.
    let second = pool.take_back(place + 2, 9).unwrap();
    assert_eq!((second.range(), pool.data(&second)), (6..15, &[7; 9][..]));
    assert_eq!((pool.taken(), pool.lent()), (2, 0));
    [first, second].into_iter().for_each(|frame| pool.give(frame));
    assert_eq!(pool.available(), 12);
}

#[test]
fn what_was_never_lent_does_not_come_back() {
    let mut pool = shared();
    assert!(pool.take_back(0, 1).is_none());
    let frame = pool.take().unwrap();
    let place = pool.lend(frame);
    for nowhere in [12 * 128, usize::MAX] {
        assert!(pool.take_back(nowhere, 1).is_none());
    }
    // Further than a frame can say: cut off, as ever.
    let frame = pool.take_back(place, usize::MAX / 2).unwrap();
    assert_eq!(pool.data(&frame).len(), 104);
    pool.give(frame);
}

#[test]
fn a_head_lies_before_the_data_and_is_no_part_of_any_buffer() {
    let mut pool = shared();
    let (mut before, mut frame) = (pool.take().unwrap(), pool.take().unwrap());
    pool.buffer_mut(&mut before).fill(1);
    pool.buffer_mut(&mut frame).fill(2);
    frame.set_range(3..7);
    let (head, data) = pool.head_and_data(&mut frame);
    assert_eq!((head.len(), &head[..24], &head[24..]), (27, &[0; 24][..], &[2; 3][..]));
    data.fill(3);
    head.fill(4);
    assert_eq!(pool.data(&frame), [3; 4]);
    before.set_range(0..104);
    assert_eq!(pool.data(&before), [1; 104]);
    [before, frame].into_iter().for_each(|frame| pool.give(frame));
}

#[test]
fn a_place_is_in_its_buffer_whatever_the_stride() {
    for (stride, count) in [(64, 20), (192, 7), (3 * 4096, 5)] {
        let memory = Region::reserve(stride * count).unwrap();
        let mut pool = Pool::over(memory, stride, 0).unwrap();
        let frames: Vec<Frame> = (0..count).map(|_| pool.take().unwrap()).collect();
        let places: Vec<usize> = frames.into_iter().map(|frame| pool.lend(frame)).collect();
        assert_eq!(pool.take(), None);
        for (index, place) in places.into_iter().enumerate() {
            assert_eq!(place, index * stride);
            let frame = pool.take_back(place + stride - 1, 1).unwrap();
            assert_eq!(
                (pool.place(&frame), frame.range()),
                (place + stride - 1, stride - 1..stride)
            );
            pool.give(frame);
        }
    }
}

#[derive(Clone, Debug)]
enum Call {
    Take,
    Give(usize),
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 128 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_never_share_a_buffer(
        calls in prop::collection::vec(
            prop_oneof![3 => Just(Call::Take), 2 => any::<usize>().prop_map(Call::Give)],
            0..if cfg!(miri) { 30 } else { 200 },
        ),
    ) {
        let mut pool = Pool::new(20, 64).unwrap();
        let mut held = Vec::new();
        for (number, call) in calls.into_iter().enumerate() {
            match call {
                Call::Take => {
                    prop_assert_eq!(pool.available() == 0, held.len() == 20);
                    if let Some(mut frame) = pool.take() {
                        pool.buffer_mut(&mut frame).fill(number as u8);
                        frame.set_range(0..64);
                        held.push((frame, number as u8));
                    }
                }
                Call::Give(at) if !held.is_empty() => {
                    let (frame, mark) = held.swap_remove(at % held.len());
                    prop_assert_eq!(pool.data(&frame), &[mark; 64]);
                    pool.give(frame);
                }
                Call::Give(_) => {}
            }
            prop_assert_eq!(pool.taken() as usize, held.len());
        }
        for (frame, mark) in held {
            prop_assert_eq!(pool.data(&frame), &[mark; 64]);
            pool.give(frame);
        }
    }

    #[test]
    fn a_batch_is_a_queue(pushes in prop::collection::vec(any::<bool>(), 0..300)) {
        let mut pool = Pool::new(300, 64).unwrap();
        let (mut batch, mut model) = (Batch::new(), VecDeque::new());
        for push in pushes {
            if push {
                let frame = pool.take().unwrap();
                let index = frame.index();
                match batch.push(frame) {
                    Ok(()) => model.push_back(index),
                    Err(frame) => {
                        prop_assert_eq!(model.len(), Batch::CAPACITY);
                        pool.give(frame);
                    }
                }
            } else {
                let frame = batch.pop();
                prop_assert_eq!(frame.as_ref().map(Frame::index), model.pop_front());
                frame.into_iter().for_each(|frame| pool.give(frame));
            }
            prop_assert_eq!(batch.len() + batch.room(), Batch::CAPACITY);
            let held: Vec<u32> = batch.iter().map(Frame::index).collect();
            prop_assert_eq!(&model, &held);
        }
        batch.give_all(&mut pool);
        prop_assert_eq!(pool.taken(), 0);
    }
}
