//! Both forms of the log, of what clients sent and could not be trusted with, too.

use std::sync::Arc;
use std::time::Duration;

use app::{Origin, Peer, Role};
use base::{ConnId, Instant};
use http::{Header, Headers, Method, Outcome, Request, Version};
use tempfile::TempDir;

use super::{Log, LogDestination, LogFormat, Subject};

const HEADERS: [Header<'static>; 2] = [
    Header { name: "Referer", value: b"https://a.example/\"\\" },
    Header { name: "User-Agent", value: b"cur\tl\r\n\xFF \xC3\xA9" },
];

fn request(lines: &[Header<'static>], of: impl FnOnce(&Request<'_>)) {
    of(&Request {
        method: Method::Get,
        path: "/a\"b%20c",
        query: Some("d=\\e"),
        host: "A.example:80",
        version: Version::Http11,
        headers: Headers::new(lines),
        id: ConnId::new(0, 1, 0),
        origin: origin("192.0.2.7:4321"),
        now: Instant::ZERO,
        unix: 951_782_400,
    });
}

fn origin(peer: &str) -> Origin {
    Origin { peer: Peer::Inet(peer.parse().unwrap()), role: Role::Accepted { listener: 0 } }
}

fn subject<'a>(request: &'a Request<'a>) -> Subject<'a> {
    let user = Some("a b");
    Subject { origin: Some(request.origin), unix: request.unix, request: Some(request), user }
}

const OUTCOME: Outcome = Outcome {
    status: 206,
    body_bytes: 12,
    complete: false,
    duration: Duration::from_micros(3_456),
};

/// What is written by `write`, when the log is closed after it.
fn written(format: LogFormat, write: impl FnOnce(&Arc<Log>)) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log");
    let log = Log::start(format, LogDestination::File(path.clone())).unwrap();
    write(&log);
    drop(log);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn combined_lines_cannot_be_broken_out_of() {
    let text = written(LogFormat::Combined, |log| {
        let mut pen = log.pen();
        request(&HEADERS, |request| {
            pen.write(&subject(request), 200, 5);
            let entry = pen.begin(&subject(request));
            pen.finish(&entry, &OUTCOME);
        });
        request(&[], |request| {
            let origin = Some(origin("[::ffff:192.0.2.9]:1"));
            pen.write(&Subject { origin, user: None, ..subject(request) }, 304, 0);
        });
        let nothing = Subject { origin: None, unix: 0, request: None, user: None };
        pen.write(&nothing, 400, 7);
    });
    let request = r#"[29/Feb/2000:00:00:00 +0000] "GET /a\x22b%20c?d=\x5Ce HTTP/1.1""#;
    let agent = r#""https://a.example/\x22\x5C" "cur\x09l\x0D\x0A\xFF \xC3\xA9""#;
    let expected = [
        format!(r"192.0.2.7 - a\x20b {request} 200 5 {agent}"),
        format!(r"192.0.2.7 - a\x20b {request} 206 12 {agent}"),
        format!(r#"192.0.2.9 - - {request} 304 0 "-" "-""#),
        r#"- - - [01/Jan/1970:00:00:00 +0000] "-" 400 7 "-" "-""#.to_owned(),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn json_lines_read_back_as_what_was_sent() {
    let text = written(LogFormat::Json, |log| {
        let mut pen = log.pen();
        request(&HEADERS, |request| {
            let entry = pen.begin(&subject(request));
            pen.finish(&entry, &OUTCOME);
        });
        let nothing = Subject { origin: None, unix: 0, request: None, user: None };
        pen.write(&nothing, 400, 7);
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({
            "time": "2000-02-29T00:00:00Z", "peer": "192.0.2.7", "port": 4321, "user": "a b",
            "method": "GET", "host": "A.example:80", "target": "/a\"b%20c?d=\\e", "version": "1.1",
            "status": 206, "bytes": 12, "complete": false, "duration_us": 3456,
            "referer": "https://a.example/\"\\", "user_agent": "cur\tl\r\n\u{FFFD} é",
        })
    );
    assert_eq!(
        lines[1],
        serde_json::json!({
            "time": "1970-01-01T00:00:00Z", "peer": "-",
            "status": 400, "bytes": 7, "complete": true, "duration_us": 0,
        })
    );
}

#[test]
fn a_connection_that_went_away_unanswered_is_499() {
    let text = written(LogFormat::Combined, |log| {
        let mut pen = log.pen();
        request(&[], |request| {
            let entry = pen.begin(&subject(request));
            pen.finish(&entry, &Outcome { status: 0, body_bytes: 0, ..OUTCOME });
        });
    });
    assert!(text.contains("\" 499 0 \""), "{text}");
}

#[test]
fn a_log_that_was_moved_away_goes_on_under_its_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log");
    let log = Log::start(LogFormat::Combined, LogDestination::File(path.clone())).unwrap();
    let mut pen = log.pen();
    request(&[], |request| pen.write(&subject(request), 200, 1));
    let moved = folder.path().join("log.1");
    while std::fs::read_to_string(&path).unwrap().is_empty() {
        std::thread::yield_now();
    }
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    request(&[], |request| pen.write(&subject(request), 200, 2));
    drop((pen, log));
    assert!(std::fs::read_to_string(&moved).unwrap().contains(" 200 1 "));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(" 200 2 ") && !text.contains(" 200 1 "), "{text}");
}

#[test]
fn many_shards_lose_no_line_and_mix_none() {
    let text = written(LogFormat::Combined, |log| {
        std::thread::scope(|scope| {
            for shard in 0..4 {
                let mut pen = log.pen();
                scope.spawn(move || {
                    for number in 0..2_000 {
                        request(&[], |request| {
                            pen.write(&subject(request), 200, shard * 10_000 + number);
                        });
                    }
                });
            }
        });
    });
    let mut bytes: Vec<u64> = text
        .lines()
        .map(|line| {
            line.split("\" 200 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
        })
        .collect();
    bytes.sort_unstable();
    let expected: Vec<_> =
        (0..4).flat_map(|shard| (0..2_000).map(move |number| shard * 10_000 + number)).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn what_a_slow_disk_cannot_take_is_counted_and_holds_nobody_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // A pipe that nobody reads takes 64 KiB and then holds the writing thread up.
    let reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let log = Log::start(LogFormat::Combined, LogDestination::File(path)).unwrap();
    let mut pen = log.pen();
    let mut written = 0_u64;
    while pen.lost() == 0 {
        request(&HEADERS, |request| pen.write(&subject(request), 200, 5));
        written += 1;
        assert!(written < 1_000_000, "nothing is ever lost");
    }
    request(&HEADERS, |request| pen.write(&subject(request), 200, 5));
    assert_eq!(pen.lost(), 2);
    // Reading it all lets the log end.
    let drain = std::thread::spawn(move || {
        let mut lines = 0;
        let mut buffer = [0; 65_536];
        while lines + 1 < written {
            let count = std::io::Read::read(&mut &reader, &mut buffer).unwrap();
            lines += buffer[..count].iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
        lines
    });
    drop((pen, log));
    assert_eq!(drain.join().unwrap(), written - 1);
}
