//! The folder a host serves, and the only way to open anything below it: [`Root`].
//!
//! Invariant: what is opened lies at or below the root, symbolic links and all, because the
//! kernel resolves the path under `RESOLVE_BENEATH`; what is opened is a regular file or a folder,
//! never a device or a pipe.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat2};
use rustix::io::Errno;

use super::{Stamp, walk};

/// How often a root is looked up by its name again. A deployment that switches a symbolic link to
/// another folder takes effect within this time.
const LOOKUP_AFTER: Duration = Duration::from_secs(1);

/// Attempts to open a path while somebody renames folders on the way (openat2's `EAGAIN`).
const ATTEMPTS: u32 = 8;

/// A served folder.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    walks: bool,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    folder: Arc<OwnedFd>,
    looked_up: Instant,
}

/// Something below a root, opened.
#[derive(Debug)]
pub(crate) struct Found {
    /// The descriptor, for reading.
    pub(crate) fd: OwnedFd,
    /// What it is.
    pub(crate) kind: Kind,
    /// Which state of it.
    pub(crate) stamp: Stamp,
}

/// What can be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// Why something could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OpenError {
    /// It is not there, or it is not below the root, or it is neither a file nor a folder.
    NotFound,
    /// The process may not read it.
    Forbidden,
    /// Descriptors or memory ran out.
    Exhausted,
    /// The disk failed.
    Failed,
}

impl Root {
    /// Opens the folder itself.
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        let folder = open_folder(path)?;
        let probe = beneath(&folder, b"", OFlags::PATH | OFlags::CLOEXEC);
        // EPERM is how older container runtimes answer to a call they do not know.
        let walks = matches!(probe, Err(Errno::NOSYS | Errno::PERM));
        let current = Current { folder: Arc::new(folder), looked_up: Instant::now() };
        Ok(Self { path: path.to_owned(), walks, current: Mutex::new(current) })
    }

    /// Opens what `path`, relative to the root, names; the root itself when it is empty.
    pub(crate) fn find(&self, path: &[u8]) -> Result<Found, OpenError> {
        let (fd, stat) = self.open_below(path).map_err(|errno| told(path, errno))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => return Err(OpenError::NotFound),
        };
        Ok(Found { fd, kind, stamp: Stamp::of(&stat) })
    }

    fn open_below(&self, path: &[u8]) -> Result<(OwnedFd, Stat), Errno> {
        // NONBLOCK so that a pipe without a writer does not hold the thread; `find` refuses it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let folder = self.folder();
        let fd = if self.walks {
            walk::open(folder.as_fd(), path, flags)?
        } else {
            beneath(&folder, path, flags)?
        };
        let stat = fstat(&fd)?;
        Ok((fd, stat))
    }

    /// The root's descriptor, looked up by name again when the last look-up is a while ago.
    fn folder(&self) -> Arc<OwnedFd> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked_up.elapsed() >= LOOKUP_AFTER {
            current.looked_up = Instant::now();
            // While the name leads nowhere, for a moment or for good, the old folder is served.
            if let Ok(folder) = open_folder(&self.path) {
                current.folder = Arc::new(folder);
            }
        }
        Arc::clone(&current.folder)
    }

    #[cfg(test)]
    pub(crate) fn open_walking(path: &Path) -> Result<Self, Errno> {
        Ok(Self { walks: true, ..Self::open(path)? })
    }
}

fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// `openat2` that does not leave `folder`.
fn beneath(folder: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut attempts = 0;
    loop {
        match openat2(folder, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
            result => return result,
        }
    }
}

/// What a failure comes to. What a visitor cannot have caused is told to who runs the server.
fn told(path: &[u8], errno: Errno) -> OpenError {
    let error = OpenError::from(errno);
    let path = String::from_utf8_lossy(path);
    match error {
        OpenError::NotFound => {}
        OpenError::Forbidden | OpenError::Exhausted => {
            tracing::debug!(?path, %errno, "a file cannot be opened");
        }
        OpenError::Failed => tracing::warn!(?path, %errno, "a file cannot be opened"),
    }
    error
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV => Self::NotFound,
            Errno::NAMETOOLONG | Errno::INVAL | Errno::NXIO | Errno::NODEV => Self::NotFound,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => Self::Exhausted,
            _ => Self::Failed,
        }
    }
}
