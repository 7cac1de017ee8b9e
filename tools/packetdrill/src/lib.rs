//! crore's TCP behind packetdrill's shared-object interface, in virtual time, so that suites written
//! for it can be run against the stack: README.md in this folder says how.
//!
//! | file | what |
//! | --- | --- |
//! | `interface`, `memory`, `preload` | C's side: the table of 33, pointers, libc's `getsockopt` |
//! | `shared`, `surface` | threads that wait, the clock, every call with its waiting |
//! | `world`, `calls`, `epoll`, `sockopt`, `info` | sockets and what can be done with them |
//! | `connection`, `sending`, `queues`, `counts` | one connection around `tcp::Working` |
//! | `packet`, `freebsd`, `profile`, `settings`, `options`, `address`, `descriptor` | the rest |
//!
//! What is under test is `tcp` and `wire`; sockets, demultiplexing and buffers are this crate's own.
//! Only `interface`, `memory`, `preload` and `descriptor` have unsafe code.

mod address;
mod calls;
mod connection;
mod counts;
mod descriptor;
mod entries;
mod epoll;
mod freebsd;
mod info;
mod interface;
mod memory;
mod options;
mod packet;
mod preload;
mod profile;
mod queues;
mod sending;
mod settings;
mod shared;
mod sockopt;
mod surface;
mod world;

pub use interface::{Table, packetdrill_interface_init};
pub use preload::getsockopt;
