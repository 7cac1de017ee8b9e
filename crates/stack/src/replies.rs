//! Answers in flight on connections that otherwise sleep: [`Replies`], one cache line each beside its
//! buffer. Invariant: an entry is free, and holds nothing, or belongs to the one record that names it;
//! the taken ones are in a list, the one sent first in front.

use alloc::vec::Vec;

use mem::{Frame, Pool};
use tcp::Reply;

/// No entry: the end of a list.
const NONE: u32 = u32::MAX;

/// One answer.
pub(crate) struct Entry {
    pub(crate) reply: Reply,
    /// The answer's bytes, for as long as the entry is taken.
    frame: Option<Frame>,
    /// Where its record is.
    pub(crate) slot: u32,
    /// The neighbours in the list; of a free entry, the next free one.
    earlier: u32,
    later: u32,
}

const _: () = assert!(size_of::<Entry>() <= 64);

/// The pool of entries.
pub(crate) struct Replies {
    entries: Vec<Entry>,
    capacity: u32,
    free: u32,
    taken: u32,
    first: u32,
    last: u32,
}

impl Replies {
    /// A pool of `capacity` entries. Memory is used once they are.
    pub(crate) fn new(capacity: u32) -> Self {
        let entries = Vec::with_capacity(capacity as usize);
        Self { entries, capacity, free: NONE, taken: 0, first: NONE, last: NONE }
    }

    /// Whether there is room for one more.
    pub(crate) const fn has_room(&self) -> bool {
        self.taken < self.capacity
    }

    /// Adds an answer that was sent now, after all others. Only while there is room.
    pub(crate) fn push(&mut self, reply: Reply, frame: Frame, slot: u32) -> u32 {
        let entry = Entry { reply, frame: Some(frame), slot, earlier: self.last, later: NONE };
        let index = self.free;
        let index = if index == NONE {
            // Never past the capacity reserved, so this allocates nothing.
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            let place = &mut self.entries[index as usize];
            self.free = place.later;
            *place = entry;
            index
        };
        match self.last {
            NONE => self.first = index,
            last => self.entries[last as usize].later = index,
        }
        self.last = index;
        self.taken += 1;
        index
    }

    /// Takes an entry out and gives what was in it: the reply, and the buffer with the answer.
    pub(crate) fn take(&mut self, index: u32) -> (Reply, Option<Frame>) {
        let entry = &mut self.entries[index as usize];
        let (reply, frame) = (entry.reply, entry.frame.take());
        let (earlier, later) = (entry.earlier, entry.later);
        entry.later = self.free;
        self.free = index;
        match earlier {
            NONE => self.first = later,
            earlier => self.entries[earlier as usize].later = later,
        }
        match later {
            NONE => self.last = earlier,
            later => self.entries[later as usize].earlier = earlier,
        }
        self.taken -= 1;
        (reply, frame)
    }

    pub(crate) fn get(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// The one sent first.
    pub(crate) fn first(&self) -> Option<(u32, &Entry)> {
        let entry = self.entries.get(self.first as usize)?;
        Some((self.first, entry))
    }

    /// Entries taken.
    pub(crate) const fn taken(&self) -> u32 {
        self.taken
    }

    /// Buffers that entries hold, those of free entries included: they should hold none.
    pub(crate) fn buffers_held(&self) -> u32 {
        self.entries.iter().filter(|entry| entry.frame.is_some()).count() as u32
    }

    /// Gives the buffers of all entries back, when nobody will use them any more.
    pub(crate) fn clear(&mut self, buffers: &mut Pool) {
        for entry in &mut self.entries {
            if let Some(frame) = entry.frame.take() {
                buffers.give(frame);
            }
        }
    }

    /// Bytes of memory in use: every entry that was ever taken.
    pub(crate) const fn bytes_touched(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }
}
