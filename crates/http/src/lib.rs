//! HTTP/1.1 (RFC 9110, RFC 9112) as a handler: it reads requests, refuses what is malformed or too
//! large, keeps the time limits, and writes the answers that a [`Service`] gives.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use http::{Counters, Http, LiveSettings, Response, service_fn};
//!
//! let service = service_fn(|request| match request.path {
//!     "/" => Response::html(200, "<h1>Hello</h1>"),
//!     path => Response::text(404, format!("There is no {path}.\n")),
//! });
//! let settings = Arc::new(LiveSettings::default());
//! let clock = Arc::new(app::Clock::new(Duration::from_secs(1_800_000_000)));
//! // Any engine can drive this, on any number of connections.
//! let handler = Http::new(service, settings, clock, Arc::new(Counters::default()));
//! # let _: &dyn std::fmt::Debug = &handler;
//! ```
//!
//! # What a service does
//!
//! [`Service::call`] gets a [`Request`], borrowed from the bytes that came in, and gives a
//! [`Reply`]:
//!
//! | reply | then |
//! | --- | --- |
//! | [`Reply::Now`] | the [`Response`] is sent: header and content in one write where they fit, the rest by reference from memory or from a file, piece by piece as the client takes it |
//! | [`Reply::Later`] | a [wake](app::Wake) for the request's connection brings [`Service::resume`]; meanwhile the shard does other things |
//! | [`Reply::Collect`] | the request's body comes to [`Service::collect`] in pieces, then [`Service::resume`] is asked for the answer |
//!
//! The protocol adds `Date`, `Content-Length` and `Connection`, leaves out the content where there
//! must be none, answers 100 (Continue) when a body is wanted that the client holds back, and reads
//! and throws away one that is not wanted.
//!
//! For something that may be asked for in part or on conditions, [`Representation::respond`] gives
//! the response (200, 206, 304, 412 or 416); [`AcceptEncoding`] says which content coding a client
//! prefers.
//!
//! # What is refused
//!
//! Whatever RFC 9112 calls invalid or lets a recipient repair at its own risk is refused with the
//! status of its [`Reason`], and the connection closed: behind or in front of another HTTP
//! implementation, two readings of one request are a way to smuggle a second one in. A bare LF does
//! not end a line; a list of equal lengths is not one length; HTTP/1.2 and up are not guessed at.
//!
//! # Invariants
//!
//! This crate knows the contract in `app` and nothing below it. A resting connection costs the 16
//! bytes of its [`Conn`] and nothing else; a request whose answer fits into one call is answered
//! without allocating. Whether and how a request is answered does not depend on how its bytes
//! arrived or how much room there was.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod accept_encoding;
mod chunked;
mod conditional;
mod conn;
mod counters;
mod date;
#[cfg(any(test, feature = "drive"))]
pub mod drive;
mod exchange;
mod framing;
mod handler;
mod head;
mod incoming;
mod outgoing;
mod range;
mod rejection;
mod repeated;
mod representation;
mod request;
mod respond;
mod service;
mod settings;
mod slab;
mod status;
mod target;

pub use accept_encoding::{AcceptEncoding, Coding};
pub use conditional::{Precondition, Validators, allows_range, evaluate};
pub use conn::Conn;
pub use counters::Counters;
pub use date::{DATE_LENGTH, format_date, parse_date};
pub use handler::Http;
pub use range::{ByteRange, MAX_RANGES, Ranges, ranges};
pub use rejection::{Reason, Rejection};
pub use representation::{Boundaries, Representation};
pub use request::{Header, Headers, Method, Request, Version};
pub use service::{
    Body, HeaderBlock, Outcome, Reply, Response, Segment, Service, ServiceFn, Token, service_fn,
};
pub use settings::{LiveSettings, MAX_HEADER_LINES, Pace, Settings};
pub use status::reason_phrase;

#[cfg(test)]
mod tests;
