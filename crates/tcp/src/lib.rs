//! One TCP connection as a state machine without input or output of its own: RFC 9293 with window
//! scale and timestamps (7323), SACK (2018, 6675), RACK-TLP (8985), CUBIC and NewReno (9438, 5681,
//! 6582), HyStart++ (9406), proportional rate reduction (9937), retransmission timers (6298) whose
//! needless expiries are undone (5682), an initial window of ten (6928), defences against blind
//! attacks (5961), sequence numbers that cannot be guessed (6528), SYN cookies (4987), ECN (3168)
//! and path MTU (1191, 8201, 4821).
//!
//! # How a connection is kept
//!
//! A connection that rests is a [`Sleeping`]: 24 bytes in its 64-byte [`Record`]. When a segment
//! arrives for it, or its application has something to send, it [wakes](Working::wake) into a
//! [`Working`] block from a pool; when it is [quiet](Working::is_quiet) again it
//! [sleeps](Working::sleep) and the block goes back. Connections that are being opened or closed
//! work; after the close a [`TimeWait`] is left, or nothing. A segment of text that goes out at once needs
//! no block: a [`Reply`] stands for it until it is acknowledged; as do an [`Attempt`] and a [`Greeting`]
//! for a SYN and its answer, and a [`Farewell`] for a FIN.
//!
//! # How it is driven
//!
//! | call | when | then |
//! | --- | --- | --- |
//! | [`Listened::to`], [`Working::accept`] | a segment came for a listener | `transmit` |
//! | [`Working::connect`] | this end opens | `transmit` |
//! | [`Working::receive`] | a segment came for the connection | act on [`Received`], `transmit` |
//! | [`Working::write`], [`Working::close`] | the application has bytes, or no more | `transmit` |
//! | [`Working::consumed`] | the application took bytes in | `transmit` |
//! | [`Working::on_timer`] | [`Working::deadline`] has come | act on [`Events`], `transmit` |
//! | [`Working::transmit`] | after any of these, until it gives None | send what it gives |
//!
//! Payload is the caller's: what is given to `write` gets the next sequence numbers, in order, and
//! an [`Outgoing`] asks for bytes by those numbers, again and again until [`Working::una`] has
//! passed them.
//!
//! Invariant: nothing here allocates, reads a clock, draws a random number it was not given, or
//! loops over more than a fixed number of things. No segment makes anything here panic.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod acknowledge;
mod attempt;
mod challenge;
mod close;
mod config;
mod congestion;
mod connect;
mod cookie;
mod ecn;
mod farewell;
mod flight;
mod greeting;
mod icmp;
mod info;
mod isn;
mod keep_alive;
mod listen;
mod micros;
mod options;
mod path;
mod predict;
mod prr;
mod rack;
mod ranges;
mod receive;
mod record;
mod recovery;
mod reply;
mod retransmit;
mod rtt;
mod sack;
mod segment;
mod send;
mod sleeping;
mod spurious;
mod text;
mod time_wait;
mod timer;
mod window;
mod working;

pub use attempt::Attempt;
pub use challenge::ChallengeLimit;
pub use config::{
    Algorithm, Config, Extensions, KeepAlive, Receiving, Retransmission, Sending, Timeouts,
};
pub use cookie::{Answered, Cookies, SynCookie};
pub use farewell::Farewell;
pub use greeting::Greeting;
pub use icmp::Unreachable;
pub use info::{Info, Recovering};
pub use isn::{Tuple, initial_sequence_number};
pub use listen::Listened;
pub use record::{APPLICATION_STATE_MAX, Body, Flow, RECORD_LENGTH, Record};
pub use reply::{Reply, ReplySegment};
pub use segment::{Arrival, Dropped, Events, Outgoing, Payload, PlainArrival, Received, Reset};
pub use sleeping::{Sleeping, Waiting};
pub use time_wait::{Late, TimeWait};
pub use working::{Opening, State, Turn, Working};
