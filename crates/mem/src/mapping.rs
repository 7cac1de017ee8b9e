//! Address space from the operating system: [`Mapping`]. Invariant: its bytes are zero until they
//! are written and are there until the drop. The only file that calls the operating system.

use core::fmt;
use core::ptr::NonNull;

/// The smallest page of any machine this runs on, in bytes.
pub(crate) const PAGE: usize = 4096;
/// A huge page: 2 MiB on x86-64 and on AArch64 with 4 KiB pages.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// What kind of pages a piece of memory is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    /// 2 MiB pages set aside by the administrator (`vm.nr_hugepages`).
    Huge,
    /// 2 MiB pages where the kernel finds them, else 4 KiB pages (`madvise`).
    Transparent,
    /// 4 KiB pages.
    Small,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Huge => "2 MiB pages",
            Self::Transparent => "transparent 2 MiB pages",
            Self::Small => "4 KiB pages",
        })
    }
}

/// A range of address space, owned.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping is memory and nothing else; whoever holds references into it answers for them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves `bytes` (not zero) on pages of the kind asked for. `None` when the operating
    /// system refuses. No memory is used until it is touched, except on huge pages, which are set
    /// aside at once (a page that is missing later could only be answered with a crash).
    pub fn new(bytes: usize, pages: Pages) -> Option<Self> {
        let unit = if pages == Pages::Small { PAGE } else { HUGE_PAGE };
        let bytes = bytes.checked_next_multiple_of(unit)?;
        Some(Self { start: system::map(bytes, pages)?, bytes })
    }

    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Touches every page now, so that none has to be found later. Says whether all were.
    pub fn fault_in(&mut self) -> bool {
        // SAFETY: exactly this mapping; filling pages in leaves their zeros as they are.
        unsafe { system::populate(self.start, self.bytes) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this; whoever refers to it holds the mapping too.
        unsafe { system::unmap(self.start, self.bytes) };
    }
}

#[cfg(not(miri))]
mod system {
    use core::ptr::{NonNull, null_mut};

    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::{Errno, read};
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    use super::{HUGE_PAGE, PAGE, Pages};

    pub fn map(bytes: usize, pages: Pages) -> Option<NonNull<u8>> {
        match pages {
            Pages::Small => map_plain(bytes),
            // Not NORESERVE: the kernel then refuses here instead of at the first touch.
            Pages::Huge => map_with(bytes, MapFlags::HUGETLB | MapFlags::HUGE_2MB),
            Pages::Transparent => map_transparent(bytes),
        }
    }

    fn map_with(bytes: usize, kind: MapFlags) -> Option<NonNull<u8>> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address the kernel picks touches nothing that
        // exists.
        let start =
            unsafe { mmap_anonymous(null_mut(), bytes, protection, MapFlags::PRIVATE | kind) };
        NonNull::new(start.ok()?.cast())
    }

    fn map_plain(bytes: usize) -> Option<NonNull<u8>> {
        map_with(bytes, MapFlags::NORESERVE)
    }

    /// As plain, but starting at a huge page's boundary, and the kernel is asked for huge pages.
    fn map_transparent(bytes: usize) -> Option<NonNull<u8>> {
        if !transparent_pages_allowed() {
            return None;
        }
        let wide = map_plain(bytes.checked_add(HUGE_PAGE)?)?;
        let before = wide.as_ptr().align_offset(HUGE_PAGE);
        // SAFETY: both offsets lie in the mapping, which is a huge page longer than `bytes`.
        let (start, end) = unsafe { (wide.add(before), wide.add(before + bytes)) };
        for (edge, length) in [(wide, before), (end, HUGE_PAGE - before)] {
            if length > 0 {
                // SAFETY: the two edges around the aligned part, to which nothing refers.
                unsafe { unmap(edge, length) };
            }
        }
        // SAFETY: advice about pages changes nothing that a program can see but time.
        let advised = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
        if advised.is_err() {
            // SAFETY: mapped above, and nothing refers to it yet.
            unsafe { unmap(start, bytes) };
            return None;
        }
        Some(start)
    }

    /// The advice is taken, and ignored, where the administrator forbids transparent pages.
    fn transparent_pages_allowed() -> bool {
        const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
        let Ok(file) = open(SETTING, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
            return false;
        };
        let mut text = [0; 64];
        let length = read(&file, &mut text).unwrap_or(0);
        let allowed = |choice: &[u8]| text[..length].windows(choice.len()).any(|at| at == choice);
        allowed(b"[madvise]") || allowed(b"[always]")
    }

    /// # Safety
    /// `start` and `bytes` are those of a whole mapping of this process.
    pub unsafe fn populate(start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the caller's promise; this advice writes nothing over what is there.
        match unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) } {
            Ok(()) => true,
            // Linux before 5.14 does not know the advice.
            Err(Errno::INVAL) => {
                for offset in (0..bytes).step_by(PAGE) {
                    // SAFETY: in the mapping. What is read is written back, so nothing changes.
                    unsafe {
                        let byte = start.add(offset);
                        byte.write_volatile(byte.read_volatile());
                    }
                }
                true
            }
            Err(_) => false,
        }
    }

    /// # Safety
    /// `start` and `bytes` are those of a mapping, or a part of one at its edge, and nothing
    /// refers to the memory any more.
    pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise. The only errors are of arguments that `map` never gave.
        let unmapped = unsafe { munmap(start.as_ptr().cast(), bytes) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(miri)]
mod system {
    //! The same from the allocator, because Miri does not interpret mmap.

    use core::ptr::NonNull;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    use super::{PAGE, Pages};

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, PAGE).ok()
    }

    pub fn map(bytes: usize, pages: Pages) -> Option<NonNull<u8>> {
        let layout = layout(bytes).filter(|_| pages == Pages::Small)?;
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout) })
    }

    pub unsafe fn populate(_: NonNull<u8>, _: usize) -> bool {
        true
    }

    /// # Safety
    /// `start` and `bytes` are those of one `map`, and nothing refers to the memory any more.
    pub unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        let layout = layout(bytes).expect("the memory was allocated with this layout");
        // SAFETY: the caller's promise.
        unsafe { dealloc(start.as_ptr(), layout) };
    }
}
