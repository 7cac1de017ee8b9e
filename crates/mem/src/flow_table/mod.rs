//! From a flow's hash to its record's index: [`FlowTable`]. Invariant: a flow's entry is in the
//! chain of the bucket that its hash addresses at the present number of buckets; every bucket of a
//! chain but the last is full, and none but a chain's first is empty.
//!
//! This is linear hashing (Litwin, 1980) over buckets of one cache line. A table that doubles and
//! moves entries over bit by bit holds both sizes meanwhile, so at 6 bytes an entry and a load of
//! 7/8 at most it swings between 7 and 21 bytes a flow. Linear hashing grows by one bucket at a
//! time, in place, at the end of an array whose address space was reserved: no swing, no second
//! table, and the work of growing is one bucket per insert at most. The price is a short chain
//! behind one bucket in ten.

mod bucket;
mod chain;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::{Arena, Region, ReserveError};
use bucket::Bucket;
use chain::{Cursor, Place};

/// Flows for every [`FILL_BUCKETS`] buckets: 6.2 each. More would lengthen chains, fewer take more
/// memory.
const FILL_FLOWS: u64 = 31;
/// See [`FILL_FLOWS`].
const FILL_BUCKETS: u64 = 5;

/// A table from 64-bit hashes to indices of at most `capacity` records.
///
/// It holds 6 bytes of each flow: its index and 16 bits of its hash, which are compared before a
/// record is looked at, so one lookup in about 8,000 looks at a wrong one. Memory in use grows with
/// the flows and stays below 12 bytes for each, chains and room for growth included.
///
/// The hash has to be keyed ([`base::SipKey`]), because peers choose what goes into it.
pub struct FlowTable {
    /// The chains' first buckets; those from `buckets` on are unused yet.
    main: Region<Bucket>,
    /// The chains' other buckets.
    overflow: Region<Bucket>,
    buckets: usize,
    /// First free overflow bucket plus one, threaded through `Bucket::next`.
    free: u32,
    /// Overflow buckets below this have been used at some time.
    high: u32,
    /// Overflow buckets in use.
    chained: u32,
    len: u32,
    capacity: u32,
}

/// The table has no place for another flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl FlowTable {
    /// A table for `capacity` flows in address space of its own.
    ///
    /// # Errors
    /// [`ReserveError`] when that is not to be had.
    pub fn new(capacity: u32) -> Result<Self, ReserveError> {
        Self::new_in(&mut Arena::separate(), capacity)
    }

    /// A table for `capacity` flows in an arena.
    ///
    /// # Errors
    /// [`ReserveError`] when the arena has no room for it.
    pub fn new_in(arena: &mut Arena, capacity: u32) -> Result<Self, ReserveError> {
        let (main, overflow) = Self::shape(capacity);
        Ok(Self {
            main: arena.place(main)?,
            overflow: arena.place(overflow)?,
            buckets: 1,
            free: 0,
            high: 0,
            chained: 0,
            len: 0,
            capacity,
        })
    }

    /// Bytes of an arena that a table takes.
    #[must_use]
    pub const fn bytes_for(capacity: u32) -> usize {
        let (main, overflow) = Self::shape(capacity);
        Arena::bytes_for::<Bucket>(main).saturating_add(Arena::bytes_for::<Bucket>(overflow))
    }

    /// How many main and overflow buckets there can be. At 6.2 flows a bucket one in ten has a
    /// chain (the fullest phase of growth); one in six leaves room, and small tables vary more.
    const fn shape(capacity: u32) -> (usize, usize) {
        let main = (capacity as u64 * FILL_BUCKETS).div_ceil(FILL_FLOWS) as usize + 1;
        (main, main / 6 + 16)
    }

    /// Starts loading the bucket for a hash into the cache: the first of the two passes that let
    /// the misses of a batch overlap.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.main.prefetch(self.address(hash));
    }

    /// The first index whose tag fits, chains left out: the record to prefetch in the second
    /// pass. Only [`FlowTable::find`] says whether it is the right one.
    #[must_use]
    #[inline]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        self.main[self.address(hash)].matching(tag(hash)).next().map(|(_, index)| index)
    }

    /// Starts loading the second bucket of a chain, for a hash that has no [likely](Self::likely) index in
    /// the first.
    #[inline]
    pub fn prefetch_chain(&self, hash: u64) {
        if let Some(next) = self.main[self.address(hash)].next() {
            self.overflow.prefetch(next as usize);
        }
    }

    /// The first index whose tag fits, in the second bucket of the chain.
    #[must_use]
    #[inline]
    pub fn likely_in_chain(&self, hash: u64) -> Option<u32> {
        let next = self.main[self.address(hash)].next()?;
        self.overflow[next as usize].matching(tag(hash)).next().map(|(_, index)| index)
    }

    /// The index of the flow with this hash for which `is_it` says yes.
    #[must_use]
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut bucket = &self.main[self.address(hash)];
        loop {
            let found = bucket.matching(tag(hash)).find(|&(_, index)| is_it(index));
            if let Some((_, index)) = found {
                return Some(index);
            }
            bucket = &self.overflow[bucket.next()? as usize];
        }
    }

    /// Adds a flow that is not in the table. Now and then this makes the table grow by a bucket,
    /// for which `rehash` says anew the hash of a handful of flows, by their index. An index is
    /// below `u32::MAX`, as a slab's are.
    ///
    /// # Errors
    /// [`Full`] when `capacity` flows are in the table, or (only if hashes collide far beyond
    /// chance) there is no bucket left for a chain. The table is as before.
    pub fn insert(
        &mut self,
        hash: u64,
        index: u32,
        rehash: impl FnMut(u32) -> u64,
    ) -> Result<(), Full> {
        if self.len == self.capacity {
            return Err(Full);
        }
        if u64::from(self.len) * FILL_BUCKETS >= self.buckets as u64 * FILL_FLOWS {
            self.split(rehash);
        }
        self.append(self.address(hash), tag(hash), index)?;
        self.len += 1;
        Ok(())
    }

    /// Takes a flow out and says whether it was there.
    pub fn remove(&mut self, hash: u64, index: u32) -> bool {
        let first = self.address(hash);
        let mut place = Place::Main(first);
        let position = loop {
            let bucket = self.bucket(place);
            let found = bucket.matching(tag(hash)).find(|&(_, held)| held == index);
            if let Some((position, _)) = found {
                break position;
            }
            let Some(next) = bucket.next() else { return false };
            place = Place::Overflow(next);
        };
        // The chain's last entry, which may be this one, fills the gap.
        let last = self.last(first);
        if let Some((tag, moved)) = self.entry(last) {
            self.bucket_mut(place).put(position, tag, moved);
        }
        self.truncate(first, last);
        self.len -= 1;
        true
    }

    /// Flows in the table.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no flow in the table.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory in use: every bucket that was ever used.
    #[must_use]
    pub const fn bytes_touched(&self) -> usize {
        (self.buckets + self.high as usize) * size_of::<Bucket>()
    }

    /// Bytes of address space reserved.
    #[must_use]
    pub const fn bytes_reserved(&self) -> usize {
        self.main.bytes() + self.overflow.bytes()
    }

    /// The first bucket of a hash's chain: as many low bits of the hash as there are buckets for,
    /// and one fewer where that bucket does not exist yet.
    #[inline]
    fn address(&self, hash: u64) -> usize {
        let mask = self.buckets.next_power_of_two() - 1;
        let address = hash as usize & mask;
        if address < self.buckets { address } else { address & (mask >> 1) }
    }

    /// Adds one bucket and moves to it what it takes from the one it splits. Nothing happens when
    /// there is no room to grow.
    fn split(&mut self, mut rehash: impl FnMut(u32) -> u64) {
        let new = self.buckets;
        let old = new & !(1 << new.ilog2());
        // The new chain can at most be as long as the old one.
        if new == self.main.len() || self.chain_length(old) > self.spare() {
            return;
        }
        self.buckets += 1;
        let start = Cursor { place: Place::Main(old), position: 0 };
        let (mut from, mut to) = (Some(start), Some(start));
        while let Some(at) = from
            && let Some((tag, index)) = self.entry(at)
        {
            from = self.after(at);
            if self.address(rehash(index)) == new {
                let appended = self.append(new, tag, index);
                debug_assert!(appended.is_ok(), "the room was counted above");
            } else if let Some(gap) = to {
                self.bucket_mut(gap.place).put(gap.position, tag, index);
                to = self.after(gap);
            }
        }
        if let Some(end) = to {
            self.truncate(old, end);
        }
    }
}

/// The part of a hash that is kept in the table: the bits furthest from those of the address.
#[inline]
const fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

impl fmt::Debug for FlowTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowTable")
            .field("len", &self.len)
            .field("capacity", &self.capacity)
            .field("buckets", &self.buckets)
            .field("chained", &self.chained)
            .finish_non_exhaustive()
    }
}
