//! Opening below a folder on kernels without `openat2` (before Linux 5.6, or hidden by a seccomp
//! filter): one component at a time, following no symbolic link at all.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// Opens `path`, relative and without dot segments, below `folder`.
pub(super) fn open(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut components = path.split(|&byte| byte == b'/').map(OsStr::from_bytes).peekable();
    let mut holder: Option<OwnedFd> = None;
    while let Some(component) = components.next() {
        let at = holder.as_ref().map_or(folder, |held| std::os::fd::AsFd::as_fd(held));
        if component == ".." || (component.is_empty() && components.peek().is_some()) {
            return Err(Errno::XDEV);
        }
        let name = if component.is_empty() { OsStr::new(".") } else { component };
        let flags = if components.peek().is_some() {
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
        } else {
            flags | OFlags::NOFOLLOW
        };
        holder = Some(openat(at, name, flags, Mode::empty())?);
    }
    holder.ok_or(Errno::NOENT)
}
