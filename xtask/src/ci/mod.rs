//! `cargo xtask ci`: all that one machine can check, beyond `cargo test --workspace`, which
//! `.ci/run` has run before. Every step runs, also after one has failed; the last line counts.

mod fuzz;
mod packages;
mod report;
mod requirements;
mod tests;

use std::path::Path;

use crate::metadata::Metadata;
use crate::run::{Invocation, program_exists};
use crate::{Outcome, tidy};
use report::Report;
pub use report::Tally;

/// Crates that must build where there is no standard library.
const NO_STD: &[&str] = &["crore-base", "crore-app", "crore-http", "crore-wire", "crore-tcp"];

/// A target without an operating system.
const BARE_TARGET: &str = "x86_64-unknown-none";

/// Crates whose `unsafe` code Miri interprets.
const INTERPRETED: &[&str] = &["crore-mem"];

/// Runs every step.
pub fn run() -> Outcome {
    let metadata = Metadata::load()?;
    let root = metadata.workspace_root.as_path();
    let mut report = Report::default();
    report.step("packages from Debian", packages::install);
    report.step("format", || cargo(&["fmt", "--all", "--check"]).run());
    report.step("lints", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()
    });
    report.step("documentation", || {
        cargo(&["doc", "--workspace", "--no-deps", "--lib", "--locked"])
            .variable("RUSTDOCFLAGS", "-D warnings")
            .run()
    });
    report.step("tidy", || tidy::run().map(|()| Tally::default()));
    report.step("RFC 9293", || requirements::check(&metadata));
    report.step("no standard library", bare);
    // Before the two that need it, which would else install it at the same time.
    report.step("nightly toolchain", || nightly(&["miri", "rust-src"]).map(|()| Tally::default()));
    report.both(("Miri", || interpret(root)), ("fuzzing", || fuzz::run(root)));
    report.step("simulated worlds", || crate::sim::run(&[]).map(|()| Tally::default()));
    report.step("heavy tests", || heavy(&metadata));
    report.finish()
}

/// Builds crore and runs the heavy tests with it; further arguments go to the test program.
pub fn run_heavy(arguments: &[&str]) -> Outcome {
    tests::heavy(&Metadata::load()?, arguments).map(drop)
}

fn heavy(metadata: &Metadata) -> Outcome<Tally> {
    tests::heavy(metadata, &[])
}

fn cargo(arguments: &[&str]) -> Invocation {
    Invocation::new("cargo").arguments(arguments)
}

/// Compiles what has to run with no operating system under it for a target that has none.
fn bare() -> Outcome<Tally> {
    Invocation::new("rustup").arguments(&["target", "add", BARE_TARGET]).run()?;
    let packages: Vec<&str> = NO_STD.iter().flat_map(|package| ["--package", package]).collect();
    cargo(&["check", "--locked", "--no-default-features", "--target", BARE_TARGET])
        .arguments(&packages)
        .run()
}

fn interpret(root: &Path) -> Outcome<Tally> {
    let packages: Vec<&str> =
        INTERPRETED.iter().flat_map(|package| ["--package", package]).collect();
    Invocation::new("rustup")
        .arguments(&["run", "nightly", "cargo", "miri", "test", "--locked"])
        .arguments(&packages)
        .folder(root)
        .minutes(8)
        .run()
}

/// Makes sure that there is a nightly toolchain with these components.
fn nightly(components: &[&str]) -> Outcome {
    if !program_exists("rustup") {
        return Err("needs rustup, to install a nightly toolchain".into());
    }
    let has_nightly =
        Invocation::new("rustup").arguments(&["run", "nightly", "rustc", "-V"]).quietly().is_ok();
    if !has_nightly {
        let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
        Invocation::new("rustup").arguments(&install).run()?;
    }
    Invocation::new("rustup")
        .arguments(&["component", "add", "--toolchain", "nightly"])
        .arguments(components)
        .run()
        .map(drop)
        .map_err(|error| {
            format!("this nightly toolchain has no {}: {error}", components.join(", ")).into()
        })
}
