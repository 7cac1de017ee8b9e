//! One cache line of the flow table: [`Bucket`]. Invariant: its entries are the first `len` ones,
//! without a gap.

use crate::Zeroable;

/// Entries in a bucket: as many as a cache line holds beside the link.
pub(super) const ENTRIES: usize = 10;

/// Ten entries and the link to the next bucket of the chain. All zeros: empty, the chain's last.
#[repr(C, align(64))]
pub(super) struct Bucket {
    tags: [u16; ENTRIES],
    /// Each index plus one; 0 where there is no entry.
    indices: [u32; ENTRIES],
    /// The next overflow bucket's index plus one, or 0.
    next: u32,
}

const _: () = assert!(size_of::<Bucket>() == 64);

// SAFETY: integers.
unsafe impl Zeroable for Bucket {}

impl Bucket {
    /// The positions and indices of the entries with this tag.
    #[inline]
    pub fn matching(&self, tag: u16) -> impl Iterator<Item = (usize, u32)> {
        let mut hits = 0_u16;
        // All ten compared before one is looked at: the compiler makes this a vector comparison.
        for (position, &held) in self.tags.iter().enumerate() {
            hits |= u16::from(held == tag) << position;
        }
        core::iter::from_fn(move || {
            while hits != 0 {
                let position = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                // An unused place has tag 0 too.
                if let Some(index) = self.indices[position].checked_sub(1) {
                    return Some((position, index));
                }
            }
            None
        })
    }

    /// The tag and index at a position, if an entry is there.
    pub const fn entry(&self, position: usize) -> Option<(u16, u32)> {
        match self.indices[position].checked_sub(1) {
            Some(index) => Some((self.tags[position], index)),
            None => None,
        }
    }

    pub const fn put(&mut self, position: usize, tag: u16, index: u32) {
        self.tags[position] = tag;
        self.indices[position] = index + 1;
    }

    pub fn len(&self) -> usize {
        self.indices.iter().position(|&index| index == 0).unwrap_or(ENTRIES)
    }

    /// Empties the positions from `position` on.
    pub fn clear_from(&mut self, position: usize) {
        self.tags[position..].fill(0);
        self.indices[position..].fill(0);
    }

    pub const fn next(&self) -> Option<u32> {
        self.next.checked_sub(1)
    }

    pub fn set_next(&mut self, next: Option<u32>) {
        self.next = next.map_or(0, |index| index + 1);
    }
}
