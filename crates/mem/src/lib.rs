//! Memory reserved at the start: arenas on huge pages, slabs, pools, flow tables, timer wheels.
//!
//! Invariant: every size is fixed when a structure is made, nothing allocates afterwards, and
//! running out is an answer. Records are named by `u32` indices, never by pointers.
//!
//! Together with the engines this crate holds crore's `unsafe` code: the mapping from the operating
//! system, the arrays placed in it ([`Region`]), slots that may be uninitialised ([`Slab`]) and the
//! memory that two threads share ([`ring()`]). It needs no standard library; only the mapping asks
//! the operating system for anything.

#![no_std]

extern crate alloc;
// For the tests, and for `Frame` to see in a debug build whether the thread is panicking already.
#[cfg(any(test, miri, all(debug_assertions, not(target_os = "none"))))]
extern crate std;

mod arena;
mod flow_table;
mod mapping;
mod pool;
mod prefetch;
mod region;
mod ring;
mod slab;
mod timer_wheel;

pub use arena::{Arena, ReserveError, Touch};
pub use flow_table::{FlowTable, Full};
pub use mapping::Pages;
pub use pool::{Batch, Frame, Pool};
pub use region::{Region, Zeroable};
pub use ring::{Consumer, Producer, RingFull, ring};
pub use slab::Slab;
pub use timer_wheel::TimerWheel;
