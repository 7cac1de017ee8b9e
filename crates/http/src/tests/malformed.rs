//! Requests that are refused, each with its status, however their bytes arrive; and some that look
//! odd and are not refused.

use std::string::String;
use std::vec::Vec;

use app::End;

use crate::drive::{Session, Wire};
use crate::{Reason, Settings};

/// What is refused for how it is written: the request, and why. Unless it has an empty line, two
/// line ends are added.
const MALFORMED: &[(&[u8], Reason)] = &[
    // The request line (RFC 9112 section 3).
    (b" GET / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"\tGET / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET  / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET /  HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET\t/ HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1.1 \r\nHost: a", Reason::Syntax),
    (b"GET /", Reason::Syntax),
    (b"GET / \r\nHost: a", Reason::Syntax),
    (b"GET\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1.1\rHost: a", Reason::Syntax),
    (b"GET / HTTP/1.1\r\r\nHost: a", Reason::Syntax),
    (b"GET / a HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET /\0 HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET /\x7f HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET /\r HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"G(T / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"G\x80T / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Reason::Syntax),
    (b"\0", Reason::Syntax),
    (b"GET / http/1.1\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1.01\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/11\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1,1\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/+1.1\r\nHost: a", Reason::Syntax),
    (b"GET / HTTPS/1.1\r\nHost: a", Reason::Syntax),
    // Versions.
    (b"GET / HTTP/2.0\r\nHost: a", Reason::Version),
    (b"GET / HTTP/3.0\r\nHost: a", Reason::Version),
    (b"GET / HTTP/0.9\r\nHost: a", Reason::Version),
    (b"GET / HTTP/1.2\r\nHost: a", Reason::Version),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Reason::Version),
    // Targets (section 3.2).
    (b"GET * HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET a HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET ?q HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET a.example:80 HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http:/// HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http:/a HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http://:80/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http://u@a/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http://a:x/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET http://a\\b/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET /#f HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a", Reason::Target),
    (b"GET /\xff HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"OPTIONS *x HTTP/1.1\r\nHost: a", Reason::Target),
    (b"CONNECT / HTTP/1.1\r\nHost: a", Reason::Target),
    (b"CONNECT http://a/ HTTP/1.1\r\nHost: a", Reason::Target),
    (b"CONNECT :80 HTTP/1.1\r\nHost: a", Reason::Target),
    (b"CONNECT a:80 HTTP/1.1\r\nHost: a", Reason::Method),
    // Hosts (section 3.2, and RFC 3986 section 3.2.2).
    (b"GET / HTTP/1.1", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b", Reason::Host),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a b", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a/b", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: u@a", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a:80:80", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a:65536", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: :80", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: :", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a:-1", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a%", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a%zz", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: [::1", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: ::1", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: [::1]x", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: [1.2.3.4]", Reason::Host),
    (b"GET / HTTP/1.1\r\nHost: a\xff", Reason::Host),
    (b"GET http://a/ HTTP/1.1\r\nHost: a b", Reason::Host),
    (b"GET http://a/ HTTP/1.1", Reason::Host),
    // Header lines (section 5).
    (b"GET / HTTP/1.1\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\nX: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\n\n", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\nX: b", Reason::Syntax),
    (b"\nGET / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"\rGET / HTTP/1.1\r\nHost: a", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n", Reason::Syntax),
    (b"GET / HTTP/1.1\r\n Host: a", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost : a", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\n: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX(: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01c", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f", Reason::Syntax),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b", Reason::Syntax),
    // Expectations (RFC 9110 section 10.1.1).
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok", Reason::Expectation),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x", Reason::Expectation),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect:", Reason::Expectation),
];

/// What could make two recipients see different requests: after a request line and a host.
const SMUGGLING: &[(&str, Reason)] = &[
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", Reason::Framing),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5", Reason::Framing),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0", Reason::Framing),
    ("Content-Length: 5\r\nTransfer-Encoding: identity", Reason::Framing),
    ("Content-Length: 5\r\nContent-Length: 5", Reason::Framing),
    ("Content-Length: 5\r\nContent-Length: 6", Reason::Framing),
    ("Content-Length: 0\r\ncontent-length: 5", Reason::Framing),
    ("Content-Length: 5, 5", Reason::Framing),
    ("Content-Length: 5,6", Reason::Framing),
    ("Content-Length: ", Reason::Framing),
    ("Content-Length: +5", Reason::Framing),
    ("Content-Length: -5", Reason::Framing),
    ("Content-Length: 5 5", Reason::Framing),
    ("Content-Length: 0x5", Reason::Framing),
    ("Content-Length: 5a", Reason::Framing),
    ("Content-Length: 5.0", Reason::Framing),
    ("Content-Length: \"5\"", Reason::Framing),
    ("Content-Length: 5;", Reason::Framing),
    ("Content-Length: 18446744073709551616", Reason::Framing),
    ("Content-Length: 99999999999999999999999999", Reason::Framing),
    ("Transfer-Encoding: gzip", Reason::Framing),
    ("Transfer-Encoding: identity", Reason::Framing),
    ("Transfer-Encoding: chunked, gzip", Reason::Framing),
    ("Transfer-Encoding: chunked, identity", Reason::Framing),
    ("Transfer-Encoding: chunked, chunked", Reason::Framing),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Reason::Framing),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Reason::Framing),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Reason::Framing),
    ("Transfer-Encoding: xchunked", Reason::Framing),
    ("Transfer-Encoding: chunkedx", Reason::Framing),
    ("Transfer-Encoding: chunked;q=1", Reason::Framing),
    ("Transfer-Encoding: \"chunked\"", Reason::Framing),
    ("Transfer-Encoding: 'chunked'", Reason::Framing),
    ("Transfer-Encoding: chunked,", Reason::Framing),
    ("Transfer-Encoding: ,chunked", Reason::Framing),
    ("Transfer-Encoding: ", Reason::Framing),
    ("Transfer-Encoding: chu\u{1e9e}ked", Reason::Framing),
    ("Transfer-Encoding: gzip, chunked", Reason::TransferCoding),
    ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", Reason::TransferCoding),
    ("Transfer-Encoding: identity, chunked", Reason::TransferCoding),
    ("Transfer-Encoding : chunked", Reason::Syntax),
    ("Transfer-Encoding\t: chunked", Reason::Syntax),
    (" Transfer-Encoding: chunked", Reason::Syntax),
    ("X: y\r\n Transfer-Encoding: chunked", Reason::Syntax),
    ("X: y\nTransfer-Encoding: chunked", Reason::Syntax),
    ("X: y\rTransfer-Encoding: chunked", Reason::Syntax),
    ("Transfer-Encoding: chunked\0", Reason::Syntax),
    ("Transfer-Encoding:\x0bchunked", Reason::Syntax),
    ("Transfer-Encoding:\r\n chunked", Reason::Syntax),
    ("Content-Length : 5", Reason::Syntax),
    ("Content\0-Length: 5", Reason::Syntax),
    ("X: y\0\r\nContent-Length: 5", Reason::Syntax),
];

/// Bodies in the chunked coding that are refused.
const CHUNKS: &[&[u8]] = &[
    b"\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"+1\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\rhello\r\n0\r\n\r\n",
    b"5\r\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhelloX0\r\n\r\n",
    b"5\r\nhello\rX0\r\n\r\n",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;a\0\r\nhello\r\n0\r\n\r\n",
    b"5 a\r\nhello\r\n0\r\n\r\n",
    b"5,5\r\nhello\r\n0\r\n\r\n",
    b"5_0\r\nhello\r\n0\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"0\r\n\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX: \0\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\rX",
];

/// Sends a request in one piece, then byte by byte, and says what came back.
fn answer_to(bytes: &[u8]) -> String {
    let mut whole = Session::open(Settings::default(), Wire::default());
    whole.receive(bytes);
    let mut dribbled = Session::open(Settings::default(), Wire::default());
    for byte in bytes {
        dribbled.receive(core::slice::from_ref(byte));
    }
    assert_eq!(whole.text(), dribbled.text(), "{}", String::from_utf8_lossy(bytes));
    assert_eq!(whole.driver().end(), dribbled.driver().end());
    whole.finish().unwrap();
    dribbled.finish().unwrap();
    whole.text()
}

/// Nothing but a refusal came back, and the connection was closed.
fn assert_refused(bytes: &[u8], reason: Reason) {
    let shown = String::from_utf8_lossy(bytes);
    let text = answer_to(bytes);
    let start = std::format!("HTTP/1.1 {} ", reason.status());
    let end = std::format!("Connection: close\r\n\r\n{}", reason.name());
    assert!(text.starts_with(&start) && text.ends_with(&end), "{shown:?} got {text:?}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{shown:?} got {text:?}");

    let mut session = Session::open(Settings::default(), Wire::default());
    session.receive(bytes);
    assert_eq!(session.driver().end(), Some(End::Closed), "{shown:?}");
    assert_eq!(session.counters().refused(reason), 1, "{shown:?}");
}

fn complete(bytes: &[u8]) -> Vec<u8> {
    let is_complete = bytes.windows(4).any(|window| window == b"\r\n\r\n");
    if is_complete { bytes.to_vec() } else { [bytes, b"\r\n\r\n"].concat() }
}

#[test]
fn malformed_requests_are_refused() {
    for (bytes, reason) in MALFORMED {
        assert_refused(&complete(bytes), *reason);
        // Neither what comes before a malformed request nor what comes after it changes that.
        let text =
            answer_to(&[b"GET /head/9 HTTP/1.1\r\nHost: a\r\n\r\n", &*complete(bytes)].concat());
        assert!(text.starts_with("HTTP/1.1 200 "), "{text:?}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text:?}");
        assert_refused(
            &[&*complete(bytes), b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
            *reason,
        );
    }
}

/// A TLS client on the wrong port learns it at once, not when its time for a header is over.
#[test]
fn what_cannot_be_a_request_is_refused_at_its_first_byte() {
    for byte in [b"\x16", b"\0", b" ", b"\x80", b"(", b"\n"] {
        assert_refused(byte, Reason::Syntax);
    }
}

#[test]
fn requests_that_could_be_smuggled_are_refused() {
    for (lines, reason) in SMUGGLING {
        let head = std::format!("POST /collect HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
        let hidden = "5\r\nhello\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_refused((head.clone() + hidden).as_bytes(), *reason);
        assert_refused(head.replace("/collect", "/owned/1").as_bytes(), *reason);
    }
}

#[test]
fn transfer_codings_in_http_1_0_are_refused() {
    let head = b"POST /collect HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused(head, Reason::Framing);
}

#[test]
fn broken_chunks_are_refused() {
    for chunks in CHUNKS {
        let head = b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_refused(&[head, *chunks].concat(), Reason::Chunk);
    }
}

/// A body nobody wanted was answered already when it turns out to be broken: nothing may follow.
#[test]
fn broken_chunks_of_an_unwanted_body_close_the_connection() {
    for chunks in CHUNKS {
        let head = b"POST /owned/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let hidden = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        let bytes = [head, *chunks, hidden].concat();
        let text = answer_to(&bytes);
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text:?}");
        let mut session = Session::open(Settings::default(), Wire::default());
        session.receive(&bytes);
        assert_eq!(session.driver().end(), Some(End::Closed));
    }
}

#[test]
fn long_extensions_and_trailers_are_refused() {
    let head = "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = std::format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(300));
    assert_refused(extension.as_bytes(), Reason::Chunk);
    let trailers = std::format!("{head}0\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    assert_refused(trailers.as_bytes(), Reason::Chunk);
}

/// Odd, but not in two ways to be read.
#[test]
fn unusual_requests_are_answered() {
    for request in [
        "GET /status/200 HTTP/1.1\r\nHost:a",
        "GET /status/200 HTTP/1.1\r\nhOsT:\t a.example:8080 \t",
        "GET /status/200 HTTP/1.1\r\nHost:",
        "GET /status/200 HTTP/1.1\r\nHost: a:",
        "GET /status/200 HTTP/1.1\r\nHost: [::1]:80",
        "GET /status/200 HTTP/1.1\r\nHost: a%20b",
        "\r\n\r\nGET /status/200 HTTP/1.1\r\nHost: a",
        "GET /status/200 HTTP/1.1\r\nHost: a\r\nX:",
        "GET /status/200 HTTP/1.1\r\nHost: a\r\nX: \u{e9}\t\u{fc}",
        "GET http://b/status/200 HTTP/1.1\r\nHost: a",
        "GET HTTPS://b:443/status/200 HTTP/1.1\r\nHost: a",
        "GET /status/200?a=/?#".trim_end_matches('#'),
        "GET /status/200?\"<>[]^`{|}\\ HTTP/1.1\r\nHost: a",
        "GET /status/200 HTTP/1.0",
        "BREW /status/200 HTTP/1.1\r\nHost: a",
        "GET /status/200 HTTP/1.1\r\nHost: a\r\nConnection: , ,x",
        "GET /status/200 HTTP/1.0\r\nExpect: nothing",
        "POST /status/200 HTTP/1.1\r\nHost: a\r\nContent-Length: 000",
        "POST /status/200 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED \t\r\n\r\n0\r\n",
        "POST /status/200 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         3 \t;a=\"b;c\";d\r\nabc\r\n0000;x\r\nX-Y:\r\nZ: \u{e9} \r\n",
    ] {
        let request = match request.contains("HTTP/") {
            true => std::format!("{request}\r\n\r\n"),
            false => std::format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"),
        };
        let text = answer_to(request.as_bytes());
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{request:?} got {text:?}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{request:?} got {text:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let settings = Settings::default();
    let target = "/".repeat(settings.target_bytes as usize + 1);
    let head = std::format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refused(head.as_bytes(), Reason::TargetLength);
    // So long that it is refused before its end is there.
    assert_refused(
        "GET /".repeat(3_000).replace("GET /G", "GET /g").as_bytes(),
        Reason::TargetLength,
    );

    let long = "x".repeat(settings.header_bytes as usize);
    let head = std::format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}");
    assert_refused(head.as_bytes(), Reason::HeaderSize);

    let lines = "X: y\r\n".repeat(settings.header_lines as usize);
    let head = std::format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    assert_refused(head.as_bytes(), Reason::HeaderCount);
    let allowed = head.replacen("X: y\r\n", "", 1).replace("GET /", "GET /owned/1");
    assert!(answer_to(allowed.as_bytes()).starts_with("HTTP/1.1 200"));

    let length = settings.body_bytes + 1;
    let head =
        std::format!("POST /owned/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    assert_refused(head.as_bytes(), Reason::BodySize);
}
