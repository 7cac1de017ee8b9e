//! Bodies of requests: collected, thrown away, held back until asked for.

use std::borrow::ToOwned;
use std::string::String;

use app::{End, Next};

use crate::drive::{COLLECT_LIMIT, Session, Wire};
use crate::{Reason, Settings};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn open() -> Session {
    Session::open(Settings::default(), Wire::default())
}

fn post(path: &str, lines: &str) -> String {
    std::format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
}

const NEXT: &str = "GET /owned/7 HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_body_is_collected_and_the_next_request_read() {
    let sized = post("/collect", "Content-Length: 11") + "hello world";
    let chunked = post("/collect", "Transfer-Encoding: chunked")
        + "6;name=\"v\"\r\nhello \r\n005\r\nworld\r\n0\r\nTrailer: ignored\r\n\r\n";
    for request in [sized, chunked] {
        let mut session = open();
        session.receive((request + NEXT).as_bytes());
        let answers = session.finish().unwrap();
        assert_eq!(answers[0].content, b"hello world");
        assert_eq!(answers[1].content.len(), 7);
    }
}

#[test]
fn a_body_of_nothing_is_collected_at_once() {
    for lines in ["X: y", "Content-Length: 0", "Expect: 100-continue"] {
        let mut session = open();
        session.receive((post("/collect", lines) + NEXT).as_bytes());
        assert_eq!(session.text().matches("HTTP/1.1 200").count(), 2, "{lines}");
        assert!(!session.text().contains("100 Continue"));
    }
}

#[test]
fn more_than_the_service_takes_is_refused() {
    let most = COLLECT_LIMIT as usize;
    let exactly = post("/collect", &std::format!("Content-Length: {most}")) + &"x".repeat(most);
    let mut session = open();
    session.receive(exactly.as_bytes());
    assert_eq!(session.finish().unwrap()[0].status, 200);

    let known = post("/collect", &std::format!("Content-Length: {}", most + 1));
    let found = post("/collect", "Transfer-Encoding: chunked")
        + &std::format!("{:x}\r\n{}", most + 1, "x".repeat(most + 1));
    for request in [known, found] {
        let mut session = open();
        session.receive(request.as_bytes());
        assert_eq!(session.driver().end(), Some(End::Closed));
        assert_eq!(session.counters().refused(Reason::BodySize), 1);
        let outcome = session.driver().handler.service().outcomes[0];
        assert_eq!((outcome.status, outcome.complete), (413, false));
        assert_eq!(session.finish().unwrap()[0].status, 413);
    }
}

#[test]
fn a_body_nobody_wants_is_thrown_away() {
    let sized = post("/owned/1", "Content-Length: 60000") + &"x".repeat(60_000);
    let chunked = post("/owned/1", "Transfer-Encoding: chunked")
        + &std::format!("ea60\r\n{}\r\n0\r\n\r\n", "x".repeat(60_000));
    let later = post("/later/1", "Content-Length: 5") + "hello";
    let attached = post("/memory/100000", "Content-Length: 5") + "hello";
    for request in [sized, chunked, later, attached] {
        for piece in [usize::MAX, 1_000] {
            let mut session = open();
            let bytes = (request.clone() + NEXT).into_bytes();
            for piece in bytes.chunks(piece.min(bytes.len())) {
                session.receive(piece);
            }
            assert_eq!(session.text().matches("HTTP/1.1 200").count(), 2);
            assert_eq!(session.driver().end(), None);
            session.finish().unwrap();
        }
    }
}

#[test]
fn an_unwanted_body_that_is_too_long_closes_the_connection() {
    let mut known = open();
    known.receive(post("/owned/1", "Content-Length: 70000").as_bytes());
    assert_eq!(known.driver().end(), Some(End::Closed));
    assert!(known.finish().unwrap()[0].closes());

    // It does not say how long it is: the answer has gone by the time it is found out.
    let mut found = open();
    let request = post("/owned/1", "Transfer-Encoding: chunked") + "11170\r\n";
    found.receive((request + &"x".repeat(70_000)).as_bytes());
    assert_eq!(found.driver().end(), Some(End::Closed));
    assert!(!found.finish().unwrap()[0].closes());
}

#[test]
fn a_body_held_back_is_asked_for_when_it_is_wanted() {
    let mut session = open();
    session.receive(post("/collect", "Expect: 100-Continue\r\nContent-Length: 5").as_bytes());
    assert_eq!(session.text(), CONTINUE);
    // It was sent and never counted.
    assert_eq!(session.counters().responses[0].get(), 1);
    session.receive(b"hello");
    session.receive(NEXT.as_bytes());
    assert_eq!(session.finish().unwrap().len(), 3);
}

#[test]
fn a_refusal_never_begins_within_a_continue() {
    let wire = Wire { room: 10, eager: false, ..Wire::default() };
    let mut session = Session::open(Settings::default(), wire);
    let request = post("/collect", "Expect: 100-continue\r\nContent-Length: 5");
    session.driver().receive(request.as_bytes());
    session.driver().pass(Settings::default().body_pace.window);
    session.settle();
    let text = session.text();
    assert!(text.starts_with(&(CONTINUE.to_owned() + "HTTP/1.1 408 ")), "{text}");
}

#[test]
fn a_body_held_back_and_not_wanted_closes_the_connection() {
    for (path, status) in [("/owned/1", 200), ("/later/1", 200), ("/nothing", 404)] {
        let mut session = open();
        session.receive(post(path, "Expect: 100-continue\r\nContent-Length: 5").as_bytes());
        assert_eq!(session.driver().end(), Some(End::Closed));
        let answers = session.finish().unwrap();
        assert_eq!((answers.len(), answers[0].status, answers[0].closes()), (1, status, true));
    }
    // Too much is not asked for.
    let mut session = open();
    session.receive(post("/collect", "Expect: 100-continue\r\nContent-Length: 20000").as_bytes());
    assert_eq!(session.finish().unwrap()[0].status, 413);
}

#[test]
fn http_1_0_has_no_expectations() {
    let mut session = open();
    session.receive(
        b"POST /collect HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert!(session.text().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_body_cut_off_gets_no_answer() {
    for lines in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut session = open();
        session.receive((post("/collect", lines) + "3\r\n").as_bytes());
        assert_eq!(session.driver().next(), Next::Read);
        session.driver().end_input();
        assert_eq!((session.driver().end(), session.text().len()), (Some(End::Closed), 0));
        let outcome = session.driver().handler.service().outcomes[0];
        assert_eq!((outcome.status, outcome.complete), (0, false));
    }
}

#[test]
fn a_head_cut_off_gets_no_answer() {
    let mut session = open();
    session.receive(b"GET / HTTP/1.1\r\nHost: a\r\n");
    session.driver().end_input();
    assert_eq!((session.driver().end(), session.text().len()), (Some(End::Closed), 0));
}
