//! The Internet checksum, RFC 1071: the ones' complement of the ones' complement sum of all 16-bit
//! words. Invariant: sums are kept in the machine's own byte order (RFC 1071 section 2 B shows that
//! the order does not matter) and turned once, at the end.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A checksum under way. Add slices and fields, in any order as long as each slice starts at an
/// even offset of the data, then [`Sum::finish`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds all bytes of a slice. One of odd length counts as if a zero byte followed, so only the
    /// last slice of the data may be of odd length.
    #[must_use]
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        Self(add(self.0, sum(bytes)))
    }

    /// Adds one 16-bit field.
    #[must_use]
    #[inline]
    pub const fn field(self, value: u16) -> Self {
        Self(add(self.0, value.to_be() as u64))
    }

    /// Adds one 32-bit field.
    #[must_use]
    #[inline]
    pub const fn wide_field(self, value: u32) -> Self {
        Self(add(self.0, value.to_be() as u64))
    }

    /// The checksum of what was added, as the value of the checksum field.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !u16::from_be(fold(self.0))
    }

    /// Whether data that includes its own checksum adds up.
    #[must_use]
    pub const fn verifies(self) -> bool {
        fold(self.0) == 0xffff
    }

    /// The pseudo-header of RFC 9293 section 3.1 and RFC 768 for IPv4. `length` counts the
    /// transport header and its payload.
    #[must_use]
    pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u16) -> Self {
        Self::default()
            .wide_field(source.to_bits())
            .wide_field(destination.to_bits())
            .field(u16::from(protocol))
            .field(length)
    }

    /// The pseudo-header of RFC 8200 section 8.1. `length` counts the upper-layer header and its
    /// payload, extension headers not included.
    #[must_use]
    pub fn pseudo_v6(source: Ipv6Addr, destination: Ipv6Addr, next: u8, length: u32) -> Self {
        Self::default()
            .bytes(&source.octets())
            .bytes(&destination.octets())
            .wide_field(length)
            .field(u16::from(next))
    }
}

/// The checksum field after one 16-bit word that it covers changed from `old` to `new`
/// (RFC 1624 equation 3).
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(!checksum as u64 + !old as u64 + new as u64)
}

/// The same for a 32-bit field at an even offset.
#[must_use]
pub const fn update_wide(checksum: u16, old: u32, new: u32) -> u16 {
    let high = update(checksum, (old >> 16) as u16, (new >> 16) as u16);
    update(high, old as u16, new as u16)
}

/// Sums 64 bits at a time with the carry brought round, in four sums that do not wait for each
/// other. On a machine with 64-bit registers this is as fast as 128-bit vectors for long data, which
/// have to widen what they add, and faster for headers.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut sums = [0; 4];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = add(*sum, u64::from_ne_bytes(*word));
        }
    }
    let (words, rest) = rest.as_chunks::<8>();
    let mut last = tail(rest);
    for word in words {
        last = add(last, u64::from_ne_bytes(*word));
    }
    add(add(add(sums[0], sums[1]), add(sums[2], sums[3])), last)
}

/// The last bytes, fewer than eight.
#[inline]
fn tail(mut bytes: &[u8]) -> u64 {
    let mut sum = 0;
    if let Some((word, rest)) = bytes.split_first_chunk() {
        sum = u64::from(u32::from_ne_bytes(*word));
        bytes = rest;
    }
    if let Some((word, rest)) = bytes.split_first_chunk() {
        sum += u64::from(u16::from_ne_bytes(*word));
        bytes = rest;
    }
    match bytes {
        [last, ..] => sum + u64::from(u16::from_ne_bytes([*last, 0])),
        [] => sum,
    }
}

/// The ones' complement sum of two.
#[inline]
const fn add(one: u64, other: u64) -> u64 {
    let (sum, carried) = one.overflowing_add(other);
    sum + carried as u64
}

/// Brings the carries of a wide sum back into 16 bits.
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests;
