//! The whole handler, driven in memory.

mod answers;
mod bodies;
mod malformed;
mod splits;
mod time;

use alloc::sync::Arc;
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use app::{Clock, Origin, Peer, Role};
use base::{ConnId, Instant};

use crate::drive::{Driver, Wire};
use crate::{
    Counters, Header, Headers, Http, LiveSettings, Method, Request, Response, Service, Version,
    service_fn,
};

fn handler<S: Service>(service: S) -> Http<S> {
    let clock = Arc::new(Clock::new(Duration::from_secs(784_111_776)));
    Http::new(service, Arc::new(LiveSettings::default()), clock, Arc::new(Counters::default()))
}

/// A request for `/` with these header lines, at this second.
pub(crate) fn request<T>(
    method: Method<'_>,
    lines: &[(String, String)],
    unix: u64,
    look: impl FnOnce(&Request<'_>) -> T,
) -> T {
    let lines: Vec<_> = lines
        .iter()
        .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
        .collect();
    look(&Request {
        method,
        path: "/",
        query: None,
        host: "a",
        version: Version::Http11,
        headers: Headers::new(&lines),
        id: ConnId::new(0, 0, 0),
        origin: Origin { peer: Peer::Unix, role: Role::Accepted { listener: 0 } },
        now: Instant::ZERO,
        unix,
    })
}

#[test]
fn a_request_is_answered() {
    let service = service_fn(|request| Response::text(200, String::from(request.path)));
    let mut driver = Driver::open(handler(service), Wire::default());
    driver.receive(b"GET /there HTTP/1.1\r\nHost: a\r\n\r\n");
    let expected = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\n/there";
    assert_eq!(String::from_utf8_lossy(driver.sent()), String::from_utf8_lossy(expected));
}
