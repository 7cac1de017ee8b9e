//! libc's `getsockopt` for LD_PRELOAD: for what a script asserts of `tcpi_…`, packetdrill calls that
//! one and not the table's. Invariant: for every descriptor that is not a socket of ours the kernel
//! answers, as if this was not here.

use std::ffi::{c_int, c_void};

use libc::socklen_t;

use crate::memory;
use crate::shared::Shared;

/// getsockopt(2).
///
/// # Safety
/// As for getsockopt(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    if let Some(shared) = Shared::current().filter(|shared| shared.owns(fd)) {
        // SAFETY: the caller's promise.
        return unsafe { option(&shared, (fd, level, name), value, length) };
    }
    // SAFETY: the caller's promise, passed on to the kernel.
    unsafe { libc::syscall(libc::SYS_getsockopt, fd, level, name, value, length) as c_int }
}

/// getsockopt(2) for one of our sockets.
///
/// # Safety
/// `value` has as many bytes as `length` says.
pub(crate) unsafe fn option(
    shared: &Shared,
    (fd, level, name): (c_int, c_int, c_int),
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    match shared.now(|world| world.get_option(fd, level, name)) {
        Ok(bytes) => {
            // SAFETY: the caller's promise. No more is told than there is room for.
            unsafe {
                let room = (*length as usize).min(bytes.len());
                memory::give(&bytes[..room], value, length);
            }
            0
        }
        Err(error) => {
            memory::set_errno(error);
            -1
        }
    }
}
