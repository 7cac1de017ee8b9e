//! The access log: a line for each request, in the combined form or as JSON.
//!
//! Invariant: a shard never waits for the disk. It appends to a buffer of its own, which a thread
//! takes away a few times a second; what does not fit because the disk is too slow is counted and
//! lost.

mod line;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub(crate) use line::{Entry, Subject};
pub(crate) use writer::Pen;
use writer::Shared;

/// The form of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// The combined format that web servers share.
    Combined,
    /// One JSON object.
    Json,
}

/// Where the lines go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogDestination {
    /// Standard output.
    Stdout,
    /// The end of this file, which is made when it is not there.
    File(PathBuf),
}

/// An access log. Dropping the last handle writes what is left.
#[derive(Debug)]
pub struct Log {
    format: LogFormat,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the destination and starts the thread that writes to it.
    ///
    /// # Errors
    /// When the file cannot be opened, or there is no thread to be had.
    pub fn start(format: LogFormat, destination: LogDestination) -> std::io::Result<Arc<Self>> {
        let (shared, thread) = writer::start(destination)?;
        Ok(Arc::new(Self { format, shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Opens the file anew before the next line is written: it was moved away.
    pub fn reopen(&self) {
        self.shared.reopen();
    }

    /// What one shard writes with.
    pub(crate) fn pen(&self) -> Pen {
        Pen::new(self.format, Arc::clone(&self.shared))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It cannot have panicked: it holds no invariant that could break.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
