//! A request kept while its answer is being made: [`SavedRequest`].

use std::ops::Range;

use app::Origin;
use base::{ConnId, Instant};
use http::{Header, Headers, Method, Request, Version};

/// A request's head, owned. One allocation for all its text and one for the places in it.
#[derive(Debug)]
pub(super) struct SavedRequest {
    text: Vec<u8>,
    method: Range<usize>,
    path: Range<usize>,
    query: Option<Range<usize>>,
    host: Range<usize>,
    lines: Vec<(Range<usize>, Range<usize>)>,
    version: Version,
    id: ConnId,
    origin: Origin,
    now: Instant,
    unix: u64,
}

impl SavedRequest {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let mut text = Vec::new();
        let mut keep = |bytes: &[u8]| {
            let start = text.len();
            text.extend_from_slice(bytes);
            start..text.len()
        };
        let method = keep(request.method.name().as_bytes());
        let path = keep(request.path.as_bytes());
        let query = request.query.map(|query| keep(query.as_bytes()));
        let host = keep(request.host.as_bytes());
        let lines = request.headers.iter();
        let lines = lines.map(|(name, value)| (keep(name.as_bytes()), keep(value))).collect();
        Self {
            text,
            method,
            path,
            query,
            host,
            lines,
            version: request.version,
            id: request.id,
            origin: request.origin,
            now: request.now,
            unix: request.unix,
        }
    }

    /// The connection it came over.
    pub(super) const fn id(&self) -> ConnId {
        self.id
    }

    /// Does something with the request as it was.
    pub(super) fn with<R>(&self, then: impl FnOnce(&Request<'_>) -> R) -> R {
        let line = |(name, value): &(Range<usize>, Range<usize>)| Header {
            name: self.str(name),
            value: &self.text[value.clone()],
        };
        let lines: Vec<_> = self.lines.iter().map(line).collect();
        then(&Request {
            method: Method::new(self.str(&self.method)),
            path: self.str(&self.path),
            query: self.query.as_ref().map(|query| self.str(query)),
            host: self.str(&self.host),
            version: self.version,
            headers: Headers::new(&lines),
            id: self.id,
            origin: self.origin,
            now: self.now,
            unix: self.unix,
        })
    }

    /// A part that was text when it was kept.
    fn str(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.text[range.clone()]).unwrap_or_default()
    }
}
