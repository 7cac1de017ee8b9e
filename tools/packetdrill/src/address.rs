//! Socket addresses as C has them. Invariant: IPv4 addresses in their IPv6 form (RFC 4291 section
//! 2.5.5.2) are IPv4 inside, and have that form again for a socket of AF_INET6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of `struct sockaddr_in` and `struct sockaddr_in6`.
const LENGTH_V4: usize = 16;
const LENGTH_V6: usize = 28;

/// Reads an address; None when it is of another family or too short.
pub(crate) fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let ip: IpAddr = match family(bytes)? {
        libc::AF_INET => Ipv4Addr::from(*bytes.get(4..LENGTH_V4)?.first_chunk::<4>()?).into(),
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(*bytes.get(8..LENGTH_V6)?.first_chunk::<16>()?);
            address.to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The family an address says it is of.
pub(crate) fn family(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().map(|family| i32::from(u16::from_ne_bytes(*family)))
}

/// An address for a socket of `domain`.
pub(crate) fn write(address: SocketAddr, domain: i32) -> Vec<u8> {
    let family = |number: i32| (number as u16).to_ne_bytes();
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) if domain == libc::AF_INET => {
            let mut bytes = [family(libc::AF_INET), port].concat();
            bytes.extend(ip.octets());
            bytes.resize(LENGTH_V4, 0);
            bytes
        }
        ip => {
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            let mut bytes = [family(libc::AF_INET6), port].concat();
            bytes.extend([0; 4]);
            bytes.extend(ip.octets());
            bytes.resize(LENGTH_V6, 0);
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn a_mapped_address_is_ipv4_inside() {
        let address = "192.0.2.1:8080".parse().expect("an address");
        let mapped = write(address, libc::AF_INET6);
        assert_eq!(mapped.len(), 28);
        assert_eq!(parse(&mapped), Some(address));
        assert_eq!(parse(&write(address, libc::AF_INET)), Some(address));
        assert_eq!(parse(&mapped[..20]), None);
    }
}
