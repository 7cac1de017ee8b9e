//! Frames of a real interface, shared with the kernel: AF_XDP.
//!
//! | file | what |
//! | --- | --- |
//! | `interface`, `changes` | what the kernel knows: addresses, routes, neighbours, and what becomes of them |
//! | `bpf` | the XDP program that picks our frames out, written here, loaded with bpf(2) |
//! | `umem` | the memory that packets of one shard are in, and its pools of frames |
//! | `ring`, `socket` | one AF_XDP socket: its four rings, and which buffers the kernel has |
//! | `packet` | the socket for frames that stand for several segments |
//! | `guard`, `outgoing` | keep our ports from the machine's other programs, and find such as nobody has |
//! | `lab` | two hosts on one wire, to try all this on |
//! | `attachment`, `port` | an interface in use, and the part of it that one shard drives |
//!
//! Invariant: only TCP segments for addresses and ports that were asked for, and ICMP errors about
//! such, are taken from the kernel, and nothing of it outlives the process: program, sockets and
//! kept ports are descriptors.

mod attachment;
mod bpf;
mod changes;
mod checksum;
mod error;
mod guard;
mod interface;
pub mod lab;
mod outgoing;
mod packet;
mod port;
mod probe;
mod ring;
mod socket;
mod umem;

pub use attachment::{Attachment, Options, Sources};
pub use bpf::Mode;
pub use error::Error;
pub use interface::Interface;
pub use netlink::Route;
pub use outgoing::free_ports;
pub use port::XdpPort;
pub use socket::Counted;
