//! A chain of buckets: the first from the main array, any others from the overflow array.
//! Invariant: overflow buckets are each in one chain or free; `chained` counts the former.

use super::bucket::{Bucket, ENTRIES};
use super::{FlowTable, Full};

/// A bucket in either array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Main(usize),
    Overflow(u32),
}

/// The place of an entry, whether there is one or not.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub place: Place,
    pub position: usize,
}

impl FlowTable {
    pub(super) fn bucket(&self, place: Place) -> &Bucket {
        match place {
            Place::Main(index) => &self.main[index],
            Place::Overflow(index) => &self.overflow[index as usize],
        }
    }

    pub(super) fn bucket_mut(&mut self, place: Place) -> &mut Bucket {
        match place {
            Place::Main(index) => &mut self.main[index],
            Place::Overflow(index) => &mut self.overflow[index as usize],
        }
    }

    pub(super) fn entry(&self, at: Cursor) -> Option<(u16, u32)> {
        self.bucket(at.place).entry(at.position)
    }

    /// What comes after a cursor in its chain; `None` at the chain's end.
    pub(super) fn after(&self, at: Cursor) -> Option<Cursor> {
        if at.position + 1 < ENTRIES {
            return Some(Cursor { position: at.position + 1, ..at });
        }
        let next = self.bucket(at.place).next()?;
        Some(Cursor { place: Place::Overflow(next), position: 0 })
    }

    /// The last entry of the chain that starts at `first`, or that bucket's first place.
    pub(super) fn last(&self, first: usize) -> Cursor {
        let mut place = Place::Main(first);
        while let Some(next) = self.bucket(place).next() {
            place = Place::Overflow(next);
        }
        Cursor { place, position: self.bucket(place).len().saturating_sub(1) }
    }

    /// Overflow buckets of the chain that starts at `first`.
    pub(super) fn chain_length(&self, first: usize) -> usize {
        let next = |place| self.bucket(place).next().map(Place::Overflow);
        core::iter::successors(next(Place::Main(first)), |&place| next(place)).count()
    }

    /// Overflow buckets in no chain.
    pub(super) fn spare(&self) -> usize {
        self.overflow.len() - self.chained as usize
    }

    /// Adds an entry at the end of the chain that starts at `first`.
    pub(super) fn append(&mut self, first: usize, tag: u16, index: u32) -> Result<(), Full> {
        let mut place = Place::Main(first);
        while let Some(next) = self.bucket(place).next() {
            place = Place::Overflow(next);
        }
        let mut position = self.bucket(place).len();
        if position == ENTRIES {
            let added = self.take_overflow()?;
            self.bucket_mut(place).set_next(Some(added));
            (place, position) = (Place::Overflow(added), 0);
        }
        self.bucket_mut(place).put(position, tag, index);
        Ok(())
    }

    /// Empties everything from `end` on in the chain that starts at `first`.
    pub(super) fn truncate(&mut self, first: usize, end: Cursor) {
        let mut place = Place::Main(first);
        let mut before = place;
        while place != end.place {
            let Some(next) = self.bucket(place).next() else { return };
            before = place;
            place = Place::Overflow(next);
        }
        self.bucket_mut(place).clear_from(end.position);
        self.release_after(place);
        // Only a chain's first bucket may be empty.
        if place != before && end.position == 0 {
            self.release_after(before);
        }
    }

    /// Frees all buckets of a chain behind `place`.
    fn release_after(&mut self, place: Place) {
        let mut next = self.bucket(place).next();
        self.bucket_mut(place).set_next(None);
        while let Some(index) = next {
            let free = self.free.checked_sub(1);
            let bucket = &mut self.overflow[index as usize];
            next = bucket.next();
            bucket.clear_from(0);
            bucket.set_next(free);
            self.free = index + 1;
            self.chained -= 1;
        }
    }

    fn take_overflow(&mut self) -> Result<u32, Full> {
        let index = if let Some(index) = self.free.checked_sub(1) {
            let bucket = &mut self.overflow[index as usize];
            self.free = bucket.next().map_or(0, |next| next + 1);
            bucket.set_next(None);
            index
        } else if (self.high as usize) < self.overflow.len() {
            self.high += 1;
            self.high - 1
        } else {
            return Err(Full);
        };
        self.chained += 1;
        Ok(index)
    }
}
