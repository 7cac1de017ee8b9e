//! The few values every crate of crore agrees on: time, connection identifiers, TCP sequence
//! numbers, a seeded random generator, a keyed hash, the limits an engine is built with,
//! and how numbers are written for people.
//!
//! Invariant: plain data only. Nothing here allocates, reads a clock or draws entropy by itself.

#![no_std]
#![forbid(unsafe_code)]

mod conn_id;
mod instant;
mod limits;
mod numbers;
mod prng;
mod seq;
mod siphash;

pub use conn_id::ConnId;
pub use instant::Instant;
pub use limits::Limits;
pub use numbers::{Bytes, Grouped};
pub use prng::Prng;
pub use seq::Seq;
pub use siphash::SipKey;
