//! What the heavy tests and the benchmarks share: servers to start and stop, trees to serve, a
//! client that looks at every byte.
//!
//! Invariant: everything started or made here is gone when its value is dropped, also in a panic.

#![forbid(unsafe_code)]

pub mod browser;
pub mod client;
pub mod crore;
pub mod descriptors;
pub mod middle;
pub mod namespace;
pub mod netns;
pub mod nginx;
pub mod ports;
pub mod process;
pub mod tap;
pub mod tree;
pub mod wire;

use std::error::Error;

/// What a step of a test or benchmark gives: a value, or a message for whoever ran it.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;
