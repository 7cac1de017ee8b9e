//! The threads that do what may block: opening and reading files, listing folders, compressing, hashing
//! passwords.
//!
//! Invariant: queues are bounded; a job that does not fit is refused at once. At most half of the
//! threads work on what takes long (listing, compressing, hashing), so that a file can always be
//! opened.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Something to do on a thread of the pool.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// What kind of work a job is; each kind has a queue of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Opens, stats or reads a little.
    Lookup,
    /// Reads a part of a file so that it is in memory.
    Read,
    /// Keeps a processor busy for milliseconds, or lists a folder, which may be large.
    Compute,
}

/// The queue of that kind of work is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// The running threads. Dropping it finishes the jobs that are queued and ends them.
#[derive(Debug)]
pub(crate) struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// Where jobs wait. Shared by everyone who posts one.
pub(crate) struct Queue {
    state: Mutex<State>,
    posted: Condvar,
    /// Jobs that may wait, of each kind.
    capacity: usize,
    /// Threads that may compute at once.
    computing_limit: usize,
}

#[derive(Default)]
struct State {
    waiting: [VecDeque<Job>; 3],
    computing: usize,
    closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts `threads` threads, at least one. `capacity` jobs of each kind may wait.
    pub(crate) fn start(threads: u16, capacity: u32) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            posted: Condvar::new(),
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            computing_limit: usize::from(threads / 2).max(1),
        });
        let start = |index| {
            let queue = Arc::clone(&queue);
            Builder::new().name(format!("site-{index}")).spawn(move || queue.work())
        };
        let threads = (0..threads).map(start).collect::<Result<_, _>>()?;
        Ok(Self { queue, threads })
    }

    /// Where jobs are posted.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.posted.notify_all();
        for thread in self.threads.drain(..) {
            // A job's panic is caught where it runs; there is nothing left to learn here.
            let _ = thread.join();
        }
    }
}

impl Queue {
    /// Has `job` done by one of the threads.
    pub(crate) fn post(&self, work: Work, job: Job) -> Result<(), Full> {
        let mut state = self.lock();
        let waiting = &mut state.waiting[work as usize];
        if waiting.len() >= self.capacity {
            return Err(Full);
        }
        waiting.push_back(job);
        drop(state);
        self.posted.notify_one();
        Ok(())
    }

    /// What each thread does until the pool is dropped.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some((work, job)) = self.next(&mut state) {
                state.computing += usize::from(work == Work::Compute);
                drop(state);
                // A library that panics over one file must not take the thread along. The job's
                // own guard tells the one who waits for it.
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!(
                        "a job for a file failed unexpectedly; it was answered with 500"
                    );
                }
                state = self.lock();
                if work == Work::Compute {
                    state.computing -= 1;
                    self.posted.notify_one();
                }
            } else if state.closed {
                return;
            } else {
                state = self.posted.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The next job to do, look-ups first.
    fn next(&self, state: &mut State) -> Option<(Work, Job)> {
        let may_compute = state.computing < self.computing_limit;
        let kinds = [Work::Lookup, Work::Read, Work::Compute];
        let kinds = kinds.into_iter().filter(|&work| work != Work::Compute || may_compute);
        for work in kinds {
            if let Some(job) = state.waiting[work as usize].pop_front() {
                return Some((work, job));
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
