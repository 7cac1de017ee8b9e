//! Connections that a handler opens: [`Dial`], and why one was not made, [`DialError`]. Invariant:
//! for every dial that an engine took, exactly one of `open` and `undialled` is called.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// A connection to be opened, as [`Handler::dial`](crate::Handler::dial) gives it to an engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dial<C> {
    /// Whom to connect to.
    pub to: Remote,
    /// The local address and port. Port 0 is any free port of that address; `None`, or the
    /// unspecified address, leaves the address to the engine too.
    pub from: Option<SocketAddr>,
    /// How long it may take until the connection is established. Rounded up to whole milliseconds.
    pub within: Duration,
    /// What the handler remembers of the connection from the beginning.
    pub conn: C,
}

/// The other end of a connection to be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remote {
    /// A TCP address and port.
    Inet(SocketAddr),
    /// The path of a Unix socket, at most 107 bytes.
    Unix(Arc<[u8]>),
}

/// Why a connection was not made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DialError {
    /// Nobody listens there: the peer answered with a reset, or there is no such Unix socket or
    /// one with a full queue.
    Refused,
    /// The peer took the connection and reset it before the handler could be told that it was
    /// open.
    Reset,
    /// There was no answer within [`Dial::within`], or within the time after which the network
    /// gives up by itself.
    TimedOut,
    /// There is no route to the address, or the network answered that there is no way there.
    Unreachable,
    /// All ports of the local address are taken towards this peer.
    NoLocalPort,
    /// The local address and port are taken: by a connection to the same peer, or by a listener.
    InUse,
    /// The local address is none of this end's, or of another family than the peer's.
    LocalAddress,
    /// The operating system does not permit it: a firewall, or a local port that is reserved.
    Denied,
    /// [`Limits::connections`](base::Limits::connections) are open or being opened.
    Full,
    /// The process or the system has no descriptor, or no memory, for one more.
    Exhausted,
    /// The connection was established, and could not be made secure (TLS).
    Handshake,
    /// The peer is not who it has to be: its certificate is not accepted.
    Certificate,
    /// The engine is closing down.
    Shutdown,
    /// The engine cannot reach such an address at all: a Unix socket without an operating system.
    Unsupported,
}

impl<C> Dial<C> {
    /// How long a connection may take to be established if nothing else is said: time for the
    /// first segment to be lost three times (after 1, 3 and 7 seconds).
    pub const WITHIN: Duration = Duration::from_secs(10);

    /// A connection to `to`, from any local address and port.
    #[must_use]
    pub fn new(to: impl Into<Remote>, conn: C) -> Self {
        Self { to: to.into(), from: None, within: Self::WITHIN, conn }
    }

    /// From this local address; port 0 is any.
    #[must_use]
    pub fn from(mut self, from: SocketAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// Given up when it is not established after `within`.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

impl From<SocketAddr> for Remote {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.escape_ascii()),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Reset => "reset as soon as it was taken",
            Self::TimedOut => "no answer in time",
            Self::Unreachable => "no way there",
            Self::NoLocalPort => "no local port is free",
            Self::InUse => "the local address and port are taken",
            Self::LocalAddress => "not a local address",
            Self::Denied => "not permitted",
            Self::Full => "the connection limit is reached",
            Self::Exhausted => "out of descriptors or memory",
            Self::Handshake => "the TLS handshake failed",
            Self::Certificate => "the certificate is not accepted",
            Self::Shutdown => "closing down",
            Self::Unsupported => "such an address cannot be reached from here",
        })
    }
}

impl core::error::Error for DialError {}
