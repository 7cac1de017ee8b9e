//! Packet buffers: [`Pool`], the [`Frame`] that is a handle to one, and [`Batch`]. Invariant: each
//! buffer is free, named by exactly one frame, or lent to whoever shares the memory, so these three
//! add up to all. A reference is only ever made to the bytes of a buffer that a frame names.

mod batch;
mod frame;
mod lend;
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
    /// Buffers that are lent.
    lent: u32,
    /// Bytes from the start of one buffer to that of the next, and how many of them lie before the
    /// buffer: its head.
    stride: usize,
    head: usize,
    /// What is left of the stride.
    buffer_bytes: usize,
}

impl Pool {
    /// Bytes a buffer can have at most: offsets in a [`Frame`] have 16 bits, and buffers whole cache
    /// lines.
    pub const BUFFER_BYTES_MAX: usize = 65_472;

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
            lent: 0,
            stride: buffer_bytes,
            head: 0,
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
        self.bytes.part(self.span(frame))
    }

    /// The frame's data, to be changed.
    #[must_use]
    #[inline]
    pub fn data_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        self.bytes.part_mut(self.span(frame))
    }

    /// The frame's whole buffer, to be filled; [`Frame::set_range`] then says where the data is.
    #[must_use]
    #[inline]
    pub fn buffer_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        self.bytes.part_mut((self.base(frame), self.buffer_bytes))
    }

    /// One frame's data beside another's whole buffer, to copy or answer from the first into the
    /// second.
    #[must_use]
    pub fn data_and_buffer(&mut self, from: &Frame, into: &mut Frame) -> (&[u8], &mut [u8]) {
        let (data, buffer) = (self.span(from), (self.base(into), self.buffer_bytes));
        // Two frames of one pool never share a buffer, and no frame's range leaves its own.
        self.bytes.two_parts(data, buffer).unwrap_or((&[], &mut []))
    }

    /// Starts loading the first two cache lines of the frame's data: a packet's headers are seldom in
    /// one.
    #[inline]
    pub fn prefetch(&self, frame: &Frame) {
        let start = self.base(frame) + frame.range().start;
        self.bytes.prefetch(start);
        self.bytes.prefetch(start + 64);
    }

    /// Buffers that can be taken now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.capacity() - self.high + self.free_count
    }

    /// Buffers that are taken: every frame that exists.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.high - self.free_count - self.lent
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
        self.high as usize * (self.stride + size_of::<u32>())
    }

    /// Bytes of address space reserved.
    #[must_use]
    pub const fn bytes_reserved(&self) -> usize {
        self.bytes.bytes() + self.free.bytes()
    }

    /// Where a frame's buffer is in `bytes`.
    #[inline]
    const fn base(&self, frame: &Frame) -> usize {
        frame.index() as usize * self.stride + self.head
    }

    /// Where a frame's data is in `bytes`, and how long. What is beyond its buffer is cut off, so
    /// that one frame can never reach into another's.
    #[inline]
    fn span(&self, frame: &Frame) -> (usize, usize) {
        let Range { start, end } = frame.range();
        if end > self.buffer_bytes {
            return self.cut(frame);
        }
        (self.base(frame) + start, end - start)
    }

    #[cold]
    fn cut(&self, frame: &Frame) -> (usize, usize) {
        let start = frame.range().start.min(self.buffer_bytes);
        (self.base(frame) + start, self.buffer_bytes - start)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("capacity", &self.capacity())
            .field("taken", &self.taken())
            .field("lent", &self.lent)
            .field("buffer_bytes", &self.buffer_bytes)
            .finish_non_exhaustive()
    }
}
