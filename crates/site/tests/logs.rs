//! What the access log says of requests, however they were answered.

mod harness;

use std::time::Duration;

use harness::{World, write_all};
use http::{Outcome, Reason, Rejection, Service};
use site::{Log, LogDestination, LogFormat};

fn world(host: &str, files: &[(&str, &[u8])]) -> World {
    let log = |folder: &std::path::Path| {
        let file = LogDestination::File(folder.join("log"));
        Log::start(LogFormat::Combined, file).unwrap()
    };
    let toml = format!("[[host]]\nroot = 'ROOT'\n{host}");
    World::logged(&toml, |root| write_all(root, files), log)
}

/// Ends the world and gives status and bytes of each line, with the method and the path.
fn lines(world: World) -> Vec<String> {
    let World { folder, site, service, .. } = world;
    drop((service, site));
    let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let line = |line: &str| {
        let (_, rest) = line.split_once("+0000] \"").unwrap();
        rest.split_once(" \"").unwrap().0.replace(" HTTP/1.1\"", "")
    };
    text.lines().map(line).collect()
}

#[test]
fn every_request_has_one_line() {
    let large = vec![b'x'; 100_000];
    let mut world = world("", &[("a", b"hello"), ("large", &large), ("d/x", b"x")]);
    for _ in 0..2 {
        world.get("/a");
        world.send("HEAD", "/a", &[]);
        world.get("/large");
        world.get_with("/large", &[("Range", "bytes=1-10")]);
    }
    world.get("/d?q=1");
    world.send("OPTIONS", "*", &[]);
    let missing = world.get("/nothing").body.len();
    let post = world.send("POST", "/a", &[]).body.len();
    let expected = [
        "GET /a 200 5".to_owned(),
        "HEAD /a 200 0".to_owned(),
        "GET /large 200 100000".to_owned(),
        "GET /large 206 10".to_owned(),
        "GET /a 200 5".to_owned(),
        "HEAD /a 200 0".to_owned(),
        "GET /large 200 100000".to_owned(),
        "GET /large 206 10".to_owned(),
        "GET /d?q=1 301 0".to_owned(),
        "OPTIONS * 204 0".to_owned(),
        format!("GET /nothing 404 {missing}"),
        format!("POST /a 405 {post}"),
    ];
    assert_eq!(lines(world), expected);
}

#[test]
fn what_the_protocol_refuses_and_who_goes_away_has_a_line_too() {
    let mut world = world("", &[("a", b"hello")]);
    let gone = world.begin("GET", "/a", &[]).unwrap_err();
    let outcome =
        Outcome { status: 0, body_bytes: 0, complete: false, duration: Duration::from_secs(1) };
    world.service.done(gone.token, &outcome);
    let rejection = Rejection {
        reason: Reason::Syntax,
        request: None,
        origin: None,
        now: base::Instant::ZERO,
        unix: 0,
    };
    let response = world.service.refuse(&rejection);
    let length = response.body.length();
    assert_eq!(response.status, 400);
    assert_eq!(lines(world), ["GET /a 499 0".to_owned(), format!("-\" 400 {length}")]);
}

#[test]
fn a_line_names_the_user_whose_password_was_right_and_no_other() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let auth = format!("auth = {{ users = {{ ada = '{hash}' }} }}");
    let mut world = world(&auth, &[("a", b"hello")]);
    let right = "Basic YWRhOnNlY3JldA==";
    for _ in 0..2 {
        assert_eq!(world.get_with("/a", &[("Authorization", right)]).status, 200);
    }
    assert_eq!(world.get_with("/a", &[("Authorization", "Basic YWRhOng=")]).status, 401);
    let World { folder, site, service, .. } = world;
    drop((service, site));
    let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let users: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(users, ["ada", "ada", "-"]);
}
