//! The pool's promises: nothing handed out twice, nothing lost, no frame reaching into another.

use std::collections::VecDeque;
use std::vec::Vec;

use proptest::prelude::*;

use super::{Batch, Frame, Pool};

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
