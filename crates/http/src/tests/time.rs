//! Time limits, on the driver's own clock.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use app::{End, Next};

use crate::drive::{Session, Wire};
use crate::{Pace, Reason, Settings};

const SECOND: Duration = Duration::from_secs(1);

fn open() -> Session {
    Session::open(Settings::default(), Wire::default())
}

fn lazy() -> Session {
    Session::open(Settings::default(), Wire { eager: false, ..Wire::default() })
}

fn get(path: &str) -> Vec<u8> {
    std::format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

#[test]
fn a_connection_that_sends_nothing_is_closed_silently() {
    let mut session = open();
    session.driver().pass(Settings::default().idle_time - SECOND);
    assert_eq!(session.driver().end(), None);
    session.driver().pass(SECOND);
    assert_eq!((session.driver().end(), session.text().len()), (Some(End::Closed), 0));
    assert_eq!(session.counters().idle_closed.get(), 1);
}

#[test]
fn rest_is_counted_from_the_last_answer() {
    let mut session = open();
    for _ in 0..20 {
        session.driver().pass(50 * SECOND);
        session.receive(&get("/owned/1"));
    }
    assert_eq!(session.answers().unwrap().len(), 20);
    session.driver().pass(74 * SECOND);
    assert_eq!((session.driver().end(), session.driver().next()), (None, Next::Idle));
    session.driver().pass(SECOND);
    assert_eq!(session.driver().end(), Some(End::Closed));
}

#[test]
fn a_header_that_dribbles_is_answered_with_408() {
    let mut session = open();
    session.driver().pass(30 * SECOND);
    for byte in get("/owned/1").iter().take(20) {
        assert_eq!(session.driver().end(), None);
        session.receive(&[*byte]);
        session.driver().pass(SECOND / 2);
    }
    assert_eq!(session.driver().end(), Some(End::Closed));
    assert_eq!(session.counters().refused(Reason::HeaderTime), 1);
    assert_eq!(session.finish().unwrap()[0].status, 408);
}

#[test]
fn the_time_for_a_header_is_not_that_of_the_one_before() {
    let mut session = open();
    for _ in 0..5 {
        let head = get("/owned/1");
        session.receive(&head[..10]);
        session.driver().pass(8 * SECOND);
        session.receive(&head[10..]);
    }
    assert_eq!((session.answers().unwrap().len(), session.driver().end()), (5, None));
}

/// Empty lines are no request: sending them one by one keeps nothing alive.
#[test]
fn empty_lines_do_not_count_as_activity() {
    let mut session = open();
    for _ in 0..40 {
        session.receive(b"\r\n");
        session.driver().pass(2 * SECOND);
    }
    assert_eq!((session.driver().end(), session.text().len()), (Some(End::Closed), 0));
}

#[test]
fn a_body_that_dribbles_is_answered_with_408() {
    let head = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n";
    let mut slow = open();
    slow.receive(head.as_bytes());
    for _ in 0..11 {
        slow.driver().pass(SECOND);
        slow.receive(b"0123456789");
    }
    assert_eq!(slow.driver().end(), Some(End::Closed));
    assert_eq!(slow.counters().refused(Reason::BodyTime), 1);
    let outcome = slow.driver().handler.service().outcomes[0];
    assert_eq!((outcome.status, outcome.complete), (408, false));
    assert_eq!(slow.finish().unwrap()[0].status, 408);

    let mut steady = open();
    steady.receive(head.as_bytes());
    for _ in 0..30 {
        steady.driver().pass(SECOND);
        steady.receive(&[b'x'; 300]);
    }
    assert_eq!((steady.driver().end(), steady.answers().unwrap().len()), (None, 1));
}

#[test]
fn an_unwanted_body_that_dribbles_is_cut_off() {
    let mut session = open();
    session.receive(b"POST /owned/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n");
    session.driver().pass(10 * SECOND);
    assert_eq!(session.driver().end(), Some(End::Closed));
    assert_eq!(session.finish().unwrap().len(), 1);
}

/// A timer left over from resting runs out in the middle of a body: that is not the body's time.
#[test]
fn a_timer_that_was_running_does_not_cut_a_body_short() {
    let mut session = open();
    session.driver().pass(74 * SECOND);
    session.receive(b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    session.driver().pass(5 * SECOND);
    session.receive(b"hello");
    assert_eq!(session.finish().unwrap()[0].status, 200);
}

#[test]
fn a_reader_that_takes_nothing_is_dropped() {
    for path in ["/owned/1", "/memory/100000", "/memory/100000?told", "/file/100000", "/close"] {
        let mut session = lazy();
        session.driver().receive(&get(path));
        if session.driver().handler.service().takes_wake() {
            session.driver().take(usize::MAX);
            session.driver().wake();
        }
        assert!(session.driver().leaving() > 0);
        session.driver().pass(100 * SECOND);
        assert_eq!(session.driver().end(), Some(End::Aborted), "{path}");
        assert_eq!(session.counters().slow_readers.get(), 1);
        session.finish().unwrap();
    }
}

#[test]
fn a_reader_that_takes_too_little_is_dropped_and_one_that_is_slow_is_not() {
    for (path, rate, dropped) in [
        ("/memory/100000", 100, true),
        ("/memory/100000", 1_000, false),
        ("/memory/100000?told", 100, true),
        ("/memory/100000?told", 1_000, false),
        ("/file/100000", 100, true),
        ("/file/100000", 1_000, false),
    ] {
        let mut session = lazy();
        session.driver().receive(&get(path));
        for _ in 0..300 {
            session.driver().take(rate);
            while session.driver().handler.service().takes_wake() {
                session.driver().wake();
            }
            session.driver().pass(SECOND);
            if session.driver().next() == Next::Idle && session.driver().leaving() == 0 {
                break;
            }
        }
        let end = dropped.then_some(End::Aborted);
        assert_eq!(session.driver().end(), end, "{path} at {rate} bytes a second");
        assert_eq!(session.finish().unwrap()[0].is_whole, !dropped);
    }
}

/// Whoever asks and asks and reads no answer is found out by the first answers that do not leave.
#[test]
fn a_reader_that_only_asks_is_dropped() {
    let mut session = lazy();
    session.driver().receive(&get("/owned/10000").repeat(20));
    assert_eq!(session.driver().next(), Next::Write);
    session.driver().pass(25 * SECOND);
    assert_eq!(session.driver().end(), Some(End::Aborted));
}

/// A service may think as long as it likes.
#[test]
fn a_service_that_takes_its_time_is_waited_for() {
    let mut session = open();
    session.driver().receive(&get("/later/0"));
    session.driver().pass(3_600 * SECOND);
    session.settle();
    assert_eq!(session.finish().unwrap()[0].status, 200);
}

#[test]
fn new_settings_hold_from_the_next_second_on() {
    let mut session = open();
    let settings = Settings { idle_time: 5 * SECOND, ..Settings::default() };
    session.set_settings(settings);
    session.driver().pass(SECOND);
    session.receive(&get("/owned/1"));
    session.driver().pass(74 * SECOND);
    assert_eq!(session.driver().end(), Some(End::Closed));
}

#[test]
fn no_limit_is_the_end_of_a_connection_that_keeps_them() {
    let pace = Pace { window: 2 * SECOND, bytes: 10 };
    let settings = Settings {
        header_time: 4 * SECOND,
        idle_time: 3 * SECOND,
        body_pace: pace,
        send_pace: pace,
        ..Settings::default()
    };
    let mut session = Session::open(settings, Wire { eager: false, ..Wire::default() });
    let body = b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    let bytes = [&get("/file/400")[..], body, &[b'x'; 100]].concat();
    let mut rest = bytes.repeat(5);
    while !rest.is_empty() {
        let piece: Vec<u8> = rest.drain(..rest.len().min(30)).collect();
        session.driver().receive(&piece);
        session.driver().take(200);
        session.driver().pass(SECOND);
        while session.driver().handler.service().takes_wake() {
            session.driver().wake();
        }
        assert_eq!(session.driver().end(), None);
    }
    session.settle();
    assert_eq!(session.finish().unwrap().len(), 10);
}

#[test]
fn whoever_waits_for_the_peer_has_a_timer() {
    for bytes in [
        get("/owned/1"),
        b"GET".to_vec(),
        b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".to_vec(),
        b"POST /owned/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".to_vec(),
        get("/memory/100000?told"),
        get("/close"),
    ] {
        let mut session = lazy();
        assert!(session.driver().is_timed());
        session.driver().receive(&bytes);
        assert!(session.driver().is_timed(), "{}", String::from_utf8_lossy(&bytes));
    }
}

/// Heads that had been forgotten, once a second, stood for any request that began with a line feed: it
/// was answered as one without a method, a host and a path.
#[test]
fn a_line_feed_is_no_request_after_heads_were_forgotten() {
    let mut session = open();
    for _ in 0..3 {
        session.receive(&get("/owned/1"));
        session.driver().pass(2 * SECOND);
    }
    session.receive(b"\nGET /owned/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((session.counters().requests.get(), session.driver().end()), (3, Some(End::Closed)));
    assert_eq!(session.counters().refused(Reason::Syntax), 1);
    assert_eq!(session.finish().unwrap()[3].status, 400);
}
