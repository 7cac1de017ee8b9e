//! What `cargo metadata` knows of the workspace and of all it depends on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use crate::Outcome;

/// The parts of `cargo metadata` that the checks read.
#[derive(Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_members: Vec<String>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
}

/// One package, ours or from a registry.
#[derive(Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    /// The native library that the package's build script links, if it says so.
    pub links: Option<String>,
    pub dependencies: Vec<Dependency>,
}

/// One line of a `[dependencies]` table.
#[derive(Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// Where a path dependency is; `None` for one from a registry.
    pub path: Option<PathBuf>,
}

impl Metadata {
    /// Asks cargo, for the platform this runs on.
    pub fn load() -> Outcome<Self> {
        let platform = host_platform()?;
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
            .output()?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo metadata --locked failed:\n{reason}").into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The packages of this workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// All packages compiled for `root` without its tests: itself, its dependencies, theirs.
    ///
    /// `cargo tree` says so. The graph of `cargo metadata` has packages besides that an optional
    /// feature would bring which nobody asked for (`ring?/std`).
    pub fn built_for(&self, root: &str) -> Outcome<Vec<&Package>> {
        let output = Command::new("cargo")
            .args(["tree", "--locked", "--package", root, "--edges", "normal,build"])
            .args(["--prefix", "none", "--format", "{p}"])
            .output()?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo tree --package {root} failed:\n{reason}").into());
        }
        // Each line is a name, `v` and a version, and perhaps where it is from.
        let lines = String::from_utf8(output.stdout)?;
        let named = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.next()?.strip_prefix('v')?.to_owned()))
        };
        let built: BTreeSet<(String, String)> = lines.lines().filter_map(named).collect();
        let is_built =
            |package: &&Package| built.contains(&(package.name.clone(), package.version.clone()));
        Ok(self.packages.iter().filter(is_built).collect())
    }
}

fn host_platform() -> Outcome<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}
