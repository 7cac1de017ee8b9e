//! What a process is told to do: [`Job`], and a worker's life: told on standard input, telling on
//! standard output, one line of JSON at a time. Invariant: a worker ends when its input does, so
//! none outlives the process that started it.

use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use load::Plan;
use serde::{Deserialize, Serialize};

use crate::serve::{Failure, Signals};
use crate::settings::Problem;

use super::super::net::{Net, Place};
use super::Crew;
use super::shards::Shards;

/// Between two reports of a worker.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What a process is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The whole plan.
    pub plan: Plan,
    /// The number of the process's first shard among all.
    pub first: u32,
    /// Shards of the process.
    pub shards: u16,
    /// Shards of all processes.
    pub of: u32,
    /// What carries the connections.
    pub net: Net,
    /// How they are made secure, if they are.
    pub tls: Option<tls::Settings>,
}

/// What a worker is told after its job.
pub const BEGIN: &str = "begin";
/// The other thing.
pub const STOP: &str = "stop";

/// The life of a worker.
///
/// # Errors
/// When the job cannot be read or begun.
pub fn work() -> Result<(), Failure> {
    // Interrupts from the terminal go to the process that started this one, which says what to do.
    let signals = Signals::catch().map_err(|error| Failure::system("signals", &error))?;
    let broken = |what: String| Failure::ended(Problem::unplaced(format!("a worker: {what}")));
    let mut job = String::new();
    stdin().read_line(&mut job).map_err(|error| broken(error.to_string()))?;
    let job: Job = serde_json::from_str(&job).map_err(|error| broken(error.to_string()))?;
    let mut crew = Shards::start(job, &Place::default(), &Arc::new(signals))?;
    let (send, told) = channel();
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match told.recv_timeout(REPORT_EVERY) {
            Ok(line) if line == BEGIN => crew.begin()?,
            Ok(_) => crew.stop()?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let look = crew.look()?;
        let line = serde_json::to_string(&look).map_err(|error| broken(error.to_string()))?;
        let mut out = stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
}
