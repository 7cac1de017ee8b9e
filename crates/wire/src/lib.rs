//! Reading and writing the headers of Ethernet, ARP, IPv4, IPv6, ICMP, neighbour discovery, TCP and
//! UDP, and the Internet checksum.
//!
//! Every protocol has two types in a module of its own. A `View` borrows the bytes that arrived;
//! making one checks every length the header speaks of, so that reading through it cannot fail. A
//! `Repr` is the same header as a plain value, with `emit` to write it.
//!
//! Invariant: no input makes anything here panic, and `emit` of a `Repr` that was read gives a
//! header that reads as the same `Repr`. Nothing here allocates, and nothing is verified twice:
//! checksums have functions of their own, because a port may have verified them already.

#![no_std]
#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
pub mod ethernet;
mod field;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod ndisc;
pub mod plain;
pub mod protocol;
pub mod quoted;
pub mod tcp;
pub mod udp;

/// Why bytes are not the header they were taken for. Each is a counter for whoever drops them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// Fewer bytes than the header, or than a length in it, asks for.
    Truncated,
    /// The version field belongs to another protocol.
    Version,
    /// A length field contradicts another or the least possible one.
    Length,
    /// A field holds what the specification forbids.
    Field,
    /// Well formed as far as read, but of a kind that is not handled: a longer chain of extension
    /// headers than [`ipv6::EXTENSION_HEADERS_MAX`], a source route, hardware other than Ethernet.
    Unsupported,
}

/// The buffer handed to `emit` is shorter than the header. The bytes in it are unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;
