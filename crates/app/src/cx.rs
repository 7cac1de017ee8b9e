//! What a handler sees of a connection during one call: [`Cx`].

use core::net::SocketAddr;

use base::{ConnId, Instant};

use crate::Out;

/// One connection, for the length of one call.
#[derive(Debug)]
pub struct Cx<'a, C> {
    /// The connection's identifier, for wakes.
    pub id: ConnId,
    /// The time, read once for the whole turn.
    pub now: Instant,
    /// Who is at the other end, and how the connection came to be.
    pub origin: Origin,
    /// Whether the peer has closed its side: no byte will come after those in hand.
    pub input_ended: bool,
    /// Bytes put out or attached earlier that the network has not taken yet. While this is above
    /// zero there is no room in `out`; a timer can tell from it how fast the peer reads.
    pub unsent: u64,
    /// What the handler remembers of this connection.
    pub conn: &'a mut C,
    /// Where bytes go out. The engine takes what is in it when the call returns.
    pub out: Out<'a>,
}

/// Where a connection came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Who is at the other end.
    pub peer: Peer,
    /// Which end of the connection this is.
    pub role: Role,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A TCP peer.
    Inet(SocketAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
}

/// Which end of a connection this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The peer opened it and the listener with this index (in the order the listeners were given
    /// to the engine) accepted it.
    Accepted {
        /// Index of the listener.
        listener: u16,
    },
    /// This side opened it.
    Opened,
}
