//! The wheel against a map of times, and its promises about early, late and cheap.

use std::collections::BTreeMap;
use std::vec::Vec;

use base::Instant;
use core::time::Duration;
use proptest::prelude::*;

use super::{MOVES_PER_CALL, TimerWheel};

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// All keys that have run out by `now`, over as many calls as it takes.
fn drain(wheel: &mut TimerWheel, now: Instant) -> Vec<u32> {
    let mut keys = Vec::new();
    loop {
        match wheel.expired(now) {
            Some(key) => keys.push(key),
            None if wheel.next_deadline().is_some_and(|deadline| deadline <= now) => {}
            None => return keys,
        }
    }
}

#[test]
fn runs_out_at_its_tick_and_not_before() {
    let mut wheel = TimerWheel::new(8, at(1_000)).unwrap();
    wheel.set(3, at(1_500));
    assert_eq!(drain(&mut wheel, Instant::from_nanos(1_499_999_999)), []);
    assert_eq!(drain(&mut wheel, at(1_500)), [3]);
    assert_eq!((drain(&mut wheel, at(9_999)), wheel.next_deadline()), (Vec::new(), None));
}

#[test]
fn part_of_a_tick_rounds_up() {
    let mut wheel = TimerWheel::new(1, Instant::ZERO).unwrap();
    wheel.set(0, Instant::from_nanos(5_000_001));
    assert_eq!(wheel.deadline(0), Some(at(6)));
    assert_eq!((drain(&mut wheel, at(5)), drain(&mut wheel, at(6))), (Vec::new(), Vec::from([0])));
}

#[test]
fn a_time_that_has_passed_runs_out_at_once() {
    let mut wheel = TimerWheel::new(1, at(100)).unwrap();
    wheel.set(0, at(20));
    assert_eq!(wheel.next_deadline(), Some(at(100)));
    assert_eq!(drain(&mut wheel, at(100)), [0]);
}

#[test]
fn the_far_future_is_49_days_ahead() {
    let mut wheel = TimerWheel::new(1, at(7)).unwrap();
    wheel.set(0, Instant::NEVER);
    let horizon = at(7 + u64::from(u32::MAX));
    assert_eq!(wheel.deadline(0), Some(horizon));
    assert_eq!(drain(&mut wheel, at(6 + u64::from(u32::MAX))), []);
    assert_eq!(drain(&mut wheel, horizon), [0]);
}

#[test]
fn putting_off_and_stopping_leave_the_links_alone() {
    let mut wheel = TimerWheel::new(3, Instant::ZERO).unwrap();
    (0..3).for_each(|key| wheel.set(key, at(10)));
    let links = |wheel: &TimerWheel| wheel.nodes.iter().map(|node| node.prev).collect::<Vec<_>>();
    let before = links(&wheel);
    wheel.set(1, at(60_000));
    wheel.cancel(2);
    assert_eq!(links(&wheel), before);
    assert_eq!((drain(&mut wheel, at(59_999)), wheel.len()), (Vec::from([0]), 1));
    assert_eq!((drain(&mut wheel, at(60_000)), wheel.len()), (Vec::from([1]), 0));
}

#[test]
fn an_earlier_time_takes_effect() {
    let mut wheel = TimerWheel::new(2, Instant::ZERO).unwrap();
    (0..2).for_each(|key| wheel.set(key, at(60_000)));
    wheel.set(0, at(3));
    assert_eq!(wheel.next_deadline(), Some(at(3)));
    assert_eq!(drain(&mut wheel, at(3)), [0]);
    assert_eq!(drain(&mut wheel, at(60_000)), [1]);
}

#[test]
fn one_call_moves_a_bounded_number() {
    let count = 3 * MOVES_PER_CALL;
    let mut wheel = TimerWheel::new(count, Instant::ZERO).unwrap();
    // All in one bucket of a higher level, none due when it comes up.
    (0..count).for_each(|key| wheel.set(key, at(4_096 + 50)));
    assert_eq!(wheel.next_deadline(), Some(at(4_096)));
    let now = at(4_100);
    for _ in 0..2 {
        assert_eq!((wheel.expired(now), wheel.next_deadline()), (None, Some(at(4_096))));
    }
    assert_eq!(drain(&mut wheel, now), []);
    assert_eq!(drain(&mut wheel, at(4_146)).len(), count as usize);
}

#[test]
fn a_key_set_again_while_its_bucket_is_worked_on_is_not_lost() {
    let mut wheel = TimerWheel::new(4, Instant::ZERO).unwrap();
    (0..4).for_each(|key| wheel.set(key, at(5)));
    let first = wheel.expired(at(5)).unwrap();
    let later = (first + 1) % 4;
    wheel.set(later, at(90));
    wheel.set(first, at(5));
    let mut now: Vec<u32> = drain(&mut wheel, at(5));
    now.sort_unstable();
    assert_eq!(now, (0..4).filter(|&key| key != later).collect::<Vec<_>>());
    assert_eq!(drain(&mut wheel, at(90)), [later]);
}

#[test]
#[cfg(not(miri))]
fn a_wheel_for_a_hundred_million_keys_is_free_until_used() {
    let mut wheel = TimerWheel::new(100_000_000, Instant::ZERO).unwrap();
    wheel.set(99_999_999, at(1));
    assert_eq!(wheel.bytes_reserved(), 1_600_000_000);
    assert_eq!(drain(&mut wheel, at(1)), [99_999_999]);
}

#[derive(Clone, Debug)]
enum Call {
    Set(u32, u64),
    Cancel(u32),
    Advance(u64),
    /// Takes a single key, leaving a bucket half worked on.
    Take,
}

/// Spans in nanoseconds: short, around the levels' borders, and beyond the horizon.
fn span() -> impl Strategy<Value = u64> {
    let border = (0..6u32, 0..5u64).prop_map(|(level, near)| (1 << (6 * level)) * 1_000_000 + near);
    prop_oneof![4 => 0..200_000_000u64, 3 => border, 1 => 0..5_000_000_000_000_000u64]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (0..20u32, span()).prop_map(|(key, span)| Call::Set(key, span)),
        2 => (0..20u32).prop_map(Call::Cancel),
        2 => span().prop_map(Call::Advance),
        2 => Just(Call::Take),
    ]
}

/// What the wheel should do: a time for each key, in ticks.
struct Model {
    due: BTreeMap<u32, u64>,
    now: u64,
}

impl Model {
    fn run_out(&self) -> Vec<u32> {
        let now = self.now / 1_000_000;
        self.due.iter().filter(|&(_, &due)| due <= now).map(|(&key, _)| key).collect()
    }
}

fn check(start: u64, calls: Vec<Call>) -> Result<(), TestCaseError> {
    let mut wheel = TimerWheel::new(20, Instant::from_nanos(start)).unwrap();
    let mut model = Model { due: BTreeMap::new(), now: start };
    for call in calls {
        match call {
            Call::Set(key, span) => {
                wheel.set(key, Instant::from_nanos(model.now) + Duration::from_nanos(span));
                let due = (model.now + span).div_ceil(1_000_000);
                // Seen from the wheel's own time, which lags while a bucket is worked on.
                let horizon = wheel.current + u64::from(u32::MAX);
                model.due.insert(key, due.min(horizon));
            }
            Call::Cancel(key) => {
                wheel.cancel(key);
                model.due.remove(&key);
            }
            Call::Take => {
                let taken = wheel.expired(Instant::from_nanos(model.now));
                let run_out = model.run_out();
                prop_assert_eq!(taken.is_some(), !run_out.is_empty());
                if let Some(key) = taken {
                    prop_assert!(run_out.contains(&key));
                    model.due.remove(&key);
                }
            }
            Call::Advance(span) => {
                model.now += span;
                let mut taken = drain(&mut wheel, Instant::from_nanos(model.now));
                taken.sort_unstable();
                prop_assert_eq!(&taken, &model.run_out());
                model.due.retain(|key, _| !taken.contains(key));
            }
        }
        prop_assert_eq!(wheel.len() as usize, model.due.len());
        if let Some(&first) = model.due.values().min() {
            prop_assert!(wheel.next_deadline().is_some_and(|deadline| deadline <= at(first)));
        }
        for key in 0..20 {
            let expected = model.due.get(&key).map(|&due| at(due));
            prop_assert_eq!(wheel.deadline(key), expected);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_map_of_times(
        start in prop_oneof![0..1u64 << 62, Just(0), Just(((1 << 36) - 1) * 1_000_000)],
        calls in prop::collection::vec(call(), 0..if cfg!(miri) { 60 } else { 200 }),
    ) {
        check(start, calls)?;
    }
}
