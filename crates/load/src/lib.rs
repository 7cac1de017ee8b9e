//! The load generator: a [`Generator`] is a handler in the client role. It opens connections, sends
//! requests over them in closed loop or at a set rate, reads the answers, and counts.
//!
//! It knows the contract and nothing below it, so it runs on every engine. Whoever runs it gives
//! every shard the same [`Plan`], its [`Share`], a [`Board`] to tell what it counted on, and the
//! [`Orders`] that say when a phase begins.
//!
//! | part | what it owns |
//! | --- | --- |
//! | [`Plan`], [`Phase`], [`Request`], [`Check`], [`Sources`] | what is to be done |
//! | [`Generator`] | doing it |
//! | [`response`] | the answers of HTTP/1.1, read byte by byte, parted from the rest |
//! | [`Tally`], [`Times`], [`Packed`], [`Board`], [`Span`] | what came of it |
//!
//! # Two kinds of load
//!
//! In *closed loop* ([`Phase::rate`] is `None`) a connection sends its next request when it has the
//! answer to the last. A server that stalls is then asked less, and the stall meets one request a
//! connection. In *open loop* requests are due at times that depend on the rate alone; each is
//! timed from then, whether or not a connection was free to send it, so a stall meets all requests
//! that were due in it.
//!
//! # Memory
//!
//! An open connection costs the 16 bytes of [`Conn`] inside its engine's record. A seat of 100 bytes
//! or so is added for each that sends requests, none for one that rests.

#![forbid(unsafe_code)]

mod arrivals;
mod board;
mod check;
mod error_kind;
mod generator;
mod histogram;
mod plan;
mod request;
pub mod response;
mod sources;
mod tally;

pub use board::{Board, Orders, Span};
pub use check::Check;
pub use error_kind::ErrorKind;
pub use generator::{Conn, Generator, Place};
pub use histogram::{Packed, Times};
pub use plan::{Phase, Plan, Share, Until};
pub use request::Request;
pub use sources::{Range, Sources};
pub use tally::Tally;
