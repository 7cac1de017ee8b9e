//! Frames on their way together: [`Batch`].

use core::fmt;

use super::{Frame, Pool};

/// A queue of at most [`Batch::CAPACITY`] frames, in order. Allocates nothing.
pub struct Batch {
    frames: [Option<Frame>; Self::CAPACITY],
    first: usize,
    length: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Frames a batch holds: enough for a batch's cache misses to overlap, few enough for it to
    /// stay in the first-level cache with their headers.
    pub const CAPACITY: usize = 64;

    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self { frames: [const { None }; Self::CAPACITY], first: 0, length: 0 }
    }

    /// Adds a frame at the end.
    ///
    /// # Errors
    /// The frame itself, when the batch is full.
    pub fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.is_full() {
            return Err(frame);
        }
        let place = (self.first + self.length) % Self::CAPACITY;
        self.frames[place] = Some(frame);
        self.length += 1;
        Ok(())
    }

    /// Takes the first frame.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames[self.first].take()?;
        self.first = (self.first + 1) % Self::CAPACITY;
        self.length -= 1;
        Some(frame)
    }

    /// The first frame.
    #[must_use]
    pub const fn first(&self) -> Option<&Frame> {
        self.frames[self.first].as_ref()
    }

    /// The frames, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        let place = |index| (self.first + index) % Self::CAPACITY;
        (0..self.length).filter_map(move |index| self.frames[place(index)].as_ref())
    }

    /// Frames in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether no more can be added.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.length == Self::CAPACITY
    }

    /// Frames that can still be added.
    #[must_use]
    pub const fn room(&self) -> usize {
        Self::CAPACITY - self.length
    }

    /// Gives all frames back to their pool.
    pub fn give_all(&mut self, pool: &mut Pool) {
        while let Some(frame) = self.pop() {
            pool.give(frame);
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
