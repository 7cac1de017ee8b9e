//! Frames over a TAP device of the Linux kernel: a link of our stack's own, with the kernel, a bridge
//! or a virtual machine at the other end.
//!
//! | file | what |
//! | --- | --- |
//! | `device` | opens the device, or makes it, with a queue for each shard |
//! | `error` | why one in use cannot be used any more |
//! | `ioctl` | the system calls for that |
//! | `port` | frames in and out of one queue: [`TapPort`] |
//! | `vnet` | the header that says what the kernel left undone of a frame's checksum and length |
//! | `split` | a frame too long for the link, as the kernel hands it over, made into segments |
//! | `join` | segments that follow each other, handed to the kernel as one |
//!
//! Invariant: what comes out of a port is no longer than the link's MTU and carries a right TCP
//! checksum, or one that the kernel vouches for because the segment never left this machine.

mod device;
mod error;
mod ioctl;
mod join;
mod port;
mod split;
#[cfg(test)]
mod tests;
mod vnet;

pub use device::{Device, OpenError};
pub use error::PortError;
pub use port::TapPort;
