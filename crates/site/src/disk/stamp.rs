//! What tells one state of a file from another without reading it: [`Stamp`].

use rustix::fs::Stat;

/// A file's identity, size and times. Two equal stamps mean the same content, unless the file was
/// changed within the clock tick in which it was read; [`Stamp::settled`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since the epoch.
    modified: i128,
    /// Nanoseconds since the epoch.
    changed: i128,
}

/// How long after its last change a file's times can still miss another: file systems with whole
/// seconds (FAT has two) are the coarsest.
const TICK_NS: i128 = 2_000_000_000;

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanos(stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: nanos(stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }

    /// The file's size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// When the content was last modified, in nanoseconds since the epoch; zero before it.
    pub(crate) fn modified_ns(&self) -> u64 {
        u64::try_from(self.modified).unwrap_or(0)
    }

    /// Whether a change after `now` (nanoseconds since the epoch) is sure to give another stamp.
    pub(crate) fn settled(&self, now: u64) -> bool {
        self.modified.max(self.changed) + TICK_NS < i128::from(now)
    }

    /// Whether this file is at least as new as `other`.
    pub(crate) const fn at_least_as_new_as(&self, other: &Self) -> bool {
        self.modified >= other.modified
    }
}
