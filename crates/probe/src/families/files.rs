//! Files: finding one among many, reading one in three orders, and sending one in five ways.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use rustix::fs::{Advice, Mode, OFlags, fadvise, open as open_file};
use rustix::io::Errno;

use super::folder::{Folder, file_of, write_block};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};

pub(super) const PROBES: &[&Probe] = &[&OPEN, &READDIR, &READ];

const FILES: Probe = Probe {
    name: "",
    family: Family::Memory,
    question: "",
    method: "",
    against: "files in the folder",
    counted: Counted::Things,
    count: 2_000,
    most: 1_000_000,
    uses: &[(1, Resource::Files)],
    curves: &[],
    with_root: None,
};

const OPEN: Probe = Probe {
    name: "open",
    question: "Does open() take longer in a folder of more files?",
    method: "Files are made in one folder; the time to make each, and, at steps, to open files picked at \
             random that have just been made.",
    curves: &[Curve { name: "make", measure: make }, Curve { name: "open", measure: open }],
    ..FILES
};

const READDIR: Probe = Probe {
    name: "readdir",
    question: "Does reading a folder take longer for each file the more there are?",
    method: "All names of a folder are read, several times; the time for each name.",
    curves: &[Curve { name: "readdir", measure: readdir }],
    ..FILES
};

const READ: Probe = Probe {
    name: "read",
    question: "Does reading a block take longer in a larger file?",
    method: "Blocks of 4 KiB of one file, in the results' folder and its file system: in order and at random \
             from memory; then, each time after the kernel was asked to forget the file (POSIX_FADV_DONTNEED), \
             in order, at random, and in order from a file that was written back to front, a block at a time, \
             which leaves it in pieces where the file system does not gather them.",
    against: "size of the file",
    counted: Counted::Kibibytes,
    count: 4 * 1024,
    most: 1024 * 1024,
    uses: &[(1024, Resource::Disk)],
    curves: &[
        Curve {
            name: "in order, from memory",
            measure: |run| read(run, Order::Sequential, State::Cached),
        },
        Curve {
            name: "at random, from memory",
            measure: |run| read(run, Order::Random, State::Cached),
        },
        Curve {
            name: "in order, from disk",
            measure: |run| read(run, Order::Sequential, State::Cold),
        },
        Curve {
            name: "at random, from disk",
            measure: |run| read(run, Order::Random, State::Cold),
        },
        Curve {
            name: "in order, from disk, in pieces",
            measure: |run| read(run, Order::Sequential, State::Pieces),
        },
    ],
    with_root: Some(
        "/proc/sys/vm/drop_caches also empties the disk's share of the page cache that others use; a file \
         system in memory (tmpfs) has no disk and shows the same times for both",
    ),
    ..FILES
};

/// Calls measured at each step.
const CALLS: u64 = 50;

fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC
}

/// A number below `below` that looks like any other: the golden ratio's multiples.
fn scattered(index: u64, below: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

fn new_file(folder: &Folder, n: u64) -> Result<OwnedFd, Errno> {
    open_file(folder.file(n), flags() | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o600))
}

fn make(run: &mut Run<'_>) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    for n in 1..=run.goal() {
        run.timed(n, "open()", || new_file(&folder, n))?;
    }
    Ok(())
}

/// Makes files until there are `n`.
fn fill(run: &mut Run<'_>, folder: &Folder, made: &mut u64, n: u64) -> Result<(), Stop> {
    while *made < n {
        *made += 1;
        run.trying(*made)?;
        new_file(folder, *made).map_err(Stop::at("open()"))?;
    }
    Ok(())
}

fn open(run: &mut Run<'_>) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    let mut made = 0;
    for n in run.ladder() {
        fill(run, &folder, &mut made, n)?;
        for call in 0..CALLS {
            let path = folder.file(1 + scattered(call, n));
            run.timed(n, "open()", || open_file(&path, flags(), Mode::empty()))?;
        }
    }
    Ok(())
}

fn readdir(run: &mut Run<'_>) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    let mut made = 0;
    for n in run.ladder() {
        fill(run, &folder, &mut made, n)?;
        for _ in 0..(CALLS * 20 / n).clamp(3, CALLS) {
            run.go_on()?;
            let start = Instant::now();
            let names = std::fs::read_dir(folder.path()).map_err(Stop::io("readdir()"))?.count();
            run.record(n, start.elapsed().as_nanos() as f64 / names.max(1) as f64);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Sequential,
    Random,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Cached,
    Cold,
    Pieces,
}

const BLOCK: usize = 4096;

fn read(run: &mut Run<'_>, order: Order, state: State) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    // Files of less than a block have none to read.
    let sizes: Vec<u64> = run.ladder().into_iter().filter(|size| *size >= 4).collect();
    let sizes = if sizes.is_empty() { vec![4] } else { sizes };
    for size in sizes {
        run.trying(size)?;
        let blocks = size * 1024 / BLOCK as u64;
        let path = folder.file(size);
        let file = match state {
            State::Pieces => in_pieces(run, &path, blocks)?,
            _ => file_of(run, &path, blocks * BLOCK as u64)?,
        };
        if state != State::Cached {
            file.sync_all().map_err(Stop::io("fsync()"))?;
            fadvise(&file, 0, None, Advice::DontNeed).map_err(Stop::at("posix_fadvise()"))?;
        }
        let mut block = [0; BLOCK];
        for index in 0..blocks.min(CALLS) {
            let block_index =
                if order == Order::Random { scattered(index + 1, blocks) } else { index };
            run.timed(size, "pread()", || {
                let offset = block_index * BLOCK as u64;
                file.read_exact_at(&mut block, offset)
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            })?;
        }
        drop(file);
        std::fs::remove_file(&path).map_err(Stop::io("unlink()"))?;
    }
    Ok(())
}

/// Blocks written between two times that the file is forced to the disk.
const BLOCKS_A_SYNC: u64 = 16;

/// A file written back to front, so that the disk has it in pieces.
fn in_pieces(run: &mut Run<'_>, path: &std::path::Path, blocks: u64) -> Result<File, Stop> {
    let file = file_of(run, path, 0)?;
    for block in (0..blocks).rev() {
        write_block(&file, block * BLOCK as u64, BLOCK)?;
        if block % BLOCKS_A_SYNC == 0 {
            run.go_on()?;
            file.sync_data().map_err(Stop::io("fdatasync()"))?;
        }
    }
    Ok(file)
}
