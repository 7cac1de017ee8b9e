//! Tests of the finished `crore` command over real sockets, against real clients and servers.
//!
//! They hold thousands of descriptors or need programs from Debian, so plain `cargo test` leaves
//! them out; `cargo xtask heavy` runs them, one after the other.

#![forbid(unsafe_code)]

mod browser;
mod curl;
mod demo;
mod descriptors;
mod differential;
mod documents;
mod interop;
mod load;
mod probe;
mod reload;
mod slow_clients;
mod smuggling;
mod tap;
mod tap_lease;
mod tap_load;
mod wrk;
mod xdp;
