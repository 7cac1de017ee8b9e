//! Makes the kernel look for a neighbour: [`send`]. Invariant: what is sent carries nothing and asks
//! for nothing: an empty datagram to the discard service (RFC 863).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

const DISCARD: u16 = 9;

/// Sends a datagram to a neighbour on the interface with this number.
pub(crate) fn send(neighbor: IpAddr, scope: u32) -> io::Result<()> {
    let (from, to): (IpAddr, SocketAddr) = match neighbor {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), (neighbor, DISCARD).into()),
        IpAddr::V6(ip) => {
            let scope = if ip.is_unicast_link_local() { scope } else { 0 };
            (Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(ip, DISCARD, 0, scope).into())
        }
    };
    let socket = UdpSocket::bind((from, 0))?;
    socket.set_nonblocking(true)?;
    socket.set_ttl(1)?;
    socket.send_to(&[], to).map(drop)
}
