//! Single segments in flight on connections that need no working block otherwise: [`Replies`], one
//! cache line each beside the text's buffer. Invariant: an entry is free, and holds nothing, or belongs to the one record that names it;
//! the taken ones are in a list, the one sent first in front.

use alloc::vec::Vec;

use base::Instant;
use mem::{Frame, Pool};
use tcp::{Attempt, Farewell, Greeting, Reply, Sleeping};

/// No entry: the end of a list.
const NONE: u32 = u32::MAX;

/// A segment in flight, and what the connection is without it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InFlight {
    /// Our SYN, and until when the attempt may take: the handler is to hear what became of it.
    Attempt(Attempt, Instant),
    /// Our SYN-ACK: the handler has not heard of the connection.
    Greeting(Greeting),
    /// Text: an answer, or a question of ours.
    Answer(Reply),
    /// Our FIN: the handler has nothing more to say, and is to hear that the connection has ended.
    Farewell(Farewell),
}

impl InFlight {
    /// When it was sent.
    pub(crate) fn sent(&self, now: Instant) -> Instant {
        match self {
            Self::Attempt(attempt, _) => attempt.sent(now),
            Self::Greeting(greeting) => greeting.sent(now),
            Self::Answer(reply) => reply.sent(now),
            Self::Farewell(farewell) => farewell.sent(now),
        }
    }
}

/// One of them.
pub(crate) struct Entry {
    pub(crate) flight: InFlight,
    /// The text's bytes, for as long as the entry is taken.
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
    greetings: u32,
    first: u32,
    last: u32,
}

impl Replies {
    /// A pool of `capacity` entries. Memory is used once they are.
    pub(crate) fn new(capacity: u32) -> Self {
        let entries = Vec::with_capacity(capacity as usize);
        Self { entries, capacity, free: NONE, taken: 0, greetings: 0, first: NONE, last: NONE }
    }

    /// Whether there is room for one more.
    pub(crate) const fn has_room(&self) -> bool {
        self.taken < self.capacity
    }

    /// Adds a segment that was sent now, after all others, and a text's bytes. Only while there is
    /// room.
    #[inline(always)]
    pub(crate) fn push(&mut self, flight: InFlight, frame: Option<Frame>, slot: u32) -> u32 {
        self.greetings += u32::from(matches!(flight, InFlight::Greeting(_)));
        let entry = Entry { flight, frame, slot, earlier: self.last, later: NONE };
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

    /// Takes an entry out and gives what was in it: the segment, and the buffer with the text.
    pub(crate) fn take(&mut self, index: u32) -> (InFlight, Option<Frame>) {
        let entry = &mut self.entries[index as usize];
        let (flight, frame) = (entry.flight, entry.frame.take());
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
        self.greetings -= u32::from(matches!(flight, InFlight::Greeting(_)));
        (flight, frame)
    }

    /// What the connection of an entry with text sleeps as.
    pub(crate) fn asleep_mut(&mut self, index: u32) -> Option<&mut Sleeping> {
        match &mut self.entries[index as usize].flight {
            InFlight::Answer(reply) => Some(&mut reply.asleep),
            InFlight::Attempt(..) | InFlight::Greeting(_) | InFlight::Farewell(_) => None,
        }
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

    /// Entries that are greetings.
    pub(crate) const fn greetings(&self) -> u32 {
        self.greetings
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
