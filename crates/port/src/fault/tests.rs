//! Each fault does what it says, as often as it says, and no frame is lost to its pool.

use core::time::Duration;
use std::vec::Vec;

use base::Instant;
use mem::{Batch, Pool};

use super::{Faults, Faulty};
use crate::{Caps, MemPort, Port};

/// Sends 4,000 numbered frames, one a millisecond, over a link with `faults` and says when which
/// arrived. All frames are back in their pools at the end.
fn arrivals(faults: Faults, seed: u64, held_max: usize) -> Vec<(u64, Vec<u8>)> {
    let (mut one, other) = MemPort::pair(1 << 16, Caps::ETHERNET).unwrap();
    let mut other = Faulty::new(other, faults, seed, held_max);
    let mut pool = Pool::new(600, 64).unwrap();
    let (mut batch, mut got) = (Batch::new(), Vec::new());
    for number in 0..4_000_u64 {
        let now = Instant::from_millis(number);
        let mut frame = pool.take().unwrap();
        pool.buffer_mut(&mut frame)[..8].copy_from_slice(&number.to_be_bytes());
        frame.set_range(0..8);
        batch.push(frame).unwrap();
        one.tx(now, &mut pool, &mut batch).unwrap();
        other.rx(now, &mut pool, &mut batch).unwrap();
        assert!(other.deadline().is_none_or(|deadline| deadline > now));
        while let Some(frame) = batch.pop() {
            got.push((number, pool.data(&frame).to_vec()));
            pool.give(frame);
        }
        assert_eq!(pool.taken() as usize, other.held());
    }
    other.close(&mut pool);
    assert_eq!(pool.taken(), 0);
    got
}

fn number(data: &[u8]) -> u64 {
    u64::from_be_bytes(data.try_into().unwrap())
}

#[test]
fn a_link_without_faults_changes_nothing() {
    let got = arrivals(Faults::default(), 1, 8);
    let expected = (0..4_000_u64).map(|number| (number, number.to_be_bytes().to_vec()));
    assert!(got.into_iter().eq(expected));
}

#[test]
fn loss_duplication_and_corruption_come_as_often_as_they_should() {
    let ten_percent = 100_000;
    let lossy = arrivals(Faults { loss: ten_percent, ..Faults::default() }, 2, 8);
    assert!((3_400..3_800).contains(&lossy.len()), "{}", lossy.len());
    let doubled = arrivals(Faults { duplication: ten_percent, ..Faults::default() }, 3, 8);
    assert!((4_200..4_600).contains(&doubled.len()), "{}", doubled.len());
    let damaged = arrivals(Faults { corruption: ten_percent, ..Faults::default() }, 4, 8);
    let flipped: Vec<u32> =
        damaged.iter().map(|(sent, data)| (number(data) ^ sent).count_ones()).collect();
    assert!(flipped.iter().all(|&bits| bits <= 1));
    let count: u32 = flipped.iter().sum();
    assert!((200..600).contains(&count), "{count}");
}

#[test]
fn delay_is_kept_to_and_keeps_the_order() {
    let delay = Duration::from_millis(30);
    let got = arrivals(Faults { delay, ..Faults::default() }, 5, 100);
    assert_eq!(got.len(), 4_000 - 30);
    assert!(got.iter().all(|(now, data)| number(data) + 30 == *now));
}

#[test]
fn frames_that_arrive_together_stay_in_order() {
    let (mut one, other) = MemPort::pair(1 << 16, Caps::ETHERNET).unwrap();
    let delay = Duration::from_millis(1);
    let mut other = Faulty::new(other, Faults { delay, ..Faults::default() }, 1, 64);
    let mut pool = Pool::new(64, 64).unwrap();
    let mut batch = Batch::new();
    for number in 0..50 {
        let mut frame = pool.take().unwrap();
        pool.buffer_mut(&mut frame)[0] = number;
        frame.set_range(0..1);
        batch.push(frame).unwrap();
    }
    one.tx(Instant::ZERO, &mut pool, &mut batch).unwrap();
    for millis in 0..2 {
        other.rx(Instant::from_millis(millis), &mut pool, &mut batch).unwrap();
    }
    let numbers = batch.iter().map(|frame| pool.data(frame)[0]);
    assert!(numbers.eq(0..50));
    batch.give_all(&mut pool);
}

#[test]
fn reordered_frames_are_overtaken_and_none_is_lost() {
    let faults =
        Faults { reordering: 200_000, late: Duration::from_millis(20), ..Faults::default() };
    let mut got: Vec<u64> = arrivals(faults, 6, 100).iter().map(|(_, data)| number(data)).collect();
    let overtaken = got.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 300, "{overtaken}");
    got.sort_unstable();
    assert!((0..3_980).all(|number| got.binary_search(&number).is_ok()));
}

#[test]
fn a_full_queue_loses_what_comes_next() {
    let got = arrivals(Faults { delay: Duration::from_millis(10), ..Faults::default() }, 7, 5);
    assert!((1_700..2_100).contains(&got.len()), "{}", got.len());
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let faults = Faults {
        loss: 50_000,
        duplication: 50_000,
        corruption: 50_000,
        reordering: 50_000,
        delay: Duration::from_millis(3),
        late: Duration::from_millis(9),
    };
    assert_eq!(arrivals(faults, 8, 100), arrivals(faults, 8, 100));
    assert_ne!(arrivals(faults, 8, 100), arrivals(faults, 9, 100));
}
