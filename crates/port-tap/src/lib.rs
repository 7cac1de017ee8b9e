//! Frames over a TAP device of the Linux kernel: a link of our stack's own, with the kernel, a bridge
//! or a virtual machine at the other end.
//!
//! | file | what |
//! | --- | --- |
//! | `device` | opens the device, or makes it, with a queue for each shard |
//! | `error` | why one in use cannot be used any more |
//! | `ioctl` | the system calls for that |
//! | `port` | frames in and out of one queue: [`TapPort`] |
//!
//! Invariant: what comes out of a port carries a right TCP checksum, or one that the kernel vouches for
//! because the segment never left this machine.

mod device;
mod error;
mod ioctl;
mod port;
#[cfg(test)]
mod tests;

pub use device::{Device, OpenError};
pub use error::PortError;
pub use port::TapPort;
