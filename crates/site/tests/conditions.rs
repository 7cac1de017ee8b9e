//! Conditional requests, ranges, HEAD and OPTIONS, as far as they are the site's own doing; the
//! protocol's part is tested where it is.

mod harness;

use harness::World;

#[test]
fn a_file_has_a_strong_tag_and_a_date_and_answers_to_both() {
    let large = vec![b'x'; 100_000];
    let mut world = World::of(&[("a.txt", b"hello"), ("large.bin", &large)]);
    for path in ["/a.txt", "/large.bin"] {
        let answer = world.get(path);
        let tag = answer.header("ETag").unwrap();
        assert!(tag.starts_with('"'), "{tag}");
        let date = answer.header("Last-Modified").unwrap();
        assert_eq!(world.get_with(path, &[("If-None-Match", tag)]).status, 304);
        assert_eq!(world.get_with(path, &[("If-None-Match", "\"other\"")]).status, 200);
        assert_eq!(world.get_with(path, &[("If-Modified-Since", date)]).status, 304);
        assert_eq!(world.get_with(path, &[("If-Match", tag)]).status, 200);
        assert_eq!(world.get_with(path, &[("If-Match", "\"other\"")]).status, 412);
        let range = [("Range", "bytes=1-2"), ("If-Range", tag)];
        assert_eq!(world.get_with(path, &range).status, 206);
        let range = [("Range", "bytes=1-2"), ("If-Range", "\"other\"")];
        assert_eq!(world.get_with(path, &range).status, 200);
    }
}

#[test]
fn the_tag_of_a_small_file_is_of_its_content() {
    let mut one = World::of(&[("a.txt", b"hello")]);
    let mut other = World::of(&[("a.txt", b"hello"), ("b.txt", b"hellO")]);
    let tag = one.get("/a.txt").header("ETag").unwrap().to_owned();
    assert_eq!(other.get("/a.txt").header("ETag"), Some(tag.as_str()));
    assert_ne!(other.get("/b.txt").header("ETag"), Some(tag.as_str()));
}

#[test]
fn parts_of_files_small_and_large() {
    let large: Vec<u8> = (0..400_000_u32).map(|index| (index % 251) as u8).collect();
    let mut world = World::of(&[("small.bin", &large[..5_000]), ("large.bin", &large)]);
    for (path, length) in [("/small.bin", 5_000), ("/large.bin", 400_000)] {
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=4000-", 4_000..length),
            ("bytes=-7", length - 7..length),
            ("bytes=4990-999999999", 4_990..length),
        ] {
            let answer = world.get_with(path, &[("Range", range)]);
            assert_eq!(answer.status, 206, "{path} {range}");
            assert!(answer.body == large[expected], "{path} {range}");
        }
        let answer = world.get_with(path, &[("Range", "bytes=400000-")]);
        let total = format!("bytes */{length}");
        assert_eq!((answer.status, answer.header("Content-Range")), (416, Some(total.as_str())));
        let answer = world.get_with(path, &[("Range", "bytes=1-2,7-9")]);
        assert_eq!(answer.status, 206);
        let kind = answer.header("Content-Type").unwrap();
        assert!(kind.starts_with("multipart/byteranges; boundary="), "{kind}");
        let holds = |part: &[u8]| answer.body.windows(part.len()).any(|window| window == part);
        assert!(holds(&large[1..3]) && holds(&large[7..10]));
    }
}

#[test]
fn head_says_what_get_would_and_sends_nothing() {
    let mut world = World::of(&[("a.txt", b"hello"), ("d/x", b"x")]);
    for path in ["/a.txt", "/nothing", "/d", "/d/"] {
        let get = world.get(path);
        let head = world.send("HEAD", path, &[]);
        assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path}");
        assert!(head.body.is_empty());
    }
}

#[test]
fn other_methods_are_refused_with_what_is_allowed() {
    let mut world = World::of(&[("a.txt", b"hello")]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"] {
        let answer = world.send(method, "/a.txt", &[]);
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
    for path in ["/a.txt", "*", "/nothing"] {
        let answer = world.send("OPTIONS", path, &[]);
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD, OPTIONS"));
    }
}
