//! Why our own stack cannot be put on a link: [`LinkError`]. Invariant: each prints as what to do.

use std::fmt;
use std::net::IpAddr;

use dhcp::AcquireError;
use port_tap::{OpenError, PortError};
use rustix::io::Errno;
use stack::ReserveError;

use super::{ADDRESSES, LEASE_WAIT};
use crate::Address;

/// Why our own stack cannot be put on a link. Prints as what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The TAP device cannot be had.
    Tap(OpenError),
    /// The interface cannot be shared.
    Xdp(port_xdp::Error),
    /// The stack was given no address of its own.
    NoAddress,
    /// A router that is in none of the networks of the stack's addresses, or a second one.
    Gateway(IpAddr),
    /// A gateway for IPv4 where one comes with the lease.
    LeasedGateway(IpAddr),
    /// No DHCP server gave the stack an address.
    NoLease {
        /// The device it was asked for on.
        device: String,
        /// Why not.
        why: AcquireError<PortError>,
    },
    /// The server was told to stop while it waited for a lease
    /// ([`Server::go_on_while`](crate::Server::go_on_while)).
    Stopped,
    /// Nothing can be listened on there: the address is not the stack's own, or the port is zero,
    /// or it is a Unix socket.
    Listen(Address),
    /// An address to open connections from is the interface's own.
    OwnSource(IpAddr),
    /// There are more addresses to open connections from than a stack has.
    TooManySources,
    /// A capture was asked for where the kernel's stack is.
    NothingToCapture,
    /// Sockets that were handed over belong to the kernel's stack.
    Inherited,
    /// The system refused descriptors or random numbers.
    System(Errno),
    /// Memory for connections or packets could not be reserved.
    Memory(ReserveError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tap(error) => error.fmt(f),
            Self::Xdp(error) => error.fmt(f),
            Self::NoAddress => f.write_str(
                "crore's own stack needs an address of its own on the link, like 10.0.0.2/24",
            ),
            Self::Gateway(gateway) => write!(
                f,
                "{gateway} cannot be a gateway: it has to be in the network of one of the \
                 stack's addresses, and there is one for each family"
            ),
            Self::LeasedGateway(gateway) => write!(
                f,
                "the gateway for IPv4 comes with the address that is leased; leave {gateway} out"
            ),
            Self::NoLease { device, why } => write!(
                f,
                "{why}, in {} s on {device}; join the device to a network with a DHCP server (ip link \
                 set {device} master BRIDGE), or give it an address of its own, like 10.0.0.2/24",
                LEASE_WAIT.as_secs()
            ),
            Self::Stopped => f.write_str("told to stop while it waited for an address"),
            Self::Listen(Address::Unix(path)) => write!(
                f,
                "unix:{} is a matter of the kernel's; crore's own stack listens on IP addresses",
                path.display()
            ),
            Self::Listen(address @ Address::Tcp(at)) if at.port() == 0 => write!(
                f,
                "{address} has no port, and crore's own stack takes none by itself; write one"
            ),
            Self::Listen(address) => write!(
                f,
                "{address} is none of the stack's own addresses; 0.0.0.0 and [::] stand for all \
                 of them"
            ),
            Self::OwnSource(address) => write!(
                f,
                "{address} is the interface's own address, which the kernel connects from as well; \
                 leave the sources out to share it, or give addresses that are routed to the \
                 interface and nobody else's"
            ),
            Self::TooManySources => write!(
                f,
                "crore's own stack connects from at most {ADDRESSES} addresses; give a smaller range"
            ),
            Self::NothingToCapture => f.write_str(
                "frames can be kept only where crore's own stack is; tcpdump shows the kernel's",
            ),
            Self::Inherited => f.write_str(
                "sockets handed over in LISTEN_FDS are the kernel's, and cannot be served by \
                 crore's own stack; start it without them",
            ),
            Self::System(error) => write!(f, "the system refused what the link needs: {error}"),
            Self::Memory(error) => write!(
                f,
                "no memory for connections and packets ({} bytes); lower the connection limit",
                error.bytes
            ),
        }
    }
}

impl std::error::Error for LinkError {}
