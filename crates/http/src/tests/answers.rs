//! Answers: their form, in which order they come, and what becomes of the connection.

use std::string::String;
use std::vec::Vec;

use app::{End, Next, Out, Refusal};
use base::Instant;

use crate::drive::{Answer, Session, Wire};
use crate::{Reason, Settings};

fn open() -> Session {
    Session::open(Settings::default(), Wire::default())
}

fn get(path: &str) -> Vec<u8> {
    std::format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn statuses(session: &Session) -> Vec<u16> {
    session.answers().unwrap().iter().map(|answer| answer.status).collect()
}

fn only(mut session: Session) -> Answer {
    let mut answers = session.finish().unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn pipelined_requests_are_answered_in_order_in_one_call() {
    let mut session = open();
    let wanted = ["/owned/1", "/memory/2", "/head/3", "/owned/4"];
    session.driver().receive(&wanted.map(get).concat());
    let lengths: Vec<usize> =
        session.answers().unwrap().iter().map(|answer| answer.content.len()).collect();
    assert_eq!(lengths, [1, 2, 3, 4]);
    assert_eq!(session.driver().next(), Next::Idle);
    assert_eq!((session.driver().held(), session.counters().exchanges.get()), (0, 0));
}

#[test]
fn a_request_behind_one_that_waits_waits_too() {
    let mut session = open();
    session.driver().receive(&[get("/later/1"), get("/owned/1")].concat());
    assert_eq!((session.driver().next(), session.driver().sent().len()), (Next::Wait, 0));
    assert_eq!(session.counters().exchanges.get(), 1);
    session.settle();
    assert_eq!(statuses(&session), [200, 200]);
    assert_eq!(session.counters().exchanges.get(), 0);
}

#[test]
fn head_is_answered_like_get_without_content() {
    for path in ["/owned/70000", "/memory/70000", "/file/70000", "/many/9", "/nothing"] {
        let mut session = open();
        session.receive(&get(path));
        let got = only(session);
        let mut session = open();
        session.receive(std::format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let head = only(session);
        assert_eq!((head.status, head.lines), (got.status, got.lines));
        assert_eq!(head.content.len(), 0);
    }
}

#[test]
fn statuses_without_content_have_no_length() {
    for (status, length) in [(204, None), (304, None), (205, Some("0")), (200, Some("0"))] {
        let mut session = open();
        session.receive(&get(&std::format!("/status/{status}")));
        let answer = only(session);
        assert_eq!((answer.status, answer.get("content-length")), (status, length));
    }
}

#[test]
fn a_status_that_cannot_be_sent_is_500() {
    for status in [0, 99, 100, 101, 199, 600, 999] {
        let mut session = open();
        session.receive(&get(&std::format!("/status/{status}")));
        let answer = only(session);
        assert_eq!((answer.status, answer.closes()), (500, true));
    }
}

#[test]
fn large_contents_come_whole() {
    for path in ["/owned/300000", "/memory/300000", "/file/300000", "/many/100000"] {
        for wire in [
            Wire::default(),
            Wire { attachable: false, ..Wire::default() },
            Wire { room: 100, attachable: false, eager: false },
        ] {
            let mut session = Session::open(Settings::default(), wire);
            session.receive(&get(&std::format!("{path}?told")));
            session.receive(&get("/owned/1"));
            assert_eq!(statuses(&session), [200, 200], "{path} {wire:?}");
            let outcome = session.driver().handler.service().outcomes[0];
            assert_eq!((outcome.body_bytes, outcome.complete), (300_000, true));
            session.finish().unwrap();
        }
    }
}

#[test]
fn a_file_that_became_shorter_cuts_the_connection() {
    let mut session = open();
    session.receive(&get("/short/8000?told"));
    assert_eq!(session.driver().end(), Some(End::Aborted));
    let outcome = session.driver().handler.service().outcomes[0];
    assert_eq!((outcome.body_bytes, outcome.complete, outcome.status), (4_000, false, 200));
    assert_eq!(session.counters().short_bodies.get(), 1);
    assert!(!session.finish().unwrap()[0].is_whole);
}

#[test]
fn answers_before_one_that_falls_short_arrive_whole() {
    for attachable in [true, false] {
        let wire = Wire { attachable, ..Wire::default() };
        let mut session = Session::open(Settings::default(), wire);
        session.receive(&[get("/owned/300"), get("/memory/20"), get("/short/8000")].concat());
        assert_eq!(session.driver().end(), Some(End::Aborted));
        let whole: Vec<bool> =
            session.finish().unwrap().iter().map(|answer| answer.is_whole).collect();
        assert_eq!(whole, [true, true, false]);
    }
}

#[test]
fn an_exchange_is_told_how_much_was_taken_when_the_peer_is_gone() {
    let mut session = Session::open(Settings::default(), Wire { eager: false, ..Wire::default() });
    session.driver().receive(&get("/memory/100000?told"));
    session.driver().take(1_000);
    session.driver().reset();
    let outcome = session.driver().handler.service().outcomes[0];
    assert!(!outcome.complete && (500..1_000).contains(&outcome.body_bytes), "{outcome:?}");
    session.finish().unwrap();
}

#[test]
fn what_the_client_says_about_the_connection_is_done() {
    for (version, line, kept, said) in [
        ("1.1", "", true, None),
        ("1.1", "Connection: close\r\n", false, Some("close")),
        ("1.1", "Connection: keep-alive, CLOSE\r\n", false, Some("close")),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false, Some("close")),
        ("1.1", "Connection: closed\r\n", true, None),
        ("1.0", "", false, Some("close")),
        ("1.0", "Connection: Keep-Alive\r\n", true, Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close\r\n", false, Some("close")),
    ] {
        let mut session = open();
        let head = std::format!("GET /owned/1 HTTP/{version}\r\nHost: a\r\n{line}\r\n");
        session.receive(head.as_bytes());
        let end = (!kept).then_some(End::Closed);
        assert_eq!(session.driver().end(), end, "{version} {line}");
        assert_eq!(only(session).get("connection"), said, "{version} {line}");
    }
}

#[test]
fn a_service_can_close_the_connection() {
    let mut session = open();
    session.receive(&[get("/close"), get("/owned/1")].concat());
    assert_eq!(session.driver().end(), Some(End::Closed));
    assert!(only(session).closes());
}

#[test]
fn a_peer_that_closed_its_side_is_answered() {
    for path in ["/owned/1", "/later/2", "/file/20000"] {
        let mut session = open();
        session.driver().receive(&get(path));
        session.driver().end_input();
        session.settle();
        assert_eq!(session.driver().end(), Some(End::Closed), "{path}");
        assert!(only(session).is_whole);
    }
}

/// The engine need not wait for a client that has said that it sends nothing more, and has sent all
/// it announced; it has to wait for every other, or a reset would destroy the answer.
#[test]
fn only_a_client_that_is_done_is_not_waited_for() {
    let close = "Host: a\r\nConnection: close\r\n";
    for (request, next) in [
        (std::format!("GET /owned/1 HTTP/1.1\r\n{close}\r\n"), Next::Finish),
        ("GET /owned/1 HTTP/1.0\r\n\r\n".into(), Next::Finish),
        // With a body that is read whole, and with one that has not come whole.
        (
            std::format!("POST /collect HTTP/1.1\r\n{close}Content-Length: 2\r\n\r\nab"),
            Next::Finish,
        ),
        (std::format!("GET /owned/1 HTTP/1.1\r\n{close}Content-Length: 9\r\n\r\nab"), Next::Close),
        // It says that this is its last, and goes on.
        (std::format!("GET /owned/1 HTTP/1.1\r\n{close}\r\nGET / HT"), Next::Close),
        // The closing is ours.
        ("nonsense\r\n\r\n".into(), Next::Close),
    ] {
        let mut session = open();
        session.driver().receive(request.as_bytes());
        let what = (session.driver().next(), session.driver().end());
        assert_eq!(what, (next, Some(End::Closed)), "{request}");
    }
}

#[test]
fn draining_finishes_what_is_owed() {
    // Idle: the engine closes it without asking.
    let mut idle = open();
    idle.receive(&get("/owned/1"));
    idle.driver().drain();
    assert_eq!(idle.driver().end(), Some(End::Shutdown));

    // Waiting for the service: the answer says that it is the last.
    let mut waiting = open();
    waiting.driver().receive(&get("/later/0"));
    waiting.driver().drain();
    waiting.settle();
    assert_eq!(waiting.driver().end(), Some(End::Closed));
    assert!(only(waiting).closes());

    // In the middle of an answer: it is finished.
    let mut sending = Session::open(Settings::default(), Wire { eager: false, ..Wire::default() });
    sending.driver().receive(&get("/file/200000"));
    sending.driver().drain();
    sending.settle();
    assert_eq!(sending.driver().end(), Some(End::Closed));
    assert!(only(sending).is_whole);

    // In the middle of a head: it is read and answered.
    let mut reading = open();
    reading.receive(&get("/owned/1")[..20]);
    reading.driver().drain();
    reading.receive(&get("/owned/1")[20..]);
    assert_eq!(reading.driver().end(), Some(End::Closed));
    assert!(only(reading).closes());
}

#[test]
fn exchanges_beyond_the_limit_are_refused() {
    let settings = Settings { exchanges: 0, ..Settings::default() };
    for path in ["/later/1", "/file/10", "/memory/200000?told", "/collect"] {
        let mut session = Session::open(settings, Wire::default());
        session.receive(&get(path));
        assert_eq!(session.counters().refused(Reason::Exchanges), 1);
        assert_eq!(only(session).status, 503, "{path}");
    }
    // What fits into one call needs no place.
    for path in ["/owned/100", "/memory/100?told", "/status/404"] {
        let mut session = Session::open(settings, Wire::default());
        session.receive(&get(path));
        assert_eq!(session.counters().refused(Reason::Exchanges), 0, "{path}");
    }
}

#[test]
fn connections_that_cannot_be_held_are_told_so() {
    use app::Handler;
    for (why, status) in [(Refusal::Full, "503"), (Refusal::FullForClient, "429")] {
        let mut session = open();
        let mut buffer = [0; 1_000];
        let mut out = Out::new(&mut buffer, false);
        // A day after the last call: this one brings its own time.
        let later = Instant::from_millis(24 * 60 * 60 * 1_000);
        session.driver().handler.refuse(later, why, &mut out);
        let text = String::from_utf8_lossy(out.bytes()).into_owned();
        assert!(text.starts_with(&std::format!("HTTP/1.1 {status} ")), "{text}");
        assert!(text.contains("Connection: close\r\n\r\nconnections"), "{text}");
        assert!(text.contains("Date: Mon, 07 Nov 1994 "), "{text}");
        // Without room nothing is said.
        session.driver().handler.refuse(later, why, &mut Out::closed());
        assert_eq!(
            session.counters().responses[3].get() + session.counters().responses[4].get(),
            1
        );
    }
}

#[test]
fn what_happens_is_counted() {
    let mut session = open();
    session.receive(&[get("/owned/10"), get("/nothing"), get("/memory/100000")].concat());
    session.receive(b"bad\r\n\r\n");
    let sent = session.driver().sent().len() as u64;
    let counters = session.counters();
    assert_eq!(counters.requests.get(), 3);
    assert_eq!(counters.responses.each_ref().map(app::Counter::get), [0, 2, 0, 2, 0]);
    assert_eq!(counters.refused(Reason::Syntax), 1);
    assert_eq!(counters.header_bytes_out.get() + counters.body_bytes_out.get(), sent);
}

#[test]
fn reasons_are_numbered_in_their_order() {
    for (index, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, index);
    }
}
