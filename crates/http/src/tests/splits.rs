//! The same requests give the same bytes, however they arrive and however little room there is.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use crate::Settings;
use crate::drive::{Answer, Script, Session, Wire};

/// A well-formed request that is answered with 200, 204, 304 or 404.
fn good_request() -> impl Strategy<Value = Vec<u8>> {
    let target = prop_oneof![
        4 => (prop_oneof!["owned", "memory", "file", "many", "head"], 0..70_000_u32)
            .prop_map(|(kind, number)| std::format!("/{kind}/{}", number % 20_000)),
        1 => (0..4_u32).prop_map(|number| std::format!("/later/{number}")),
        1 => Just(String::from("/status/204")),
        1 => Just(String::from("/status/304")),
        1 => Just(String::from("/nothing")),
    ];
    let simple = (prop_oneof![4 => Just("GET"), 1 => Just("HEAD")], target, any::<bool>())
        .prop_map(|(method, target, told)| {
            let query = if told { "?told" } else { "" };
            std::format!("{method} {target}{query} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
        });
    let target = prop_oneof!["/collect", "/collect-later", "/owned/5", "/later/1"];
    let sized = (target.clone(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(target, expects, body)| {
            let expect = if expects { "Expect: 100-continue\r\n" } else { "" };
            let length = body.len();
            let head = std::format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: {length}\r\n\r\n"
            );
            [head.as_bytes(), &body].concat()
        });
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6);
    let chunked = (target, chunks, any::<bool>()).prop_map(|(target, chunks, trailer)| {
        let head = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut bytes = std::format!("POST {target} {head}").into_bytes();
        for chunk in chunks {
            bytes.extend(std::format!("{:X};x=y\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend_from_slice(if trailer { b"0\r\nX: y\r\n\r\n" } else { b"0\r\n\r\n" });
        bytes
    });
    prop_oneof![3 => simple, 1 => sized, 1 => chunked]
}

/// A request, well-formed or nearly so.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"GET /close HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"GET /owned/9 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_vec()),
        Just(b"GET /owned/9 HTTP/1.0\r\n\r\n".to_vec()),
        Just(b"GET /a b HTTP/1.1\r\n\r\n".to_vec()),
    ];
    prop_oneof![10 => good_request(), 1 => odd]
}

/// Some requests one after the other, with at most one byte of them changed.
fn pipeline() -> impl Strategy<Value = Vec<u8>> {
    let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (prop::collection::vec(request(), 1..6), change).prop_map(|(requests, change)| {
        let mut bytes = requests.concat();
        if let Some((index, byte)) = change {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes
    })
}

fn wire() -> impl Strategy<Value = Wire> {
    (prop_oneof![1..100_usize, 100..5_000_usize, Just(65_536)], any::<bool>(), any::<bool>())
        .prop_map(|(room, attachable, eager)| Wire { room, attachable, eager })
}

/// Settings whose limits are met now and then by what [`request`] makes.
fn settings() -> Settings {
    Settings { discard_bytes: 100, header_bytes: 200, target_bytes: 100, ..Settings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_and_any_room_give_the_same_bytes(
        bytes in pipeline(),
        wire in wire(),
        pieces in prop::collection::vec((1..200_usize, 0..3_000_usize), 1..20),
    ) {
        let mut whole = Session::open(settings(), Wire::default());
        whole.receive(&bytes);
        let mut split = Session::open(settings(), wire);
        let mut rest = bytes.as_slice();
        for &(piece, taken) in pieces.iter().cycle() {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            split.driver().receive(now);
            split.driver().take(taken);
            if split.driver().handler.service().takes_wake() {
                split.driver().wake();
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        split.settle();
        prop_assert_eq!(whole.text(), split.text());
        prop_assert_eq!(whole.driver().end(), split.driver().end());
        let answers = whole.finish().map_err(TestCaseError::fail)?;
        prop_assert_eq!(answers, split.finish().map_err(TestCaseError::fail)?);
    }

    /// No byte of a body is ever taken for a request, or the other way round.
    #[test]
    fn every_request_has_its_answer(requests in prop::collection::vec(good_request(), 1..10), wire in wire()) {
        let mut session = Session::open(Settings::default(), wire);
        session.receive(&requests.concat());
        let answers = session.finish().map_err(TestCaseError::fail)?;
        let statuses: Vec<u16> =
            answers.iter().map(|answer| answer.status).filter(|status| *status >= 200).collect();
        prop_assert!(statuses.iter().all(|status| matches!(status, 200 | 204 | 304 | 404)));
        let closed = answers.last().is_some_and(Answer::closes);
        prop_assert!(statuses.len() == requests.len() || closed, "{:?}", statuses);
    }

    #[test]
    fn whatever_happens_the_answers_are_well_formed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut session = Script::new(&bytes).play();
        session.finish().map_err(TestCaseError::fail)?;
    }
}
