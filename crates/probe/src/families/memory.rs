//! Memory: mapping it, touching it, moving it, and reading it at random.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Instant;

use base::Prng;
use rustix::io::Errno;

use super::folder::file_of;
use crate::machine::available_memory;
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::memory::{HUGE_BYTES, Map, Pages};

pub(super) const PROBES: &[&Probe] = &[&MMAP, &FAULT, &MREMAP, &MEMORY];

const PAGE_BYTES: usize = 4096;

const SIZES: Probe = Probe {
    name: "",
    family: Family::Memory,
    question: "",
    method: "",
    against: "memory",
    counted: Counted::Kibibytes,
    count: 64 * 1024,
    most: 8 * 1024 * 1024,
    uses: &[(1024, Resource::Memory)],
    curves: &[],
    with_root: Some("vm.nr_hugepages reserves pages of 2 MiB, which the curve of that name needs"),
};

const MMAP: Probe = Probe {
    name: "mmap",
    question: "Do mmap() and the first touch take longer with more mappings there?",
    method: "One page is mapped and then read, of one large file, every other page of it so that mappings \
             cannot join, or of as many files. All stay mapped.",
    against: "mappings there",
    counted: Counted::Things,
    count: 2_000,
    most: 10_000_000,
    uses: &[(1, Resource::Files), (2 * PAGE_BYTES as u64, Resource::Disk)],
    curves: &[
        Curve { name: "map, one file", measure: |run| map(run, Measured::Map, Source::OneFile) },
        Curve {
            name: "touch, one file",
            measure: |run| map(run, Measured::Touch, Source::OneFile),
        },
        Curve {
            name: "map, many files",
            measure: |run| map(run, Measured::Map, Source::ManyFiles),
        },
        Curve {
            name: "touch, many files",
            measure: |run| map(run, Measured::Touch, Source::ManyFiles),
        },
    ],
    with_root: Some(super::FOR_MAPPINGS),
    ..SIZES
};

const FAULT: Probe = Probe {
    name: "fault",
    question: "Does the first touch of a page take longer with more memory touched?",
    method: "Memory is mapped at once and then written to, a page at a time; the time of each first write. \
             With 2 MiB pages that is 512 times the memory for each.",
    against: "memory touched",
    curves: &[
        Curve { name: "4 KiB pages", measure: |run| fault(run, Pages::Small) },
        Curve { name: "transparent 2 MiB pages", measure: |run| fault(run, Pages::Transparent) },
        Curve { name: "reserved 2 MiB pages", measure: |run| fault(run, Pages::Huge) },
    ],
    ..SIZES
};

const MREMAP: Probe = Probe {
    name: "mremap",
    question: "Does moving memory with mremap() take longer the more it is?",
    method: "Memory that has been touched is moved to another address; nothing is copied but page tables.",
    against: "memory moved",
    curves: &[
        Curve { name: "4 KiB pages", measure: |run| mremap(run, Pages::Small) },
        Curve { name: "transparent 2 MiB pages", measure: |run| mremap(run, Pages::Transparent) },
    ],
    with_root: None,
    ..SIZES
};

const MEMORY: Probe = Probe {
    name: "memory",
    question: "What does reading 64 bytes at random cost in how much memory?",
    method: "One cache line of 64 bytes is read at random, and the next place is known only then; or each is \
             asked for (prefetched) sixteen reads before. Of pages of 4 KiB, transparent huge pages, and \
             reserved pages of 2 MiB. This is why a connection's record is one line, on huge pages, and why \
             packets are looked up in batches.",
    against: "memory read from",
    count: SIZES.most,
    curves: &[
        Curve { name: "4 KiB pages", measure: |run| access(run, Pages::Small, false) },
        Curve { name: "4 KiB pages, 16 ahead", measure: |run| access(run, Pages::Small, true) },
        Curve {
            name: "transparent 2 MiB pages",
            measure: |run| access(run, Pages::Transparent, false),
        },
        Curve {
            name: "transparent 2 MiB pages, 16 ahead",
            measure: |run| access(run, Pages::Transparent, true),
        },
        Curve { name: "reserved 2 MiB pages", measure: |run| access(run, Pages::Huge, false) },
        Curve {
            name: "reserved 2 MiB pages, 16 ahead",
            measure: |run| access(run, Pages::Huge, true),
        },
    ],
    ..SIZES
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    Map,
    Touch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    OneFile,
    ManyFiles,
}

fn map(run: &mut Run<'_>, measured: Measured, source: Source) -> Result<(), Stop> {
    let folder = run.subfolder()?;
    let one = match source {
        Source::OneFile => Some(file_of(run, &folder.file(0), run.goal() * 2 * PAGE_BYTES as u64)?),
        Source::ManyFiles => None,
    };
    let mut held = Vec::new();
    for n in 1..=run.goal() {
        run.trying(n)?;
        let own = match one {
            Some(_) => None,
            None => Some(file_of(run, &folder.file(n), PAGE_BYTES as u64)?),
        };
        let file: &File = one.as_ref().or(own.as_ref()).expect("one of both was just made");
        let offset = if own.is_some() { 0 } else { (n - 1) * 2 * PAGE_BYTES as u64 };
        let make = || Map::file(file.as_fd(), offset, PAGE_BYTES);
        let map = match measured {
            Measured::Map => run.timed(n, "mmap()", make)?,
            Measured::Touch => {
                let map = make().map_err(Stop::at("mmap()"))?;
                run.timed(n, "read", || Ok(map.read(0)))?;
                map
            }
        };
        held.push(map);
    }
    Ok(())
}

/// Memory of these pages, unless it would take more than half of what is to be had.
fn memory(run: &Run<'_>, pages: Pages) -> Result<Map, Stop> {
    memory_of(run.goal(), pages)
}

/// So many KiB.
fn memory_of(kib: u64, pages: Pages) -> Result<Map, Stop> {
    let bytes = kib * 1024;
    let available = available_memory();
    if bytes > available / 2 {
        return Err(Stop::Other(format!(
            "{} are more than half of the {} that are to be had",
            chart::Unit::Bytes.format(bytes as f64),
            chart::Unit::Bytes.format(available as f64)
        )));
    }
    Map::anonymous(bytes as usize, pages).map_err(|errno| match (errno, pages) {
        (Errno::NOMEM, Pages::Huge) => {
            let reserved = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap_or_default();
            Stop::Other(format!(
                "not enough pages of 2 MiB are reserved (ENOMEM); vm.nr_hugepages is {}",
                reserved.trim()
            ))
        }
        (errno, _) => Stop::Refused { call: "mmap()", errno },
    })
}

fn fault(run: &mut Run<'_>, pages: Pages) -> Result<(), Stop> {
    let mut map = memory(run, pages)?;
    let page = if pages == Pages::Small { PAGE_BYTES } else { HUGE_BYTES };
    for start in (0..map.bytes()).step_by(page) {
        let touched = (start + page).min(map.bytes()) as u64 / 1024;
        run.timed(touched.max(1), "write", || {
            map.touch(start);
            Ok(())
        })?;
    }
    Ok(())
}

/// Moves measured at each step.
const MOVES: u32 = 20;

fn mremap(run: &mut Run<'_>, pages: Pages) -> Result<(), Stop> {
    memory(run, pages)?;
    for size in run.ladder() {
        run.trying(size)?;
        let bytes = size as usize * 1024;
        let mut map = Map::anonymous(bytes, pages).map_err(Stop::at("mmap()"))?;
        for start in (0..map.bytes()).step_by(PAGE_BYTES) {
            map.touch(start);
        }
        for _ in 0..MOVES {
            run.go_on()?;
            let place = Map::anonymous(bytes, pages).map_err(Stop::at("mmap()"))?;
            let start = Instant::now();
            map = map.moved_to(place).map_err(Stop::at("mremap()"))?;
            run.record(size, start.elapsed().as_nanos() as f64);
        }
    }
    Ok(())
}

/// Reads that are timed together, and how many times at each step.
const READS: usize = 20_000;
const READ_ROUNDS: u64 = 10;

/// The smallest memory that is read from, in KiB, because less is in a cache; where less than this many
/// doublings of it are asked for, it is smaller.
const ACCESS_KIB_MIN: u64 = 1024;
const DOUBLINGS_MIN: u32 = 4;

/// Where a round begins. Each reads at places of its own: those of the one before are in the cache.
fn seed(size: u64, round: u64) -> u64 {
    Prng::new(size ^ (round << 48)).next_u64()
}

fn access(run: &mut Run<'_>, pages: Pages, ahead: bool) -> Result<(), Stop> {
    let largest = 1 << run.goal().max(1).ilog2();
    let (mut map, largest, end) = as_much_as(largest, pages)?;
    let mut touched = 0;
    let mut size = ACCESS_KIB_MIN.min(largest >> DOUBLINGS_MIN).max(1);
    while size <= largest {
        run.trying(size)?;
        let bytes = size as usize * 1024;
        for start in (touched..bytes).step_by(PAGE_BYTES) {
            if start % (64 << 20) == 0 {
                run.go_on()?;
            }
            map.touch(start);
        }
        touched = bytes;
        for round in 0..READ_ROUNDS {
            run.go_on()?;
            let seed = seed(size, round);
            let start = Instant::now();
            let read = if ahead {
                map.read_ahead(bytes, READS, seed)
            } else {
                map.read_dependent(bytes, READS, seed)
            };
            let time = start.elapsed();
            std::hint::black_box(read);
            run.record(size, time.as_nanos() as f64 / READS as f64);
        }
        size *= 2;
    }
    end.map_or(Ok(()), Err)
}

/// As many KiB as are to be had, up to so many, a power of two; how many they are, and what kept it
/// from being all.
fn as_much_as(most: u64, pages: Pages) -> Result<(Map, u64, Option<Stop>), Stop> {
    let (mut kib, mut end) = (most, None);
    loop {
        match memory_of(kib, pages) {
            Ok(map) => return Ok((map, kib, end)),
            Err(stop) if kib <= ACCESS_KIB_MIN => return Err(end.unwrap_or(stop)),
            Err(stop) => end = end.or(Some(stop)),
        }
        kib /= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{READ_ROUNDS, READS, seed};
    use crate::sys::memory::places;

    /// They differed in their upper bits alone once, which no place depends on: nine rounds of ten found
    /// all they read in the cache.
    #[test]
    fn every_round_reads_at_places_of_its_own() {
        let bytes = 8 << 30;
        let seeds = (0..READ_ROUNDS).map(|round| seed(bytes as u64 / 1024, round));
        let all: HashSet<_> = seeds.flat_map(|seed| places(bytes, READS, seed)).collect();
        // Of so many lines, hardly any is drawn twice.
        assert!(all.len() > READS * READ_ROUNDS as usize * 99 / 100, "{}", all.len());
    }
}
