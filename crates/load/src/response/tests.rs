//! Answers, whole and in every pair of pieces, good and bad.

use super::{Answer, Answers, Reader, Reading};
use crate::ErrorKind;

/// Reads `bytes` with an end of input behind them, cut up at `cut`.
fn read(bytes: &[u8], cut: usize, common: &mut Answers) -> (Reading, usize) {
    let mut reader = Reader::default();
    let (mut consumed, reading) = reader.read(&bytes[..cut], false, common, None);
    if reading != Reading::More {
        return (reading, consumed);
    }
    let (more, reading) = reader.read(&bytes[consumed..], true, common, None);
    consumed += more;
    (reading, consumed)
}

fn everywhere(text: &str, bodiless: bool) -> (Reading, usize) {
    let whole = read(text.as_bytes(), text.len(), &mut Answers { bodiless, ..Answers::default() });
    // Once with nothing known, once with what was learned.
    let mut common = Answers { bodiless, ..Answers::default() };
    for cut in 0..=text.len() {
        assert_eq!(read(text.as_bytes(), cut, &mut common), whole, "{text:?} cut at {cut}");
    }
    whole
}

fn answer(text: &str) -> Answer {
    match everywhere(text, false) {
        (Reading::Answer(answer), consumed) if consumed == text.len() => answer,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn fault(text: &str) -> ErrorKind {
    match everywhere(text, false).0 {
        Reading::Broken(kind) => kind,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn bodies_end_where_their_framing_says() {
    for (text, status, keep_alive, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true, 5),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 200, true, 5),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: x, Close\r\n\r\n", 200, false, 0),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, false, 2),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, true, 2),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", 200, false, 10),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204, true, 0),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, true, 0),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
            204,
            true,
            0,
        ),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, true, 2),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", 200, false, 3),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;a=\"b\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            200,
            true,
            13,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000\r\n\r\n", 200, true, 0),
    ] {
        assert_eq!(answer(text), Answer { status, keep_alive, body }, "{text:?}");
    }
    let (head, consumed) = everywhere("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
    assert!(matches!(head, Reading::Answer(Answer { body: 0, .. })) && consumed == 38);
}

#[test]
fn what_is_no_answer_is_told_from_what_is_cut_short() {
    for (text, kind) in [
        ("", ErrorKind::ClosedEarly),
        ("HTTP/1.1 200 OK\r\n", ErrorKind::ShortHead),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", ErrorKind::ShortBody),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            ErrorKind::ShortBody,
        ),
        ("HTTP/2 200 OK\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 2x0 OK\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 101 Switching\r\n\r\n", ErrorKind::Garbage),
        ("<html>", ErrorKind::Garbage),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            ErrorKind::Garbage,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", ErrorKind::Garbage),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ErrorKind::Garbage,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", ErrorKind::Garbage),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd", ErrorKind::Garbage),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            ErrorKind::Garbage,
        ),
    ] {
        assert_eq!(fault(text), kind, "{text:?}");
    }
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(40_000));
    let (reading, _) = read(long.as_bytes(), long.len(), &mut Answers::default());
    assert_eq!(reading, Reading::Broken(ErrorKind::HeadTooLarge));
}

/// What is known of a head is not believed of another.
#[test]
fn a_head_that_differs_in_more_than_its_date_is_read_anew() {
    let mut common = Answers::default();
    let mut body = |text: &str| match read(text.as_bytes(), text.len(), &mut common).0 {
        Reading::Answer(answer) => (answer.status, answer.body),
        other => panic!("{text:?}: {other:?}"),
    };
    let head = |date: &str, length: u32| {
        format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\nabcdefghi")
    };
    assert_eq!(body(&head("Sat, 21 Nov 2026 12:00:00 GMT", 3)), (200, 3));
    assert_eq!(body(&head("Sat, 21 Nov 2026 12:00:01 GMT", 3)), (200, 3));
    assert_eq!(body(&head("Sat, 21 Nov 2026 12:00:01 GMT", 4)), (200, 4));
    // As long as a date, and yet the end of the head.
    let sly = "x\r\nContent-Length: 4\r\n\r\nabcd";
    assert_eq!(sly.len(), 28);
    assert_eq!(body(&head(&format!("{sly}!"), 9)), (200, 4));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(body(&format!("{interim}{}", head("now", 2))), (200, 2));
}
