//! What a stack is built with. Invariant: nothing in it changes while the stack runs.

use alloc::vec::Vec;
use core::net::IpAddr;

use base::{Limits, SipKey};
use wire::ethernet::Mac;

/// What a [`Native`](crate::Native) engine is built with, for one shard.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shard's number, for identifiers.
    pub shard: u16,
    /// The Ethernet address of this end.
    pub mac: Mac,
    /// The IP addresses of this end, of either family. More than 65,536 are not looked at.
    pub addresses: Vec<IpAddr>,
    /// Where packets go.
    pub routes: Vec<Route>,
    /// What is listened on, in the order that [`Role::Accepted`](app::Role::Accepted) counts.
    pub listeners: Vec<Listener>,
    /// What the shard may hold.
    pub limits: Limits,
    /// Connections that can have work to do at once. Each takes a working block of about 2 KiB,
    /// once it has been used.
    pub working: u32,
    /// Buffers of 4 KiB, for bytes that were sent and not acknowledged, or received and not
    /// consumed. A connection takes one while it answers.
    pub buffers: u32,
    /// Packet buffers, of 1.6 KiB where the MTU is 1,500. As many packets as the port takes at once are
    /// enough. Ports that bring their own pools (AF_XDP) have their own number of them.
    pub frames: u32,
    /// The settings of TCP connections.
    pub tcp: tcp::Config,
    /// Random numbers that nobody else knows.
    pub secrets: Secrets,
}

/// Keys of the hashes that outsiders must not be able to predict. Drawn from the operating system
/// at start; in a simulation, from its seed.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    /// Where connections are in the flow table.
    pub flows: SipKey,
    /// Initial sequence numbers (RFC 6528).
    pub sequence: SipKey,
    /// SYN cookies (RFC 4987).
    pub cookies: SipKey,
}

/// A local address and port that connections are accepted on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The address; `None`: every address of this end; an unspecified one (`0.0.0.0`, `::`): every
    /// one of its family.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Listener {
    /// Whether connections to this address and port of ours are its own.
    pub(crate) fn fits(&self, address: IpAddr, port: u16) -> bool {
        let fits = |own: IpAddr| {
            own == address || own.is_unspecified() && own.is_ipv4() == address.is_ipv4()
        };
        self.port == port && self.address.is_none_or(fits)
    }
}

/// Where packets for some destinations go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destinations that share the first `length` bits of this.
    pub prefix: IpAddr,
    /// How many bits.
    pub length: u8,
    /// The router to send them to; `None`: they are neighbours on the link.
    pub gateway: Option<IpAddr>,
}
