//! The handle to one packet buffer: [`Frame`]. Invariant: there is one for each buffer taken; only
//! its pool makes it and takes it back.

use core::fmt;
use core::num::NonZeroU32;
use core::ops::Range;

/// An owned packet buffer and where in it the data is. 8 bytes, and an `Option` of it too.
///
/// Not `Copy` and not `Clone`: it is given back to its [`Pool`](super::Pool), or its buffer is lost
/// until the process ends. Where debug assertions are on, dropping one panics instead.
#[must_use = "a frame that is not given back is lost to its pool"]
#[derive(PartialEq, Eq)]
pub struct Frame {
    /// The buffer's index plus one.
    buffer: NonZeroU32,
    start: u16,
    length: u16,
}

const _: () = assert!(size_of::<Option<Frame>>() == 8);

impl Frame {
    pub(super) const fn new(index: u32) -> Self {
        let buffer = NonZeroU32::MIN.saturating_add(index);
        Self { buffer, start: 0, length: 0 }
    }

    pub(super) const fn index(&self) -> u32 {
        self.buffer.get() - 1
    }

    pub(super) const fn into_index(self) -> u32 {
        let index = self.index();
        core::mem::forget(self);
        index
    }

    /// Where the data is, in bytes from the start of the buffer.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }

    /// Says where the data is. What lies beyond the buffer is cut off when it is looked at.
    pub fn set_range(&mut self, range: Range<usize>) {
        let start = u16::try_from(range.start).unwrap_or(u16::MAX);
        let length = u16::try_from(range.end.saturating_sub(range.start)).unwrap_or(u16::MAX);
        (self.start, self.length) = (start, length);
    }

    /// Bytes of data.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether there is no data.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {:?})", self.index(), self.range())
    }
}

#[cfg(debug_assertions)]
impl Drop for Frame {
    fn drop(&mut self) {
        #[cfg(not(target_os = "none"))]
        if std::thread::panicking() {
            return;
        }
        panic!("{self:?} was dropped instead of given back to its pool");
    }
}
