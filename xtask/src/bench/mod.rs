//! `cargo xtask bench serve`: crore against nginx, one worker each, in one run.
//!
//! Both serve the same folder from processor 0, wrk asks from processor 1, one after the other and
//! round after round, so that whatever else the machine does meets both. What counts is the ratio
//! of a round; its spread over the rounds is printed beside it. A wrong answer is an error.

mod contestant;
mod document;
mod hold;
mod machine;
mod memory;
mod serve;
mod share;
mod spread;
mod table;
mod wrk;

use crate::Outcome;

pub use hold::hold;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, each with one run of everything.
    rounds: usize,
    /// Seconds of each run.
    seconds: u32,
    /// Connections held idle beside the active ones.
    idle: usize,
    /// Connections over which memory is measured.
    measured: usize,
}

const FULL: Effort = Effort { rounds: 5, seconds: 5, idle: 15_000, measured: 10_000 };

/// To see that all of it works; its figures mean little.
const QUICK: Effort = Effort { rounds: 2, seconds: 1, idle: 2_000, measured: 2_000 };

/// Runs the comparison that `arguments` ask for.
pub fn run(arguments: &[&str]) -> Outcome {
    let (subject, flags) = arguments.split_first().ok_or("bench what? There is: serve")?;
    if *subject != "serve" {
        return Err(format!("there is no benchmark {subject}; there is: serve").into());
    }
    let (mut effort, mut write) = (FULL, false);
    for flag in flags {
        match *flag {
            "--quick" => effort = QUICK,
            "--write" => write = true,
            _ => return Err(format!("unknown: {flag}; there are --quick and --write").into()),
        }
    }
    let report = serve::compare(effort)?;
    println!("\n{report}");
    if write { document::write(&report) } else { Ok(()) }
}
