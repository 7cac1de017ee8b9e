//! How what a pool thread found out gets back to the shard that waits for it: [`Mailbox`].
//!
//! Invariant: whoever waits for a job is woken after its outcome is in, whichever came first; and
//! every job has an outcome, also one that panicked. The lock is taken by shards only while they
//! wait for something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::Wake;
use base::ConnId;

/// Names one job that a shard has posted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct JobId(pub(crate) u64);

/// One shard's mailbox.
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    wake: Arc<dyn Wake>,
}

struct State<T> {
    outcomes: Vec<(JobId, T)>,
    waiting: HashMap<JobId, Vec<ConnId>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(wake: Arc<dyn Wake>) -> Self {
        let state = State { outcomes: Vec::new(), waiting: HashMap::new() };
        Self { state: Mutex::new(state), wake }
    }

    /// Has `id` woken when the job's outcome is in; at once when it already is.
    pub(crate) fn wait_for(&self, job: JobId, id: ConnId) {
        let mut state = self.lock();
        if state.outcomes.iter().any(|(done, _)| *done == job) {
            drop(state);
            self.wake.wake(id);
        } else {
            state.waiting.entry(job).or_default().push(id);
        }
    }

    /// Takes the outcomes out that are in.
    pub(crate) fn take(&self) -> Vec<(JobId, T)> {
        std::mem::take(&mut self.lock().outcomes)
    }

    fn put(&self, job: JobId, outcome: T) {
        let mut state = self.lock();
        state.outcomes.push((job, outcome));
        let waiting = state.waiting.remove(&job).unwrap_or_default();
        drop(state);
        for id in waiting {
            self.wake.wake(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to put one job's outcome in. Dropped without having done so, it puts in the outcome
/// that stands for failure.
pub(crate) struct Duty<T> {
    mailbox: Arc<Mailbox<T>>,
    job: JobId,
    failure: Option<T>,
}

impl<T> Duty<T> {
    pub(crate) fn new(mailbox: &Arc<Mailbox<T>>, job: JobId, failure: T) -> Self {
        Self { mailbox: Arc::clone(mailbox), job, failure: Some(failure) }
    }

    /// Puts the outcome in.
    pub(crate) fn fulfil(mut self, outcome: T) {
        self.failure = Some(outcome);
    }
}

impl<T> Drop for Duty<T> {
    fn drop(&mut self) {
        if let Some(outcome) = self.failure.take() {
            self.mailbox.put(self.job, outcome);
        }
    }
}
