//! The Internet checksum, RFC 1071: the ones' complement of the ones' complement sum of all 16-bit
//! words. Invariant: sums are kept in the machine's own byte order (RFC 1071 section 2 B shows that
//! the order does not matter) and turned once, at the end.

use core::net::{Ipv4Addr, Ipv6Addr};

/// From this length on the lanes of [`sum_lanes`] cost less than the carries of [`sum_words`].
const LANES_FROM: usize = 64;

/// A checksum under way. Add slices and fields, in any order as long as each slice starts at an
/// even offset of the data, then [`Sum::finish`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u32);

impl Sum {
    /// Adds all bytes of a slice. One of odd length counts as if a zero byte followed, so only the
    /// last slice of the data may be of odd length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let sum = if bytes.len() >= LANES_FROM { sum_lanes(bytes) } else { sum_words(bytes) };
        Self(self.0 + u32::from(sum))
    }

    /// Adds one 16-bit field.
    #[must_use]
    pub const fn field(self, value: u16) -> Self {
        Self(self.0 + value.to_be() as u32)
    }

    /// Adds one 32-bit field.
    #[must_use]
    pub const fn wide_field(self, value: u32) -> Self {
        self.field((value >> 16) as u16).field(value as u16)
    }

    /// The checksum of what was added, as the value of the checksum field.
    #[must_use]
    pub const fn finish(self) -> u16 {
        !u16::from_be(fold(self.0 as u64))
    }

    /// Whether data that includes its own checksum adds up.
    #[must_use]
    pub const fn verifies(self) -> bool {
        fold(self.0 as u64) == 0xffff
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

/// Sums 64 bits at a time with the carry brought round. Short data and tails.
fn sum_words(bytes: &[u8]) -> u16 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut sum = 0u64;
    for word in words {
        let (added, carried) = sum.overflowing_add(u64::from_ne_bytes(*word));
        sum = added + u64::from(carried);
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    let (added, carried) = sum.overflowing_add(u64::from_ne_bytes(last));
    fold(added + u64::from(carried))
}

/// Sums eight 32-bit words at a time into eight 64-bit lanes. No carry passes from one step to the
/// next, so this compiles to vector additions of whatever width the target has. A lane cannot
/// overflow before 2^32 steps, 128 GiB.
fn sum_lanes(bytes: &[u8]) -> u16 {
    let (blocks, tail) = bytes.as_chunks::<32>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let folded: u64 = lanes.iter().map(|lane| u64::from(fold(*lane))).sum();
    fold(folded + u64::from(sum_words(tail)))
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
