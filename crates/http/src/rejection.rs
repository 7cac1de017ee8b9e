//! Why the protocol refuses a request by itself, and with which status: [`Reason`], and what a
//! service is told of it: [`Rejection`].

use app::Origin;
use base::Instant;

use crate::Request;

/// A request (or a connection) that the protocol refuses before a service has answered it.
#[derive(Debug)]
pub struct Rejection<'a> {
    /// Why.
    pub reason: Reason,
    /// The request, when its head could be read.
    pub request: Option<&'a Request<'a>>,
    /// Who sent it; `None` for a connection that was never held.
    pub origin: Option<Origin>,
    /// The time of this turn.
    pub now: Instant,
    /// The same as seconds since the Unix epoch.
    pub unix: u64,
}

impl Rejection<'_> {
    /// The status that the answer will have.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.reason.status()
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The head is not of the form RFC 9112 sections 2 to 5 give: a bare CR or LF, whitespace where
    /// none belongs, a folded line, a control character.
    Syntax,
    /// The target is in none of the forms of RFC 9112 section 3.2, or in one the method does not go
    /// with.
    Target,
    /// No `Host` in HTTP/1.1, more than one, or one that is not a host (RFC 9112 section 3.2).
    Host,
    /// The length of the body is malformed or can be read in two ways (RFC 9112 section 6).
    Framing,
    /// The chunked coding is broken (RFC 9112 section 7.1).
    Chunk,
    /// The header did not come in time.
    HeaderTime,
    /// The body came too slowly.
    BodyTime,
    /// The body is longer than is accepted.
    BodySize,
    /// The target is longer than is accepted.
    TargetLength,
    /// The header is longer than is accepted.
    HeaderSize,
    /// The header has more lines than are accepted.
    HeaderCount,
    /// `Expect` asks for something other than `100-continue`.
    Expectation,
    /// A transfer coding other than chunked.
    TransferCoding,
    /// CONNECT: this server is no proxy.
    Method,
    /// A protocol version other than 1.0 and 1.1.
    Version,
    /// As many exchanges are under way as are accepted.
    Exchanges,
    /// As many connections are open as are accepted.
    Connections,
    /// As many connections are open as are accepted from one client.
    ConnectionsOfClient,
}

impl Reason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::Syntax,
        Self::Target,
        Self::Host,
        Self::Framing,
        Self::Chunk,
        Self::HeaderTime,
        Self::BodyTime,
        Self::BodySize,
        Self::TargetLength,
        Self::HeaderSize,
        Self::HeaderCount,
        Self::Expectation,
        Self::TransferCoding,
        Self::Method,
        Self::Version,
        Self::Exchanges,
        Self::Connections,
        Self::ConnectionsOfClient,
    ];

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Syntax | Self::Target | Self::Host | Self::Framing | Self::Chunk => 400,
            Self::HeaderTime | Self::BodyTime => 408,
            Self::BodySize => 413,
            Self::TargetLength => 414,
            Self::Expectation => 417,
            Self::ConnectionsOfClient => 429,
            Self::HeaderSize | Self::HeaderCount => 431,
            Self::TransferCoding | Self::Method => 501,
            Self::Exchanges | Self::Connections => 503,
            Self::Version => 505,
        }
    }

    /// A short name for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Target => "target",
            Self::Host => "host",
            Self::Framing => "framing",
            Self::Chunk => "chunk",
            Self::HeaderTime => "header_time",
            Self::BodyTime => "body_time",
            Self::BodySize => "body_size",
            Self::TargetLength => "target_length",
            Self::HeaderSize => "header_size",
            Self::HeaderCount => "header_count",
            Self::Expectation => "expectation",
            Self::TransferCoding => "transfer_coding",
            Self::Method => "method",
            Self::Version => "version",
            Self::Exchanges => "exchanges",
            Self::Connections => "connections",
            Self::ConnectionsOfClient => "connections_of_client",
        }
    }
}
