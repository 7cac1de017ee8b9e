//! One array in memory that was reserved: [`Region`]. Invariant: all `len` elements are zero bytes
//! or what was stored since, from the start until the drop, and nothing else uses their memory, but
//! for parts that their owner lends out ([`Pool`](crate::Pool)) and meanwhile makes no reference to.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::mapping::Mapping;
use crate::{Arena, ReserveError};

/// Types for which a run of zero bytes is a value.
///
/// # Safety
/// Every bit pattern of all zeros must be a valid value of the type, and dropping the memory
/// without dropping the values in it must be sound and lose nothing.
pub unsafe trait Zeroable {}

// SAFETY: integers are plain bits.
unsafe impl Zeroable for u8 {}
// SAFETY: as above.
unsafe impl Zeroable for u16 {}
// SAFETY: as above.
unsafe impl Zeroable for u32 {}
// SAFETY: as above.
unsafe impl Zeroable for u64 {}
// SAFETY: an array of values that may be zero bytes may be zero bytes.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}

/// A fixed array of elements that start as zeros, in memory placed by an [`Arena`].
///
/// Starts at a multiple of 64 bytes, a cache line.
pub struct Region<T> {
    start: NonNull<T>,
    len: usize,
    /// Keeps the memory. `None` only when there are no bytes.
    mapping: Option<Arc<Mapping>>,
    owns: PhantomData<T>,
}

// SAFETY: a region owns its memory alone, like a boxed slice.
unsafe impl<T: Send> Send for Region<T> {}
// SAFETY: shared access gives out shared references only, like a boxed slice.
unsafe impl<T: Sync> Sync for Region<T> {}

impl<T: Zeroable> Region<T> {
    /// An array of `len` elements in address space of its own, which uses memory only where it has
    /// been touched.
    ///
    /// # Errors
    /// [`ReserveError`] when the address space is not to be had.
    pub fn reserve(len: usize) -> Result<Self, ReserveError> {
        Arena::separate().place(len)
    }

    /// An array of no bytes.
    pub(crate) const fn empty(len: usize) -> Self {
        Self { start: NonNull::dangling(), len, mapping: None, owns: PhantomData }
    }

    /// An array in a part of a mapping.
    ///
    /// # Safety
    /// The `len` elements from byte `offset` on lie in the mapping, are aligned, are all zero
    /// bytes, and are in no other region.
    pub(crate) unsafe fn within(mapping: Arc<Mapping>, offset: usize, len: usize) -> Self {
        // SAFETY: the offset lies in the mapping: the caller's promise.
        let start = unsafe { mapping.start().add(offset) }.cast();
        Self { start, len, mapping: Some(mapping), owns: PhantomData }
    }
}

impl<T> Region<T> {
    /// Bytes of address space.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// The address of the first element, to tell somebody who shares the memory.
    #[must_use]
    pub fn address(&self) -> usize {
        self.start.as_ptr().expose_provenance()
    }

    /// Two arrays: the first `middle` elements, and the others.
    ///
    /// # Panics
    /// When there are fewer elements.
    #[must_use]
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        assert!(middle <= self.len, "{middle} of {} elements", self.len);
        let Self { start, len, mapping, owns } = self;
        // SAFETY: not beyond the end, as just seen.
        let second = unsafe { start.add(middle) };
        let second = Self { start: second, len: len - middle, mapping: mapping.clone(), owns };
        (Self { start, len: middle, mapping, owns }, second)
    }

    /// Some of the elements: `length` of them from `start` on. Unlike indexing, it makes no reference
    /// to the others, which somebody else may be changing.
    ///
    /// # Panics
    /// When there are not so many.
    #[inline]
    pub(crate) fn part(&self, (start, length): (usize, usize)) -> &[T] {
        assert!(start <= self.len && length <= self.len - start, "beyond the array");
        // SAFETY: valid values as in `deref`, and within the array, as just seen.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr().add(start), length) }
    }

    /// Some of the elements, to be changed; see [`Region::part`].
    #[inline]
    pub(crate) fn part_mut(&mut self, (start, length): (usize, usize)) -> &mut [T] {
        assert!(start <= self.len && length <= self.len - start, "beyond the array");
        // SAFETY: as in `part`, and `&mut self` makes the access exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr().add(start), length) }
    }

    /// Some of the elements beside others, to be changed; see [`Region::part`]. `None` where they
    /// overlap.
    #[inline]
    pub(crate) fn two_parts(
        &mut self,
        one: (usize, usize),
        other: (usize, usize),
    ) -> Option<(&[T], &mut [T])> {
        let one: *const [T] = self.part(one);
        let other: *mut [T] = self.part_mut(other);
        let (first, last) = (one.cast::<T>(), other.cast::<T>());
        // SAFETY: both lie in the array, and so do their ends.
        let (first_end, last_end) = unsafe { (first.add(one.len()), last.add(other.len())) };
        if first < last_end.cast_const() && last.cast_const() < first_end {
            return None;
        }
        // SAFETY: valid for as long as `self` is borrowed, and the two have no element in common.
        unsafe { Some((&*one, &mut *other)) }
    }

    /// Starts loading the element's cache line. Nothing comes of it when there is no such element.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        crate::prefetch::prefetch(self.start.as_ptr().wrapping_add(index));
    }
}

impl<T> Deref for Region<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` is aligned and leads to `len` elements that are valid values (zeros, T
        // being Zeroable, or written through `deref_mut`), in memory that `mapping` keeps.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Region<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; no other region has these elements and `&mut self` makes the
        // access exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T> fmt::Debug for Region<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("len", &self.len)
            .field("bytes", &self.bytes())
            .field("shared", &self.mapping.as_ref().is_some_and(|all| all.bytes() > self.bytes()))
            .finish()
    }
}
