//! What is in flight, as acknowledgements and losses change it.

use super::{Flight, RUNS_MAX};
use crate::micros::Micros;
use base::{Instant, Seq};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    Resend(u32),
    MarkOld(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u32..30).prop_map(Step::Push),
        1 => (0u32..40).prop_map(Step::Acknowledge),
        3 => (0u32..300, 1u32..20).prop_map(|(start, length)| Step::Sack(start, length)),
        2 => (1u32..15).prop_map(Step::Resend),
        1 => (0u32..100).prop_map(Step::MarkOld),
    ]
}

/// One byte of the model.
#[derive(Clone, Copy, Debug, Default)]
struct Byte {
    sacked: bool,
    resent: bool,
}

proptest! {
    /// Against a map of single bytes, starting near the wrap. While runs suffice the two agree on
    /// every byte; when they do not, a byte that the model does not know to have arrived is never
    /// marked as arrived.
    #[test]
    fn behaves_as_a_map_of_bytes(
        origin in (u32::MAX - 400)..u32::MAX,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let at = |offset: u32| Seq(origin) + offset;
        let mut flight = Flight::EMPTY;
        flight.restart(at(0));
        let mut model: BTreeMap<u32, Byte> = BTreeMap::new();
        let (mut una, mut nxt) = (0u32, 0u32);
        let mut exact = true;
        for (time, step) in steps.into_iter().enumerate() {
            let now = Micros::of(Instant::from_micros(time as u64));
            let mut delivered = 0;
            match step {
                Step::Push(length) => {
                    flight.push(at(nxt + length), now);
                    model.extend((nxt..nxt + length).map(|byte| (byte, Byte::default())));
                    nxt += length;
                }
                Step::Acknowledge(length) => {
                    una = (una + length).min(nxt);
                    flight.acknowledge(at(una), |run| delivered += run.length());
                    let gone: Vec<u32> = model.range(..una).map(|(byte, _)| *byte).collect();
                    let news = gone.iter().filter(|byte| !model[byte].sacked).count() as u32;
                    prop_assert!(!exact || delivered == news, "{delivered} not {news}");
                    model.retain(|byte, _| *byte >= una);
                }
                Step::Sack(start, length) => {
                    let (start, end) = (una + 1 + start, (una + 1 + start + length).min(nxt));
                    if start < end {
                        flight.sack(at(start), at(end), |run| delivered += run.length());
                        for (_, byte) in model.range_mut(start..end) {
                            delivered -= u32::from(exact && !byte.sacked);
                            byte.sacked = true;
                        }
                        prop_assert!(!exact || delivered == 0);
                    }
                }
                Step::Resend(length) => {
                    if let Some((start, end)) = flight.first_lost() {
                        let end = end.min(start + length);
                        flight.resent(start, end, now);
                        let first = start.distance(at(0)) as u32;
                        let last = end.distance(at(0)) as u32;
                        for (_, byte) in model.range_mut(first..last) {
                            if !byte.sacked {
                                byte.resent = true;
                            }
                        }
                    }
                }
                Step::MarkOld(age) => {
                    flight.mark_lost(|run| now.since(run.sent) > age);
                }
            }
            prop_assert!(flight.runs().len() <= RUNS_MAX);
            exact &= flight.runs().len() < RUNS_MAX - 2;
            let mut next = at(una);
            for (start, run) in flight.spans() {
                prop_assert_eq!(start, next, "end to end");
                prop_assert!(start.before(run.end), "not empty");
                for offset in 0..run.end.distance(start) as u32 {
                    let byte = model[&(start.distance(at(0)) as u32 + offset)];
                    prop_assert!(!run.marks.sacked || byte.sacked, "arrived though it did not");
                    if exact {
                        prop_assert_eq!(run.marks.sacked, byte.sacked);
                        prop_assert_eq!(run.marks.retransmitted, byte.resent);
                    }
                }
                next = run.end;
            }
            prop_assert_eq!(next, at(nxt));
            prop_assert_eq!(flight.is_empty(), una == nxt);
        }
    }
}

fn at(micros: u64) -> Micros {
    Micros::of(Instant::from_micros(micros))
}

#[test]
fn what_is_sent_at_once_is_one_run() {
    let mut flight = Flight::EMPTY;
    flight.restart(Seq(0));
    for (end, sent) in [(10, 1), (20, 1), (30, 2)] {
        flight.push(Seq(end), at(sent));
    }
    let runs: Vec<_> = flight.runs().iter().map(|run| (run.end, run.sent)).collect();
    assert_eq!(runs, [(Seq(20), at(1)), (Seq(30), at(2))]);
}

/// As many runs as fit, of ten bytes each, 100 microseconds apart but for two.
fn full() -> Flight {
    let mut flight = Flight::EMPTY;
    flight.restart(Seq(0));
    for index in 0..RUNS_MAX as u32 {
        let close = index == 7;
        let sent = u64::from(index) * 100 - if close { 60 } else { 0 };
        flight.push(Seq(index * 10 + 10), at(sent));
    }
    flight
}

#[test]
fn of_too_many_runs_those_sent_closest_in_time_become_one() {
    let mut flight = full();
    flight.push(Seq(10_000), at(50_000));
    assert_eq!(flight.runs().len(), RUNS_MAX);
    let joined = flight.spans().find(|(start, _)| *start == Seq(60)).unwrap().1;
    assert_eq!((joined.end, joined.sent), (Seq(80), at(640)));
}

#[test]
fn runs_that_fared_differently_are_joined_only_when_all_do_and_know_less_then() {
    let mut flight = Flight::EMPTY;
    flight.restart(Seq(0));
    let ends = (1..RUNS_MAX as u32).map(|index| index * 10);
    ends.clone().for_each(|end| flight.push(Seq(end), at(end.into())));
    // Every second one has arrived, the others are lost.
    for end in ends.skip(1).step_by(2) {
        flight.sack(Seq(end - 10), Seq(end), |_| {});
    }
    flight.mark_lost(|_| true);
    for end in [1_000, 2_000] {
        assert!(flight.runs()[0].marks.lost && flight.runs()[1].marks.sacked);
        flight.push(Seq(end), at(end.into()));
    }
    let first = flight.runs()[0];
    assert_eq!((first.end, flight.runs().len()), (Seq(20), RUNS_MAX));
    assert!(first.marks.lost && !first.marks.sacked, "{:?}", first.marks);
}

/// Of two that become one, what is true of either and must not be forgotten is true of it.
#[test]
fn a_run_made_of_two_was_sent_twice_if_either_was() {
    let at = |place: u32| Seq(u32::MAX - 50) + 10 * place;
    let time = |micros: u32| Micros::of(Instant::from_micros(micros.into()));
    let mut flight = Flight::EMPTY;
    flight.restart(at(0));
    let runs = RUNS_MAX as u32;
    (0..runs).for_each(|run| flight.push(at(run + 1), time(run)));
    // No two neighbours are alike: one was sent twice, the next has arrived.
    for run in 0..runs {
        if run % 2 == 0 {
            flight.resent(at(run), at(run + 1), time(1_000));
        } else {
            flight.sack(at(run), at(run + 1), |_| {});
        }
    }
    assert_eq!(flight.runs().len(), RUNS_MAX);
    flight.push(at(runs + 1), time(2_000));
    let mut delivered = Vec::new();
    flight.acknowledge(at(2), |run| delivered.push((run.length(), run.retransmitted)));
    assert_eq!(delivered, [(20, true)]);
}
