//! Packet buffers: [`Pool`], the [`Frame`] that is a handle to one, and [`Batch`]. Invariant: each
//! buffer is either free or named by exactly one frame, so free and handed out add up to all.

mod batch;
mod frame;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;

use crate::{Arena, Region, ReserveError};

pub use batch::Batch;
pub use frame::Frame;

/// A fixed number of packet buffers of one size.
///
/// A buffer is had as a [`Frame`] and has to be given back; which is given back last is used again
/// first, while it is in cache. A frame belongs to the pool it came from: used with another it
/// names a buffer there that is not its own.
pub struct Pool {
    bytes: Region<u8>,
    /// A stack of free buffers' indices; those never used are not on it.
    free: Region<u32>,
    free_count: u32,
    /// Buffers below this have been used at some time.
    high: u32,
    buffer_bytes: usize,
}

impl Pool {
    /// Bytes a buffer can have at most: offsets in a [`Frame`] have 16 bits.
    pub const BUFFER_BYTES_MAX: usize = 32_768;

    /// A pool of `count` buffers in address space of its own.
    ///
    /// # Errors
    /// [`ReserveError`] when that is not to be had.
    ///
    /// # Panics
    /// When `buffer_bytes` is not a multiple of 64, zero, or above [`Pool::BUFFER_BYTES_MAX`].
    pub fn new(count: u32, buffer_bytes: usize) -> Result<Self, ReserveError> {
        Self::new_in(&mut Arena::separate(), count, buffer_bytes)
    }

    /// A pool of `count` buffers in an arena.
    ///
    /// # Errors
    /// [`ReserveError`] when the arena has no room for it.
    ///
    /// # Panics
    /// As [`Pool::new`].
    pub fn new_in(
        arena: &mut Arena,
        count: u32,
        buffer_bytes: usize,
    ) -> Result<Self, ReserveError> {
        assert!(buffer_bytes > 0 && buffer_bytes.is_multiple_of(64), "not whole cache lines");
        assert!(buffer_bytes <= Self::BUFFER_BYTES_MAX, "longer than a frame can say");
        let bytes = buffer_bytes.checked_mul(count as usize);
        if count == u32::MAX {
            return Err(ReserveError { bytes: usize::MAX });
        }
        Ok(Self {
            bytes: arena.place(bytes.ok_or(ReserveError { bytes: usize::MAX })?)?,
            free: arena.place(count as usize)?,
            free_count: 0,
            high: 0,
            buffer_bytes,
        })
    }

    /// Bytes of an arena that a pool takes.
    #[must_use]
    pub const fn bytes_for(count: u32, buffer_bytes: usize) -> usize {
        Arena::bytes_for::<u8>(buffer_bytes.saturating_mul(count as usize))
            .saturating_add(Arena::bytes_for::<u32>(count as usize))
    }

    /// Takes a free buffer, as a frame with no data in it that starts at the buffer's first byte.
    /// `None` when all are taken. What is in the buffer is whatever was there last.
    pub fn take(&mut self) -> Option<Frame> {
        let index = if let Some(left) = self.free_count.checked_sub(1) {
            self.free_count = left;
            self.free[left as usize]
        } else if self.high < self.capacity() {
            self.high += 1;
            self.high - 1
        } else {
            return None;
        };
        Some(Frame::new(index))
    }

    /// Gives a frame's buffer back.
    pub fn give(&mut self, frame: Frame) {
        let index = frame.into_index();
        debug_assert!(index < self.high, "the frame is not of this pool");
        self.free[self.free_count as usize] = index;
        self.free_count += 1;
    }

    /// The frame's data.
    #[must_use]
    #[inline]
    pub fn data(&self, frame: &Frame) -> &[u8] {
        &self.bytes[self.span(frame.index(), frame.range())]
    }

    /// The frame's data, to be changed.
    #[must_use]
    #[inline]
    pub fn data_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        let span = self.span(frame.index(), frame.range());
        &mut self.bytes[span]
    }

    /// The frame's whole buffer, to be filled; [`Frame::set_range`] then says where the data is.
    #[must_use]
    #[inline]
    pub fn buffer_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        let span = self.span(frame.index(), 0..self.buffer_bytes);
        &mut self.bytes[span]
    }

    /// One frame's data beside another's whole buffer, to copy or answer from the first into the
    /// second.
    #[must_use]
    pub fn data_and_buffer(&mut self, from: &Frame, into: &mut Frame) -> (&[u8], &mut [u8]) {
        let data = self.span(from.index(), from.range());
        let buffer = self.span(into.index(), 0..self.buffer_bytes);
        match self.bytes.get_disjoint_mut([data, buffer]) {
            Ok([data, buffer]) => (data, buffer),
            // Two frames of one pool never share a buffer, and no frame's range leaves its own.
            Err(_) => (&[], &mut []),
        }
    }

    /// Starts loading the first cache line of the frame's data.
    #[inline]
    pub fn prefetch(&self, frame: &Frame) {
        self.bytes.prefetch(self.span(frame.index(), frame.range()).start);
    }

    /// Buffers that can be taken now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.capacity() - self.high + self.free_count
    }

    /// Buffers that are taken: every frame that exists.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.high - self.free_count
    }

    /// Buffers in all.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // `new` was given a u32.
        self.free.len() as u32
    }

    /// Bytes of one buffer.
    #[must_use]
    pub const fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Bytes of memory in use: every buffer that was ever taken.
    #[must_use]
    pub const fn bytes_touched(&self) -> usize {
        self.high as usize * (self.buffer_bytes + size_of::<u32>())
    }

    /// Bytes of address space reserved.
    #[must_use]
    pub const fn bytes_reserved(&self) -> usize {
        self.bytes.bytes() + self.free.bytes()
    }

    /// Where a part of a buffer is in `bytes`. A range beyond the buffer is cut off, so that one
    /// frame can never reach into another's.
    #[inline]
    fn span(&self, index: u32, part: Range<usize>) -> Range<usize> {
        let base = index as usize * self.buffer_bytes;
        let (start, end) = (part.start.min(self.buffer_bytes), part.end.min(self.buffer_bytes));
        base + start..base + end
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.capacity())
            .field("taken", &self.taken())
            .field("buffer_bytes", &self.buffer_bytes)
            .finish_non_exhaustive()
    }
}
