//! Waiting for many descriptors at once, in each of the ways there are.
//!
//! All watch the same: event descriptors, of which one, ten or all are made readable before each wait.
//! Timed is from the call to the last event found, divided by the events: the call itself, the search
//! for what is ready where that is the caller's work, and what it takes to watch again. Reading the
//! descriptors is not timed. Memory is what the kernel keeps for a descriptor for as long as it is watched,
//! or what has to be handed to it in every call, and not the descriptor itself.

mod watcher;

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::machine::{cache_memory, kernel_memory};
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use watcher::{Watcher, Way};

pub(super) const PROBES: &[&Probe] = &[&SELECT, &POLL, &SIGIO, &EPOLL, &URING];

const WAITING: Probe = Probe {
    name: "",
    family: Family::Waiting,
    question: "",
    method: "",
    against: "descriptors watched",
    counted: Counted::Things,
    count: 5_000,
    most: 10_000_000,
    uses: &[(1, Resource::Descriptors)],
    curves: &[],
    with_root: Some(super::FOR_WATCHING),
};

const SELECT: Probe = Probe {
    name: "select",
    question: "Does an event cost more through select with more descriptors watched?",
    method: "Event descriptors, of which one, ten or all are readable; the time of select and of finding them \
             in its answer, for each event. The set is as large as it has to be: the limit of 1,024 is the C \
             library's, not the kernel's. Memory is the set, which is handed over in each call.",
    curves: &[
        Curve { name: "1 active", measure: |run| watch(run, Active::One, Way::Select) },
        Curve { name: "10 active", measure: |run| watch(run, Active::Ten, Way::Select) },
        Curve { name: "all active", measure: |run| watch(run, Active::All, Way::Select) },
    ],
    ..WAITING
};

const POLL: Probe = Probe {
    name: "poll",
    question: "Does an event cost more through poll with more descriptors watched?",
    method: "The same as select, with poll. Memory is the array, which is handed over in each call.",
    curves: &[
        Curve { name: "1 active", measure: |run| watch(run, Active::One, Way::Poll) },
        Curve { name: "10 active", measure: |run| watch(run, Active::Ten, Way::Poll) },
        Curve { name: "all active", measure: |run| watch(run, Active::All, Way::Poll) },
    ],
    ..WAITING
};

const SIGIO: Probe = Probe {
    name: "sigio",
    question: "Does an event cost more by signal with more descriptors watched?",
    method: "Pipes that send a queued signal when they become readable (F_SETSIG), taken from the queue with \
             sigtimedwait, one call an event. Memory is what the kernel's grew by when they were asked for \
             signals.",
    uses: &[(2, Resource::Descriptors)],
    curves: &[
        Curve { name: "1 active", measure: |run| watch(run, Active::One, Way::Sigio) },
        Curve { name: "10 active", measure: |run| watch(run, Active::Ten, Way::Sigio) },
        Curve { name: "all active", measure: |run| watch(run, Active::All, Way::Sigio) },
    ],
    ..WAITING
};

const EPOLL: Probe = Probe {
    name: "epoll",
    question: "Does an event cost more through epoll with more descriptors watched?",
    method: "The same as select, with epoll_wait, which gives all events in one call. Memory is what the \
             kernel's grew by when they were added.",
    curves: &[
        Curve {
            name: "level, 1 active",
            measure: |run| watch(run, Active::One, Way::Epoll { edge: false }),
        },
        Curve {
            name: "level, 10 active",
            measure: |run| watch(run, Active::Ten, Way::Epoll { edge: false }),
        },
        Curve {
            name: "level, all active",
            measure: |run| watch(run, Active::All, Way::Epoll { edge: false }),
        },
        Curve {
            name: "edge, 1 active",
            measure: |run| watch(run, Active::One, Way::Epoll { edge: true }),
        },
        Curve {
            name: "edge, 10 active",
            measure: |run| watch(run, Active::Ten, Way::Epoll { edge: true }),
        },
        Curve {
            name: "edge, all active",
            measure: |run| watch(run, Active::All, Way::Epoll { edge: true }),
        },
    ],
    ..WAITING
};

const URING: Probe = Probe {
    name: "io_uring",
    question: "Does an event cost more through io_uring with more descriptors watched?",
    method: "The same as select, with polls of io_uring: ones that are made again after each event, which is \
             timed, too, and multishot ones. Memory is what the kernel's grew by when they were added.",
    curves: &[
        Curve {
            name: "poll, 1 active",
            measure: |run| watch(run, Active::One, Way::Uring { multishot: false }),
        },
        Curve {
            name: "poll, 10 active",
            measure: |run| watch(run, Active::Ten, Way::Uring { multishot: false }),
        },
        Curve {
            name: "poll, all active",
            measure: |run| watch(run, Active::All, Way::Uring { multishot: false }),
        },
        Curve {
            name: "multishot, 1 active",
            measure: |run| watch(run, Active::One, Way::Uring { multishot: true }),
        },
        Curve {
            name: "multishot, 10 active",
            measure: |run| watch(run, Active::Ten, Way::Uring { multishot: true }),
        },
        Curve {
            name: "multishot, all active",
            measure: |run| watch(run, Active::All, Way::Uring { multishot: true }),
        },
    ],
    ..WAITING
};

/// How many of the watched are readable.
#[derive(Clone, Copy, Debug)]
enum Active {
    One,
    Ten,
    All,
}

/// Something to watch, and how it is made readable.
struct Source {
    read: OwnedFd,
    /// The same descriptor when none.
    write: Option<OwnedFd>,
}

impl Source {
    fn new(pipe: bool) -> Result<Self, Errno> {
        if pipe {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            return Ok(Self { read, write: Some(write) });
        }
        let read = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { read, write: None })
    }

    fn make_readable(&self) -> Result<(), Errno> {
        let one = 1_u64.to_ne_bytes();
        rustix::io::write(self.write.as_ref().unwrap_or(&self.read), &one).map(|_| ())
    }

    fn drain(&self) -> Result<(), Errno> {
        rustix::io::read(&self.read, &mut [0; 8]).map(|_| ())
    }
}

/// Samples at each step, fewer where each has many events.
const ROUNDS: u64 = 40;
const EVENTS_A_STEP: u64 = 20_000;

/// With fewer, the growth of the caches meant, or of all kernel memory, says nothing of what each takes.
const CACHES_COUNT_MIN: u64 = 250;
const MEMORY_COUNT_MIN: u64 = 2_500;

/// Memory is settled when it has stayed the same for so many looks, this far apart; no more are taken than
/// the most.
const SETTLED: u32 = 4;
const SETTLING: Duration = Duration::from_millis(40);
const SETTLING_MAX: u32 = 25;

/// Kernel memory for what is watched, and how many have to be watched for its growth to say something.
struct Memory {
    bytes: u64,
    count_min: u64,
}

/// The same, once the kernel has freed what an earlier curve had: it does so in its own time.
fn settled(run: &Run<'_>, way: Way) -> Result<Memory, Stop> {
    let mut memory = memory_of(way);
    let mut same = 0;
    for _ in 0..SETTLING_MAX {
        if run.goal() < memory.count_min || !way.takes_kernel_memory() || same == SETTLED {
            break;
        }
        run.go_on()?;
        std::thread::sleep(SETTLING);
        let now = memory_of(way);
        same = if now.bytes == memory.bytes { same + 1 } else { 0 };
        memory = now;
    }
    Ok(memory)
}

fn memory_of(way: Way) -> Memory {
    match cache_memory(way.caches()) {
        _ if !way.takes_kernel_memory() => Memory { bytes: 0, count_min: 1 },
        Some(bytes) => Memory { bytes, count_min: CACHES_COUNT_MIN },
        None => Memory { bytes: kernel_memory(), count_min: MEMORY_COUNT_MIN },
    }
}

fn watch(run: &mut Run<'_>, active: Active, way: Way) -> Result<(), Stop> {
    let mut sources = Vec::new();
    // As many as can be had are watched, whatever ends it.
    let mut refused = Ok(());
    for n in 1..=run.goal() {
        run.go_on()?;
        match Source::new(way.wants_pipes()) {
            Ok(source) => sources.push(source),
            Err(errno) => {
                run.trying(n)?;
                let call = if way.wants_pipes() { "pipe()" } else { "eventfd()" };
                refused = Err(Stop::Refused { call, errno });
                break;
            }
        }
    }
    let mut watcher = Watcher::new(way, sources.len() as u64).map_err(Stop::at(way.call()))?;
    let before = settled(run, way)?;
    let mut watched = 0;
    let had = sources.len() as u64;
    let steps = run.ladder().into_iter().filter(|step| *step < had);
    for step in steps.chain(Some(had).filter(|had| *had > 0)) {
        run.trying(step)?;
        for source in &sources[watched..step as usize] {
            watcher.add(source.read.as_fd()).map_err(Stop::at(way.call()))?;
        }
        watched = step as usize;
        watcher.settle().map_err(Stop::at(way.call()))?;
        let now = memory_of(way);
        let bytes = now.bytes.saturating_sub(before.bytes) + watcher.bytes() as u64;
        if bytes > 0 && step >= now.count_min {
            run.record_memory(step, bytes as f64 / step as f64);
        }
        rounds(run, &mut watcher, (&sources[..watched], active), way)?;
    }
    refused
}

/// Measures with all of these watched.
fn rounds(
    run: &mut Run<'_>,
    watcher: &mut Watcher<'_>,
    (sources, active): (&[Source], Active),
    way: Way,
) -> Result<(), Stop> {
    let count = match active {
        Active::One => 1,
        Active::Ten => sources.len().min(10),
        Active::All => sources.len(),
    };
    let mut ready = Vec::with_capacity(count);
    let mut place = 0;
    for _ in 0..(EVENTS_A_STEP / count as u64).clamp(3, ROUNDS) {
        run.go_on()?;
        for index in 0..count {
            // Spread over all of them, others in each round.
            let index = (place + index * sources.len() / count) % sources.len();
            sources[index].make_readable().map_err(Stop::at("write()"))?;
        }
        place += 7919;
        ready.clear();
        let start = Instant::now();
        while ready.len() < count {
            match watcher.wait(&mut ready) {
                Err(Errno::INTR) => run.go_on()?,
                result => result.map_err(Stop::at(way.call()))?,
            }
        }
        let waited = start.elapsed();
        for index in &ready {
            sources[*index].drain().map_err(Stop::at("read()"))?;
        }
        let start = Instant::now();
        watcher.again(&ready).map_err(Stop::at(way.call()))?;
        let time = waited + start.elapsed();
        run.record(sources.len() as u64, time.as_nanos() as f64 / count as f64);
    }
    Ok(())
}
