//! Building crore as it is released, for tests and benchmarks.

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
