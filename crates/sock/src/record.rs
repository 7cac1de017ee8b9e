//! One connection: [`Record`]. Invariant: 64 bytes, whatever the handler keeps in it, and no
//! pointer, so that an idle connection costs this and its timer and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use app::{Origin, Peer, Role};

use crate::handle::Handle;

/// No record, no block: the end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// In place of a listener's number: this side opened the connection. No engine has that many.
const OPENED: u16 = u16::MAX;

/// Most bytes of [`Handler::Conn`](app::Handler::Conn).
const CONN_BYTES: usize = 16;

/// Everything the engine remembers of a connection that rests.
pub(crate) struct Record<C> {
    /// The handler's own.
    pub conn: C,
    pub peer: PackedPeer,
    /// Neighbours in the list the record is in, if [`Flags::LISTED`].
    pub newer: u32,
    pub older: u32,
    /// Index of the working block, or [`NONE`].
    pub work: u32,
    pub socket: Socket,
    /// The listener that accepted it, or [`OPENED`].
    pub listener: u16,
    pub flags: Flags,
    pub state: State,
}

/// The network's share of a record.
pub(crate) struct Socket {
    pub handle: Handle,
    pub flags: SocketFlags,
    /// Operations the kernel still works on; the record stays until they are done.
    pub in_flight: u8,
    /// What a lingering connection may still send.
    pub linger_units: u8,
}

/// What the connection waits for: the handler's last step, or what comes after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It is being opened by this side, and the handler has not heard of it yet.
    Connecting,
    Read,
    Idle,
    Write,
    Wait,
    /// What was put out is to leave, then it ends.
    Close,
    /// It has ended for the handler; we have closed our side and wait for the peer to close its.
    Lingering,
    /// It has ended, but operations are in flight.
    Gone,
}

/// What is known of the connection, as the contract sees it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags(u8);

/// What is known of the socket, as an engine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SocketFlags(u8);

macro_rules! flags {
    ($type:ident { $($(#[$doc:meta])* $name:ident = $bit:expr;)* }) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Whether any of these flags is set.
            pub const fn has(self, any: Self) -> bool {
                self.0 & any.0 != 0
            }

            pub const fn set(&mut self, flags: Self) {
                self.0 |= flags.0;
            }

            pub const fn clear(&mut self, flags: Self) {
                self.0 &= !flags.0;
            }
        }
    };
}

flags!(Flags {
    /// The peer will send nothing after what was received, as the kernel or the handler says.
    INPUT_ENDED = 0;
    /// The handler has been told so.
    END_TOLD = 1;
    /// Held bytes are to be offered as soon as the handler reads.
    OFFER = 2;
    /// Output is with the kernel, which has not said yet how much it takes.
    FLYING = 3;
    /// Output is kept and can go on without waiting for the kernel.
    AGAIN = 4;
    /// In the queue of connections that go on next turn.
    QUEUED = 5;
    /// In the idle list or the lingering list.
    LISTED = 6;
    /// Asked to finish since the engine began to drain.
    DRAIN_TOLD = 7;
});

flags!(SocketFlags {
    /// epoll: bytes, or the end of them, may be there.
    READABLE = 0;
    /// epoll: the peer has closed its side; once a read comes up short, nothing is left.
    HUNG_UP = 1;
    /// The kernel reports the end of this socket; with epoll, input too.
    WATCHED = 2;
    /// The kernel reports room for output.
    WATCHED_FOR_ROOM = 3;
    /// io_uring: a receive operation is armed.
    RECEIVING = 4;
    /// io_uring: it has been asked to stop.
    STOPPING = 5;
    /// Never read from.
    NEW = 6;
});

impl Flags {
    /// Clears a flag and says whether it was set.
    pub const fn take(&mut self, flag: Self) -> bool {
        let had = self.has(flag);
        self.clear(flag);
        had
    }
}

impl SocketFlags {
    pub const NONE: Self = Self(0);

    /// These flags and others.
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// A peer in 20 bytes, and what kind it is in one more.
#[derive(Clone, Copy)]
pub(crate) struct PackedPeer {
    address: [u8; 16],
    scope: u32,
    port: u16,
    kind: PeerKind,
}

#[derive(Clone, Copy)]
enum PeerKind {
    Unix,
    V4,
    V6,
}

const _: () = assert!(size_of::<Record<[u64; CONN_BYTES / 8]>>() == 64);
const _: () = assert!(size_of::<Record<()>>() <= 64);

impl<C> Record<C> {
    /// Fails to compile for a handler whose `Conn` is too large.
    pub const FITS: () = assert!(
        size_of::<C>() <= CONN_BYTES && align_of::<C>() <= 8,
        "Handler::Conn is at most 16 bytes, aligned to at most 8"
    );

    pub const fn new(conn: C, handle: Handle, peer: Peer, listener: u16) -> Self {
        Self {
            conn,
            peer: PackedPeer::pack(peer),
            newer: NONE,
            older: NONE,
            work: NONE,
            // Whoever connects has often sent by the time it is accepted.
            socket: Socket {
                handle,
                flags: SocketFlags::READABLE.and(SocketFlags::NEW),
                in_flight: 0,
                linger_units: 0,
            },
            listener,
            flags: Flags(0),
            state: State::Read,
        }
    }

    /// One that this side opens.
    pub const fn dialled(conn: C, handle: Handle, peer: Peer) -> Self {
        let mut record = Self::new(conn, handle, peer, OPENED);
        // Whoever is connected to has most often nothing to say yet.
        record.socket.flags = SocketFlags::NONE;
        record.state = State::Connecting;
        record
    }

    pub fn origin(&self) -> Origin {
        let role = match self.listener {
            OPENED => Role::Opened,
            listener => Role::Accepted { listener },
        };
        Origin { peer: self.peer.unpack(), role }
    }

    /// Whether this side opened it.
    pub const fn is_dialled(&self) -> bool {
        self.listener == OPENED
    }

    /// Whether the handler still knows the connection.
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Connecting | State::Lingering | State::Gone)
    }

    /// Whether the handler waits for bytes.
    pub const fn reads(&self) -> bool {
        matches!(self.state, State::Read | State::Idle)
    }
}

impl PackedPeer {
    pub const fn pack(peer: Peer) -> Self {
        match peer {
            Peer::Unix => Self { address: [0; 16], scope: 0, port: 0, kind: PeerKind::Unix },
            Peer::Inet(SocketAddr::V4(peer)) => {
                let address = peer.ip().to_ipv6_mapped().octets();
                Self { address, scope: 0, port: peer.port(), kind: PeerKind::V4 }
            }
            Peer::Inet(SocketAddr::V6(peer)) => {
                let address = peer.ip().octets();
                Self { address, scope: peer.scope_id(), port: peer.port(), kind: PeerKind::V6 }
            }
        }
    }

    pub fn unpack(&self) -> Peer {
        match self.kind {
            PeerKind::Unix => Peer::Unix,
            PeerKind::V4 => {
                let [.., a, b, c, d] = self.address;
                let ip = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
                Peer::Inet(SocketAddr::new(ip, self.port))
            }
            PeerKind::V6 => {
                let ip = Ipv6Addr::from(self.address);
                Peer::Inet(SocketAddr::V6(SocketAddrV6::new(ip, self.port, 0, self.scope)))
            }
        }
    }
}

/// A peer as the kernel named it, with an IPv4 client of an IPv6 socket named as IPv4.
pub(crate) fn canonical(address: Option<SocketAddr>) -> Peer {
    match address {
        None => Peer::Unix,
        Some(SocketAddr::V6(v6)) if v6.ip().to_ipv4_mapped().is_some() => {
            Peer::Inet(SocketAddr::new(v6.ip().to_canonical(), v6.port()))
        }
        Some(address) => Peer::Inet(address),
    }
}

#[cfg(test)]
mod tests {
    use super::{PackedPeer, canonical};
    use app::Peer;
    use std::net::SocketAddr;

    fn inet(text: &str) -> Peer {
        Peer::Inet(text.parse().unwrap())
    }

    #[test]
    fn peers_come_back_as_they_were() {
        for peer in [
            Peer::Unix,
            inet("192.0.2.7:65535"),
            inet("[2001:db8::1]:1"),
            inet("[fe80::1%3]:80"),
            inet("[::ffff:192.0.2.7]:80"),
        ] {
            assert_eq!(PackedPeer::pack(peer).unpack(), peer);
        }
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client() {
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:80".parse().unwrap();
        assert_eq!(canonical(Some(mapped)), inet("192.0.2.7:80"));
    }
}
