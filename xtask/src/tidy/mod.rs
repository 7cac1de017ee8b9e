//! `cargo xtask tidy`: the project's own rules, those that neither rustc nor clippy checks.
//!
//! Each check is a function from what is there to a list of complaints; a complaint names the file,
//! what is wrong with it and what to do.

mod build;
mod code;
mod edges;
mod licences;
mod links;
mod sources;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::metadata::Metadata;

/// Runs all checks and prints every complaint.
pub fn run() -> Outcome {
    let metadata = Metadata::load()?;
    let files = project_files(&metadata.workspace_root)?;
    let mut complaints = Vec::new();
    complaints.extend(edges::check(&metadata));
    complaints.extend(licences::check(&metadata));
    complaints.extend(build::check(&metadata)?);
    complaints.extend(sources::check(&metadata.workspace_root, &files)?);
    complaints.extend(links::check(&metadata.workspace_root, &files)?);
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        println!("tidy: {} files, {} packages", files.len(), metadata.packages.len());
        return Ok(());
    }
    Err(format!("tidy: {} to put right", complaints.len()).into())
}

/// Every file that is in the repository or would be added to it, relative to its root.
fn project_files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git ls-files failed: {reason}").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let files = text.split_terminator('\0').map(PathBuf::from);
    // A file deleted in the working tree is still in the index.
    Ok(files.filter(|file| root.join(file).exists()).collect())
}
