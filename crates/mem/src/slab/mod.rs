//! A fixed number of records named by index: [`Slab`]. Invariant: a slot is in exactly one of three
//! states: occupied (its bit is set), free (on the free list, below the high-water mark), or never
//! used (at or above the mark, its memory untouched).

use core::fmt;
use core::mem::{ManuallyDrop, needs_drop};

use crate::{Arena, Region, ReserveError, Zeroable};

#[cfg(test)]
mod tests;

/// The end of the free list. No slot has this index: `Slab::new` refuses so large a capacity.
const NONE: u32 = u32::MAX;

/// A table of at most `capacity` records of type `T`, each named by a `u32` index that does not
/// change while the record is there.
///
/// Room for all of them is reserved at once and memory is used as slots are: first the lowest ones, and whichever was freed last is used again first, so it is likely in cache. Insert
/// and remove take constant time. A record takes `size_of::<T>()` bytes (at least 4, rounded up to
/// a multiple of 4) plus one bit; a 64-byte `T` starts at a multiple of 64 bytes.
pub struct Slab<T> {
    slots: Region<Slot<T>>,
    /// One bit a slot: occupied.
    occupied: Region<u64>,
    free: u32,
    /// Slots below this have been used at some time.
    high: u32,
    len: u32,
}

#[repr(C)]
union Slot<T> {
    record: ManuallyDrop<T>,
    next_free: u32,
}

// SAFETY: a union has no invalid bit patterns. Dropping the records is `Slab`'s own work.
unsafe impl<T> Zeroable for Slot<T> {}

impl<T> Slab<T> {
    /// A slab for `capacity` records in address space of its own.
    ///
    /// # Errors
    /// [`ReserveError`] when it is not to be had.
    pub fn new(capacity: u32) -> Result<Self, ReserveError> {
        Self::new_in(&mut Arena::separate(), capacity)
    }

    /// A slab for `capacity` records in an arena.
    ///
    /// # Errors
    /// [`ReserveError`] when the arena has no room for it.
    pub fn new_in(arena: &mut Arena, capacity: u32) -> Result<Self, ReserveError> {
        if capacity == NONE {
            return Err(ReserveError { bytes: usize::MAX });
        }
        Ok(Self {
            slots: arena.place(capacity as usize)?,
            occupied: arena.place(capacity.div_ceil(64) as usize)?,
            free: NONE,
            high: 0,
            len: 0,
        })
    }

    /// Bytes of an arena that a slab takes.
    #[must_use]
    pub const fn bytes_for(capacity: u32) -> usize {
        Arena::bytes_for::<Slot<T>>(capacity as usize)
            .saturating_add(Arena::bytes_for::<u64>(capacity.div_ceil(64) as usize))
    }

    /// Puts a record into a free slot and says which.
    ///
    /// # Errors
    /// The record itself, when all slots are occupied.
    pub fn insert(&mut self, record: T) -> Result<u32, T> {
        let index = if self.free != NONE {
            let index = self.free;
            // SAFETY: a slot on the free list was given its `next_free` when it was freed.
            self.free = unsafe { self.slots[index as usize].next_free };
            index
        } else if (self.high as usize) < self.slots.len() {
            self.high += 1;
            self.high - 1
        } else {
            return Err(record);
        };
        self.slots[index as usize] = Slot { record: ManuallyDrop::new(record) };
        self.occupied[index as usize / 64] |= bit(index);
        self.len += 1;
        Ok(index)
    }

    /// Takes a record out. `None` when the slot is not occupied.
    pub fn remove(&mut self, index: u32) -> Option<T> {
        if !self.contains(index) {
            return None;
        }
        self.occupied[index as usize / 64] &= !bit(index);
        self.len -= 1;
        let slot = &mut self.slots[index as usize];
        // SAFETY: the slot was occupied, so it holds a record; with its bit cleared and the slot
        // overwritten below nobody takes it a second time.
        let record = unsafe { ManuallyDrop::take(&mut slot.record) };
        slot.next_free = self.free;
        self.free = index;
        Some(record)
    }

    /// Whether the slot is occupied.
    #[must_use]
    #[inline]
    pub fn contains(&self, index: u32) -> bool {
        self.occupied.get(index as usize / 64).is_some_and(|word| word & bit(index) != 0)
    }

    /// The record in a slot, if the slot is occupied.
    #[must_use]
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        if !self.contains(index) {
            return None;
        }
        // SAFETY: an occupied slot holds a record.
        Some(unsafe { &self.slots[index as usize].record })
    }

    /// The record in a slot, to be changed, if the slot is occupied.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        if !self.contains(index) {
            return None;
        }
        // SAFETY: an occupied slot holds a record.
        Some(unsafe { &mut self.slots[index as usize].record })
    }

    /// The occupied slots, lowest first. Takes time for every slot ever used at once; to go
    /// through a large table in pieces, use [`Slab::next_occupied`].
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let index = self.next_occupied(from)?;
            from = index + 1;
            self.get(index).map(|record| (index, record))
        })
    }

    /// The first occupied slot that is `from` or higher.
    #[must_use]
    pub fn next_occupied(&self, from: u32) -> Option<u32> {
        let end = self.high.div_ceil(64);
        let first = from / 64;
        let below = (1 << (from % 64)) - 1;
        (first..end).find_map(|word| {
            let skipped = if word == first { below } else { 0 };
            let bits = self.occupied[word as usize] & !skipped;
            (bits != 0).then(|| word * 64 + bits.trailing_zeros())
        })
    }

    /// Starts loading a slot's record into the cache, and the bit that says whether there is one.
    #[inline]
    pub fn prefetch(&self, index: u32) {
        self.occupied.prefetch(index as usize / 64);
        self.slots.prefetch(index as usize);
    }

    /// Occupied slots.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no slot is occupied.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // `new` was given a u32.
        self.slots.len() as u32
    }

    /// Bytes of memory in use, by the page it came in not counted: what all slots ever used at
    /// once take. Slots that were freed still count, as the operating system does not get them
    /// back.
    #[must_use]
    pub fn bytes_touched(&self) -> usize {
        self.high as usize * size_of::<Slot<T>>() + self.high.div_ceil(64) as usize * 8
    }

    /// Bytes of address space reserved.
    #[must_use]
    pub fn bytes_reserved(&self) -> usize {
        self.slots.bytes() + self.occupied.bytes()
    }
}

/// The slot's bit in its word of 64.
const fn bit(index: u32) -> u64 {
    1 << (index % 64)
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        let mut from = 0;
        while let Some(index) = self.next_occupied(from) {
            drop(self.remove(index));
            from = index + 1;
        }
    }
}

impl<T> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
