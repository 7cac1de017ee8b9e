//! Threads: making one with many alive, and switching between them.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, yield_now};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::answers::Answers;
use crate::probe::{Counted, Curve, Family, Probe, Resource};
use crate::run::{Run, Stop};
use crate::sys::interrupt::Blocked;
use crate::sys::readiness::switches;

pub(super) const PROBES: &[&Probe] = &[&THREAD, &SWITCH];

const THREADS: Probe = Probe {
    name: "",
    family: Family::Processes,
    question: "",
    method: "",
    against: "threads alive",
    counted: Counted::Things,
    count: 1_000,
    most: 1_000_000,
    uses: &[(1, Resource::Threads), (STACK_BYTES as u64, Resource::Memory)],
    curves: &[],
    with_root: Some(super::FOR_TASKS),
};

const THREAD: Probe = Probe {
    name: "thread",
    question: "Does making a thread take longer with more threads alive?",
    method: "A thread is made, with a stack of 64 KiB; it writes a byte into a pipe and sleeps; the time until \
             the byte is read.",
    curves: &[Curve { name: "pthread_create", measure: thread }],
    ..THREADS
};

const SWITCH: Probe = Probe {
    name: "switch",
    question: "Does switching between tasks take longer with more of them?",
    method: "All on one processor. Two threads hand each other a byte through pipes, beside many that sleep; a \
             byte goes round a ring of many; many that are all runnable yield to each other, timed by the \
             kernel's own count of switches.",
    count: 200,
    curves: &[
        Curve { name: "two, beside sleeping", measure: beside_sleeping },
        Curve { name: "round a ring", measure: ring },
        Curve { name: "all runnable", measure: runnable },
    ],
    uses: &[
        (1, Resource::Threads),
        (2, Resource::Descriptors),
        (STACK_BYTES as u64, Resource::Memory),
    ],
    ..THREADS
};

const STACK_BYTES: usize = 64 * 1024;

/// Switches measured together, and how many times at each step.
const ROUNDS: u32 = 20;
const SWITCHES: u32 = 50;
/// How long runnable threads are watched for a sample.
const WATCHED: Duration = Duration::from_millis(5);
const WATCHES: u32 = 8;

/// Threads that end when this does: each either sees the flag or the end of its pipe.
struct Threads {
    handles: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// What the threads read from ends when these are closed.
    writers: Vec<Arc<OwnedFd>>,
}

impl Threads {
    /// None yet. Those that will sleep read from the other ends of `writers`.
    fn new(writers: Vec<Arc<OwnedFd>>) -> Self {
        Self { handles: Vec::new(), stop: Arc::default(), writers }
    }

    fn spawn(&mut self, body: impl FnOnce() + Send + 'static) -> Result<(), Stop> {
        let _blocked = Blocked::all();
        let spawned = Builder::new().stack_size(STACK_BYTES).spawn(body);
        self.handles.push(spawned.map_err(Stop::io("pthread_create()"))?);
        Ok(())
    }

    /// One that sleeps until the end.
    fn spawn_sleeper(&mut self, sleep: &Arc<OwnedFd>) -> Result<(), Stop> {
        let sleep = Arc::clone(sleep);
        self.spawn(move || {
            let _ = rustix::io::read(&sleep, &mut [0]);
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.writers.clear();
        for handle in self.handles.drain(..) {
            // A thread of ours that panicked has said so.
            let _ = handle.join();
        }
    }
}

/// Keeps this thread, and those it makes, on one processor until dropped.
struct OneProcessor(CpuSet);

impl OneProcessor {
    fn new() -> Result<Self, Stop> {
        let before = sched_getaffinity(None).map_err(Stop::at("sched_getaffinity()"))?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| before.is_set(*cpu)).unwrap_or(0);
        let mut one = CpuSet::new();
        one.set(last);
        sched_setaffinity(None, &one).map_err(Stop::at("sched_setaffinity()"))?;
        Ok(Self(before))
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        // It was allowed before.
        let _ = sched_setaffinity(None, &self.0);
    }
}

fn pipe() -> Result<(Arc<OwnedFd>, Arc<OwnedFd>), Stop> {
    let Answers { read, write } = Answers::new()?;
    Ok((Arc::new(read), Arc::new(write)))
}

fn thread(run: &mut Run<'_>) -> Result<(), Stop> {
    let answers = Answers::new()?;
    let answer = Arc::new(answers.write.try_clone().map_err(Stop::io("dup()"))?);
    let (sleep, wake) = pipe()?;
    let mut threads = Threads::new(vec![wake]);
    for n in 1..=run.goal() {
        run.trying(n)?;
        let start = Instant::now();
        let (answer, sleep) = (Arc::clone(&answer), Arc::clone(&sleep));
        threads.spawn(move || {
            let _ = rustix::io::write(&answer, b"!");
            let _ = rustix::io::read(&sleep, &mut [0]);
        })?;
        answers.wait().map_err(Stop::at("read()"))?;
        run.record(n, start.elapsed().as_nanos() as f64);
    }
    Ok(())
}

/// Hands every byte that comes on.
fn hand_on(from: &OwnedFd, to: &OwnedFd) {
    let mut byte = [0];
    while rustix::io::read(from, &mut byte).is_ok_and(|length| length == 1) {
        if rustix::io::write(to, &byte).is_err() {
            return;
        }
    }
}

/// Sends a byte on its way and waits until it is back, several times; each way is of `switches` switches.
fn time_switches(
    run: &mut Run<'_>,
    n: u64,
    switches: u32,
    (to, from): (&OwnedFd, &Answers),
) -> Result<(), Stop> {
    let trips = (SWITCHES / switches).max(1);
    for _ in 0..ROUNDS {
        run.go_on()?;
        let start = Instant::now();
        for _ in 0..trips {
            rustix::io::write(to, b"!").map_err(Stop::at("write()"))?;
            from.wait().map_err(Stop::at("read()"))?;
        }
        let time = start.elapsed().as_nanos() as f64;
        run.record(n, time / f64::from(trips * switches));
    }
    Ok(())
}

fn beside_sleeping(run: &mut Run<'_>) -> Result<(), Stop> {
    let _one = OneProcessor::new()?;
    let back = Answers::new()?;
    let back_in = Arc::new(back.write.try_clone().map_err(Stop::io("dup()"))?);
    let (there_out, there) = pipe()?;
    let (sleep, wake) = pipe()?;
    let mut threads = Threads::new(vec![wake]);
    threads.spawn(move || hand_on(&there_out, &back_in))?;
    let mut sleeping = 0;
    let mut result = Ok(());
    for n in run.ladder() {
        while sleeping < n && result.is_ok() {
            sleeping += 1;
            result = run.trying(sleeping).and_then(|()| threads.spawn_sleeper(&sleep));
        }
        result = result.and_then(|()| time_switches(run, n, 2, (&there, &back)));
        if result.is_err() {
            break;
        }
    }
    // The partner ends with its pipe, and is waited for after that.
    drop(there);
    result
}

fn ring(run: &mut Run<'_>) -> Result<(), Stop> {
    let _one = OneProcessor::new()?;
    for n in run.ladder() {
        run.trying(n)?;
        // n − 1 threads and this one.
        let back = Answers::new()?;
        let mut threads = Threads::new(Vec::new());
        let (mut from, first) = pipe()?;
        let first = Arc::try_unwrap(first).map_err(|_| Stop::Other("pipe in use".to_owned()))?;
        let mut result = Ok(());
        for _ in 1..n.max(2) - 1 {
            match pipe() {
                Ok((next, to)) => {
                    let source = std::mem::replace(&mut from, next);
                    result = threads.spawn(move || hand_on(&source, &to));
                }
                Err(stop) => result = Err(stop),
            }
            if result.is_err() {
                break;
            }
        }
        let to = back.write.try_clone().map_err(Stop::io("dup()"));
        let result = result.and(to).and_then(|to| {
            threads.spawn(move || hand_on(&from, &to))?;
            time_switches(run, n, n.max(2) as u32, (&first, &back))
        });
        // Each thread ends when the one before it has, and closes its own end then.
        drop(first);
        drop(threads);
        result?;
    }
    Ok(())
}

fn runnable(run: &mut Run<'_>) -> Result<(), Stop> {
    let mut threads = Threads::new(Vec::new());
    let mut running = 0;
    for n in run.ladder() {
        while running < n {
            run.trying(running + 1)?;
            let _one = OneProcessor::new()?;
            let stop = Arc::clone(&threads.stop);
            threads.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    yield_now();
                }
            })?;
            running += 1;
        }
        for _ in 0..WATCHES {
            run.go_on()?;
            let (start, before) = (Instant::now(), switches());
            std::thread::sleep(WATCHED);
            // This thread's own two are few among them.
            let (time, switched) = (start.elapsed(), switches() - before);
            if n > 1 && switched > 0 {
                run.record(n, time.as_nanos() as f64 / switched as f64);
            }
        }
    }
    Ok(())
}
