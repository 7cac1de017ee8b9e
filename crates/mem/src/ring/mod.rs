//! Packets from one thread to another: [`ring`]. Invariant: of the ring's bytes, those from `head`
//! to `tail` belong to the consumer and the others to the producer; each end moves only its own
//! mark, and only past bytes that it has done with.

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::{Region, ReserveError};

/// Bytes before a packet that say how long it is; every packet starts at a multiple of them.
const PREFIX: usize = 8;
/// Stands for the length where the rest of the ring up to its end is left empty.
const SKIP: u64 = u64::MAX;

/// Makes the two ends of a queue of packets that holds about `bytes` bytes of them, rounded up to a
/// power of two. A packet takes its length and 8 bytes, rounded up to a multiple of 8, so small
/// packets lie close together.
///
/// # Errors
/// [`ReserveError`] when the memory is not to be had.
pub fn ring(bytes: usize) -> Result<(Producer, Consumer), ReserveError> {
    let bytes = bytes.max(64).checked_next_power_of_two();
    let bytes = bytes.ok_or(ReserveError { bytes: usize::MAX })?;
    let mut memory = Region::<u64>::reserve(bytes / PREFIX)?;
    let start = NonNull::from(&mut memory[..]).cast();
    let (tail, head) = (Mark::default(), Mark::default());
    let shared = Arc::new(Shared { tail, head, start, mask: bytes - 1, _memory: memory });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, published: 0, head: 0 };
    Ok((producer, Consumer { shared, head: 0, released: 0, tail: 0 }))
}

/// A count of bytes since the start, in a cache line (and its prefetched neighbour) of its own.
#[derive(Default)]
#[repr(align(128))]
struct Mark(AtomicUsize);

struct Shared {
    /// Bytes put in so far.
    tail: Mark,
    /// Bytes taken out so far.
    head: Mark,
    start: NonNull<u8>,
    mask: usize,
    /// Owns what `start` leads to; never looked at through this.
    _memory: Region<u64>,
}

// SAFETY: the memory is reached through the two ends only, which divide it between them by the
// marks (the module's invariant), published with release and read with acquire ordering.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The byte that `count` stands for.
    fn at(&self, count: usize) -> NonNull<u8> {
        // SAFETY: masked, so it lies in the memory.
        unsafe { self.start.add(count & self.mask) }
    }

    const fn bytes(&self) -> usize {
        self.mask + 1
    }
}

/// The end that packets are put into.
pub struct Producer {
    shared: Arc<Shared>,
    /// Bytes written, published or not.
    tail: usize,
    published: usize,
    /// The consumer's mark when it was last read.
    head: usize,
}

/// There is no room for the packet now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingFull;

impl Producer {
    /// Puts a packet in. The consumer sees it after [`Producer::publish`].
    ///
    /// # Errors
    /// [`RingFull`] until the consumer has taken enough out; for ever, where the packet is longer
    /// than [`Producer::longest`].
    pub fn push(&mut self, packet: &[u8]) -> Result<(), RingFull> {
        let taken = PREFIX + packet.len().next_multiple_of(PREFIX);
        let to_end = self.shared.bytes() - (self.tail & self.shared.mask);
        let skipped = if taken > to_end { to_end } else { 0 };
        self.make_room(skipped + taken)?;
        // SAFETY: `make_room` saw that the consumer has done with the bytes up to here, and they
        // stay the producer's until `publish`. A prefix is aligned, as every part is a multiple of
        // it, so one fits before the end of the memory; the packet fits or was skipped to the
        // start, which has room for it.
        unsafe {
            if skipped > 0 {
                self.shared.at(self.tail).cast::<u64>().write(SKIP);
            }
            let place = self.shared.at(self.tail + skipped);
            place.cast::<u64>().write(packet.len() as u64);
            let source = NonNull::from(packet).cast::<u8>();
            source.copy_to_nonoverlapping(place.add(PREFIX), packet.len());
        }
        self.tail += skipped + taken;
        Ok(())
    }

    /// Lets the consumer see what was put in. Once for a batch, as it costs the consumer a cache
    /// miss. Says whether there was anything new.
    pub fn publish(&mut self) -> bool {
        let new = self.published != self.tail;
        if new {
            self.published = self.tail;
            self.shared.tail.0.store(self.tail, Ordering::Release);
        }
        new
    }

    /// Bytes of the longest packet that there is ever room for: any fits beside the part that may
    /// have to be skipped.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.shared.bytes() / 2 - PREFIX
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), RingFull> {
        // Counts are compared by distance: they may wrap.
        let fits = |head: usize| self.tail.wrapping_sub(head) + bytes <= self.shared.bytes();
        if !fits(self.head) {
            self.head = self.shared.head.0.load(Ordering::Acquire);
            let fits = self.tail.wrapping_sub(self.head) + bytes <= self.shared.bytes();
            return if fits { Ok(()) } else { Err(RingFull) };
        }
        Ok(())
    }
}

/// The end that packets are taken from.
pub struct Consumer {
    shared: Arc<Shared>,
    /// Bytes read, given back to the producer or not.
    head: usize,
    released: usize,
    /// The producer's mark when it was last read.
    tail: usize,
}

impl Consumer {
    /// Takes the next packet out by handing it to `take`. `None` when there is none. Its room is
    /// the producer's again after [`Consumer::release`].
    pub fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: `is_empty` saw that the producer has published what is here, prefix and packet,
        // and it stays the consumer's until `release`.
        let packet = unsafe {
            if self.shared.at(self.head).cast::<u64>().read() == SKIP {
                self.head += self.shared.bytes() - (self.head & self.shared.mask);
            }
            let place = self.shared.at(self.head);
            let length = place.cast::<u64>().read() as usize;
            core::slice::from_raw_parts(place.add(PREFIX).as_ptr(), length)
        };
        self.head += PREFIX + packet.len().next_multiple_of(PREFIX);
        Some(take(packet))
    }

    /// Whether no packet is there.
    #[must_use]
    pub fn is_empty(&mut self) -> bool {
        if self.head == self.tail {
            self.tail = self.shared.tail.0.load(Ordering::Acquire);
        }
        self.head == self.tail
    }

    /// Gives the room of what was taken out back to the producer. Once for a batch.
    pub fn release(&mut self) {
        if self.released != self.head {
            self.released = self.head;
            self.shared.head.0.store(self.head, Ordering::Release);
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("head", &self.head).finish_non_exhaustive()
    }
}
