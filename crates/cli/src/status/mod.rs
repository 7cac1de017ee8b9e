//! The status of a running server, over HTTP: a page for people, JSON for scripts, metrics for
//! Prometheus, and the two questions that orchestrators ask.
//!
//! - [`Board`] is what there is to tell: every shard's counters, hung up there at the start.
//! - [`figures`] is the list of all numbers, with the names they have in JSON and metrics.
//! - [`Status`] answers for the paths it knows. [`WithStatus`] puts it before another service (the
//!   built-in site), [`Admin`] makes a service of it alone (the admin listener).
//!
//! Invariant: answering reads counters and a clock; the list of connections is made by the shards
//! themselves, and no thread waits for one.

mod board;
mod connections;
mod document;
mod figures;
mod gathering;
mod metrics;
mod process;
mod summary;

use std::sync::Arc;

use crore::http::{
    HeaderBlock, Method, Outcome, Rejection, Reply, Request, Response, Service, Token,
};

use crore::Wake;

pub use board::Board;
use gathering::{Gatherings, Question};

/// The page. It fills itself from `/status.json`; nothing is written into it here.
const PAGE: &str = include_str!("page/status.html");
const STYLE: &str = include_str!("page/status.css");
const SCRIPT: &str = include_str!("page/status.js");
const ICON: &str = include_str!("page/icon.svg");

/// Header lines of the page: it loads nothing from elsewhere, runs nothing that is not its own, and
/// nothing may frame it.
const PAGE_HEADERS: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";
const STYLE_HEADERS: &[u8] = b"Content-Type: text/css; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n";
const SCRIPT_HEADERS: &[u8] = b"Content-Type: text/javascript; charset=utf-8\r\n\
    Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n";
const ICON_HEADERS: &[u8] = b"Content-Type: image/svg+xml\r\n\
    Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n";
const JSON_HEADERS: &[u8] = b"Content-Type: application/json\r\n\
    Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
const PROBE_HEADERS: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\n";
const METRICS_HEADERS: &[u8] =
    b"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
    Cache-Control: no-store\r\n";
const ALLOW: &[u8] = b"Allow: GET, HEAD\r\n";
const TO_THE_PAGE: &[u8] = b"Location: /status\r\n";

/// Answers requests for the status.
#[derive(Clone, Debug)]
pub struct Status {
    board: Arc<Board>,
}

impl Status {
    /// The status that is on `board`.
    pub fn new(board: Arc<Board>) -> Self {
        Self { board }
    }

    /// The answer if the request is for the page or the JSON behind it.
    fn page(&self, request: &Request<'_>) -> Option<Response> {
        let (headers, content) = match request.path {
            "/status" => (PAGE_HEADERS, PAGE.into()),
            "/status.json" => (JSON_HEADERS, document::write(&self.board.read())),
            "/status/status.css" => (STYLE_HEADERS, STYLE.into()),
            "/status/status.js" => (SCRIPT_HEADERS, SCRIPT.into()),
            "/status/icon.svg" => (ICON_HEADERS, ICON.into()),
            _ => return None,
        };
        Some(answer(request, 200, headers, content))
    }

    /// The answer if the request is one that machines make.
    fn probe(&self, request: &Request<'_>) -> Option<Response> {
        let (status, headers, content): (_, _, String) = match request.path {
            "/metrics" => (200, METRICS_HEADERS, metrics::write(&self.board)),
            "/healthz" => (200, PROBE_HEADERS, "ok\n".into()),
            "/readyz" if self.board.ready() => (200, PROBE_HEADERS, "ready\n".into()),
            "/readyz" => (503, PROBE_HEADERS, "not ready\n".into()),
            _ => return None,
        };
        Some(answer(request, status, headers, content))
    }
}

fn answer(request: &Request<'_>, status: u16, headers: &'static [u8], content: String) -> Response {
    match request.method {
        Method::Get | Method::Head => {
            let content = Response::text(status, content);
            Response { headers: HeaderBlock::Static(headers), ..content }
        }
        _ => Response { headers: HeaderBlock::Static(ALLOW), ..Response::new(405) },
    }
}

/// The status page and its JSON, and for every other path another service.
#[derive(Debug)]
pub struct WithStatus<S> {
    status: Status,
    inner: S,
}

impl<S> WithStatus<S> {
    /// Puts `status` before `inner`.
    pub const fn new(status: Status, inner: S) -> Self {
        Self { status, inner }
    }
}

impl<S: Service> Service for WithStatus<S> {
    fn call(&mut self, request: &Request<'_>) -> Reply {
        match self.status.page(request) {
            Some(response) => Reply::Now(response),
            None => self.inner.call(request),
        }
    }

    fn collect(&mut self, token: Token, piece: &[u8]) {
        self.inner.collect(token, piece);
    }

    fn resume(&mut self, token: Token) -> Reply {
        self.inner.resume(token)
    }

    fn refuse(&mut self, rejection: &Rejection<'_>) -> Response {
        self.inner.refuse(rejection)
    }

    fn done(&mut self, token: Token, outcome: &Outcome) {
        self.inner.done(token, outcome);
    }
}

/// What the admin listener answers: the page, the JSON, metrics and probes.
pub struct Admin {
    status: Status,
    wake: Arc<dyn Wake>,
    gatherings: Gatherings,
}

impl Admin {
    /// Answers from `status`; `wake` wakes the connections of this listener.
    pub fn new(status: Status, wake: Arc<dyn Wake>) -> Self {
        Self { status, wake, gatherings: Gatherings::default() }
    }

    /// The answer to a question that the shards are asked.
    fn gather(&mut self, request: &Request<'_>) -> Reply {
        if !matches!(request.method, Method::Get | Method::Head) {
            return Reply::Now(answer(request, 200, PROBE_HEADERS, String::new()));
        }
        let Some(control) = self.status.board.control() else {
            return Reply::Now(Response::text(503, "not ready\n"));
        };
        let question = Question { control, id: request.id, wake: &self.wake };
        match request.path {
            "/summary" => summary::begin(&mut self.gatherings, &question),
            _ => {
                let query = request.query.unwrap_or_default();
                connections::begin(&mut self.gatherings, query, &question)
            }
        }
    }
}

impl Service for Admin {
    fn call(&mut self, request: &Request<'_>) -> Reply {
        if matches!(request.path, "/connections" | "/summary") {
            return self.gather(request);
        }
        let known = self.status.page(request).or_else(|| self.status.probe(request));
        Reply::Now(known.unwrap_or_else(|| match request.path {
            "/" => Response { headers: HeaderBlock::Static(TO_THE_PAGE), ..Response::new(307) },
            _ => Response::text(
                404,
                "/status, /status.json, /connections, /summary, /metrics, /healthz or /readyz\n",
            ),
        }))
    }

    fn resume(&mut self, token: Token) -> Reply {
        self.gatherings.resume(token)
    }

    fn done(&mut self, token: Token, _: &Outcome) {
        self.gatherings.forget(token);
    }
}

#[cfg(test)]
mod tests;
