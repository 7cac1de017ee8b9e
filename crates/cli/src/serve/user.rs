//! Whom the process runs as. Invariant: once [`become_user`] has returned, root cannot be had back;
//! it is called when all that needs root is done and before any other thread exists.

use std::ffi::CString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{self, Gid, Uid, User};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::settings::Problem;

/// The user that root becomes when nobody said whom.
const DEFAULT_USER: &str = "nobody";

/// The number of `nobody` where the system has no list of users, as in a container made of one
/// file. The kernel's own number for "nobody in particular" (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

/// The permissions of a log file: it names clients, so it is not for everybody.
const LOG_MODE: u32 = 0o640;

/// Whom the process runs as, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The user that started it.
    Unchanged(String),
    /// This user, now for good.
    Dropped(String),
    /// This user, for good, with root's right to read and nothing else of root's: what is served is
    /// not open to that user, and nobody had named one.
    Reader(String),
    /// Root, as was asked for.
    Root,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged(name) => write!(f, "user {name}"),
            Self::Dropped(name) => write!(f, "user {name} (was root)"),
            Self::Reader(name) => write!(f, "user {name} (was root; may still read as root)"),
            Self::Root => f.write_str("user root"),
        }
    }
}

/// A user and its main group.
struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// Makes the process run as `wanted`, or as `nobody` where root started it and nobody is wanted.
///
/// A folder that only root can enter is a common thing to serve (`/root/site`, a temporary folder).
/// Where no user was named and one of `readable` is such a folder or file, the right to read it is
/// kept (`CAP_DAC_READ_SEARCH`); what can be read is then up to the roots and the sandbox.
///
/// # Errors
/// When there is no such user, or only root could become it. The problem has no place: the caller
/// knows where the name came from.
pub fn become_user(wanted: Option<&str>, readable: &[PathBuf]) -> Result<Identity, Problem> {
    // No program started from here could get more rights than this one. Linux 3.5 and later can do
    // it; an older one has nothing else that is used here either.
    let _ = prctl::set_no_new_privs();
    let current = Uid::effective();
    if !current.is_root() {
        let name = name_of(current);
        return match wanted {
            Some(wanted) if account(wanted)?.uid != current => Err(Problem::unplaced(format!(
                "only root can become `{wanted}`, and crore was started by `{name}`"
            ))
            .advise("start crore as root, or leave the user out")),
            _ => Ok(Identity::Unchanged(name)),
        };
    }
    let account = successor(wanted)?;
    if account.uid.is_root() {
        return Ok(Identity::Root);
    }
    let failed = |error: io::Error| {
        Problem::unplaced(format!("cannot become `{}`: {error}", account.name))
            .advise("the user must exist and this process must be allowed to change to it")
    };
    drop_root(&account).map_err(failed)?;
    let needs_right = wanted.is_none() && forbidden(readable).next().is_some();
    let kept = keep_capabilities(needs_right).map_err(failed)?;
    match unistd::setuid(Uid::from_raw(0)) {
        Ok(()) => Err(failed(Errno::EPERM.into())),
        Err(_) if kept => Ok(Identity::Reader(account.name)),
        Err(_) => Ok(Identity::Dropped(account.name)),
    }
}

/// Makes the file at `path`, if root runs this and there is none, and gives it to whom root will
/// become: a log in a folder that only root can write to. A file that is there keeps its owner.
///
/// # Errors
/// When it cannot be made. The problem has no place: the caller knows where the path came from.
pub fn make_file_for(wanted: Option<&str>, path: &Path) -> Result<(), Problem> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let account = successor(wanted)?;
    let failed = |error: io::Error| {
        Problem::unplaced(format!("{} cannot be made: {error}", path.display()))
            .advise("the folder has to be there")
    };
    match OpenOptions::new().append(true).create_new(true).mode(LOG_MODE).open(path) {
        Ok(file) => unistd::fchown(&file, Some(account.uid), Some(account.gid))
            .map_err(|error| failed(error.into())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Whom root becomes.
fn successor(wanted: Option<&str>) -> Result<Account, Problem> {
    wanted.map_or_else(default_account, account)
}

fn name_of(uid: Uid) -> String {
    let known = User::from_uid(uid).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

fn account(name: &str) -> Result<Account, Problem> {
    let found = User::from_name(name)
        .map_err(|error| Problem::unplaced(format!("cannot look up the user `{name}`: {error}")))?;
    let missing = || Problem::unplaced(format!("there is no user `{name}`"));
    let user = found.ok_or_else(|| missing().advise("give a user of this machine, or root"))?;
    Ok(Account { name: user.name, uid: user.uid, gid: user.gid })
}

fn default_account() -> Result<Account, Problem> {
    match User::from_name(DEFAULT_USER) {
        Ok(Some(_)) => account(DEFAULT_USER),
        _ => Ok(Account {
            name: DEFAULT_USER.to_owned(),
            uid: Uid::from_raw(NOBODY),
            gid: Gid::from_raw(NOBODY),
        }),
    }
}

/// Groups first, the user last: after it, nothing of this is permitted any more. Root's
/// capabilities are out of effect from then on, until [`keep_capabilities`] has settled which stay.
fn drop_root(account: &Account) -> io::Result<()> {
    match CString::new(account.name.as_str()) {
        Ok(name) => unistd::initgroups(&name, account.gid)?,
        Err(_) => unistd::setgroups(&[account.gid])?,
    }
    unistd::setgid(account.gid)?;
    prctl::set_keepcaps(true)?;
    unistd::setuid(account.uid)?;
    Ok(())
}

/// Gives up every capability, but for the right to read if that `reading` is wanted and had. Says
/// whether it was kept.
fn keep_capabilities(reading: bool) -> io::Result<bool> {
    let had = rustix::thread::capabilities(None)?.permitted;
    let wanted = if reading { CapabilitySet::DAC_READ_SEARCH } else { CapabilitySet::empty() };
    let kept = had & wanted;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(!kept.is_empty())
}

/// Those of `paths` that the process, as it is now, is not permitted to read: folders to list,
/// files to open. One that is missing is not among them.
pub fn forbidden(paths: &[PathBuf]) -> impl Iterator<Item = &Path> {
    let is_forbidden = |path: &&Path| {
        let read = match fs::metadata(path) {
            Ok(about) if about.is_dir() => fs::read_dir(path).map(drop),
            Ok(_) => File::open(path).map(drop),
            Err(error) => Err(error),
        };
        read.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    paths.iter().map(PathBuf::as_path).filter(is_forbidden)
}
