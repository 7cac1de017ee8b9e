//! Mappings of memory and files. Invariant: a [`Map`] is mapped from its start for all of its bytes until
//! it is dropped, and nothing else refers to it.

use std::os::fd::BorrowedFd;
use std::ptr::null_mut;

use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap, mmap_anonymous, mremap_fixed, munmap,
};

/// A huge page.
pub const HUGE_BYTES: usize = 2 << 20;
/// A cache line.
pub const LINE_BYTES: usize = 64;
/// How far ahead lines are asked for.
const AHEAD: usize = 16;

/// Which pages memory is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB, and no others.
    Small,
    /// 2 MiB where the kernel has them at hand (`MADV_HUGEPAGE`).
    Transparent,
    /// 2 MiB, reserved by whoever runs the machine (`MAP_HUGETLB`).
    Huge,
}

/// A mapping.
#[derive(Debug)]
pub struct Map {
    start: *mut u8,
    bytes: usize,
}

impl Map {
    /// Memory, untouched and zero, that starts at a multiple of 2 MiB.
    ///
    /// # Errors
    /// What the system says.
    pub fn anonymous(bytes: usize, pages: Pages) -> Result<Self, Errno> {
        let read_write = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = bytes.next_multiple_of(if pages == Pages::Huge { HUGE_BYTES } else { 4096 });
        if pages == Pages::Huge {
            let flags = MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
            // SAFETY: the system picks a place where nothing is.
            let start = unsafe { mmap_anonymous(null_mut(), bytes, read_write, flags) }?;
            return Ok(Self { start: start.cast(), bytes });
        }
        let wide = bytes + HUGE_BYTES;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: the system picks a place where nothing is.
        let base = unsafe { mmap_anonymous(null_mut(), wide, read_write, flags) }?.cast::<u8>();
        let head = base.align_offset(HUGE_BYTES);
        // SAFETY: the head is shorter than a huge page, which is what was mapped beyond `bytes`; what
        // lies before and after the part kept is given back, and nothing refers to it.
        let start = unsafe {
            let start = base.add(head);
            if head > 0 {
                munmap(base.cast(), head)?;
            }
            munmap(start.add(bytes).cast(), wide - head - bytes)?;
            start
        };
        let map = Self { start, bytes };
        let advice =
            if pages == Pages::Small { Advice::LinuxNoHugepage } else { Advice::LinuxHugepage };
        // SAFETY: the range is this mapping, whose contents the advice does not change.
        match unsafe { madvise(map.start.cast(), map.bytes, advice) } {
            // A kernel without huge pages has only small ones.
            Err(Errno::INVAL) if pages == Pages::Small => Ok(map),
            result => result.map(|()| map),
        }
    }

    /// A part of a file, for reading. The file must not become shorter.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(file: BorrowedFd<'_>, offset: u64, bytes: usize) -> Result<Self, Errno> {
        // SAFETY: the system picks a place where nothing is.
        let start =
            unsafe { mmap(null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, file, offset) }?;
        Ok(Self { start: start.cast(), bytes })
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads the byte at `place`, once and truly.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn read(&self, place: usize) -> u8 {
        assert!(place < self.bytes);
        // SAFETY: within the mapping, as just seen.
        unsafe { self.start.add(place).read_volatile() }
    }

    /// Writes a zero to `place` of anonymous memory, once and truly.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn touch(&mut self, place: usize) {
        assert!(place < self.bytes);
        // SAFETY: within the mapping, as just seen, and this is the only reference to it. Callers have
        // anonymous memory; a file's would be refused by the kernel.
        unsafe { self.start.add(place).write_volatile(0) };
    }

    /// The bytes of a file's mapping that has been made with [`file`](Self::file).
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        // SAFETY: mapped and readable for all its bytes; the file is the probe's own and not written to
        // while it is mapped.
        unsafe { std::slice::from_raw_parts(self.start, self.bytes) }
    }

    /// Moves it to where `place` is, which is as long and goes.
    ///
    /// # Errors
    /// What the system says; both are gone then, too.
    pub fn moved_to(self, place: Self) -> Result<Self, Errno> {
        let bytes = self.bytes.min(place.bytes);
        // SAFETY: both ranges are mappings that nothing refers to, and which the two values own.
        let start = unsafe {
            mremap_fixed(self.start.cast(), bytes, bytes, MremapFlags::MAYMOVE, place.start.cast())
        }?;
        // The kernel has unmapped the one and put it in the place of the other.
        std::mem::forget((self, place));
        Ok(Self { start: start.cast(), bytes })
    }

    /// Reads `count` lines among the first `bytes` (a power of two) at random, each place known only when
    /// the line before has been read.
    ///
    /// # Panics
    /// When there are not so many bytes.
    #[must_use]
    pub fn read_dependent(&self, bytes: usize, count: usize, mut seed: u64) -> u64 {
        assert!(bytes.is_power_of_two() && (LINE_BYTES..=self.bytes).contains(&bytes));
        for _ in 0..count {
            // What is read is zero, which only we know.
            seed = next(seed) ^ self.line(seed, bytes);
        }
        seed
    }

    /// The same, but every place is known and asked for sixteen lines before it is read.
    ///
    /// # Panics
    /// When there are not so many bytes.
    #[must_use]
    pub fn read_ahead(&self, bytes: usize, count: usize, mut seed: u64) -> u64 {
        assert!(bytes.is_power_of_two() && (LINE_BYTES..=self.bytes).contains(&bytes));
        let mut coming = [0; AHEAD];
        for place in &mut coming {
            seed = next(seed);
            *place = seed;
            self.prefetch(seed, bytes);
        }
        let mut sum = 0;
        for index in 0..count {
            let place = &mut coming[index % AHEAD];
            sum ^= self.line(*place, bytes);
            seed = next(seed);
            *place = seed;
            self.prefetch(seed, bytes);
        }
        sum
    }

    fn line(&self, seed: u64, bytes: usize) -> u64 {
        // SAFETY: below `bytes`, which callers have seen to be mapped, and aligned to a line.
        unsafe { self.start.add(offset(seed, bytes)).cast::<u64>().read_volatile() }
    }

    #[cfg(target_arch = "x86_64")]
    fn prefetch(&self, seed: u64, bytes: usize) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which never faults; SSE is part of every x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(self.start.add(offset(seed, bytes)).cast()) };
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn prefetch(&self, _seed: u64, _bytes: usize) {}
}

/// A line's offset in a power of two of bytes.
fn offset(seed: u64, bytes: usize) -> usize {
    // The upper bits are the random ones; a mask below `bytes` fits usize.
    (seed >> 16) as usize & (bytes - LINE_BYTES) & !(LINE_BYTES - 1)
}

/// Knuth's linear congruential generator: one multiplication, which an access hides.
fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// The offsets that so many reads begin with from a seed, for tests.
#[cfg(test)]
pub fn places(bytes: usize, count: usize, seed: u64) -> impl Iterator<Item = usize> {
    let seeds = std::iter::successors(Some(seed), |&seed| Some(next(seed)));
    seeds.take(count).map(move |seed| offset(seed, bytes))
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this value owns the range. A failure would leave it mapped, which harms nobody.
        let _ = unsafe { munmap(self.start.cast(), self.bytes) };
    }
}
