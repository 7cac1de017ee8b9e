//! A look at all connections of a shard, a few at a time: [`Survey`]. Invariant: what it costs between
//! two turns is bounded, however many connections there are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use app::Seen;

/// Somebody's look at all connections. It is dropped when all have been seen, when it has seen
/// enough, or when the shard ends.
pub struct Survey {
    /// What is done with each; false: that is enough.
    pub(crate) see: Box<dyn FnMut(&Seen) -> bool + Send>,
    /// Where it goes on.
    pub(crate) from: u32,
}

impl Survey {
    /// A look by `see`, which is called on the shard's thread and must be quick. It says whether it
    /// wants to see more.
    #[must_use]
    pub fn new(see: impl FnMut(&Seen) -> bool + Send + 'static) -> Self {
        Self { see: Box::new(see), from: 0 }
    }
}

/// Surveys that wait for their turn.
pub(crate) struct Surveys {
    /// Whether there are any: a busy shard looks without taking the lock.
    waiting: AtomicBool,
    /// None once the shard has ended: whoever asks then is told at once that there is nothing.
    surveys: Mutex<Option<Vec<Survey>>>,
}

/// Those of a shard that runs.
impl Default for Surveys {
    fn default() -> Self {
        Self { waiting: AtomicBool::new(false), surveys: Mutex::new(Some(Vec::new())) }
    }
}

impl Surveys {
    /// Adds one. The shard has to be rung after it.
    pub(crate) fn add(&self, survey: Survey) {
        let mut surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(surveys) = &mut *surveys {
            surveys.push(survey);
            self.waiting.store(true, Ordering::Release);
        }
    }

    /// The shard has ended: those that wait are dropped, and so is each that comes after.
    pub(crate) fn close(&self) {
        let mut surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = surveys.take();
        drop(surveys);
        // Without the lock: whoever is told may ask again.
        drop(waiting);
    }

    /// Takes one out.
    pub(crate) fn take(&self) -> Option<Survey> {
        if !self.waiting.load(Ordering::Acquire) {
            return None;
        }
        let mut surveys = self.surveys.lock().unwrap_or_else(PoisonError::into_inner);
        let surveys = surveys.as_mut()?;
        let survey = surveys.pop();
        self.waiting.store(!surveys.is_empty(), Ordering::Release);
        survey
    }
}
