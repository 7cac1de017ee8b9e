//! `cargo xtask sim`: lives many simulated worlds, optimized but with every assertion, and says which
//! seeds failed.

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

/// Worlds lived unless a number is given.
const SEEDS: &str = "3000";
/// How long it may take: long runs are what this is for.
const MINUTES: u32 = 24 * 60;

/// Runs what the arguments ask for: `--seeds N`, from `--first SEED` on, or one `--seed SEED` alone.
pub fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        [] => live("0", SEEDS),
        ["--seeds", count] => live("0", count),
        ["--first", first, "--seeds", count] | ["--seeds", count, "--first", first] => {
            live(first, count)
        }
        ["--seed", seed] => live(seed, "1"),
        _ => Err("usage: cargo xtask sim [--seeds N [--first SEED] | --seed SEED]".into()),
    }
}

fn live(first: &str, count: &str) -> Outcome {
    Invocation::new("cargo")
        .arguments(&["run", "--locked", "--package", "crore-sim", "--example", "seeds"])
        // Debug assertions are among what looks on.
        .arguments(&["--config", "profile.dev.opt-level=2", "--", first, count])
        .folder(&Metadata::load()?.workspace_root)
        .minutes(MINUTES)
        .run()?;
    Ok(())
}
