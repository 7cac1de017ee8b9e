//! A request's head as a [`Service`](crate::Service) sees it: borrowed from the bytes that came in.

use app::Origin;
use base::{ConnId, Instant};
pub use httparse::Header;

/// A request's head, checked: RFC 9112's framing rules hold, the target is in one of its forms.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method<'a>,
    /// The target's path as it was sent, still percent-encoded; `*` for `OPTIONS *`.
    pub path: &'a str,
    /// What follows the `?`, without it.
    pub query: Option<&'a str>,
    /// The host asked for, from the target's authority where it has one, else from `Host`;
    /// as it was sent, with its port. Empty when an HTTP/1.0 request names none.
    pub host: &'a str,
    /// The protocol version.
    pub version: Version,
    /// The header lines.
    pub headers: Headers<'a>,
    /// The connection it came over, to be woken after [`Reply::Later`](crate::Reply::Later).
    pub id: ConnId,
    /// Who sent it.
    pub origin: Origin,
    /// The time of this turn.
    pub now: Instant,
    /// The same as seconds since the Unix epoch: what `Date` says in the answer.
    pub unix: u64,
}

/// A request method. Case matters (RFC 9110 section 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method<'a> {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `POST`
    Post,
    /// Any other token.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// The method whose name this is.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "POST" => Self::Post,
            other => Self::Other(other),
        }
    }

    /// The method's name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        match *self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Other(name) => name,
        }
    }
}

/// A protocol version this server speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The header lines of a request, in the order they came.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    lines: &'a [Header<'a>],
}

impl<'a> Headers<'a> {
    /// Header lines put together by the caller: a request kept over [`Reply::Later`], or a test's.
    ///
    /// [`Reply::Later`]: crate::Reply::Later
    #[must_use]
    pub const fn new(lines: &'a [Header<'a>]) -> Self {
        Self { lines }
    }

    /// The value of the first line with this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all lines with this name, in any case.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let wanted = move |line: &&Header<'a>| line.name.eq_ignore_ascii_case(name);
        self.lines.iter().filter(wanted).map(|line| line.value)
    }

    /// All lines: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.lines.iter().map(|line| (line.name, line.value))
    }
}
