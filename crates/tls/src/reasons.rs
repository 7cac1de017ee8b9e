//! Why connections could not be made secure, in words: [`Reasons`]. Invariant: of many only the first
//! is kept.

use std::sync::{Mutex, PoisonError};

/// The first reason, shared by all shards of a process.
#[derive(Debug, Default)]
pub struct Reasons(Mutex<Option<String>>);

impl Reasons {
    /// The first reason, if anything went wrong.
    #[must_use]
    pub fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, reason: impl FnOnce() -> String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(reason);
    }
}
