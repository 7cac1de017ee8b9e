//! What an HTTP server serves: files, listings, compression, virtual hosts.
//!
//! [`Config`] is what a configuration file says; [`Content`] is that made ready to be served from;
//! [`Site`] serves it: one [`SiteService`] for each shard and a few threads for what may block.
//!
//! # The way of a request
//!
//! `service` looks for the page in the shard's own `cache`, under the host and the path as it was
//! sent. When it is there and fresh, the answer is a handful of pointers: its header was written
//! when the page was made. Else the path is made safe (`path`), held against the rules and redirects
//! (`content`), and a job for the `pool` finds the file beneath the root (`disk`), reads it where it
//! is small and makes a page of it (`load`, `page`). The outcome comes back through the shard's
//! `mailbox`, and the connection is woken.

#![forbid(unsafe_code)]

mod builtin;
mod cache;
mod coded;
mod coding;
mod compress;
pub mod config;
mod content;
mod counters;
mod date;
mod disk;
mod listing;
mod load;
mod log;
mod mailbox;
mod mime;
mod page;
mod path;
mod pool;
mod service;
mod shared;

#[cfg(test)]
extern crate self as site;
/// What the integration tests drive a site with, for the tests that need to reach inside as well.
#[cfg(test)]
#[path = "../tests/harness/mod.rs"]
mod harness;

pub use config::{Config, ConfigError, ConfigErrors};
pub use content::Content;
pub use counters::Counters;
pub use log::{Log, LogDestination, LogFormat};
pub use service::SiteService;
pub use shared::{Environment, Site};
