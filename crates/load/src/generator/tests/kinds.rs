//! Each kind of error, provoked: by a server that misbehaves in one way.

use std::time::Duration;

use app::DialError;

use super::world::{Act, OK, Server, World, answering, phase};
use crate::{Check, ErrorKind, Phase, Tally, Until};

const MS: Duration = Duration::from_millis(1);

/// What comes of one request to a server that answers with these bytes and then does this.
fn one(answer: &'static [u8], after: Option<fn(base::Instant) -> Act>) -> Tally {
    let server: Server = Box::new(move |now, bytes| {
        bytes.clear();
        let mut acts = vec![Act::Send(now + MS, answer.to_vec())];
        acts.extend(after.map(|act| act(now + 2 * MS)));
        acts
    });
    let until = Until::Requests(1);
    let phase = Phase { until, connections: 1, timeout: 100 * MS, ..phase() };
    World::new(vec![phase], server).run(Duration::from_secs(2))
}

#[test]
fn every_way_to_answer_wrongly_has_its_kind() {
    let close: Option<fn(_) -> Act> = Some(Act::Close);
    let reset: Option<fn(_) -> Act> = Some(Act::Reset);
    for (answer, after, kind) in [
        (&b""[..], close, ErrorKind::ClosedEarly),
        (b"", reset, ErrorKind::Reset),
        (b"", None, ErrorKind::Timeout),
        (b"HTTP/1.1 200 OK\r\nCont", close, ErrorKind::ShortHead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", close, ErrorKind::ShortBody),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", reset, ErrorKind::Reset),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", None, ErrorKind::Timeout),
        (b"SSH-2.0-OpenSSH_9.2\r\n", close, ErrorKind::Garbage),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None, ErrorKind::Status),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx", None, ErrorKind::Garbage),
    ] {
        let tally = one(answer, after);
        let text = String::from_utf8_lossy(answer);
        assert_eq!((tally.errors(kind), tally.all_errors()), (1, 1), "{text} {kind:?}");
        assert_eq!(tally.answers, u64::from(kind == ErrorKind::Status), "{text}");
    }
    let fine = one(b"HTTP/1.0 200 OK\r\n\r\nall of it", close);
    assert_eq!((fine.answers, fine.all_errors()), (1, 0));
}

#[test]
fn attempts_that_fail_are_counted_and_not_repeated_without_end() {
    for (why, kind) in [
        (DialError::Refused, ErrorKind::Refused),
        (DialError::TimedOut, ErrorKind::ConnectTimeout),
        (DialError::NoLocalPort, ErrorKind::NoLocalPort),
        (DialError::InUse, ErrorKind::AddressInUse),
    ] {
        for connection_per_request in [false, true] {
            let mut world =
                World::new(vec![Phase { connection_per_request, ..phase() }], answering(MS, OK));
            world.refuses = Some(why);
            let tally = world.run(2_000 * MS);
            let errors = tally.errors(kind);
            assert!((4..100).contains(&errors), "{why:?}: {errors}");
            assert_eq!((tally.answers, tally.all_errors()), (0, errors));

            // A number of requests is used up by them.
            let until = Until::Requests(7);
            let mut world = World::new(
                vec![Phase { until, connection_per_request, ..phase() }],
                answering(MS, OK),
            );
            world.refuses = Some(why);
            assert_eq!(world.run(Duration::from_secs(20)).errors(kind), 7);
        }
    }
}

#[test]
fn a_body_that_is_not_what_it_has_to_be_is_an_error() {
    for (check, errors) in [(Check::Length(2), false), (Check::Content(b"ho"[..].into()), true)] {
        let phase = Phase { check: Some(check), ..phase() };
        let tally = World::new(vec![phase], answering(MS, OK)).run(2_000 * MS);
        let wrong = if errors { tally.answers } else { 0 };
        assert!(tally.answers > 0);
        assert_eq!((tally.errors(ErrorKind::WrongBody), tally.all_errors()), (wrong, wrong));
    }
}

#[test]
fn bytes_that_nobody_asked_for_are_an_error() {
    const TWO: &[u8] = b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n";
    let tally = World::new(vec![phase()], answering(MS, TWO)).run(2_000 * MS);
    assert!(tally.answers > 0 && tally.errors(ErrorKind::Unasked) == tally.answers);
}

/// A server that closes after every second answer, as one with a limit does: no error, but said.
#[test]
fn a_connection_closed_between_two_requests_is_opened_anew_and_counted() {
    let mut count = 0;
    let server: Server = Box::new(move |now, bytes| {
        bytes.clear();
        count += 1;
        let mut acts = vec![Act::Send(now + MS, OK.to_vec())];
        if count % 2 == 0 {
            acts.push(Act::Close(now + MS));
            acts[0] = Act::Send(now + MS, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi".into());
        }
        acts
    });
    let phase = Phase { connections: 1, until: Until::Requests(100), ..phase() };
    let mut world = World::new(vec![phase], server);
    let tally = world.run(Duration::from_secs(2));
    assert_eq!((tally.answers, tally.all_errors(), world.opened), (100, 0, 50));
}
