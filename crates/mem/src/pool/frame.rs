//! The handle to one packet buffer: [`Frame`]. Invariant: there is one for each buffer taken; only
//! its pool makes it and takes it back.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::Range;

/// An owned packet buffer and where in it the data is. 8 bytes, and an `Option` of it too.
///
/// Not `Copy` and not `Clone`: it is given back to its [`Pool`](super::Pool), or its buffer is lost
/// until the process ends. Where debug assertions are on, dropping one panics instead.
#[must_use = "a frame that is not given back is lost to its pool"]
#[derive(PartialEq, Eq)]
pub struct Frame {
    /// From the lowest bit on: the buffer's index plus one in 32 bits, where the data starts in 16, and
    /// how long it is in 16. In one word, so that it is never put together in memory.
    word: NonZeroU64,
}

const START_SHIFT: u32 = 32;
const LENGTH_SHIFT: u32 = 48;

const _: () = assert!(size_of::<Option<Frame>>() == 8);

impl Frame {
    pub(super) const fn new(index: u32) -> Self {
        // A pool has fewer than 2^32 - 1 buffers.
        Self { word: NonZeroU64::MIN.saturating_add(index as u64) }
    }

    #[inline]
    pub(super) const fn index(&self) -> u32 {
        self.word.get() as u32 - 1
    }

    pub(super) const fn into_index(self) -> u32 {
        let index = self.index();
        core::mem::forget(self);
        index
    }

    /// Where the data is, in bytes from the start of the buffer.
    #[must_use]
    #[inline]
    pub const fn range(&self) -> Range<usize> {
        let start = (self.word.get() >> START_SHIFT) as u16 as usize;
        start..start + self.len()
    }

    /// Says where the data is. What lies beyond the buffer is cut off when it is looked at.
    pub fn set_range(&mut self, range: Range<usize>) {
        let most = u64::from(u16::MAX);
        let start = (range.start as u64).min(most);
        let length = (range.end.saturating_sub(range.start) as u64).min(most);
        let buffer = self.word.get() & u64::from(u32::MAX);
        // The buffer is never 0.
        let word = NonZeroU64::new(buffer | start << START_SHIFT | length << LENGTH_SHIFT);
        self.word = word.unwrap_or(self.word);
    }

    /// Bytes of data.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        (self.word.get() >> LENGTH_SHIFT) as usize
    }

    /// Whether there is no data.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
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
