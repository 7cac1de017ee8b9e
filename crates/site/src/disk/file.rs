//! A file too large to be kept in memory, as a source that connections send from: [`OpenFile`].
//!
//! Invariant: its length is what it was when it was opened. A file that is replaced by another
//! goes on being sent as it was; one that is cut off ends its answers short, which ends their
//! connections. A part is attached only when it is in memory, so that sending never waits for a
//! disk on a shard.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use app::{FileSource, Prepared, ShortSource, Wake};
use base::ConnId;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

use crate::pool::{Queue, Work};

/// Most bytes declared ready by one call, and read by one job: as much as the protocol attaches at
/// once.
const PART: u64 = 512 << 10;

/// Distance in bytes between the places that are looked at to see whether a part is in memory.
/// The kernel reads ahead and drops in runs longer than this, as a rule; where it did not, a shard
/// waits for one short read.
const STRIDE: u64 = 64 << 10;

/// Parts remembered as read, for file systems that cannot say what is in memory.
const REMEMBERED: usize = 256;

/// An open file of a fixed length. A clone is another handle to the same file.
#[derive(Clone)]
pub(crate) struct OpenFile {
    inner: Arc<Inner>,
}

struct Inner {
    fd: OwnedFd,
    length: u64,
    /// Reading it failed: whoever asks next is told so, and whoever asks then has it tried again.
    failed: AtomicBool,
    /// Starts of the parts that were read last; used where the kernel cannot tell.
    read: Mutex<VecDeque<u64>>,
    queue: Arc<Queue>,
    wake: Arc<dyn Wake>,
}

/// What the kernel says about a byte of a file.
enum Residence {
    InMemory,
    OnDisk,
    PastEnd,
    /// This file system cannot say.
    Unknown,
}

impl OpenFile {
    pub(crate) fn new(fd: OwnedFd, length: u64, queue: Arc<Queue>, wake: Arc<dyn Wake>) -> Self {
        let failed = AtomicBool::new(false);
        Self { inner: Arc::new(Inner { fd, length, failed, read: Mutex::default(), queue, wake }) }
    }
}

/// Reads `length` bytes from the start; `None` when there are fewer, or none can be had. Blocks.
pub(crate) fn read_whole(fd: &OwnedFd, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        match pread(fd, &mut bytes[filled..], filled as u64) {
            Ok(0) => return None,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(bytes)
}

impl FileSource for OpenFile {
    fn prepare(&self, offset: u64, length: u64, id: ConnId) -> Prepared {
        let end = offset.saturating_add(length.min(PART)).min(self.inner.length);
        if offset >= end || self.inner.takes_failure() {
            return Prepared::Short;
        }
        match self.inner.in_memory(offset, end) {
            Ok(count) if count > 0 => Prepared::Ready(count),
            Ok(_) => self.fetch(offset, end, id),
            Err(ShortSource) => Prepared::Short,
        }
    }

    fn descriptor(&self) -> Option<i32> {
        Some(self.inner.fd.as_raw_fd())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource> {
        let left = self.inner.length.saturating_sub(offset);
        let room = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        loop {
            match pread(&self.inner.fd, &mut into[..room], offset) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(_) => return Err(ShortSource),
            }
        }
    }
}

impl OpenFile {
    /// Has the part read on the pool.
    fn fetch(&self, offset: u64, end: u64, id: ConnId) -> Prepared {
        let inner = Arc::clone(&self.inner);
        let job = Box::new(move || {
            inner.fetch(offset, end);
            inner.wake.wake(id);
        });
        match self.inner.queue.post(Work::Read, job) {
            Ok(()) => Prepared::Later,
            // With that many reads waiting the disk cannot keep up: let the connection that asks
            // for still more feel it, rather than fail an answer that has begun.
            Err(_) => Prepared::Ready(end - offset),
        }
    }
}

impl Inner {
    /// Whether reading failed since this was last asked. A disk that failed for a moment ends one
    /// answer, not every answer for as long as the file is kept open.
    fn takes_failure(&self) -> bool {
        self.failed.load(Ordering::Relaxed) && self.failed.swap(false, Ordering::Relaxed)
    }

    /// How many bytes from `offset` on are in memory, as far as [`STRIDE`] shows.
    fn in_memory(&self, offset: u64, end: u64) -> Result<u64, ShortSource> {
        let mut place = offset;
        let mut seen = 0;
        loop {
            match self.residence(place) {
                Residence::InMemory => seen = place + 1 - offset,
                Residence::OnDisk => return Ok(place - offset),
                // Cut off somewhere in between: what was seen is there.
                Residence::PastEnd if seen > 0 => return Ok(seen),
                Residence::PastEnd => return Err(ShortSource),
                Residence::Unknown if self.was_read(offset) => return Ok(end - offset),
                Residence::Unknown => return Ok(0),
            }
            if place + 1 >= end {
                return Ok(end - offset);
            }
            place = (place + STRIDE).min(end - 1);
        }
    }

    /// Tries to read one byte without waiting.
    fn residence(&self, place: u64) -> Residence {
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        loop {
            return match preadv2(&self.fd, &mut into, place, ReadWriteFlags::NOWAIT) {
                Ok(0) => Residence::PastEnd,
                Ok(_) => Residence::InMemory,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Residence::OnDisk,
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Residence::Unknown,
                // Let the pool find out what is wrong.
                Err(_) => Residence::OnDisk,
            };
        }
    }

    fn was_read(&self, offset: u64) -> bool {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).contains(&offset)
    }

    /// Reads the part, so that it is in memory. Blocks.
    fn fetch(&self, offset: u64, end: u64) {
        // Lets the disk start on the whole part, which the reads below wait for piece by piece, and
        // on the next one, which most likely follows. Where it cannot, nothing is lost but time.
        let _ = fadvise(&self.fd, offset, NonZeroU64::new(2 * PART), Advice::WillNeed);
        let mut piece = vec![0; STRIDE as usize];
        let mut place = offset;
        while place < end {
            let room =
                usize::try_from(end - place).map_or(piece.len(), |left| left.min(piece.len()));
            match pread(&self.fd, &mut piece[..room], place) {
                Ok(0) => break,
                Ok(count) => place += count as u64,
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "a file that is being sent cannot be read");
                    self.failed.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() == REMEMBERED {
            read.pop_front();
        }
        read.push_back(offset);
    }
}
