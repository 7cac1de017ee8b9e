//! The seam between the protocol and what is served over it: [`Service`] and its [`Reply`].

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use app::Source;

use crate::{Rejection, Request};

/// What answers requests. One value serves all connections of one shard.
pub trait Service {
    /// A request's head is complete and well-formed. Its body, if it has one, has not been read:
    /// unless the reply is [`Reply::Collect`], it is read and thrown away within the limits, or
    /// the connection is closed after the answer.
    fn call(&mut self, request: &Request<'_>) -> Reply;

    /// A piece of the request's body, in order, after [`Reply::Collect`].
    fn collect(&mut self, token: Token, piece: &[u8]) {
        let _ = (token, piece);
    }

    /// The body collected is complete, or a wake came for an exchange that is waiting after
    /// [`Reply::Later`]. A service that has nothing yet says `Later` again.
    fn resume(&mut self, token: Token) -> Reply {
        let _ = token;
        Reply::Now(Response::new(500))
    }

    /// The protocol itself refuses a request; [`Rejection`] says why. What is returned is sent with
    /// [`Rejection::status`], whatever its own status says, and the connection is closed.
    fn refuse(&mut self, rejection: &Rejection<'_>) -> Response {
        Response::new(rejection.status())
    }

    /// An exchange is over: its answer was sent whole, or the connection ended before. Called once
    /// for every token handed out, whichever way it was.
    fn done(&mut self, token: Token, outcome: &Outcome) {
        let _ = (token, outcome);
    }
}

/// The service's own name for an exchange that it wants to hear of again: usually an index into a
/// table of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(pub u32);

/// What a service answers.
#[derive(Debug)]
pub enum Reply {
    /// This.
    Now(Response),
    /// Nothing yet: a wake for the request's connection brings [`Service::resume`].
    Later(Token),
    /// The request's body first: at most `limit` bytes (more is answered with 413), piece by piece
    /// to [`Service::collect`], then [`Service::resume`].
    Collect {
        /// The exchange.
        token: Token,
        /// Most bytes of body accepted.
        limit: u64,
    },
}

/// An answer. The protocol adds `Date`, `Connection`, and `Content-Length` where the status has
/// one; everything else is in [`Response::headers`]. For HEAD it sends no body by itself.
#[derive(Debug)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// Header lines.
    pub headers: HeaderBlock,
    /// What follows the header.
    pub body: Body,
    /// Where [`Service::done`] is wanted. After `Later` or `Collect`, the same token.
    pub token: Option<Token>,
    /// Whether the connection is to be closed after this answer.
    pub close: bool,
}

/// Header lines as they go over the wire: `Name: value\r\n`, any number of them, no empty line.
#[derive(Clone, Debug)]
pub enum HeaderBlock {
    /// Known when the program was built.
    Static(&'static [u8]),
    /// Kept in a cache.
    Shared(Arc<[u8]>),
    /// Made for this answer.
    Owned(Vec<u8>),
}

/// What follows the header.
#[derive(Debug)]
pub enum Body {
    /// Nothing, with `Content-Length: 0` where the status allows it.
    Empty,
    /// Made for this answer.
    Owned(Vec<u8>),
    /// One part of one source: the whole of a small file in memory, most often.
    One(Segment),
    /// Several, one after the other: a multipart answer.
    Many(Vec<Segment>),
    /// Nothing, but `Content-Length` says this: an answer whose length is known and whose body is
    /// not sent (HEAD answered without opening the file).
    Absent(u64),
}

/// A part of a source, to be sent as it is.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Where the bytes are.
    pub source: Source,
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// How an exchange went.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The status sent; 0 when the connection ended before one was.
    pub status: u16,
    /// Bytes of body handed to the network.
    pub body_bytes: u64,
    /// Whether the answer was handed over whole.
    pub complete: bool,
    /// From the request's first byte to the end of the exchange.
    pub duration: core::time::Duration,
}

impl Outcome {
    /// Of an exchange that ended before anything was sent.
    pub(crate) const fn cut_short(duration: core::time::Duration) -> Self {
        Self { status: 0, body_bytes: 0, complete: false, duration }
    }
}

impl Response {
    /// An answer with a status and nothing else.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: HeaderBlock::Static(b""),
            body: Body::Empty,
            token: None,
            close: false,
        }
    }

    /// An answer of plain text.
    #[must_use]
    pub fn text(status: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::typed(status, b"Content-Type: text/plain; charset=utf-8\r\n", text.into())
    }

    /// An answer of HTML.
    #[must_use]
    pub fn html(status: u16, html: impl Into<Cow<'static, str>>) -> Self {
        Self::typed(status, b"Content-Type: text/html; charset=utf-8\r\n", html.into())
    }

    /// An answer of JSON, already serialized.
    #[must_use]
    pub fn json(status: u16, json: impl Into<Cow<'static, str>>) -> Self {
        Self::typed(status, b"Content-Type: application/json\r\n", json.into())
    }

    fn typed(status: u16, headers: &'static [u8], content: Cow<'static, str>) -> Self {
        let body = match content {
            Cow::Borrowed(text) => Body::One(Segment {
                source: Source::Static(text.as_bytes()),
                offset: 0,
                length: text.len() as u64,
            }),
            Cow::Owned(text) => Body::Owned(text.into_bytes()),
        };
        Self { headers: HeaderBlock::Static(headers), body, ..Self::new(status) }
    }
}

impl Body {
    /// How long the body is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Owned(bytes) => bytes.len() as u64,
            Self::One(segment) => segment.length,
            Self::Many(segments) => segments.iter().map(|segment| segment.length).sum(),
            Self::Absent(length) => *length,
        }
    }
}

/// A service made of one function, for answers that are known at once.
#[derive(Debug)]
pub struct ServiceFn<F>(F);

/// Makes a [`Service`] of a function from a request to its answer.
pub const fn service_fn<F>(answer: F) -> ServiceFn<F>
where
    F: FnMut(&Request<'_>) -> Response,
{
    ServiceFn(answer)
}

impl<F> Service for ServiceFn<F>
where
    F: FnMut(&Request<'_>) -> Response,
{
    fn call(&mut self, request: &Request<'_>) -> Reply {
        Reply::Now((self.0)(request))
    }
}

impl HeaderBlock {
    /// The lines.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}
