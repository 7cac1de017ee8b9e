//! ARP for IPv4 over Ethernet, RFC 826. Invariant of a view: hardware and protocol types and sizes
//! are those of Ethernet and IPv4.

use core::net::Ipv4Addr;

use crate::ethernet::Mac;
use crate::field::{bytes_at, put, u16_at};
use crate::{Malformed, NoRoom};

/// Bytes of a packet.
pub const LENGTH: usize = 28;

/// Ethernet (1), IPv4 (0x0800), address sizes 6 and 4: the first six bytes of every packet here.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What the sender wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Who has the target's protocol address?
    Request,
    /// The sender has the sender's protocol address.
    Reply,
}

/// A packet as a value. It is so small that reading it gives this at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repr {
    /// Question or answer.
    pub operation: Operation,
    /// The sender's Ethernet address.
    pub sender_mac: Mac,
    /// The sender's IPv4 address.
    pub sender: Ipv4Addr,
    /// The target's Ethernet address; unset in a request.
    pub target_mac: Mac,
    /// The target's IPv4 address.
    pub target: Ipv4Addr,
}

impl Repr {
    /// Reads a packet. Padding behind it is ignored.
    ///
    /// # Errors
    /// When it is too short, is not for IPv4 over Ethernet, or neither asks nor answers.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<LENGTH>().ok_or(Malformed::Truncated)?;
        if !header.starts_with(&PREFIX) {
            return Err(Malformed::Unsupported);
        }
        let operation = match u16_at(header, 6) {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(Malformed::Unsupported),
        };
        Ok(Self {
            operation,
            sender_mac: Mac(bytes_at(header, 8)),
            sender: Ipv4Addr::from_octets(bytes_at(header, 14)),
            target_mac: Mac(bytes_at(header, 18)),
            target: Ipv4Addr::from_octets(bytes_at(header, 24)),
        })
    }

    /// Writes the packet and says how many bytes it took: [`LENGTH`].
    ///
    /// # Errors
    /// [`NoRoom`] when `into` is shorter than that.
    pub fn emit(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let header = into.first_chunk_mut::<LENGTH>().ok_or(NoRoom)?;
        let operation: u16 = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        put(header, 0, &PREFIX);
        put(header, 6, &operation.to_be_bytes());
        put(header, 8, &self.sender_mac.0);
        put(header, 14, &self.sender.octets());
        put(header, 18, &self.target_mac.0);
        put(header, 24, &self.target.octets());
        Ok(LENGTH)
    }
}
