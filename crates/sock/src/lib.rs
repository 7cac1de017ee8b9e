//! The engine on kernel sockets, in two forms that do the same: [`Epoll`] and [`Uring`].
//!
//! A program makes its [`Listener`]s, an [`Alarm`] for each shard, and hands both to an engine,
//! which is then driven through [`app::Engine`], with times of the kernel's `CLOCK_MONOTONIC`.
//! [`choose`] says which of the two is faster on the machine at hand.
//!
//! # Inside
//!
//! Each engine is a `Network`, which knows how to read, send and wait, under a
//! common driver, which owns the connections and carries out what they ask for:
//!
//! | module | what it owns |
//! | --- | --- |
//! | `epoll`, `uring` | the loop of a turn, and the system calls: each its own `network` |
//! | `driver` | the way of a connection from its arrival, or the wish for it, to its slot being free again |
//! | `dial` | sockets that connect, and what the kernel's errors mean |
//! | `steps` | the contract: which call comes when, and what becomes of a step; no system call |
//! | `connections` | records, working blocks, timers, limits, lists |
//! | `output` | bytes on their way out, and what of them waits |

mod alarm;
mod calibrate;
mod client_limits;
mod config;
mod connections;
mod dial;
mod doors;
mod driver;
mod epoll;
mod handle;
mod held;
mod list;
mod listener;
mod network;
mod output;
mod patience;
mod record;
mod steps;
mod time;
mod uring;

pub use alarm::Alarm;
pub use calibrate::{Choice, Kind, MeasureError, Measurement, choose, measure, measure_epoll};
pub use config::{Config, EngineError, SetupError};
pub use epoll::Epoll;
pub use listener::{ListenError, ListenOptions, Listener, LocalAddress};
pub use uring::{Uring, uring_capacity};

/// Bytes of memory that so many connections take while they rest, on either engine, besides what the kernel
/// holds for them. `C` is the handler's state of a connection.
#[must_use]
pub const fn bytes_for<C: Copy + Default>(connections: u32) -> usize {
    connections::Connections::<C>::bytes_for(connections)
}
