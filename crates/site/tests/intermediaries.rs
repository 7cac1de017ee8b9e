//! What caches and other intermediaries have to be told, also by answers that are no pages.

mod harness;

use std::time::{Duration, SystemTime};

use harness::{World, write_all};

const CLOSED: &str = "
    redirect = [
      { from = '/errors/404.html', to = '/' },
      { from = '/old', to = '/new#part' },
      { from = '/asked', to = '/new?a#b?c' },
    ]
    error-pages = { 404 = '/errors/404.html' }
    [[host.rule]]
    path = '/**'
    headers = { X-Frame-Options = 'DENY' }
    [[host.rule]]
    path = '/some/**'
    cors = { origins = ['https://a.example'] }
";

fn world() -> World {
    let text = "nothing here, and that at length\n".repeat(100);
    World::new(&format!("[[host]]\nroot = 'ROOT'\n{CLOSED}"), |root| {
        let files: [(&str, &[u8]); 3] =
            [("errors/404.html", text.as_bytes()), ("some/a", b"hello"), ("new", b"x")];
        write_all(root, &files);
    })
}

/// A cache gave the page for an error, compressed, to clients that do not know the coding; and what
/// one origin was let read, to all.
#[test]
fn an_error_says_what_it_depends_on() {
    let mut world = world();
    let codings = [("Accept-Encoding", "br")];
    // The first to ask gets what is there; the page in other codings has yet to be made.
    assert_eq!(world.get("/nothing").header("Vary"), Some("Accept-Encoding"));
    assert_eq!(world.get_with("/nothing", &codings).header("Vary"), Some("Accept-Encoding"));
    let vary = "Accept-Encoding, Origin";
    assert_eq!(world.get("/some/nothing").header("Vary"), Some(vary));
    let origin = [("Origin", "https://a.example")];
    let answer = world.get_with("/some/nothing", &origin);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://a.example"));
    assert_eq!(answer.header("Vary"), Some(vary));
    assert_eq!(world.get("/some").header("Vary"), None);
    assert_eq!(world.get("/some/").header("Vary"), Some("Origin"));
}

/// They came without what rules add to every answer, and without the page for their status.
#[test]
fn failed_conditions_and_ranges_are_errors_like_others() {
    let mut world = world();
    for _ in 0..2 {
        let answer = world.get_with("/some/a", &[("If-Match", "\"other\"")]);
        assert_eq!((answer.status, answer.header("X-Frame-Options")), (412, Some("DENY")));
        assert_eq!(answer.header("ETag"), None);
        assert!(answer.text().contains("<h1>Precondition failed</h1>"));
        let range = [("Range", "bytes=5-"), ("Origin", "https://a.example")];
        let answer = world.get_with("/some/a", &range);
        assert_eq!((answer.status, answer.header("X-Frame-Options")), (416, Some("DENY")));
        assert_eq!(answer.header("Content-Range"), Some("bytes */5"));
        let origin = answer.header("Access-Control-Allow-Origin");
        assert_eq!((origin, answer.header("Vary")), (Some("https://a.example"), Some("Origin")));
        assert!(answer.text().contains("<h1>Range not satisfiable</h1>"));
    }
    assert_eq!(world.send("OPTIONS", "/some/a", &[]).header("X-Frame-Options"), Some("DENY"));
    assert_eq!(world.send("OPTIONS", "*", &[]).header("X-Frame-Options"), None);
}

/// The page for an error was served under its own address, where it is to be redirected, from when it
/// had first stood for an error.
#[test]
fn a_redirect_does_not_depend_on_what_is_at_hand() {
    let mut world = world();
    for _ in 0..2 {
        let answer = world.get("/errors/404.html");
        assert_eq!((answer.status, answer.header("Location")), (301, Some("/")));
        assert_eq!(world.get("/nothing").status, 404);
    }
}

#[test]
fn a_query_goes_before_the_fragment_of_a_redirect() {
    let mut world = world();
    for (path, location) in [
        ("/old", "/new#part"),
        ("/old?a=1", "/new?a=1#part"),
        ("/old?", "/new?#part"),
        ("/asked?d", "/new?a#b?c"),
    ] {
        assert_eq!(world.get(path).header("Location"), Some(location), "{path}");
    }
}

/// RFC 9110 section 8.8.2.1 forbids it.
#[test]
fn nothing_was_modified_in_the_future() {
    let mut world = World::of(&[("a.txt", b"hello")]);
    let path = world.root().join("a.txt");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(1_000_000)).unwrap();
    let unix = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let before = unix();
    let answer = world.get("/a.txt");
    let date = answer.header("Last-Modified").unwrap();
    let date = http::parse_date(date.as_bytes(), before).unwrap();
    assert!((before..=unix()).contains(&date), "{date}");
}
