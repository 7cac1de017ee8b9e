//! TLS 1.2 and 1.3 (RFC 5246, 8446) as a handler around a handler: [`Secure`] is driven by any engine
//! and drives the handler within, which sees plain bytes and knows nothing of it. The client role.
//!
//! The protocol is rustls, through its interface without buffers; the cryptography is graviola, Rust
//! and assembler that needs no C compiler. It asks for processors of about 2014 and later
//! ([`ClientError::Processor`] on others).
//!
//! # Invariants
//!
//! - The handler within is told `open` when the handshake is done, and `undialled` when it failed:
//!   to it, a connection that could not be made secure was not made.
//! - All bytes offered are taken at once. What of them is no whole record, and what the handler
//!   within leaves, is kept here until more comes; a connection that rests keeps no buffer.
//!
//! # Memory
//!
//! A connection holds an entry of the table and rustls' state (keys, transcript, the certificates
//! of the peer) on the heap, 4.8 KB in all with a small certificate. Buffers for records are one set
//! a shard.

#![forbid(unsafe_code)]

mod client;
mod reasons;
mod secure;
mod session;
#[cfg(test)]
mod tests;
mod verify;

pub use client::{Client, ClientError, Settings, Trust};
pub use reasons::Reasons;
pub use secure::{Conn, Secure};
