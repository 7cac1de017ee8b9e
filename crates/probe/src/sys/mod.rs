//! The system calls that have no safe wrapper in a well-kept crate. All `unsafe` of this crate is here;
//! what is exported is safe to call.

#![allow(unsafe_code)]

pub mod interrupt;
pub mod memory;
pub mod process;
pub mod readiness;
pub mod tiny;
pub mod uring;
pub mod uring_server;
