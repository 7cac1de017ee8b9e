//! Which coding of a file a client gets, and that each is a representation of its own.

mod harness;

use std::io::Read;
use std::time::{Duration, SystemTime};

use harness::{Answer, World, write_all};

/// Text that compresses well and is long enough to be worth it.
fn text() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..1_000 {
        text.push_str(&format!("line {number} of a text that repeats itself\n"));
    }
    text.into_bytes()
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let body = &answer.body[..];
    let mut plain = Vec::new();
    match answer.header("Content-Encoding") {
        None => plain.extend_from_slice(body),
        Some("gzip") => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
        }
        Some("br") => brotli::BrotliDecompress(&mut { body }, &mut plain).unwrap(),
        Some("zstd") => {
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(body).unwrap();
            decoder.read_to_end(&mut plain).unwrap();
        }
        Some(other) => panic!("unknown coding {other}"),
    }
    plain
}

#[test]
fn every_client_gets_the_coding_it_likes_best() {
    let text = text();
    let mut world = World::of(&[("a.js", &text), ("b.png", &text), ("c.css", b"p {}")]);
    for (accept, coding) in [
        (None, None),
        (Some(""), None),
        (Some("gzip"), Some("gzip")),
        (Some("br"), Some("br")),
        (Some("zstd"), Some("zstd")),
        (Some("gzip, deflate, br, zstd"), Some("br")),
        (Some("gzip, zstd"), Some("zstd")),
        (Some("br;q=0.5, gzip;q=0.9"), Some("gzip")),
        (Some("br;q=0, gzip;q=0.1"), Some("gzip")),
        (Some("identity, gzip;q=0.9"), None),
        (Some("*"), Some("br")),
        (Some("*;q=0.1, br;q=0"), Some("zstd")),
        (Some("deflate"), None),
        (Some("x-gzip"), Some("gzip")),
    ] {
        let headers: Vec<_> = accept.iter().map(|accept| ("Accept-Encoding", *accept)).collect();
        let answer = world.get_with("/a.js", &headers);
        assert_eq!(answer.status, 200, "{accept:?}");
        assert_eq!(answer.header("Content-Encoding"), coding, "{accept:?}");
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"), "{accept:?}");
        assert!(decoded(&answer) == text, "{accept:?}");
        // What does not get shorter, or is too short to be worth it, comes as it is.
        for path in ["/b.png", "/c.css"] {
            let answer = world.get_with(path, &headers);
            assert_eq!((answer.status, answer.header("Content-Encoding")), (200, None), "{path}");
            assert_eq!(answer.header("Vary"), None, "{path}");
        }
    }
}

#[test]
fn a_client_that_accepts_nothing_there_is_told_so() {
    let text = text();
    let mut world = World::of(&[("a.js", &text)]);
    assert_eq!(
        world.get_with("/a.js", &[("Accept-Encoding", "identity;q=0, deflate")]).status,
        406
    );
}

#[test]
fn each_coding_has_a_strong_tag_of_its_own_that_stays_the_same() {
    let text = text();
    let mut world = World::of(&[("a.js", &text)]);
    let mut tags = Vec::new();
    for accept in ["identity", "gzip", "br", "zstd"] {
        let answer = world.get_with("/a.js", &[("Accept-Encoding", accept)]);
        let tag = answer.header("ETag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        tags.push(tag);
    }
    let mut distinct = tags.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{tags:?}");
    let mut other = World::of(&[("a.js", &text)]);
    for (accept, tag) in ["identity", "gzip", "br", "zstd"].iter().zip(&tags) {
        let answer =
            other.get_with("/a.js", &[("Accept-Encoding", accept), ("If-None-Match", tag)]);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{accept}");
        assert_eq!(answer.header("ETag"), Some(tag.as_str()));
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"));
        assert_eq!(answer.header("Content-Encoding"), None);
        let answer =
            other.get_with("/a.js", &[("Accept-Encoding", "deflate"), ("If-None-Match", tag)]);
        assert_eq!(answer.status, if *accept == "identity" { 304 } else { 200 }, "{accept}");
    }
}

#[test]
fn a_range_is_one_of_the_coded_bytes() {
    let text = text();
    let mut world = World::of(&[("a.js", &text)]);
    for accept in ["identity", "gzip", "br", "zstd"] {
        let whole = world.get_with("/a.js", &[("Accept-Encoding", accept)]);
        let part =
            world.get_with("/a.js", &[("Accept-Encoding", accept), ("Range", "bytes=10-59")]);
        assert_eq!(part.status, 206, "{accept}");
        assert_eq!(part.body, whole.body[10..60], "{accept}");
        assert_eq!(part.header("Content-Encoding"), whole.header("Content-Encoding"));
        assert_eq!(part.header("ETag"), whole.header("ETag"));
        let length = whole.body.len();
        let range = format!("bytes 10-59/{length}");
        assert_eq!(part.header("Content-Range"), Some(range.as_str()));
    }
}

#[test]
fn large_files_are_compressed_too_up_to_the_limit() {
    let text = text().repeat(5);
    let toml = "[site.compression]\nmax-bytes = 150000\n[[host]]\nroot = 'ROOT'\n";
    let mut world = World::new(toml, |root| {
        write_all(root, &[("within.txt", &text[..150_000]), ("beyond.txt", &text[..150_001])]);
    });
    let within = world.get_with("/within.txt", &[("Accept-Encoding", "br")]);
    assert_eq!(within.header("Content-Encoding"), Some("br"));
    assert!(decoded(&within) == text[..150_000]);
    let beyond = world.get_with("/beyond.txt", &[("Accept-Encoding", "br")]);
    assert_eq!((beyond.header("Content-Encoding"), beyond.body.len()), (None, 150_001));
}

#[test]
fn compression_can_be_switched_off_as_a_whole_and_by_coding() {
    let text = text();
    for (settings, accept, coding) in [
        ("enabled = false", "br, gzip, zstd", None),
        ("min-bytes = 1000000", "br, gzip, zstd", None),
        ("brotli = 11", "br", Some("br")),
        ("gzip = 1", "gzip", Some("gzip")),
        ("zstd = 1", "zstd", Some("zstd")),
    ] {
        let toml = format!("[site.compression]\n{settings}\n[[host]]\nroot = 'ROOT'\n");
        let mut world = World::new(&toml, |root| write_all(root, &[("a.js", &text)]));
        let answer = world.get_with("/a.js", &[("Accept-Encoding", accept)]);
        assert_eq!(answer.header("Content-Encoding"), coding, "{settings}");
        assert!(decoded(&answer) == text, "{settings}");
    }
}

#[test]
fn precompressed_files_are_preferred_unless_they_are_older() {
    let mut world = World::of(&[
        ("a.js", b"plain"),
        ("a.js.br", b"made with care br"),
        ("a.js.zst", b"made with care zst"),
        ("a.js.gz", b"made with care gz"),
    ]);
    let old = SystemTime::now() - Duration::from_secs(1_000);
    let gz = std::fs::File::options().write(true).open(world.root().join("a.js.gz")).unwrap();
    gz.set_modified(old).unwrap();
    let mut body = |accept| {
        let answer = world.get_with("/a.js", &[("Accept-Encoding", accept)]);
        assert_eq!(answer.header("Content-Type"), Some("text/javascript; charset=utf-8"));
        (answer.header("Content-Encoding").map(str::to_owned), answer.text())
    };
    assert_eq!(body("br, zstd, gzip"), (Some("br".to_owned()), "made with care br".to_owned()));
    assert_eq!(body("zstd, gzip"), (Some("zstd".to_owned()), "made with care zst".to_owned()));
    assert_eq!(body("gzip"), (None, "plain".to_owned()));
    assert_eq!(body("identity"), (None, "plain".to_owned()));
}

#[test]
fn a_precompressed_file_that_changes_is_seen() {
    let mut world = World::of(&[("a.js", b"plain")]);
    let accept = [("Accept-Encoding", "br")];
    assert_eq!(world.get_with("/a.js", &accept).text(), "plain");
    world.write("a.js.br", b"coded");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.get_with("/a.js", &accept).text(), "coded");
    world.write("a.js.br", b"coded anew");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.get_with("/a.js", &accept).text(), "coded anew");
}

#[test]
fn precompressed_files_can_be_switched_off() {
    let toml = "[site.compression]\nprecompressed = false\n[[host]]\nroot = 'ROOT'\n";
    let mut world = World::new(toml, |root| {
        write_all(root, &[("a.js", b"plain"), ("a.js.br", b"coded")]);
    });
    assert_eq!(world.get_with("/a.js", &[("Accept-Encoding", "br")]).text(), "plain");
}

#[test]
fn many_at_once_have_a_file_compressed_once() {
    let text = text();
    let mut world = World::of(&[("a.js", &text)]);
    let accept = [("Accept-Encoding", "br")];
    let begun: Vec<_> = (0..50).map(|_| world.begin("GET", "/a.js", &accept)).collect();
    // Each is woken more than once: first the file is there, then its coding.
    for answer in begun.into_iter().rev() {
        let answer = answer.unwrap_or_else(|waiting| world.finish(waiting, false));
        assert!(decoded(&answer) == text);
    }
    let counters = world.service.counters();
    assert_eq!((counters.misses.get(), counters.compressions.get()), (1, 1));
}
