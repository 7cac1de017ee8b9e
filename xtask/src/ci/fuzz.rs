//! Every fuzz target, for a number of inputs that takes about a quarter of a minute.

use std::path::Path;

use crate::Outcome;
use crate::run::{Invocation, program_exists};

use super::report::Tally;

/// Inputs for each target: enough to find what a change broke, not what nobody has found yet. A
/// number and a seed, not a time: whether a change may land is no game of chance, and no matter of how
/// fast a machine is. Long runs by hand draw their own seed.
const INPUTS: [(&str, u32); 5] = [
    ("connection", 25_000),
    ("request", 100_000),
    ("tcp_input", 250_000),
    ("tcp_options", 2_000_000),
    ("wire", 1_000_000),
];
/// Seconds after which a target ends whatever it has reached.
const SECONDS_MOST: u32 = 60;

/// Runs all targets, with cargo-fuzz, which is installed if it is missing.
pub fn run(root: &Path) -> Outcome<Tally> {
    if !program_exists("cargo-fuzz") {
        Invocation::new("cargo").arguments(&["install", "cargo-fuzz", "--locked"]).run()?;
    }
    let targets = cargo_fuzz(root).arguments(&["list"]).quietly()?;
    cargo_fuzz(root).arguments(&["build"]).run()?;
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for target in targets.lines() {
        match one(root, target) {
            Ok(()) => tally.passed += 1,
            Err(error) => failures.push(format!("{target}: {error}")),
        }
    }
    if failures.is_empty() { Ok(tally) } else { Err(failures.join("\n").into()) }
}

fn one(root: &Path, target: &str) -> Outcome {
    let inputs = INPUTS.iter().find(|(name, _)| *name == target);
    let (_, inputs) = inputs.ok_or("give it a number of inputs in xtask/src/ci/fuzz.rs")?;
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(root.join(&corpus))?;
    let seeds = format!("fuzz/seeds/{target}");
    let mut arguments = vec!["run", target, &corpus];
    if root.join(&seeds).is_dir() {
        arguments.push(&seeds);
    }
    let runs = format!("-runs={inputs}");
    let most = format!("-max_total_time={SECONDS_MOST}");
    arguments.extend(["--", "-seed=1", &runs, &most, "-timeout=10", "-print_final_stats=1"]);
    cargo_fuzz(root).arguments(&arguments).run()?;
    Ok(())
}

fn cargo_fuzz(root: &Path) -> Invocation {
    Invocation::new("rustup").arguments(&["run", "nightly", "cargo", "fuzz"]).folder(root)
}
