//! Keeps our ports from the kernel: [`Guard`]. Invariant: nothing is written down anywhere: a port is
//! kept by a socket of ours that is bound to it, so it is free again when the process has ended,
//! however that happened.
//!
//! Such a socket never listens. While frames for the port come to us, the kernel sees none; should
//! one reach it all the same, by another interface, it answers with a reset.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::Error;

/// Ports that no other program of this machine can get while this lives.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    held: Vec<(SocketAddr, OwnedFd)>,
}

impl Guard {
    /// Takes an address and port of the interface. `scope` is the interface's number, which
    /// addresses of the link need.
    pub fn keep(&mut self, at: SocketAddr, scope: u32) -> Result<(), Error> {
        let address = match at {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
                SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope).into()
            }
            _ => at,
        };
        if self.held.iter().any(|(held, _)| *held == address) {
            return Ok(());
        }
        match keep(address) {
            Ok(socket) => {
                self.held.push((address, socket));
                Ok(())
            }
            Err(Errno::ADDRINUSE) => Err(Error::PortTaken { address }),
            Err(Errno::ACCESS) => {
                Err(Error::Permission { what: "listen on ports below 1024 (CAP_NET_BIND_SERVICE)" })
            }
            // Gone since it was looked up: then nobody can have the port there.
            Err(Errno::ADDRNOTAVAIL) => Ok(()),
            Err(error) => Err(Error::System { what: "a port could not be kept", error }),
        }
    }

    /// Whether nothing is kept.
    pub const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Lets go of the ports at an address that is not ours any more.
    pub fn release(&mut self, address: IpAddr) {
        self.held.retain(|(held, _)| held.ip() != address);
    }
}

fn keep(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let open = || socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let socket = open()?;
    match bind(&socket, &address) {
        // Perhaps only connections of an earlier server that wait out their end: those give way
        // to a socket that says so, other sockets do not.
        Err(Errno::ADDRINUSE) => {}
        bound => return bound.map(|()| socket),
    }
    let socket = open()?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    // It gives way to nobody: servers say the same of theirs, and would share the port.
    sockopt::set_socket_reuseaddr(&socket, false)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::Guard;

    /// The socket that had made others give way gave way itself: a server got the port, and never heard
    /// of its clients.
    #[test]
    fn a_port_on_which_connections_wait_out_their_end_is_kept_as_any_other() {
        // Where no other test is.
        let listener = TcpListener::bind("127.0.0.8:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(at).unwrap();
        // The server closes first, so the wait is on its port.
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        drop((client, listener));
        let mut guard = Guard::default();
        guard.keep(at, 0).unwrap();
        assert!(TcpListener::bind(at).is_err(), "another server has the port as well");
    }
}
