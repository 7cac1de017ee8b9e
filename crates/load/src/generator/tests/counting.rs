//! What is counted, and what is not: each of these was wrong once.

use std::cell::Cell;
use std::num::{NonZeroU32, NonZeroU64};
use std::rc::Rc;
use std::time::Duration;

use app::End;

use super::world::{Act, OK, Server, World, answering, phase};
use crate::{ErrorKind, Phase, Share, Sources, Tally, Until};

const MS: Duration = Duration::from_millis(1);

/// What two shards together count of a phase.
fn two_shards(phase: &Phase) -> Tally {
    let mut both = Tally::default();
    for index in 0..2 {
        let share = Share { index, count: 2 };
        let server = answering(MS, OK);
        let mut world = World::of_shard(vec![phase.clone()], server, Sources::default(), share);
        both.add(&world.run(Duration::from_secs(5)));
    }
    both
}

#[test]
fn a_shard_without_a_connection_leaves_what_is_to_be_sent_to_those_that_have_one() {
    let one = Phase { connections: 1, ..phase() };
    let counted = two_shards(&Phase { until: Until::Requests(11), ..one.clone() });
    assert_eq!((counted.answers, counted.opened), (11, 1));
    let paced = two_shards(&Phase { rate: Some(100.0), ..one.clone() });
    assert_eq!((paced.answers + paced.unanswered, paced.unsent), (100, 0));
    let slow = Phase { connections: 0, slow: 1, pace: NonZeroU64::new(100_000), ..one.clone() };
    let slow = two_shards(&Phase { until: Until::Requests(3), ..slow });
    assert_eq!(slow.slow_answers, 3);
    let idle = Phase { connections: 0, idle: 1, idle_rate: NonZeroU32::new(1), ..one };
    assert_eq!(two_shards(&idle).opened, 1);
}

#[test]
fn a_number_of_requests_is_counted_after_the_warm_up() {
    for rate in [None, Some(1_000.0)] {
        let until = Until::Requests(100);
        let phase = Phase { until, rate, warmup: 300 * MS, ..phase() };
        let tally = World::new(vec![phase], answering(MS, OK)).run(Duration::from_secs(5));
        assert_eq!((tally.answers, tally.all_errors(), tally.unanswered), (100, 0, 0), "{rate:?}");
    }
}

#[test]
fn what_goes_wrong_while_it_warms_up_is_not_counted() {
    // Sent in the warm-up, given up after it.
    let silent: Server = Box::new(|_, bytes| {
        bytes.clear();
        Vec::new()
    });
    let phase =
        Phase { warmup: 300 * MS, timeout: 290 * MS, until: Until::Time(100 * MS), ..phase() };
    let tally = World::new(vec![phase], silent).run(Duration::from_secs(5));
    assert_eq!((tally.answers, tally.all_errors()), (0, 0));
}

#[test]
fn a_rate_that_nobody_could_count_one_by_one_ends_with_its_phase() {
    let phase = Phase { rate: Some(4e9), until: Until::Time(1_000 * MS), ..phase() };
    let tally = World::new(vec![phase], answering(MS, OK)).run(2_000 * MS);
    assert_eq!(tally.answers + tally.unanswered, 4_000_000_000);
    assert_eq!(tally.latency.count(), 4_000_000_000);
    let half = tally.latency.at(0.5);
    assert!(half > 495 * MS && half < 505 * MS, "{half:?}");
}

#[test]
fn slow_connections_are_in_no_latency_of_an_open_loop() {
    let (slow, pace) = (3, NonZeroU64::new(1));
    let phase = Phase { slow, pace, rate: Some(100.0), ..phase() };
    let tally = World::new(vec![phase], answering(MS, OK)).run(2_000 * MS);
    assert_eq!((tally.answers + tally.unanswered, tally.latency.count()), (100, 100));
    assert!(tally.latency.max() < 10 * MS, "{:?}", tally.latency.max());
}

#[test]
fn what_times_out_in_open_loop_has_waited_for_so_long_at_least() {
    // Every tenth request is never answered.
    let mut asked = 0;
    let server: Server = Box::new(move |now, bytes| {
        bytes.clear();
        asked += 1;
        let is_heard = asked % 10 > 0;
        is_heard.then(|| Act::Send(now + MS, OK.to_vec())).into_iter().collect()
    });
    let timeout = 100 * MS;
    let phase = Phase { rate: Some(100.0), connections: 50, timeout, ..phase() };
    let tally = World::new(vec![phase], server).run(2_000 * MS);
    assert!(
        (8..=10).contains(&tally.errors(ErrorKind::Timeout)),
        "{:?}",
        tally.errors(ErrorKind::Timeout)
    );
    assert_eq!(tally.latency.count(), 100);
    assert!(tally.latency.at(0.95) >= timeout, "{:?}", tally.latency.at(0.95));
}

#[test]
fn a_server_that_vanished_has_not_cut_the_connection() {
    for (why, kind) in [
        (End::TimedOut, ErrorKind::Timeout),
        (End::Unreachable, ErrorKind::Unreachable),
        (End::Reset, ErrorKind::Reset),
    ] {
        let server: Server = Box::new(move |now, bytes| {
            bytes.clear();
            vec![Act::Vanish(now + MS, why)]
        });
        let phase = Phase { until: Until::Requests(1), connections: 1, ..phase() };
        let tally = World::new(vec![phase], server).run(2_000 * MS);
        assert_eq!((tally.errors(kind), tally.all_errors()), (1, 1), "{why:?}");
    }
}

/// 2,000 connections take 3 ms to be open here: a phase of 2 ms was over before its first request.
#[test]
fn the_time_that_connections_gather_is_not_that_in_which_requests_are_sent() {
    for (time, warmup) in [(2 * MS, Duration::ZERO), (20 * MS, MS), (20 * MS, 10 * MS)] {
        let first = Rc::new(Cell::new(None));
        let (seen, mut answer) = (Rc::clone(&first), answering(MS, OK));
        let server: Server = Box::new(move |now, bytes| {
            seen.set(seen.get().or(Some(now)));
            answer(now, bytes)
        });
        let until = Until::Time(time);
        let phase = Phase { connections: 2_000, until, warmup, ..phase() };
        let mut world = World::new(vec![phase], server);
        let (start, tally) = (world.now, world.run(2_000 * MS));
        assert_eq!(world.board.time.get(), time.as_nanos() as u64);
        let began = first.get().unwrap().max(start + warmup);
        assert!(world.now.since(began) >= time, "{time:?} {warmup:?}");
        // Each connection has an answer every 1.1 ms or so.
        let least = 2_000 * (time.as_millis() as u64) * 8 / 10;
        assert!(tally.answers + tally.unanswered >= least, "{time:?}: {}", tally.answers);
        assert_eq!(tally.connect.count(), 2_000);
    }
}
