//! The buffers that the kernel receives into: [`ReceiveBuffers`]. Invariant: each buffer is either
//! the kernel's, on the ring, or has been filled and reported and is given back after it was looked
//! at. Idle connections have none.

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use mem::Region;

use super::ring::Ring;
use crate::SetupError;

/// The one group of buffers there is.
pub(crate) const GROUP: u16 = 0;
/// A power of two. As many connections can be reported in one turn without the kernel running out,
/// which costs an operation more for each connection over it.
const COUNT: u16 = 512;
/// Most requests fit.
pub(crate) const BUFFER_BYTES: usize = 4_096;

pub(crate) struct ReceiveBuffers {
    /// Read and written by the kernel, too; reached only through the pointers below.
    _memory: Region<u8>,
    _ring: Region<u64>,
    bytes: *mut u8,
    entries: *mut BufRingEntry,
    /// Buffers given back so far, modulo 65,536.
    tail: u16,
}

impl ReceiveBuffers {
    pub fn new(ring: &Ring) -> Result<Self, SetupError> {
        let mut memory: Region<u8> = Region::reserve(usize::from(COUNT) * BUFFER_BYTES)?;
        let words = usize::from(COUNT) * size_of::<BufRingEntry>() / size_of::<u64>();
        let mut entries: Region<u64> = Region::reserve(words)?;
        let bytes = memory.as_mut_ptr();
        let first = entries.as_mut_ptr();
        let mut buffers =
            Self { bytes, entries: first.cast(), _memory: memory, _ring: entries, tail: 0 };
        for buffer in 0..COUNT {
            buffers.give_back(buffer);
        }
        buffers.publish();
        // SAFETY: `entries` is as large as COUNT entries, page-aligned as all regions are, and is
        // not dropped before the ring has finished.
        unsafe { ring.register_buffers(first as u64, COUNT, GROUP)? };
        Ok(buffers)
    }

    /// The first `len` bytes from `start` on, which lie in one buffer that has been filled and not
    /// given back.
    pub fn bytes(&self, start: usize, len: usize) -> &[u8] {
        assert!(start + len <= usize::from(COUNT) * BUFFER_BYTES, "outside the buffers");
        // SAFETY: inside the region, as just checked; the kernel does not write to a buffer that
        // it has not been given back, and `give_back` needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.bytes.add(start), len) }
    }

    /// Where a buffer starts.
    pub fn start(buffer: u16) -> usize {
        usize::from(buffer) * BUFFER_BYTES
    }

    /// Gives a buffer back to the kernel, from [`ReceiveBuffers::publish`] on.
    pub fn give_back(&mut self, buffer: u16) {
        let place = usize::from(self.tail % COUNT);
        let address = self.bytes as u64 + Self::start(buffer) as u64;
        // SAFETY: `place` is below COUNT. The kernel reads entries only up to the tail it was told
        // of, and no more than COUNT buffers exist, so it does not read this one now.
        let entry = unsafe { &mut *self.entries.add(place) };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Tells the kernel of the buffers given back.
    pub fn publish(&mut self) {
        // SAFETY: `entries` leads to the ring's first entry, in which the tail lies, aligned; the
        // kernel and we share it as an atomic value.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Bytes of memory taken once every buffer has been used.
    pub const fn memory(&self) -> u64 {
        COUNT as u64 * (BUFFER_BYTES + size_of::<BufRingEntry>()) as u64
    }
}
