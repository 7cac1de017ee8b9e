//! What each path answers, and that the names in it are those that were promised.

use std::sync::Arc;

use crore::http::{Body, Headers, Method, Reply, Request, Response, Service, Version, service_fn};
use crore::{ConnId, Counters, Instant, Origin, Peer, Role, http};
use serde_json::Value;

use super::figures::{FIGURES, Figure};
use super::{Admin, Board, Status, WithStatus};

fn request<'a>(method: Method<'a>, path: &'a str) -> Request<'a> {
    Request {
        method,
        path,
        query: None,
        host: "localhost",
        version: Version::Http11,
        headers: Headers::new(&[]),
        id: ConnId::new(0, 0, 0),
        origin: Origin { peer: Peer::Unix, role: Role::Accepted { listener: 0 } },
        now: Instant::ZERO,
        unix: 0,
    }
}

fn ask(service: &mut impl Service, method: Method<'_>, path: &str) -> Response {
    match service.call(&request(method, path)) {
        Reply::Now(response) => response,
        other => panic!("{path}: {other:?}"),
    }
}

fn get(service: &mut impl Service, path: &str) -> (u16, String) {
    let response = ask(service, Method::Get, path);
    let bytes = match &response.body {
        Body::Empty => &[],
        Body::Owned(bytes) => bytes.as_slice(),
        Body::One(segment) => segment.source.memory().unwrap(),
        other => panic!("{path}: {other:?}"),
    };
    (response.status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// Nobody is woken: nothing that takes time is asked for here.
struct Nobody;

impl crore::Wake for Nobody {
    fn wake(&self, _: ConnId) {}
}

fn admin(board: Arc<Board>) -> Admin {
    Admin::new(Status::new(board), Arc::new(Nobody))
}

/// A board with two shards: shard `n` has `n + 1` connections of 100 bytes, and `n + 5` requests.
fn board() -> Arc<Board> {
    let board = Arc::new(Board::new());
    for index in [1, 0] {
        let (engine, http) = (Arc::new(Counters::default()), Arc::new(http::Counters::default()));
        engine.connections.set(u64::from(index) + 1);
        engine.memory.set(100 * (u64::from(index) + 1));
        http.requests.add(u64::from(index) + 5);
        http.responses[1].add(4);
        board.add(index, engine, http, Arc::default());
    }
    board
}

#[test]
fn the_document_has_totals_and_shards_under_stable_names() {
    let (status, text) = get(&mut admin(board()), "/status.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    assert_eq!(document["state"], "starting");
    assert_eq!(document["total"]["connections"], 3);
    assert_eq!(document["total"]["http_requests"], 11);
    assert_eq!(document["total"]["http_responses_2xx"], 8);
    assert_eq!(document["total"]["http_refused_header_size"], 0);
    assert_eq!(document["total"]["refused_client"], 0);
    assert_eq!(document["bytes_per_connection"], 100.0);
    assert_eq!(document["shards"][0]["shard"], 0);
    assert_eq!(document["shards"][1]["http_requests"], 6);
    assert_eq!(document["shards"][1]["cpu"], Value::Null);
    assert!(document["resident_bytes"].as_u64() > Some(0));
    for name in ["version", "engine", "engine_reason", "addresses", "max_connections", "time"] {
        assert!(!document[name].is_null(), "{name}");
    }
}

#[test]
fn without_connections_none_of_them_has_bytes() {
    let board = Board::new();
    board.add(0, Arc::default(), Arc::default(), Arc::default());
    let (_, text) = get(&mut admin(Arc::new(board)), "/status.json");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["bytes_per_connection"], Value::Null);
}

#[test]
fn metrics_name_every_figure_once_and_end_as_openmetrics_does() {
    let (status, text) = get(&mut admin(board()), "/metrics");
    assert_eq!(status, 200);
    for line in [
        "# TYPE crore_connections gauge",
        "crore_connections{shard=\"1\"} 2.0",
        "# TYPE crore_http_requests counter",
        "crore_http_requests_total{shard=\"0\"} 5",
        "crore_http_responses_total{shard=\"0\",class=\"2xx\"} 4",
        "crore_refused_total{shard=\"1\",limit=\"client\"} 0",
        "crore_http_refused_total{shard=\"1\",reason=\"header_size\"} 0",
        "crore_site_cache_hits_total{shard=\"0\"} 0",
        "crore_ready 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for figure in FIGURES.iter().filter(|figure| !figure.is_of_own_stack()) {
        let line = format!("# HELP crore_{} ", figure.name);
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
    // The kernel's stack is the engine.
    assert!(!text.contains("crore_stack_"));
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn no_two_figures_have_one_key() {
    let mut keys: Vec<_> = FIGURES.iter().map(Figure::key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), FIGURES.len());
}

#[test]
fn a_server_that_is_not_ready_says_so_and_lives() {
    let mut admin = admin(board());
    assert_eq!(get(&mut admin, "/healthz"), (200, "ok\n".into()));
    assert_eq!(get(&mut admin, "/readyz"), (503, "not ready\n".into()));
}

#[test]
fn the_page_uses_nothing_from_elsewhere_and_nothing_inline() {
    let mut admin = admin(board());
    let (_, page) = get(&mut admin, "/status");
    for forbidden in ["http:", "https:", "style=", "onclick=", "onload=", "<style", "//"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    // Every script has a source, and every source has an answer.
    assert_eq!(page.matches("<script ").count(), page.matches("<script src=").count());
    let links = ["src=\"", "href=\""].iter().flat_map(|start| page.split(start).skip(1));
    for link in links.map(|rest| rest.split('"').next().unwrap()) {
        assert_eq!(get(&mut admin, &format!("/{link}")).0, 200, "{link}");
    }
    // What the script finds by its name is there.
    for id in super::SCRIPT.split("byId(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn methods_that_change_things_are_refused() {
    let mut admin = admin(board());
    for path in ["/status", "/metrics"] {
        assert_eq!(ask(&mut admin, Method::Post, path).status, 405);
        assert_eq!(ask(&mut admin, Method::Head, path).status, 200);
    }
    // HEAD was answered as if they were not there, and so was what is to be refused.
    for path in ["/connections", "/summary"] {
        assert_eq!(ask(&mut admin, Method::Post, path).status, 405);
        for method in [Method::Get, Method::Head] {
            assert_eq!(ask(&mut admin, method, path).status, 503, "there is no server yet");
        }
    }
    assert_eq!(ask(&mut admin, Method::Get, "/").status, 307);
    assert_eq!(ask(&mut admin, Method::Get, "/elsewhere").status, 404);
}

#[test]
fn before_another_service_only_the_page_is_taken() {
    let site = service_fn(|_: &Request<'_>| Response::text(200, "site"));
    let mut both = WithStatus::new(Status::new(board()), site);
    assert!(get(&mut both, "/status").1.contains("<html"));
    assert!(get(&mut both, "/status.json").1.starts_with('{'));
    for path in ["/", "/metrics", "/healthz", "/status/", "/status/x"] {
        assert_eq!(get(&mut both, path), (200, "site".into()), "{path}");
    }
}

#[test]
fn the_names_of_the_document_are_explained() {
    let text = get(&mut admin(board()), "/status.json").1;
    let document: Value = serde_json::from_str(&text).unwrap();
    let explained = include_str!("../../../../docs/configuration.md");
    let figures: Vec<String> = FIGURES.iter().map(Figure::key).collect();
    let shard = document["shards"][0].as_object().unwrap();
    for name in document.as_object().unwrap().keys().chain(shard.keys()) {
        let is_figure = figures.contains(name);
        assert!(is_figure || explained.contains(&format!("`{name}`")), "{name}");
    }
}
