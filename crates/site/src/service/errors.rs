//! Answers for errors, where the site has no page of its own for them: [`ErrorPages`].

use std::collections::HashMap;
use std::sync::Arc;

use app::Source;
use http::{Body, HeaderBlock, Response, Segment};

use crate::page::Variant;

/// A page for each status that occurs, made once.
#[derive(Debug)]
pub(crate) struct ErrorPages {
    pages: HashMap<u16, Arc<[u8]>>,
}

/// Statuses with a title and a sentence for people.
const ERRORS: [(u16, &str, &str); 18] = [
    (400, "Bad request", "The server could not make sense of this request."),
    (401, "Sign-in needed", "This page is for people with a name and a password."),
    (403, "Forbidden", "This page is not for everyone to see."),
    (404, "Not found", "There is no page at this address."),
    (405, "Method not allowed", "Pages here can be read, and nothing else."),
    (406, "Not acceptable", "There is no form of this page that the request accepts."),
    (408, "Request timeout", "The request took too long to arrive."),
    (412, "Precondition failed", "The page is not in the state that the request asks for."),
    (413, "Content too large", "The request is longer than this server takes."),
    (414, "Address too long", "The address is longer than this server takes."),
    (416, "Range not satisfiable", "The file has no such part."),
    (417, "Expectation failed", "The request expects something that this server does not do."),
    (429, "Too many requests", "There are too many connections from your address."),
    (431, "Header too large", "The request's header is longer than this server takes."),
    (500, "Internal error", "Something went wrong on the server."),
    (501, "Not implemented", "This server does not know what to do with this request."),
    (503, "Busy", "The server is busy. Try again in a moment."),
    (505, "HTTP version not supported", "This server speaks HTTP/1.1 and HTTP/1.0."),
];

/// The lines about the content of a plain page.
const CONTENT: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n";

/// The lines that belong to an error whatever its page.
const fn lines(status: u16) -> &'static [u8] {
    match status {
        405 => b"X-Content-Type-Options: nosniff\r\nAllow: GET, HEAD, OPTIONS\r\n",
        503 => b"X-Content-Type-Options: nosniff\r\nRetry-After: 1\r\n",
        _ => b"X-Content-Type-Options: nosniff\r\n",
    }
}

impl ErrorPages {
    pub(crate) fn new() -> Self {
        let page = |&(status, title, sentence): &(u16, &str, &str)| {
            let html = include_str!("error.html")
                .replace("{status}", &status.to_string())
                .replace("{title}", title)
                .replace("{sentence}", sentence);
            (status, html.into_bytes().into())
        };
        Self { pages: ERRORS.iter().map(page).collect() }
    }

    /// The answer with this status.
    pub(crate) fn response(&self, status: u16) -> Response {
        let Some(page) = self.pages.get(&status) else { return Response::new(status) };
        let segment = Segment {
            source: Source::Memory(Arc::clone(page)),
            offset: 0,
            length: page.len() as u64,
        };
        Response {
            headers: HeaderBlock::Owned([CONTENT, lines(status)].concat()),
            body: Body::One(segment),
            ..Response::new(status)
        }
    }
}

/// An answer for an error with a page of the site's own in place of the plain one. The page's tag
/// and date stay away: they would say something about what was asked for.
pub(super) fn with_page(response: Response, variant: &Variant) -> Response {
    let headers = [variant.content_lines(), lines(response.status)].concat();
    let segment = Segment { source: variant.source().clone(), offset: 0, length: variant.length() };
    Response { headers: HeaderBlock::Owned(headers), body: Body::One(segment), ..response }
}
