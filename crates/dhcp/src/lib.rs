//! A DHCP client (RFC 2131) for a link that crore's own TCP/IP stack is on.
//!
//! | file | what |
//! | --- | --- |
//! | `message` | messages read and written, by smoltcp's `wire` |
//! | `lease` | what a server lends, and what of it can be believed |
//! | `client` | the states of RFC 2131 section 4.4, without a socket or a clock: [`Client`] |
//! | `frame` | messages and ARP packets in Ethernet frames |
//! | `port` | a port that takes what is the client's from what arrives: [`Leased`] |
//! | `acquire` | waits for the first lease |
//!
//! The client is beneath the stack and not in it: an address is a matter of the link, and stacks hear of
//! it as they do where the kernel has the link, by `port::News`. So any number of shards share a lease,
//! and nothing in the stack has to be able to send without an address.
//!
//! Invariant: no packet, whatever is in it, makes the client panic, and none is believed that does not
//! answer what was asked last.

#![forbid(unsafe_code)]

mod acquire;
mod client;
mod frame;
mod lease;
mod message;
mod port;
#[cfg(test)]
mod tests;

pub use crate::port::{Ended, Leased};
pub use acquire::{AcquireError, Acquired, Patience, acquire};
pub use client::{Client, Event, Loss};
pub use lease::{Lease, Route};
