//! `crore load` against nginx, with and without TLS, in every way it can ask, and against a server that
//! stalls. Every body is checked, and every report is held to have no error but those provoked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rig::nginx::{Nginx, Settings};
use rig::tree::{Tree, pattern};
use rig::{Outcome, crore, ports};
use serde_json::{Value, json};

/// Self-signed, for localhost and 127.0.0.1, until 2120.
const CERTIFICATE: &str = include_str!("../../crates/tls/src/tests/certificate.pem");
const KEY: &str = include_str!("../../crates/tls/src/tests/key.pem");

const SERVER: &str = "
  location = /chunked { sub_filter_types *; sub_filter nothing_like_this x; }
  location = /close { keepalive_timeout 0; alias ROOT/page; }
  location = /moved { return 301 /page; }
  location = /full { return 503; }
  location = /none { return 204; }
  location = /post { return 200 taken; }
";

/// Runs `crore load` and gives its report.
fn load(url: &str, flags: &[&str]) -> Outcome<Value> {
    let output =
        Command::new(crore::program()?).args(["load", "--json", url]).args(flags).output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("crore load {url} {flags:?}: {error}\n{told}").into())
}

struct Site {
    tree: Tree,
    nginx: Nginx,
    /// Where it speaks TLS 1.3, and where only 1.2.
    tls: [SocketAddr; 2],
}

impl Site {
    fn start() -> Outcome<Self> {
        let tree = Tree::new()?;
        for (name, length) in [("page", 1_500), ("chunked", 70_000), ("large", 1 << 20)] {
            tree.file(name, pattern(length))?;
        }
        let keys = [tree.file("certificate.pem", CERTIFICATE)?, tree.file("key.pem", KEY)?];
        let root = tree.root().display().to_string();
        let lines = SERVER.replace("ROOT", &root);
        let tls = [ports::free()?, ports::free()?];
        let blocks: Vec<String> = tls
            .iter()
            .zip(["TLSv1.3", "TLSv1.2"])
            .map(|(address, version)| {
                let [certificate, key] = keys.each_ref().map(|path| path.display());
                format!(
                    "server {{ listen {address} ssl; ssl_protocols {version}; root {root};
                     ssl_certificate {certificate}; ssl_certificate_key {key}; {lines} }}"
                )
            })
            .collect();
        let settings =
            Settings { root: tree.root(), http: &blocks.concat(), server: &lines, core: None };
        Ok(Self { nginx: Nginx::start(&settings)?, tree, tls })
    }

    /// The address of a file.
    fn path(&self, name: &str) -> String {
        self.tree.root().join(name).display().to_string()
    }
}

/// Asks in every way; each request is answered, with the right status and bytes.
fn every_way(base: &str, site: &Site, flags: &[&str]) -> Outcome {
    let (page, large, chunked) = (site.path("page"), site.path("large"), site.path("chunked"));
    let ways: &[(&str, &str, &[&str])] = &[
        ("page", "200", &["--expect-file", &page]),
        ("page", "200", &["--expect-length", "1500", "--pipeline", "8"]),
        ("page", "200", &["--expect-file", &page, "--connection-per-request"]),
        ("page", "200", &["--expect-file", &page, "--rate", "3000"]),
        ("page", "200", &["--expect-file", &page, "--sources", "127.1.0.0/16", "-c", "60"]),
        ("page", "200", &["--idle", "200", "--expect-length", "1500"]),
        ("page", "200", &["--method", "HEAD"]),
        ("page", "206", &["--header", "Range: bytes=0-99", "--expect-length", "100"]),
        ("close", "200", &["--expect-file", &page]),
        ("chunked", "200", &["--expect-file", &chunked]),
        ("large", "200", &["--expect-file", &large, "-c", "4"]),
        ("large", "200", &["--slow", "20MiB", "--expect-file", &large, "-c", "2", "-n", "4"]),
        ("moved", "301", &[]),
        ("none", "204", &["--expect-length", "0"]),
        ("post", "200", &["--body-file", &chunked, "--expect-length", "5"]),
    ];
    for (path, status, more) in ways {
        let (url, mut all) = (format!("{base}/{path}"), flags.to_vec());
        if !more.contains(&"-n") {
            all.extend(["-n", "400"]);
        }
        all.extend(*more);
        let report = load(&url, &all)?;
        let wanted = if more.contains(&"-n") { 4 } else { 400 };
        assert_eq!(report["errors"], json!({}), "{url} {all:?}: {}", report["tls_error"]);
        let idle = report["idle_connections"].as_u64().unwrap_or(0);
        // As many as it asked for, and one for each idle connection.
        let answers = report["status"][status].as_u64().unwrap_or(0);
        assert!(answers == wanted, "{url} {all:?}: {answers} answers, {idle} idle: {report}");
        if more.contains(&"--connection-per-request") || *path == "close" {
            assert!(report["connections_opened"].as_u64() >= Some(400), "{url} {all:?}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs nginx: cargo xtask heavy"]
fn nginx_answers_every_way_of_asking() -> Outcome {
    let site = Site::start()?;
    let base = format!("http://{}", site.nginx.address());
    for engine in ["epoll", "uring"] {
        every_way(&base, &site, &["--net", engine])?;
    }
    let report = load(&format!("{base}/full"), &["--net", "epoll", "-n", "50"])?;
    assert_eq!((&report["status"]["503"], &report["errors"]), (&json!(50), &json!({"status": 50})));
    let wrong = site.path("large");
    let flags = ["--net", "epoll", "-n", "50", "--expect-file", &wrong];
    let report = load(&format!("{base}/page"), &flags)?;
    assert_eq!(report["errors"], json!({"wrong_body": 50}));
    Ok(())
}

#[test]
#[ignore = "needs nginx: cargo xtask heavy"]
fn nginx_answers_over_tls_and_what_is_wrong_with_it_is_told() -> Outcome {
    let site = Site::start()?;
    let certificate = site.path("certificate.pem");
    for (engine, address) in ["epoll", "uring"].iter().zip(site.tls) {
        let flags = ["--net", engine, "--cacert", &certificate];
        every_way(&format!("https://{address}"), &site, &flags)?;
    }
    let by_name = format!("https://localhost:{}/page", site.tls[0].port());
    let report = load(&by_name, &["--net", "epoll", "-n", "20", "--insecure"])?;
    assert_eq!((&report["status"]["200"], &report["errors"]), (&json!(20), &json!({})));
    // Not trusted; not by TLS; by TLS where it is not wanted.
    let trusted = load(&by_name, &["--net", "epoll", "-n", "20"])?;
    assert_eq!(trusted["errors"], json!({"certificate": 20}));
    assert!(trusted["tls_error"].as_str().is_some_and(|reason| reason.contains("certificate")));
    let plain = format!("https://{}/page", site.nginx.address());
    let report = load(&plain, &["--net", "epoll", "-n", "20", "--insecure"])?;
    assert_eq!(report["errors"], json!({"tls": 20}), "{}", report["tls_error"]);
    let unwanted = format!("http://{}/page", site.tls[0]);
    let report = load(&unwanted, &["--net", "epoll", "-n", "20"])?;
    assert_eq!(report["status"], json!({"400": 20}));
    Ok(())
}

/// Answers at once but for one second of every ten.
fn stalling(mut stream: TcpStream, start: Instant) {
    let mut bytes = [0; 4_096];
    let mut held = 0;
    while let Ok(count @ 1..) = stream.read(&mut bytes[held..]) {
        held += count;
        if !bytes[..held].ends_with(b"\r\n\r\n") {
            continue;
        }
        held = 0;
        let place = start.elapsed().as_millis() as u64 % 10_000;
        if (5_000..6_000).contains(&place) {
            thread::sleep(Duration::from_millis(6_000 - place));
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").is_err() {
            return;
        }
    }
}

/// A tenth of all requests were due in a stall, so the 99th percentile is nine tenths of a second.
/// The closed loop does not ask in a stall, and its 99th percentile says nothing of it.
#[test]
#[ignore = "takes ten seconds: cargo xtask heavy"]
fn a_second_of_stall_in_ten_is_in_the_open_loops_p99_and_not_in_the_closed_loops() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let start = Instant::now();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || stalling(stream, start));
        }
    });
    let flags = ["--net", "epoll", "-c", "4", "-d", "10s"];
    let reports = thread::scope(|scope| {
        let closed = scope.spawn(|| load(&url, &flags).map_err(|error| error.to_string()));
        let open = [&flags[..], &["--rate", "500"]].concat();
        let open = load(&url, &open).map_err(|error| error.to_string());
        [closed.join().unwrap_or_else(|_| Err("broken".to_owned())), open]
    });
    let [closed, open] = reports;
    let p99 = |report: &Value| report["latency_us"]["p99"].as_f64().unwrap_or(f64::NAN);
    let (closed, open) = (p99(&closed?), p99(&open?));
    println!("p99 of the closed loop {closed} µs, of the open loop {open} µs");
    assert!(open > 800_000.0, "the open loop hides the stall: {open} µs");
    assert!(closed < 400_000.0, "the closed loop was stalled itself: {closed} µs");
    Ok(())
}
