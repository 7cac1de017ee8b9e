//! One shard: a thread of its own with one engine, one handler, a mailbox and counters. Shards
//! share nothing; what one has to say to another goes through a mailbox.
//!
//! - [`Shard::run`] is the loop: clock, turn, mail, sleep. It drives any [`app::Engine`].
//! - [`Mailbox`] is how other threads reach it: [`Wakes`] finds the right one.
//! - [`Order`] is what a shard can be told: to drain and to shut down.
//! - [`cpu`] pins; [`time`] reads the clocks, which nothing below this crate does.

#![forbid(unsafe_code)]

mod mailbox;
mod order;
mod run;
mod survey;
mod sync;
mod wakes;

pub mod cpu;
pub mod time;

pub use mailbox::Mailbox;
pub use order::Order;
pub use run::Shard;
pub use survey::Survey;
pub use wakes::{Letterbox, Wakes};

#[cfg(test)]
mod tests;
