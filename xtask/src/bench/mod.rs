//! `cargo xtask bench`: crore against others, in one run.
//!
//! `bench serve` is against nginx, one worker each. Both serve the same folder from processor 0, wrk asks from processor 1, one after the other and
//! round after round, so that whatever else the machine does meets both. What counts is the ratio
//! of a round; its spread over the rounds is printed beside it. A wrong answer is an error.
//!
//! `bench net` is crore's own stack on AF_XDP and TAP against nginx on the kernel's, over wires of one kind ([`net`]).
//!
//! `bench load` is `crore load` against wrk, on the same nginx ([`load`]).
//!
//! `bench stack` is our TCP/IP stack against smoltcp and the kernel's, each alone ([`stack`]).

mod busy;
mod clients;
mod contestant;
mod document;
mod hold;
mod load;
mod machine;
mod memory;
mod net;
mod serve;
mod share;
mod spread;
mod stack;
mod table;
mod waits;
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

const FULL: Effort = Effort { rounds: 5, seconds: 3, idle: 15_000, measured: 10_000 };

/// To see that all of it works; its figures mean little.
const QUICK: Effort = Effort { rounds: 2, seconds: 1, idle: 2_000, measured: 2_000 };

const SUBJECTS: &str = "there are serve, load, net and stack";

/// Runs the comparison that `arguments` ask for.
pub fn run(arguments: &[&str]) -> Outcome {
    let (subject, flags) = arguments.split_first().ok_or(format!("bench what? {SUBJECTS}"))?;
    let (mut quick, mut write) = (false, false);
    for flag in flags {
        match *flag {
            "--quick" => quick = true,
            "--write" => write = true,
            _ => return Err(format!("unknown: {flag}; there are --quick and --write").into()),
        }
    }
    let effort = if quick { QUICK } else { FULL };
    let report = match *subject {
        "serve" => serve::compare(effort)?,
        "load" => load::compare(effort)?,
        "net" => net::compare(effort)?,
        "stack" => stack::compare(effort.rounds)?,
        _ => return Err(format!("there is no benchmark {subject}; {SUBJECTS}").into()),
    };
    println!("\n{report}");
    if write { document::write(subject, &report) } else { Ok(()) }
}
