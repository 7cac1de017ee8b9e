//! The answers to GET and HEAD for one representation.

use std::string::String;
use std::vec::Vec;

use app::Source;

use super::{Boundaries, Representation};
use crate::conditional::Validators;
use crate::tests::request;
use crate::{Body, HeaderBlock, Method, Response, Segment};

const TEXT: &str = "0123456789abcdefghij";
const NOW: u64 = 784_111_800;

fn respond(method: Method<'_>, lines: &[(&str, &str)]) -> Response {
    let whole =
        HeaderBlock::Static(b"ETag: \"a\"\r\nContent-Type: text/plain\r\nAccept-Ranges: bytes\r\n");
    let representation = Representation {
        validators: Validators { etag: Some("\"a\""), last_modified: Some(784_111_777) },
        length: TEXT.len() as u64,
        common: b"ETag: \"a\"\r\n",
        content: b"Content-Type: text/plain\r\n",
        whole: &whole,
        source: (method == Method::Get).then_some(Source::Static(TEXT.as_bytes())),
    };
    let lines: Vec<_> =
        lines.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
    let mut boundaries = Boundaries::new([1, 2]);
    request(method, &lines, NOW, |request| representation.respond(request, &mut boundaries))
}

fn headers(response: &Response) -> &str {
    core::str::from_utf8(response.headers.bytes()).unwrap()
}

fn text(segment: &Segment) -> &str {
    let start = segment.offset as usize;
    let bytes = &segment.source.memory().unwrap()[start..start + segment.length as usize];
    core::str::from_utf8(bytes).unwrap()
}

fn body(response: &Response) -> String {
    match &response.body {
        Body::One(segment) => String::from(text(segment)),
        Body::Many(segments) => segments.iter().map(text).collect(),
        _ => String::new(),
    }
}

#[test]
fn the_whole_and_one_part() {
    let whole = respond(Method::Get, &[]);
    assert_eq!((whole.status, body(&whole).as_str()), (200, TEXT));
    assert!(headers(&whole).contains("Accept-Ranges"));

    let part = respond(Method::Get, &[("Range", "bytes=10-14")]);
    assert_eq!((part.status, body(&part).as_str()), (206, "abcde"));
    assert_eq!(
        headers(&part),
        "ETag: \"a\"\r\nContent-Type: text/plain\r\nContent-Range: bytes 10-14/20\r\n"
    );
}

#[test]
fn several_parts_are_multipart() {
    let response = respond(Method::Get, &[("Range", "bytes=-1,0-1")]);
    assert_eq!(response.status, 206);
    let boundary = headers(&response).split("boundary=").nth(1).unwrap().trim_end();
    assert_eq!(boundary.len(), 32);
    let expected = std::format!(
        "--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 19-19/20\r\n\r\nj\r\n\
         --{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/20\r\n\r\n01\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(body(&response), expected);
    assert_eq!(response.body.length(), expected.len() as u64);
}

#[test]
fn a_range_that_is_not_there() {
    let response = respond(Method::Get, &[("Range", "bytes=20-")]);
    assert_eq!((response.status, headers(&response)), (416, "Content-Range: bytes */20\r\n"));
}

#[test]
fn head_has_the_length_and_no_ranges() {
    let response = respond(Method::Head, &[("Range", "bytes=0-1")]);
    assert_eq!((response.status, response.body.length()), (200, 20));
}

#[test]
fn preconditions_come_before_ranges() {
    let range = ("Range", "bytes=0-1");
    assert_eq!(respond(Method::Get, &[("If-None-Match", "\"a\""), range]).status, 304);
    assert_eq!(respond(Method::Get, &[("If-Match", "\"b\""), range]).status, 412);
    assert_eq!(respond(Method::Get, &[("If-Range", "\"b\""), range]).status, 200);
    assert_eq!(respond(Method::Get, &[("If-Range", "\"a\""), range]).status, 206);
    assert_eq!(respond(Method::Get, &[range, range]).status, 200);
}

#[test]
fn a_not_modified_answer_has_the_validators_only() {
    let response = respond(Method::Get, &[("If-None-Match", "\"a\"")]);
    assert_eq!(headers(&response), "ETag: \"a\"\r\n");
}

#[test]
fn boundaries_differ_by_key_and_by_answer() {
    let mut boundaries = Boundaries::new([1, 2]);
    let (first, second) = (boundaries.next(), boundaries.next());
    assert_ne!(first, second);
    assert_ne!(first[..16], first[16..]);
    assert_ne!(first, Boundaries::new([1, 3]).next());
}
