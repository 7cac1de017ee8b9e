//! Building crore as it is released, for tests and benchmarks.

use std::path::PathBuf;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::run::Invocation;

/// Builds the command with all optimization and says where it is.
pub fn crore(metadata: &Metadata) -> Outcome<PathBuf> {
    Invocation::new("cargo")
        .arguments(&["build", "--locked", "--release", "--package", "crore-cli"])
        .folder(&metadata.workspace_root)
        .run()?;
    Ok(metadata.target_directory.join("release/crore"))
}
