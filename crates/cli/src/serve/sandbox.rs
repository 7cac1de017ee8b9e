//! What the kernel lets the process touch once it serves, by landlock (Linux 5.13 and later).
//!
//! Invariant: [`confine`] is called while the process has one thread, because older kernels
//! confine the calling thread and those that it starts later, no others.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, make_bitflags,
};

use crate::settings::{Problem, Sandbox};

/// The newest landlock whose rights are used. Later ones add rights that were not tested here.
const NEWEST_ABI: ABI = ABI::V7;

/// What the process may still touch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Paths {
    /// Folders read with all that is below them.
    pub folders: Vec<PathBuf>,
    /// Folders in which files are read by name, not listed: the one of the configuration file,
    /// because an editor that saves it puts a new file there.
    pub files_in: Vec<PathBuf>,
    /// Folders in which files are made and written to: the one of the log, which is rotated.
    pub logs_in: Vec<PathBuf>,
    /// Folders in which files are removed: those of Unix sockets.
    pub sockets_in: Vec<PathBuf>,
}

/// Whether the process is confined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Confinement {
    /// By landlock with this number of its interface.
    On(u32),
    /// Not, and why.
    Off(&'static str),
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(abi) => write!(f, "sandbox landlock ABI {abi}"),
            Self::Off(why) => write!(f, "sandbox off ({why})"),
        }
    }
}

/// The folders that have to be readable to serve `roots`: these, and where a root leads through a
/// symbolic link to something beside the link (`current` to `releases/42`), the folder of the link,
/// so that a deployment can point it elsewhere there. Never the file system's own root.
pub fn folders_for(roots: &[PathBuf]) -> Vec<PathBuf> {
    let links = roots.iter().flat_map(|root| root.ancestors()).filter_map(|path| {
        let folder = path.parent()?;
        let target = path.is_symlink().then(|| fs::canonicalize(path).ok()).flatten()?;
        let real = fs::canonicalize(self::folder(folder)).ok()?;
        (real.parent().is_some() && target.starts_with(&real)).then_some(real)
    });
    links.chain(roots.iter().cloned()).collect()
}

/// Confines the process to `paths`, if the kernel can: no other file, no new TCP address or
/// connection, no signal to another process, no program started.
///
/// # Errors
/// When the kernel cannot and `mode` requires it, or refuses what it should be able to do. The
/// problem has no place: the caller knows where the mode came from.
pub fn confine(mode: Sandbox, paths: &Paths) -> Result<Confinement, Problem> {
    if mode == Sandbox::Off {
        return Ok(Confinement::Off("as asked"));
    }
    let impossible = |reason: String| {
        Problem::unplaced(format!("the sandbox cannot be set up: {reason}"))
            .advise("`--sandbox off` does without it")
    };
    // Where the kernel does not tell, there is no /proc, and nothing was started yet.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(impossible(format!("{threads} threads run already, and it would cover one")));
    }
    let status = restrict(paths).map_err(|error| impossible(error.to_string()))?;
    let confinement = match (&status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => {
            Confinement::Off("this kernel has no landlock")
        }
        (RulesetStatus::NotEnforced, _) => Confinement::Off("landlock is not enabled here"),
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            Confinement::On(effective_abi.min(NEWEST_ABI) as u32)
        }
        _ => Confinement::Off("landlock is not enabled here"),
    };
    match (mode, &confinement) {
        (Sandbox::Required, Confinement::Off(why)) => {
            Err(Problem::unplaced(format!("a sandbox is required, and {why}")).advise(
                "use a kernel with landlock (Linux 5.13, in its list of security modules), or \
                 `--sandbox auto` to go without where it is missing",
            ))
        }
        _ => Ok(confinement),
    }
}

fn restrict(paths: &Paths) -> Result<RestrictionStatus, RulesetError> {
    let read_all = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let log = make_bitflags!(AccessFs::{WriteFile | MakeReg | Truncate});
    let handled = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST_ABI))?
        .handle_access(AccessNet::from_all(NEWEST_ABI))?
        .scope(Scope::Signal)?;
    handled
        .create()?
        .add_rules(rules(&paths.folders, read_all))?
        .add_rules(rules(&paths.files_in, AccessFs::ReadFile.into()))?
        .add_rules(rules(&paths.logs_in, log))?
        .add_rules(rules(&paths.sockets_in, AccessFs::RemoveFile.into()))?
        .restrict_self()
}

/// Allows `access` below each of `paths`. One that does not exist (now) needs no rule: it stays
/// out of reach, and what was to be read there says so itself.
fn rules(
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    let existing = paths.iter().filter_map(|path| PathFd::new(folder(path)).ok());
    existing.map(move |path| Ok(PathBeneath::new(path, access)))
}

/// The empty path is what is left of a file's name without a folder: the current one.
fn folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::folders_for;

    /// A folder that is removed at the end.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_link_to_what_is_beside_it_brings_its_folder_and_no_other_does() {
        let name = format!("crore-sandbox-{}", std::process::id());
        let scratch = Scratch(std::env::temp_dir().join(name));
        let here = |path: &str| scratch.0.join(path);
        fs::create_dir_all(here("app/releases/42/public")).unwrap();
        fs::create_dir_all(here("elsewhere")).unwrap();
        symlink("releases/42", here("app/current")).unwrap();
        symlink("../elsewhere", here("app/away")).unwrap();
        let app = fs::canonicalize(here("app")).unwrap();
        for (root, brought) in [
            ("app/current", vec![app.clone()]),
            ("app/current/public", vec![app]),
            ("app/away", vec![]),
            ("app/releases/42", vec![]),
            ("missing", vec![]),
        ] {
            let mut expected = brought;
            expected.push(here(root));
            assert_eq!(folders_for(&[here(root)]), expected, "{root}");
        }
        assert_eq!(folders_for(&[PathBuf::from("/")]), [Path::new("/")]);
    }
}
