//! Closed and open loop: who is asked when, and what a stall does.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use app::DialError;

use super::world::{Act, OK, Server, World, answering, phase};
use crate::{ErrorKind, Phase, Tally, Until};

const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);

/// Answers after a millisecond, but for a second in every ten in which it does nothing.
fn stalling() -> Server {
    Box::new(|now, bytes| {
        let mut acts = Vec::new();
        while let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") {
            bytes.drain(..end + 4);
            let cycle = now.as_millis() % 10_000;
            let stall = 6_000_u64.saturating_sub(cycle).min(1_000) * u64::from(cycle >= 5_000);
            acts.push(Act::Send(now + MS + MS * stall as u32, OK.to_vec()));
        }
        acts
    })
}

fn under_stalls(rate: Option<f64>) -> Tally {
    let until = Until::Time(Duration::from_secs(20));
    let phase = Phase { rate, until, connections: 10, ..phase() };
    World::new(vec![phase], stalling()).run(Duration::from_secs(30))
}

/// A second in ten is ten percent of the time. In closed loop it meets one request a connection, of
/// thousands, so that the 99th percentile says nothing of it. In open loop it meets every request
/// that was due in it: ten percent of all, so that the 95th percentile is half a second.
#[test]
fn a_stall_hides_from_the_closed_loop_and_not_from_the_open_one() {
    let closed = under_stalls(None);
    assert!(closed.answers > 100_000, "{}", closed.answers);
    let (p99, max) = (closed.latency.at(0.99), closed.latency.max());
    assert!(p99 <= 2 * MS && max > 900 * MS, "{p99:?} {max:?}");

    let open = under_stalls(Some(1_000.0));
    assert_eq!(open.answers + open.unanswered, 20_000);
    let (p50, p95, p99) = (open.latency.at(0.5), open.latency.at(0.95), open.latency.at(0.99));
    assert!(p50 <= 2 * MS, "{p50:?}");
    assert!(p95 > 400 * MS && p95 < 600 * MS, "{p95:?}");
    assert!(p99 > 850 * MS, "{p99:?}");
}

/// The connections of a large closed loop are all open before the first request: those that are
/// would keep the server from accepting the others.
#[test]
fn many_connections_gather_before_the_first_request_and_few_do_not() {
    for (connections, turns) in [(2_000, 2_000 / 64), (500, 0)] {
        let first = Rc::new(Cell::new(None));
        let (seen, mut answer) = (Rc::clone(&first), answering(MS, OK));
        let server: Server = Box::new(move |now, bytes| {
            seen.set(seen.get().or(Some(now)));
            answer(now, bytes)
        });
        let until = Until::Time(20 * MS);
        let mut world = World::new(vec![Phase { connections, until, ..phase() }], server);
        let start = world.now;
        let tally = world.run(2_000 * MS);
        let waited = first.get().unwrap().since(start);
        // 64 connections are opened in a turn of 100 µs.
        assert!(waited >= 100 * US * turns, "{connections}: {waited:?}");
        assert!(waited <= 100 * US * (turns + 3), "{connections}: {waited:?}");
        assert_eq!((world.opened, tally.all_errors()), (connections, 0));
    }
    // Whoever cannot come is not waited for.
    let mut world = World::new(vec![Phase { connections: 2_000, ..phase() }], answering(MS, OK));
    world.orders.begin_next();
    world.turn();
    world.refuses = Some(DialError::Refused);
    for _ in 0..20 {
        world.turn();
    }
    world.orders.stop();
    world.turn();
    let answers: u64 = world.board.take().iter().map(|span| span.tally.answers).sum();
    assert!(answers >= 64, "{answers}");
}

#[test]
fn open_loop_keeps_its_rate_and_times_from_when_a_request_was_due() {
    // Ten connections of 2 ms each answer 5,000 a second; 1,000 are asked.
    let rate = Some(1_000.0);
    let mut world = World::new(vec![Phase { rate, ..phase() }], answering(2 * MS, OK));
    let tally = world.run(2_000 * MS);
    assert_eq!(tally.answers + tally.unanswered, 1_000);
    assert_eq!(world.opened, 4);
    assert!(tally.latency.at(1.0) <= 3 * MS, "{:?}", tally.latency.at(1.0));

    // One connection of 2 ms answers 500; the queue grows, and with it the latency.
    let phase = Phase { rate, connections: 1, ..phase() };
    let tally = World::new(vec![phase], answering(2 * MS, OK)).run(2_000 * MS);
    assert_eq!(tally.answers + tally.unanswered, 1_000);
    assert!(tally.unsent > 400 && tally.unanswered - tally.unsent <= 1, "{}", tally.unsent);
    assert!(tally.latency.max() > 400 * MS, "{:?}", tally.latency.max());
}

#[test]
fn closed_loop_has_one_request_a_connection_under_way_or_as_many_as_it_is_told() {
    let asked = |depth| {
        let phase = Phase { pipeline: NonZeroU32::new(depth).unwrap(), ..phase() };
        World::new(vec![phase], answering(10 * MS, OK)).run(2_000 * MS).answers
    };
    let (one, eight) = (asked(1), asked(8));
    // 4 connections, 10 ms and a step of the world each.
    assert!((380..=400).contains(&one), "{one}");
    assert!((8 * 380..=8 * 400).contains(&eight), "{eight}");
}

#[test]
fn a_number_of_requests_is_sent_exactly() {
    for (connection_per_request, rate) in
        [(false, None), (true, None), (false, Some(5_000.0)), (true, Some(5_000.0))]
    {
        let until = Until::Requests(1_003);
        let phase = Phase { until, connection_per_request, rate, ..phase() };
        let mut world = World::new(vec![phase], answering(MS, OK));
        let tally = world.run(Duration::from_secs(60));
        assert_eq!(tally.answers, 1_003);
        assert_eq!(world.opened, if connection_per_request { 1_003 } else { 4 });
        assert_eq!((tally.all_errors(), tally.opened), (0, u64::from(world.opened)));
        assert_eq!(world.connections(), 0);
    }
}

#[test]
fn what_happens_while_it_warms_up_is_not_counted() {
    let warmup = 500 * MS;
    for rate in [None, Some(100.0)] {
        let phase = Phase { warmup, rate, ..phase() };
        let mut world = World::new(vec![phase], answering(10 * MS, OK));
        let tally = world.run(3_000 * MS);
        let expected = if rate.is_some() { 98..=100 } else { 380..=400 };
        assert!(expected.contains(&tally.answers), "{}", tally.answers);
        // But for the connections: they are opened then.
        assert_eq!((tally.opened, tally.connect.count()), (4, 4));
    }
}

#[test]
fn latency_counts_from_the_beginning_of_the_connection_where_each_request_has_one() {
    let phase = Phase { connection_per_request: true, ..phase() };
    let tally = World::new(vec![phase], answering(MS, OK)).run(2_000 * MS);
    assert!(tally.answers > 3_500 && tally.latency.min() > 990 * US, "{}", tally.answers);
    assert_eq!(tally.errors(ErrorKind::ClosedEarly), 0);
}
