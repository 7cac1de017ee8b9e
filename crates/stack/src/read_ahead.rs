//! Bytes of a file that are read before they are asked for, because a read costs more than the bytes
//! of one segment: [`ReadAhead`]. Invariant: what it holds is of the source that it was read from;
//! whoever turns to another queue of sources has it [forget](ReadAhead::forget) first.

use alloc::boxed::Box;
use alloc::vec;

use app::FileSource;

/// Bytes read at a time, at most: eleven segments of an Ethernet frame.
const MOST: usize = 16 << 10;
/// How many times as much as is asked for is read, once it was asked for in order twice.
const FACTOR: usize = 4;

/// A part of one source.
pub(crate) struct ReadAhead {
    bytes: Box<[u8]>,
    /// How many are held, and where in the file the first of them is.
    held: usize,
    start: u64,
    /// Which source of the queue they are of.
    source: usize,
    /// Where the next bytes begin if they are asked for in order.
    next: u64,
    /// How many to read then.
    reach: usize,
}

impl ReadAhead {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; MOST].into();
        Self { bytes, held: 0, start: 0, source: 0, next: 0, reach: 0 }
    }

    /// From now on it is about other sources.
    pub(crate) const fn forget(&mut self) {
        self.held = 0;
        self.reach = 0;
    }

    /// Copies bytes from `at` on of a source, which has bytes at hand up to `end`. False when it has
    /// not as many.
    pub(crate) fn copy(
        &mut self,
        (source, file): (usize, &dyn FileSource),
        (at, end): (u64, u64),
        into: &mut [u8],
    ) -> bool {
        let wanted = into.len();
        let in_order = self.reach > 0 && self.source == source && self.next == at;
        self.next = at + wanted as u64;
        if self.source == source
            && let Some(bytes) = self.at(at, wanted)
        {
            into.copy_from_slice(bytes);
            return true;
        }
        self.source = source;
        self.held = 0;
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(MOST);
        let reach = if in_order { self.reach.min(left) } else { 0 };
        // What is asked for once may be all.
        self.reach = if in_order { self.reach * FACTOR } else { wanted * FACTOR }.min(MOST);
        if reach <= wanted {
            return file.read_at(at, into) == Ok(wanted);
        }
        match file.read_at(at, &mut self.bytes[..reach]) {
            Ok(count) if count >= wanted => {
                (self.start, self.held) = (at, count);
                into.copy_from_slice(&self.bytes[..wanted]);
                true
            }
            _ => false,
        }
    }

    /// Bytes that it holds.
    fn at(&self, at: u64, count: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes[..self.held].get(from..)?.get(..count)
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::vec::Vec;

    use app::{FileSource, Prepared, ShortSource};
    use base::ConnId;

    use super::{MOST, ReadAhead};

    /// A file of so many bytes that counts how often it is read.
    struct File(u64, AtomicUsize);

    fn byte(at: u64) -> u8 {
        (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    impl FileSource for File {
        fn prepare(&self, _: u64, length: u64, _: ConnId) -> Prepared {
            Prepared::Ready(length)
        }

        fn descriptor(&self) -> Option<i32> {
            None
        }

        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let left = usize::try_from(self.0.saturating_sub(offset)).unwrap();
            let count = left.min(into.len());
            for (place, at) in into[..count].iter_mut().zip(offset..) {
                *place = byte(at);
            }
            Ok(count)
        }
    }

    fn copied(ahead: &mut ReadAhead, file: &File, source: usize, at: u64, count: usize) -> bool {
        let mut into = std::vec![0; count];
        let whole = ahead.copy((source, file), (at, file.0), &mut into);
        let right: Vec<u8> = (at..).take(count).map(byte).collect();
        assert!(!whole || into == right, "{at}");
        whole
    }

    #[test]
    fn what_is_asked_for_in_order_is_read_in_few_pieces() {
        let file = File(1_000_000, AtomicUsize::new(0));
        let mut ahead = ReadAhead::new();
        for segment in 0..690 {
            assert!(copied(&mut ahead, &file, 0, segment * 1448, 1448));
        }
        let reads = file.1.load(Ordering::Relaxed);
        assert!(reads <= 3 + 690 * 1448 / (MOST - 1448), "{reads} reads");
        // The last segment is a short one, and there is no more after it.
        assert!(copied(&mut ahead, &file, 0, 999_120, 880));
        assert!(!copied(&mut ahead, &file, 0, 999_120, 881));
    }

    #[test]
    fn what_is_asked_for_here_and_there_is_not_read_twice() {
        let file = File(1_000_000, AtomicUsize::new(0));
        let mut ahead = ReadAhead::new();
        for (reads, at) in (1..).zip([0, 50_000, 100_000, 60_000, 7]) {
            assert!(copied(&mut ahead, &file, 0, at, 1448));
            assert_eq!(file.1.load(Ordering::Relaxed), reads);
        }
    }

    #[test]
    fn bytes_of_one_source_are_not_taken_for_anothers() {
        let (one, other) = (File(1 << 20, AtomicUsize::new(0)), File(4_000, AtomicUsize::new(0)));
        let mut ahead = ReadAhead::new();
        for segment in 0..3 {
            assert!(copied(&mut ahead, &one, 0, segment * 1000, 1000));
        }
        assert!(copied(&mut ahead, &other, 1, 3000, 1000));
        assert_eq!(other.1.load(Ordering::Relaxed), 1);
        // The same place in the queue, of another connection.
        for segment in 0..3 {
            assert!(copied(&mut ahead, &one, 0, segment * 1000, 1000));
        }
        ahead.forget();
        assert!(!copied(&mut ahead, &other, 0, 3001, 1000));
    }
}
