//! The folder for files that probes make: [`Scratch`]. Invariant: it is locked for as long as its run
//! lives, so that a folder whose lock is free was left behind by a run that was killed. The next run
//! removes it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// What the names of all of them begin with.
const NAME: &str = ".crore-probe-";

/// Another run may take a folder for one left behind in the moment before it is locked.
const TRIES: u32 = 8;

/// A folder that is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Held by this process and by those made of it, which end with it.
    _lock: OwnedFd,
}

impl Scratch {
    /// A new one in `folder`, from which those left behind are removed.
    pub fn new(folder: &Path) -> io::Result<Self> {
        sweep(folder)?;
        for number in 0..TRIES {
            let path = folder.join(format!("{NAME}{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            if let Ok(lock) = locked(&path)
                && path.exists()
            {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(io::Error::other("no folder for the probes' files can be locked there"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is found by the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what runs left behind that nobody could clean up after.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(NAME.as_bytes());
        if is_ours(&entry.file_name())
            && let Ok(_lock) = locked(&entry.path())
        {
            // What another user left behind stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// The lock of a folder, which must not be a symbolic link, if nobody has it.
fn locked(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(path, flags, Mode::empty())?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Scratch;

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_a_running_one_has_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".crore-probe-1-0");
        fs::create_dir_all(left.join("files")).unwrap();
        fs::write(left.join("files/file-1"), "x").unwrap();
        let mine = folder.path().join("crore-probe");
        fs::create_dir(&mine).unwrap();
        let running = Scratch::new(folder.path()).unwrap();
        assert!(!left.exists() && mine.exists());
        let other = Scratch::new(folder.path()).unwrap();
        assert!(running.path().exists() && other.path() != running.path());
        drop((running, other));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
