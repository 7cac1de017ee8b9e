//! What the kernel knows of its network, asked for and watched: netlink(7).
//!
//! | file | what |
//! | --- | --- |
//! | `message` | messages and their attributes, whatever they are about |
//! | `route` | what rtnetlink(7) says of interfaces, addresses, routes and neighbours |
//! | `change` | requests that change these |
//! | `socket` | a socket to the kernel's tables: [`Netlink`] |
//!
//! Invariant: what the kernel sends and is not understood is passed over, never misread.

#![forbid(unsafe_code)]

mod change;
pub mod message;
mod route;
mod socket;

pub use change::End;
pub use route::{Link, News, Route};
pub use socket::{Netlink, Table, Watched};
