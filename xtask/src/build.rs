//! Building crore as it is released, for tests and benchmarks, and its examples.

use std::path::PathBuf;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

/// How long it may take, also beside another build.
const MINUTES: u32 = 20;

/// Builds the command with all optimization and says where it is.
pub fn crore(metadata: &Metadata) -> Outcome<PathBuf> {
    Invocation::new("cargo")
        .arguments(&["build", "--locked", "--release", "--package", "crore-cli"])
        .folder(&metadata.workspace_root)
        .minutes(MINUTES)
        .run()?;
    Ok(metadata.target_directory.join("release/crore"))
}

/// Builds an example of a package with less optimization, but soon.
pub fn example(metadata: &Metadata, package: &str, name: &str) -> Outcome<PathBuf> {
    Invocation::new("cargo")
        .arguments(&["build", "--locked", "--profile", "quick", "--package", package])
        .arguments(&["--example", name])
        .folder(&metadata.workspace_root)
        .minutes(MINUTES)
        .run()?;
    Ok(metadata.target_directory.join("quick/examples").join(name))
}
