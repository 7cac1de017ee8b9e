//! Where tables get their memory: [`Arena`]. Invariant: no byte is handed out twice, and what is
//! handed out is zero.

use alloc::sync::Arc;
use core::fmt;

use crate::mapping::{Mapping, PAGE, Pages};
use crate::{Region, Zeroable};

/// Every table starts at a multiple of this many bytes: a cache line.
const LINE: usize = 64;

/// Memory reserved at the start, from which tables are placed one after the other.
///
/// Either one piece, on the largest pages to be had ([`Arena::new`]), or address space apart for
/// each table ([`Arena::separate`]). A table keeps its memory by itself; the arena can go once all
/// are placed. What a table takes, its `bytes_for` says.
#[derive(Debug)]
pub struct Arena {
    /// `None`: each table gets a mapping of its own.
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Shared {
    mapping: Arc<Mapping>,
    used: usize,
    pages: Pages,
}

/// When memory is taken from the operating system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Page by page, when something is first stored there.
    Later,
    /// All of it, now: takes a second or more for each gigabyte, and spares the connections that
    /// come first the wait.
    Now,
}

/// Memory for a table is not to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReserveError {
    /// Bytes asked for; `usize::MAX` when the size does not even fit an address.
    pub bytes: usize,
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.bytes.div_ceil(1 << 20);
        write!(
            f,
            "{mebibytes} MiB of memory could not be reserved, so the tables have no place; lower \
             the limits, or raise RLIMIT_AS, the memory cgroup or vm.overcommit_memory, whichever \
             is the reason"
        )
    }
}

impl core::error::Error for ReserveError {}

impl Arena {
    /// Reserves `bytes` in one piece: on pages set aside as huge ones if there are enough, else on
    /// transparent huge pages, else on small ones.
    ///
    /// # Errors
    /// [`ReserveError`] when the memory is not to be had.
    pub fn new(bytes: usize, touch: Touch) -> Result<Self, ReserveError> {
        let refused = ReserveError { bytes };
        let kinds = [Pages::Huge, Pages::Transparent, Pages::Small];
        let mut mapped = kinds
            .into_iter()
            .find_map(|pages| Some((Mapping::new(bytes.max(1), pages)?, pages)))
            .ok_or(refused)?;
        if touch == Touch::Now && !mapped.0.fault_in() {
            return Err(refused);
        }
        let (mapping, pages) = mapped;
        Ok(Self { shared: Some(Shared { mapping: Arc::new(mapping), used: 0, pages }) })
    }

    /// Reserves nothing yet: each table gets address space of its own, on small pages, each of
    /// which uses memory only once it has been touched. For tables with far more room than is
    /// likely to be used.
    #[must_use]
    pub const fn separate() -> Self {
        Self { shared: None }
    }

    /// Places an array of `len` zeroed elements.
    ///
    /// # Errors
    /// [`ReserveError`] when the arena has no room for it, or the operating system none.
    pub fn place<T: Zeroable>(&mut self, len: usize) -> Result<Region<T>, ReserveError> {
        const { assert!(align_of::<T>() <= LINE) };
        let bytes = size_of::<T>().checked_mul(len).filter(|&bytes| bytes <= isize::MAX as usize);
        let bytes = bytes.ok_or(ReserveError { bytes: usize::MAX })?;
        let refused = ReserveError { bytes };
        if bytes == 0 {
            return Ok(Region::empty(len));
        }
        let (mapping, offset) = match &mut self.shared {
            None => (Arc::new(Mapping::new(bytes, Pages::Small).ok_or(refused)?), 0),
            Some(shared) => {
                let left = shared.mapping.bytes() - shared.used;
                let taken = bytes.next_multiple_of(LINE);
                if taken > left {
                    return Err(refused);
                }
                let offset = shared.used;
                shared.used += taken;
                (Arc::clone(&shared.mapping), offset)
            }
        };
        // SAFETY: `bytes` from `offset` on are in the mapping, were never placed before (`used`
        // only grows) and so are zero; `offset` is a multiple of 64, which aligns any T here.
        Ok(unsafe { Region::within(mapping, offset, len) })
    }

    /// What kind of pages tables are placed on.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.shared.as_ref().map_or(Pages::Small, |shared| shared.pages)
    }

    /// Bytes that can still be placed.
    #[must_use]
    pub fn room(&self) -> usize {
        let room = |shared: &Shared| shared.mapping.bytes() - shared.used;
        self.shared.as_ref().map_or(usize::MAX, room)
    }

    /// Bytes that an array of `len` elements takes in an arena.
    #[must_use]
    pub const fn bytes_for<T>(len: usize) -> usize {
        size_of::<T>().saturating_mul(len).saturating_add(LINE - 1) / LINE * LINE
    }
}

const _: () = assert!(PAGE.is_multiple_of(LINE));

#[cfg(test)]
mod tests {
    #[cfg(not(miri))]
    use std::vec::Vec;

    #[cfg(not(miri))]
    use super::Pages;
    use super::{Arena, ReserveError, Touch};
    use crate::Region;

    #[test]
    fn a_region_starts_zeroed_and_keeps_what_is_stored() {
        let mut region = Region::<u64>::reserve(1_000).unwrap();
        assert!(region.iter().all(|&element| element == 0));
        region[999] = 7;
        assert_eq!((region.len(), region[999], region.bytes()), (1_000, 7, 8_000));
    }

    #[test]
    fn a_region_of_nothing_is_a_region() {
        assert!(Region::<u64>::reserve(0).unwrap().is_empty());
    }

    #[test]
    fn a_size_beyond_the_address_space_is_an_error() {
        let refused = Region::<u64>::reserve(usize::MAX / 8).unwrap_err();
        assert_eq!(refused, ReserveError { bytes: usize::MAX });
        assert!(Arena::new(usize::MAX, Touch::Later).is_err());
    }

    #[test]
    #[cfg(not(miri))]
    fn a_terabyte_apart_costs_nothing_until_it_is_touched() {
        let mut region = Region::<u64>::reserve(1 << 37).unwrap();
        region[(1 << 37) - 1] = 1;
        assert_eq!(region[(1 << 37) - 1], 1);
    }

    #[test]
    fn tables_share_an_arena_without_sharing_a_byte() {
        let bytes = Arena::bytes_for::<u8>(3) + Arena::bytes_for::<u64>(9);
        let mut arena = Arena::new(bytes, Touch::Now).unwrap();
        let mut first = arena.place::<u8>(3).unwrap();
        let mut second = arena.place::<u64>(9).unwrap();
        drop(arena);
        first.fill(1);
        second.fill(u64::MAX);
        assert_eq!((&first[..], &second[..]), (&[1; 3][..], &[u64::MAX; 9][..]));
        assert!(second.as_ptr().addr().is_multiple_of(64));
    }

    #[test]
    fn a_region_is_cut_in_two_that_share_no_byte() {
        let (mut first, mut second) = Region::<u32>::reserve(10).unwrap().split_at(4);
        first.fill(1);
        second.fill(2);
        assert_eq!((&first[..], &second[..]), (&[1; 4][..], &[2; 6][..]));
        assert_eq!(second.address() - first.address(), 16);
        drop(first);
        assert_eq!(second.part((1, 2)), [2, 2]);
        let (all, none) = second.split_at(6);
        assert_eq!((all.len(), none.len()), (6, 0));
    }

    #[test]
    fn an_arena_without_room_says_so() {
        let mut arena = Arena::new(4096, Touch::Later).unwrap();
        let room = arena.room();
        assert!(arena.place::<u8>(room - 1).is_ok());
        assert_eq!(arena.place::<u8>(1).unwrap_err(), ReserveError { bytes: 1 });
        assert!(arena.place::<u8>(0).is_ok());
    }

    /// Which pages there are depends on the machine; that they can be written does not.
    #[test]
    #[cfg(not(miri))]
    fn every_kind_of_page_holds_what_is_stored() {
        for touch in [Touch::Later, Touch::Now] {
            let mut arena = Arena::new(5 << 20, touch).unwrap();
            assert!(arena.pages() != Pages::Small || arena.room() == 5 << 20);
            let mut regions: Vec<_> =
                (0..5).map(|_| arena.place::<u32>(1 << 18).unwrap()).collect();
            regions.iter_mut().for_each(|region| region.fill(7));
            assert!(regions.iter().all(|region| region.iter().all(|&element| element == 7)));
        }
    }
}
