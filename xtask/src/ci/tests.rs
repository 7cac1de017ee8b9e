//! The heavy tests: `tests/heavy`, run with the crore command as it is released.

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

use super::report::Tally;

/// How long all of them may take, also when they are told to carry gigabytes.
const MINUTES: u32 = 15;

/// Builds crore and runs the heavy tests, one after the other: each wants the machine for itself.
pub fn heavy(metadata: &Metadata, arguments: &[&str]) -> Outcome<Tally> {
    let program = crate::build::crore(metadata)?;
    let screenshot = metadata.target_directory.join("status.png");
    Invocation::new("cargo")
        .arguments(&["test", "--locked", "--config", "tests/heavy/profile.toml"])
        .arguments(&["--package", "crore-tests", "--test", "heavy", "--"])
        .arguments(&["--ignored", "--test-threads", "1", "--show-output"])
        .arguments(arguments)
        .variable("CRORE_PROGRAM", &program.to_string_lossy())
        .variable("CRORE_SCREENSHOT", &screenshot.to_string_lossy())
        .folder(&metadata.workspace_root)
        .minutes(MINUTES)
        .run()
}
