//! Real descriptors behind the sockets: packetdrill closes those it has with the real `close`, and
//! two numbers must not be the same. Invariant: a number that was given out stays open until it is
//! closed here or by whoever it was given to.

use std::os::fd::{BorrowedFd, IntoRawFd};

use rustix::event::{EventfdFlags, eventfd};

/// A new one, for a socket or an epoll set.
pub(crate) fn open() -> Result<i32, i32> {
    let owned = eventfd(0, EventfdFlags::CLOEXEC).map_err(rustix::io::Errno::raw_os_error)?;
    Ok(owned.into_raw_fd())
}

/// Both ends of a pipe.
pub(crate) fn pipe() -> Result<[i32; 2], i32> {
    let (reader, writer) = rustix::pipe::pipe().map_err(rustix::io::Errno::raw_os_error)?;
    Ok([reader.into_raw_fd(), writer.into_raw_fd()])
}

pub(crate) fn close(fd: i32) {
    // SAFETY: the number came from `open` or `pipe`, which gave ownership up, and the caller drops
    // it with this call.
    unsafe { rustix::io::close(fd) }
}

/// Reads what a pipe holds, without waiting.
pub(crate) fn read(fd: i32, most: usize) -> Result<Vec<u8>, i32> {
    // SAFETY: borrowed for this call only; a number that is not open gives EBADF.
    let pipe = unsafe { BorrowedFd::borrow_raw(fd) };
    let held = rustix::io::ioctl_fionread(pipe).map_err(rustix::io::Errno::raw_os_error)?;
    let mut bytes = vec![0; most.min(usize::try_from(held).unwrap_or(usize::MAX))];
    if bytes.is_empty() {
        return Err(libc::EAGAIN);
    }
    let count = rustix::io::read(pipe, &mut bytes[..]).map_err(rustix::io::Errno::raw_os_error)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Writes into a pipe. Gives how much of it.
pub(crate) fn write(fd: i32, bytes: &[u8]) -> Result<usize, i32> {
    // SAFETY: as for `read`.
    let pipe = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::write(pipe, bytes).map_err(rustix::io::Errno::raw_os_error)
}
