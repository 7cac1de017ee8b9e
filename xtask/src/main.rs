//! The project's own chores, as `cargo xtask COMMAND`.
//!
//! Invariant: everything a chore needs beyond the Rust toolchain it installs or names in a message;
//! nothing here is part of what users build.

#![forbid(unsafe_code)]

mod bench;
mod build;
mod ci;
mod drivers;
mod metadata;
mod run;
mod sim;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

/// What a chore gives: a value, or a message for whoever ran it.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy   checks what the compiler does not: dependency direction, file layout, links,
         licences, and that the default build needs no C compiler
  ci     everything that can be checked on one machine: installs what it needs (Debian, root)
         and runs format, lints, documentation, tidy, Miri, fuzzing, the heavy tests
  heavy  the heavy tests alone; what follows goes to the test program (a name, --nocapture)
  bench serve|load|net|stack [--quick] [--write]
         crore against nginx; `crore load` against wrk; our stack on AF_XDP and TAP against
         nginx on the kernel's (root); our TCP/IP stack against smoltcp and the kernel's
         (root). --write puts the tables into docs/benchmarks.md
  drivers [NAME]...
         crore's own stack over the network drivers that QEMU has cards for, in a virtual
         machine; only those with a NAME in theirs. Takes root, Debian and half an hour
  sim [--seeds N [--first SEED] | --seed SEED]
         simulated worlds, thousands unless told; names the seeds that failed";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["tidy"] => tidy::run(),
        ["ci"] => ci::run(),
        ["heavy", arguments @ ..] => ci::run_heavy(arguments),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["drivers", parts @ ..] => drivers::run(parts),
        ["sim", arguments @ ..] => sim::run(arguments),
        // Started by the benchmark itself.
        ["hold", address, count, path] => bench::hold(address, count, path),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown: {}\n{USAGE}", arguments.join(" ")).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
