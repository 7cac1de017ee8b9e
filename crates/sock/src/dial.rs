//! Sockets that this side opens: made, bound, and connecting without waiting; and what the kernel's
//! errors mean. Invariant: no system call here waits for the network.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use app::{DialError, Peer, Remote};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket, sockopt,
};

/// A socket that connects or has connected.
pub(crate) struct Begun {
    pub fd: OwnedFd,
    pub peer: Peer,
    /// Whether it is connected already.
    pub connected: bool,
}

/// Begins to connect a new socket.
pub(crate) fn begin(to: &Remote, from: Option<SocketAddr>) -> Result<Begun, DialError> {
    match to {
        Remote::Inet(to) => begin_inet(*to, from),
        Remote::Unix(path) => begin_unix(path),
    }
}

fn begin_inet(to: SocketAddr, from: Option<SocketAddr>) -> Result<Begun, DialError> {
    if from.is_some_and(|from| from.is_ipv4() != to.is_ipv4()) {
        return Err(DialError::LocalAddress);
    }
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family)?;
    sockopt::set_tcp_nodelay(&fd, true).map_err(error_of)?;
    let port_is_given = from.is_some_and(|from| from.port() != 0);
    if let Some(from) = from {
        bind(&fd, from)?;
    }
    let connected = match connect_socket(&fd, &to) {
        Ok(()) => true,
        Err(Errno::INPROGRESS | Errno::INTR) => false,
        // The kernel says the same when all ports are taken and when the one given is.
        Err(Errno::ADDRNOTAVAIL) if port_is_given => return Err(DialError::InUse),
        Err(errno) => return Err(error_of(errno)),
    };
    Ok(Begun { fd, peer: Peer::Inet(to), connected })
}

/// Unix sockets connect at once or not at all.
fn begin_unix(path: &[u8]) -> Result<Begun, DialError> {
    let address = SocketAddrUnix::new(OsStr::from_bytes(path)).map_err(error_of)?;
    let fd = socket(AddressFamily::UNIX)?;
    match connect_socket(&fd, &address) {
        Ok(()) => Ok(Begun { fd, peer: Peer::Unix, connected: true }),
        Err(Errno::NOENT | Errno::AGAIN | Errno::PROTOTYPE) => Err(DialError::Refused),
        Err(errno) => Err(error_of(errno)),
    }
}

fn socket(family: AddressFamily) -> Result<OwnedFd, DialError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
    socket.map_err(|errno| match errno {
        Errno::AFNOSUPPORT => DialError::Unsupported,
        errno => error_of(errno),
    })
}

/// Takes a local address. A port that is given may be shared with connections to other peers; one
/// that is not is chosen by the kernel when the peer is known, so that it can be shared, too.
fn bind(fd: &OwnedFd, from: SocketAddr) -> Result<(), DialError> {
    let unspecified = match from.ip() {
        IpAddr::V4(address) => address.is_unspecified(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    match (from.port(), unspecified) {
        (0, true) => return Ok(()),
        (0, false) => choose_port_later(fd).map_err(error_of)?,
        _ => sockopt::set_socket_reuseaddr(fd, true).map_err(error_of)?,
    }
    rustix::net::bind(fd, &from).map_err(|errno| match errno {
        Errno::ADDRNOTAVAIL | Errno::INVAL => DialError::LocalAddress,
        errno => error_of(errno),
    })
}

/// Has [`bind`] take an address without a port: ip(7), `IP_BIND_ADDRESS_NO_PORT`, which holds for
/// IPv6 sockets as well.
fn choose_port_later(fd: &OwnedFd) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, which lives through the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

/// What became of a socket that was connecting, now that the kernel has reported it.
pub(crate) fn outcome(fd: BorrowedFd<'_>) -> Result<(), DialError> {
    match sockopt::socket_error(fd) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(errno)) | Err(errno) => Err(error_of(errno)),
    }
}

/// What an error of a system call on such a socket means.
pub(crate) const fn error_of(errno: Errno) -> DialError {
    match errno {
        Errno::CONNREFUSED => DialError::Refused,
        Errno::CONNRESET | Errno::PIPE => DialError::Reset,
        Errno::TIMEDOUT => DialError::TimedOut,
        Errno::ADDRNOTAVAIL | Errno::AGAIN => DialError::NoLocalPort,
        Errno::ADDRINUSE => DialError::InUse,
        Errno::ACCESS | Errno::PERM => DialError::Denied,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => DialError::Exhausted,
        // A local address that does not reach the peer: a loopback one, to somewhere else.
        Errno::INVAL => DialError::LocalAddress,
        Errno::AFNOSUPPORT | Errno::NAMETOOLONG => DialError::Unsupported,
        _ => DialError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use app::{DialError, Remote};
    use rustix::io::Errno;

    use super::{begin, error_of};

    /// Those that a test cannot provoke without a firewall or a network of its own.
    #[test]
    fn errors_of_the_network_are_told_apart() {
        for (errno, why) in [
            (Errno::HOSTUNREACH, DialError::Unreachable),
            (Errno::NETUNREACH, DialError::Unreachable),
            (Errno::PERM, DialError::Denied),
            (Errno::TIMEDOUT, DialError::TimedOut),
            (Errno::ADDRNOTAVAIL, DialError::NoLocalPort),
            (Errno::NFILE, DialError::Exhausted),
        ] {
            assert_eq!(error_of(errno), why);
        }
    }

    #[test]
    fn a_connection_does_not_cross_from_one_family_to_the_other() {
        let to = Remote::Inet("127.0.0.1:9".parse().unwrap());
        let from = "[::1]:0".parse().unwrap();
        assert_eq!(begin(&to, Some(from)).err(), Some(DialError::LocalAddress));
    }
}
