//! The heavy tests: `tests/heavy`, run with the crore command as it is released.

use std::thread;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

use super::report::Tally;

/// How long all of them may take, also when they are told to carry gigabytes.
const MINUTES: u32 = 15;

/// How long they may take to be built, beside the command.
const BUILD_MINUTES: u32 = 20;

/// Builds crore and the tests, both at once, and runs the tests one after the other: each wants the
/// machine for itself.
pub fn heavy(metadata: &Metadata, arguments: &[&str]) -> Outcome<Tally> {
    // The last step of a release build, its link, leaves all processors but one to others.
    let (program, built) = thread::scope(|scope| {
        let tests =
            scope.spawn(|| tests(metadata).arguments(&["--no-run"]).minutes(BUILD_MINUTES).run());
        let broken = |_| Err("building the heavy tests panicked".into());
        (crate::build::crore(metadata), tests.join().unwrap_or_else(broken))
    });
    let (program, _) = (program?, built?);
    let screenshot = metadata.target_directory.join("status.png");
    tests(metadata)
        .arguments(&["--", "--ignored", "--test-threads", "1", "--show-output"])
        .arguments(arguments)
        .variable("CRORE_PROGRAM", &program.to_string_lossy())
        .variable("CRORE_SCREENSHOT", &screenshot.to_string_lossy())
        .minutes(MINUTES)
        .run()
}

fn tests(metadata: &Metadata) -> Invocation {
    Invocation::new("cargo")
        .arguments(&["test", "--locked", "--config", "tests/heavy/profile.toml"])
        .arguments(&["--package", "crore-tests", "--test", "heavy"])
        .folder(&metadata.workspace_root)
}
