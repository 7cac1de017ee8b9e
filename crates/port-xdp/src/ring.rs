//! The rings that a socket shares with the kernel: [`Ring`]. Invariant: of the entries, those from
//! the consumer's mark to the producer's belong to the consumer and the others to the producer;
//! each side moves only its own mark, and only past entries that it has done with.

use std::os::fd::BorrowedFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

/// One ring, of entries of type `T`: addresses or descriptors. Which side we are, the calls say:
/// [`Ring::push`] is for the producer, [`Ring::pop`] for the consumer.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    mapping: NonNull<u8>,
    bytes: usize,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: Option<NonNull<AtomicU32>>,
    entries: NonNull<T>,
    mask: u32,
    /// Our own mark, published or not.
    here: u32,
    /// The kernel's mark when it was last read.
    there: u32,
}

// SAFETY: the ring is reached through this value alone, on our side; the kernel keeps to the marks.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T: Copy> Ring<T> {
    /// Maps a ring of a socket whose size has been set.
    ///
    /// # Safety
    /// `offsets` and `page_offset` are those of the socket for this ring, which has `size` entries
    /// (a power of two) of type `T`, for which every pattern of bits is a value.
    pub unsafe fn map(
        socket: BorrowedFd<'_>,
        page_offset: u64,
        offsets: &XdpRingOffset,
        size: u32,
    ) -> Result<Self, Errno> {
        let bytes = offsets.desc as usize + size as usize * size_of::<T>();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let kind = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address that the kernel picks touches nothing that exists.
        let start = unsafe { mmap(null_mut(), bytes, protection, kind, socket, page_offset)? };
        let mapping = NonNull::new(start.cast::<u8>()).ok_or(Errno::FAULT)?;
        // SAFETY: the caller's promise: the offsets lie in the mapping, aligned as their types.
        let at = |offset: u64| unsafe { mapping.add(offset as usize) };
        Ok(Self {
            mapping,
            bytes,
            producer: at(offsets.producer).cast(),
            consumer: at(offsets.consumer).cast(),
            flags: offsets.flags.map(|offset| at(offset).cast()),
            entries: at(offsets.desc).cast(),
            mask: size - 1,
            here: 0,
            there: 0,
        })
    }

    /// Entries in all.
    pub const fn size(&self) -> u32 {
        self.mask + 1
    }

    /// Whether the kernel wants to be called for it to go on.
    pub fn needs_wakeup(&self) -> bool {
        let Some(flags) = self.flags else { return true };
        // SAFETY: in the mapping, which lives as long as this value.
        let flags = unsafe { flags.as_ref() }.load(Ordering::Relaxed);
        flags & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }

    /// As the producer, puts an entry in; false when the ring is full. The kernel sees it after
    /// [`Ring::publish`].
    pub fn push(&mut self, entry: T) -> bool {
        if self.here.wrapping_sub(self.there) == self.size() {
            self.there = self.consumer().load(Ordering::Acquire);
            if self.here.wrapping_sub(self.there) == self.size() {
                return false;
            }
        }
        // SAFETY: masked, so in the mapping; the kernel has done with the entry, as just seen.
        unsafe { self.entries.add((self.here & self.mask) as usize).write(entry) };
        self.here = self.here.wrapping_add(1);
        true
    }

    /// As the producer, whether there is room for so many entries now. The kernel's mark is read
    /// only where the last reading leaves it open.
    pub fn has_room(&mut self, entries: u32) -> bool {
        let free = |ring: &Self| ring.size() - ring.here.wrapping_sub(ring.there);
        if free(self) < entries {
            self.there = self.consumer().load(Ordering::Acquire);
        }
        free(self) >= entries
    }

    /// As the producer, lets the kernel see what was put in.
    pub fn publish(&mut self) {
        self.producer().store(self.here, Ordering::Release);
    }

    /// As the producer, how many entries the kernel has not taken yet.
    pub fn pending(&self) -> u32 {
        self.here.wrapping_sub(self.consumer().load(Ordering::Acquire))
    }

    /// As the consumer, takes an entry. Its place is the kernel's again after [`Ring::release`].
    pub fn pop(&mut self) -> Option<T> {
        let entry = self.peek()?;
        self.here = self.here.wrapping_add(1);
        Some(entry)
    }

    /// As the consumer, the next entry.
    pub fn peek(&mut self) -> Option<T> {
        if self.here == self.there {
            self.there = self.producer().load(Ordering::Acquire);
            if self.here == self.there {
                return None;
            }
        }
        // SAFETY: masked, so in the mapping; the kernel has published the entry, as just seen.
        Some(unsafe { self.entries.add((self.here & self.mask) as usize).read() })
    }

    /// As the consumer, gives the places of what was taken back to the kernel.
    pub fn release(&mut self) {
        self.consumer().store(self.here, Ordering::Release);
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: in the mapping, aligned, and changed atomically by both sides.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.consumer.as_ref() }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped; nothing refers to it any more.
        let unmapped = unsafe { munmap(self.mapping.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok());
    }
}
