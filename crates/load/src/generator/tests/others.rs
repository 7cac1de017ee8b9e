//! Idle and slow connections, phases, sources.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::world::{Act, OK, Server, World, answering, phase};
use crate::{Phase, Sources, Until};

const MS: Duration = Duration::from_millis(1);

#[test]
fn idle_connections_stay_over_phases_and_others_do_not() {
    let phases = [100, 100, 30, 0].map(|idle| Phase { idle, ..phase() });
    let mut world = World::new(phases.to_vec(), answering(MS, OK));
    for (idle, opened) in [(100, 104), (100, 108), (30, 112), (0, 116)] {
        let tally = world.run(2_000 * MS);
        assert_eq!((tally.all_errors(), tally.idle_lost), (0, 0));
        assert_eq!((world.connections(), world.board.idle.get()), (idle, idle as u64));
        assert_eq!(world.opened, opened);
        assert!(tally.answers > 3_000, "{}", tally.answers);
    }
}

#[test]
fn idle_connections_are_opened_at_the_rate_given() {
    let phase = Phase { idle: 1_000, idle_rate: NonZeroU32::new(200), connections: 0, ..phase() };
    let mut world = World::new(vec![phase], answering(MS, OK));
    let tally = world.run(2_000 * MS);
    assert!((198..=201).contains(&tally.opened), "{}", tally.opened);
    // Told also where no connection has ended yet.
    assert!(world.board.idle.get() >= 198, "{}", world.board.idle.get());
}

/// A server that closes idle connections after a while.
#[test]
fn idle_connections_that_the_server_closes_are_counted() {
    let server: Server = Box::new(move |now, bytes| {
        bytes.clear();
        vec![Act::Send(now + MS, OK.to_vec()), Act::Close(now + 100 * MS)]
    });
    let phase = Phase { idle: 50, connections: 0, ..phase() };
    let mut world = World::new(vec![phase], server);
    let tally = world.run(2_000 * MS);
    assert_eq!((tally.idle_lost, tally.all_errors(), world.connections()), (50, 0, 0));
}

/// 100 bytes a second: the request's 40 take 0.4 s, the 240 of the answer 2.4 s.
#[test]
fn slow_connections_keep_their_pace_in_both_directions() {
    const LONG: &[u8] = &{
        let mut answer = [b'x'; 240];
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n";
        let mut at = 0;
        while at < head.len() {
            answer[at] = head[at];
            at += 1;
        }
        answer
    };
    let (slow, pace) = (3, NonZeroU64::new(100));
    for (until, answers) in [(2_000, 0), (3_200, 3), (6_200, 6)] {
        let until = Until::Time(MS * until);
        let phase = Phase { slow, pace, connections: 0, until, ..phase() };
        let mut world = World::new(vec![phase], answering(MS, LONG));
        let tally = world.run(Duration::from_secs(10));
        assert_eq!((tally.slow_answers, tally.answers, tally.all_errors()), (answers, 0, 0));
        assert_eq!(tally.latency.count(), 0);
    }
}

#[test]
fn a_request_too_large_to_be_copied_goes_out_whole() {
    let request: Vec<u8> = [&b"POST / HTTP/1.1\r\n\r\n"[..], &[b'x'; 20_000]].concat();
    let server: Server = Box::new(move |now, bytes| {
        assert!(bytes.len().is_multiple_of(20_019), "{}", bytes.len());
        let count = bytes.drain(..).len() / 20_019;
        (0..count).map(|_| Act::Send(now + MS, OK.to_vec())).collect()
    });
    let until = Until::Requests(50);
    let pipeline = NonZeroU32::new(3).unwrap();
    let phase = Phase { request: request.into(), until, pipeline, ..phase() };
    let tally = World::new(vec![phase], server).run(2_000 * MS);
    assert_eq!((tally.answers, tally.all_errors()), (50, 0));
    assert_eq!(tally.bytes_out, 50 * 20_019);
}

#[test]
fn connections_come_from_the_sources_with_ports_that_are_said() {
    let sources = Sources(vec!["127.1.0.0/30".parse().unwrap()]);
    let phase = Phase { connections: 9, ..phase() };
    let mut world = World::from_sources(vec![phase], answering(MS, OK), sources);
    world.run(2_000 * MS);
    let from: Vec<String> = world.from.iter().map(|from| from.unwrap().to_string()).collect();
    assert_eq!(
        from[..5],
        ["127.1.0.0:1024", "127.1.0.1:1024", "127.1.0.2:1024", "127.1.0.3:1024", "127.1.0.0:1025"]
    );
    assert_eq!(from.len(), 9);
}

#[test]
fn told_to_stop_it_tells_what_it_has() {
    let mut world = World::new(vec![phase(), phase()], answering(MS, OK));
    world.orders.begin_next();
    for _ in 0..2_000 {
        world.turn();
    }
    world.orders.stop();
    world.turn();
    world.turn();
    let spans = world.board.take();
    let answers: u64 = spans.iter().map(|span| span.tally.answers).sum();
    assert!((600..=800).contains(&answers), "{answers}");
    assert_eq!((world.board.done.get(), world.connections()), (1, 0));
}

/// Nobody is asked more than once, and nothing hangs, when answers come in pieces.
#[test]
fn answers_in_pieces_are_answers() {
    let server: Server = Box::new(move |now, bytes| {
        bytes.clear();
        let pieces = OK.chunks(3).zip(1..);
        pieces.map(|(piece, nth)| Act::Send(now + MS * nth, piece.to_vec())).collect()
    });
    let until = Until::Requests(8);
    let mut world = World::new(vec![Phase { until, ..phase() }], server);
    let tally = world.run(2_000 * MS);
    assert_eq!((tally.answers, tally.all_errors()), (8, 0));
    assert_eq!(tally.bytes_in, 8 * OK.len() as u64);
    assert!(tally.first_byte.max() < 2 * MS && tally.latency.min() > 10 * MS);
}
