//! The TCP/IP stack between a port and a handler: [`Native`], the engine that needs no kernel.
//!
//! | folder | what |
//! | --- | --- |
//! | `link` | below TCP: frames in and out, addresses, routes, neighbours, ARP, ND, ICMP |
//! | `flows`, `clients` | records of connections, found by who talks to whom; how many each client has |
//! | `ports` | which local address and port a connection that we open gets |
//! | `blocks`, `send_queue`, `receive_store` | what a connection has only while it works |
//! | `read_ahead` | bytes of a file for the segments that follow |
//! | `native` | the engine: input in three passes, the handler's calls, output, timers, rest |
//!
//! A packet's way: `link::parse` says what it is, `flows` whose it is, `tcp` what it means; the
//! handler is called with its payload where it lies, `tcp` says what to send, `link` sends it.
//!
//! Invariant: running out of records, blocks, buffers or frames refuses what is new, counts it, and
//! leaves every connection that is established whole. Nothing here reads a clock or draws entropy.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod blocks;
mod clients;
mod config;
mod drops;
mod flows;
mod link;
mod native;
mod ports;
mod read_ahead;
mod receive_store;
mod replies;
mod send_queue;
mod vitals;

pub use config::{Config, Listener, Route, Secrets};
pub use drops::{Drops, Reason};
pub use link::DatagramTaker;
pub use native::{Inconsistency, Native, Park};
pub use vitals::Vitals;
// What a configuration and a port are made of.
pub use mem::ReserveError;
pub use {mem, port, tcp, wire};
