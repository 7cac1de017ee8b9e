//! Pools over memory that somebody outside of the program reads and writes, too: a device, or the
//! kernel. A buffer is lent to it by its place and taken back by its place. Invariant: no frame names
//! a buffer that is lent, so nothing here looks at it meanwhile.

use super::{Frame, Pool};
use crate::{Region, ReserveError};

impl Pool {
    /// A pool over memory that is there already: as many buffers as fit, one for each `stride` bytes,
    /// of which the first `head` are no part of it ([`Pool::head_and_data`]). All of it counts as
    /// touched.
    ///
    /// # Errors
    /// [`ReserveError`] when there is no memory for the list of buffers.
    ///
    /// # Panics
    /// When a stride is longer than a frame can say, its head takes all of it, or there are 2^32.
    pub fn over(bytes: Region<u8>, stride: usize, head: usize) -> Result<Self, ReserveError> {
        assert!(head < stride && stride <= Self::BUFFER_BYTES_MAX, "{head} of {stride} bytes");
        let count = u32::try_from(bytes.len() / stride).expect("fewer than 2^32 buffers");
        let mut free: Region<u32> = Region::reserve(count as usize)?;
        // The first one is on top.
        for (place, index) in free.iter_mut().zip((0..count).rev()) {
            *place = index;
        }
        let buffer_bytes = stride - head;
        let (free_count, high) = (count, count);
        Ok(Self { bytes, free, free_count, high, lent: 0, stride, head, buffer_bytes })
    }

    /// Where the frame's data starts: bytes from the start of the pool's memory.
    #[must_use]
    #[inline]
    pub fn place(&self, frame: &Frame) -> usize {
        self.span(frame).0
    }

    /// Lends a frame's buffer, and says where its data starts as [`Pool::place`] does.
    #[inline]
    pub fn lend(&mut self, frame: Frame) -> usize {
        let place = self.place(&frame);
        debug_assert!(frame.index() < self.high, "the frame is not of this pool");
        // Its index is known again by its place.
        let _ = frame.into_index();
        self.lent += 1;
        place
    }

    /// Takes back the lent buffer that this place is in, as a frame of `length` bytes that start
    /// there. `None` where there is no buffer, or none is lent.
    #[inline]
    pub fn take_back(&mut self, place: usize, length: usize) -> Option<Frame> {
        let index = u32::try_from(self.buffer_at(place)).ok()?;
        if index >= self.capacity() || self.lent == 0 {
            return None;
        }
        self.lent -= 1;
        let mut frame = Frame::new(index);
        let start = place.saturating_sub(index as usize * self.stride + self.head);
        frame.set_range(start..start.saturating_add(length));
        Some(frame)
    }

    /// What lies before a frame's data, its buffer's head first, and the data.
    #[must_use]
    #[inline]
    pub fn head_and_data(&mut self, frame: &mut Frame) -> (&mut [u8], &mut [u8]) {
        let (data, length) = self.span(frame);
        let start = frame.index() as usize * self.stride;
        let before = data - start;
        self.bytes.part_mut((start, before + length)).split_at_mut(before)
    }

    /// Buffers that are lent.
    #[must_use]
    pub const fn lent(&self) -> u32 {
        self.lent
    }

    /// Whether the pool's memory starts here: at what [`Region`] gave as its first byte's address.
    #[must_use]
    pub fn starts_at(&self, address: usize) -> bool {
        self.bytes.address() == address
    }

    /// The number of the buffer that a place is in. Divides only where it has to: strides are powers
    /// of two, but for long frames.
    #[inline]
    const fn buffer_at(&self, place: usize) -> usize {
        let shift = self.stride.trailing_zeros();
        let (units, odd) = (place >> shift, self.stride >> shift);
        if odd == 1 { units } else { units / odd }
    }
}
