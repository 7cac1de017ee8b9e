//! What a shard keeps at hand to answer from: [`Cache`], pages by host and path.
//!
//! Each shard has its own, so that a hit takes no lock and touches no other core's cache lines;
//! the price is that a hot small file is kept once for each shard. Invariant: the bytes and
//! descriptors held never exceed what was given at the start; what was used least recently (by
//! the clock algorithm: one bit for each page, a hand that goes round) makes way.

use std::hash::BuildHasher;
use std::sync::Arc;

use base::Instant;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::page::Page;

/// One shard's pages.
#[derive(Debug)]
pub(crate) struct Cache {
    hasher: DefaultHashBuilder,
    /// Indices into `slots`.
    table: HashTable<usize>,
    slots: Vec<Option<Slot>>,
    vacant: Vec<usize>,
    /// Where the search for something to drop goes on.
    hand: usize,
    held: Cost,
    limit: Cost,
}

/// What a page takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Cost {
    /// Bytes of memory.
    pub(crate) bytes: u64,
    /// Open descriptors.
    pub(crate) files: u32,
}

#[derive(Debug)]
struct Slot {
    host: usize,
    path: Box<str>,
    page: Arc<Page>,
    cost: Cost,
    /// When the page was last known to be what is on disk.
    checked: Instant,
    /// Whether it was hit since the hand last came by.
    used: bool,
}

/// Bytes for one page beside its content and headers: slot, index, path, the page itself.
const OVERHEAD: u64 = 512;

impl Cache {
    pub(crate) fn new(limit: Cost) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            hand: 0,
            held: Cost::default(),
            limit,
        }
    }

    /// The page at a canonical path, and when it was last known to be what is on disk.
    pub(crate) fn get(&mut self, host: usize, path: &str) -> Option<(&Arc<Page>, Instant)> {
        let hash = self.hasher.hash_one((host, path));
        let slots = &mut self.slots;
        let index = *self.table.find(hash, |&index| is_at(&slots[index], host, path))?;
        let slot = slots[index].as_mut()?;
        slot.used = true;
        Some((&slot.page, slot.checked))
    }

    /// Notes that the page at a path is what is on disk now.
    pub(crate) fn confirm(&mut self, host: usize, path: &str, now: Instant) {
        let hash = self.hasher.hash_one((host, path));
        let slots = &mut self.slots;
        let found = self.table.find(hash, |&index| is_at(&slots[index], host, path));
        if let Some(slot) = found.and_then(|&index| slots[index].as_mut()) {
            slot.checked = now;
        }
    }

    /// Keeps a page, in place of the one that was at the path. What is too large for the whole
    /// cache is not kept.
    pub(crate) fn insert(&mut self, host: usize, path: &str, page: Arc<Page>, now: Instant) {
        self.remove(host, path);
        let mut cost = page.cost();
        cost.bytes += OVERHEAD + path.len() as u64;
        if cost.bytes > self.limit.bytes || cost.files > self.limit.files {
            return;
        }
        self.make_room(cost);
        self.held = self.held.plus(cost);
        let slot = Some(Slot { host, path: path.into(), page, cost, checked: now, used: false });
        let index = match self.vacant.pop() {
            Some(index) => {
                self.slots[index] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        let hash = self.hasher.hash_one((host, path));
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.table.insert_unique(hash, index, |&index| hash_of(hasher, &slots[index]));
    }

    /// Drops the page at a path.
    pub(crate) fn remove(&mut self, host: usize, path: &str) {
        let hash = self.hasher.hash_one((host, path));
        let slots = &self.slots;
        let found = self.table.find_entry(hash, |&index| is_at(&slots[index], host, path));
        if let Ok(entry) = found {
            let (index, _) = entry.remove();
            self.vacate(index);
        }
    }

    /// Counts a page again that has come to hold more or less.
    pub(crate) fn recount(&mut self, host: usize, path: &str, page: &Arc<Page>) {
        if let Some((held, checked)) = self.get(host, path)
            && Arc::ptr_eq(held, page)
        {
            self.insert(host, path, Arc::clone(page), checked);
        }
    }

    /// Bytes and descriptors held.
    pub(crate) const fn held(&self) -> Cost {
        self.held
    }

    /// Pages held.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn make_room(&mut self, cost: Cost) {
        while !self.held.plus(cost).within(self.limit) && !self.table.is_empty() {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = &mut self.slots[self.hand] else { continue };
            if std::mem::take(&mut slot.used) {
                continue;
            }
            let hash = hash_of(&self.hasher, &self.slots[self.hand]);
            let hand = self.hand;
            if let Ok(entry) = self.table.find_entry(hash, |&index| index == hand) {
                entry.remove();
            }
            self.vacate(hand);
        }
    }

    fn vacate(&mut self, index: usize) {
        if let Some(slot) = self.slots[index].take() {
            self.held = self.held.minus(slot.cost);
            self.vacant.push(index);
        }
    }
}

fn is_at(slot: &Option<Slot>, host: usize, path: &str) -> bool {
    slot.as_ref().is_some_and(|slot| slot.host == host && *slot.path == *path)
}

fn hash_of(hasher: &DefaultHashBuilder, slot: &Option<Slot>) -> u64 {
    slot.as_ref().map_or(0, |slot| hasher.hash_one((slot.host, &*slot.path)))
}

impl Cost {
    const fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, files: self.files + other.files }
    }

    const fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, files: self.files - other.files }
    }

    const fn within(self, limit: Self) -> bool {
        self.bytes <= limit.bytes && self.files <= limit.files
    }
}

#[cfg(test)]
mod tests;
