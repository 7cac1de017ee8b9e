//! The packet an ICMP error quotes: which of our packets it speaks of. RFC 792 promises the IP
//! header and 8 bytes more, RFC 4443 as much as fits. Invariant: what is read here was sent by a
//! stranger who may never have seen our packet; whoever acts on it checks the sequence number
//! against what is in flight (RFC 5927 section 4).

use core::net::IpAddr;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::Malformed;
use crate::field::{bytes_at, u16_at, u32_at};
use crate::{ipv4, ipv6, protocol};

/// The start of a TCP or UDP packet, as it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Who sent the packet: one of our addresses, or the error is not for us.
    pub source: IpAddr,
    /// Whom it was sent to.
    pub destination: IpAddr,
    /// [`protocol::TCP`] or [`protocol::UDP`].
    pub protocol: u8,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// The TCP sequence number; for UDP, length and checksum.
    pub sequence: u32,
}

impl Quoted {
    /// Reads what an ICMPv4 error quotes. The packet's own length field is not held against it:
    /// routers cut quotations short and some change the field.
    ///
    /// # Errors
    /// When it is not an unfragmented TCP or UDP packet with the 8 bytes promised.
    pub fn parse_v4(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<{ ipv4::HEADER_LENGTH }>().ok_or(Malformed::Truncated)?;
        if header[0] >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let header_length = usize::from(header[0] & 0x0f) * 4;
        if header_length < ipv4::HEADER_LENGTH {
            return Err(Malformed::Length);
        }
        // A fragment other than the first does not start with ports.
        if u16_at(header, 6) & 0x1fff != 0 {
            return Err(Malformed::Unsupported);
        }
        let source = Ipv4Addr::from_octets(bytes_at(header, 12));
        let destination = Ipv4Addr::from_octets(bytes_at(header, 16));
        let upper = bytes.get(header_length..).ok_or(Malformed::Truncated)?;
        Self::ports(source.into(), destination.into(), header[9], upper)
    }

    /// Reads what an ICMPv6 error quotes. Packets that we send have no extension headers, so one
    /// with them was not ours.
    ///
    /// # Errors
    /// When it is not a TCP or UDP packet with the first 8 bytes of its header.
    pub fn parse_v6(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, upper) =
            bytes.split_first_chunk::<{ ipv6::HEADER_LENGTH }>().ok_or(Malformed::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let source = Ipv6Addr::from_octets(bytes_at(header, 8));
        let destination = Ipv6Addr::from_octets(bytes_at(header, 24));
        Self::ports(source.into(), destination.into(), header[6], upper)
    }

    fn ports(
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        upper: &[u8],
    ) -> Result<Self, Malformed> {
        if protocol != protocol::TCP && protocol != protocol::UDP {
            return Err(Malformed::Unsupported);
        }
        let start = upper.first_chunk::<8>().ok_or(Malformed::Truncated)?;
        Ok(Self {
            source,
            destination,
            protocol,
            source_port: u16_at(start, 0),
            destination_port: u16_at(start, 2),
            sequence: u32_at(start, 4),
        })
    }
}
