//! A caller's memory as slices, and back. Invariant: nothing is kept of it after the call.

use std::ffi::{c_int, c_void};

use libc::{iovec, msghdr, size_t, socklen_t};

/// TCP_CM_INQ, which libc does not have.
const TCP_CM_INQ: c_int = 36;

pub(crate) fn set_errno(number: i32) {
    // SAFETY: libc gives the address of the calling thread's own.
    unsafe { *libc::__errno_location() = number };
}

/// Bytes to be read; none for a null pointer.
///
/// # Safety
/// `start` is null or has `length` bytes that nobody writes while the slice lasts.
pub(crate) unsafe fn input<'a>(start: *const c_void, length: size_t) -> &'a [u8] {
    if start.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

/// Room for bytes; none for a null pointer.
///
/// # Safety
/// `start` is null or has `length` bytes that nobody else uses while the slice lasts.
pub(crate) unsafe fn output<'a>(start: *mut c_void, length: size_t) -> &'a mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { array(start.cast(), length) }
}

/// An array; empty for a null pointer.
///
/// # Safety
/// `start` is null or has `length` elements that nobody else uses while the slice lasts.
pub(crate) unsafe fn array<'a, T>(start: *mut T, length: usize) -> &'a mut [T] {
    if start.is_null() || length == 0 {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(start, length) }
}

/// The pieces of an I/O vector, to be filled.
///
/// # Safety
/// As for readv(2).
pub(crate) unsafe fn outputs<'a>(pieces: *const iovec, number: c_int) -> Vec<&'a mut [u8]> {
    // SAFETY: the caller's promise.
    let pieces = unsafe { array(pieces.cast_mut(), usize::try_from(number).unwrap_or(0)) };
    // SAFETY: as above, for each of them.
    pieces.iter().map(|piece| unsafe { output(piece.iov_base, piece.iov_len) }).collect()
}

/// All bytes of an I/O vector.
///
/// # Safety
/// As for writev(2).
pub(crate) unsafe fn gather(pieces: *const iovec, number: c_int) -> Vec<u8> {
    // SAFETY: the caller's promise.
    let pieces = unsafe { array(pieces.cast_mut(), usize::try_from(number).unwrap_or(0)) };
    // SAFETY: as above, for each of them.
    pieces
        .iter()
        .flat_map(|piece| unsafe { input(piece.iov_base, piece.iov_len) })
        .copied()
        .collect()
}

/// Copies bytes into pieces, one after the other. Gives how many fit.
pub(crate) fn scatter(bytes: &[u8], pieces: &mut [&mut [u8]]) -> usize {
    let mut rest = bytes;
    for piece in pieces {
        let (now, later) = rest.split_at(rest.len().min(piece.len()));
        piece[..now.len()].copy_from_slice(now);
        rest = later;
    }
    bytes.len() - rest.len()
}

/// Gives an address, or an option's value: as much as there is room for, and its length.
///
/// # Safety
/// `length` is null or says how many bytes `into` has.
pub(crate) unsafe fn give(bytes: &[u8], into: *mut c_void, length: *mut socklen_t) {
    if length.is_null() || into.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let room = output(into, *length as size_t);
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        length.write(bytes.len() as socklen_t);
    }
}

/// Puts the control message TCP_CM_INQ into a message that was received, if it is wanted.
///
/// # Safety
/// As for recvmsg(2).
pub(crate) unsafe fn tell_queued(message: &mut msghdr, queued: Option<i32>) {
    // SAFETY: the macros only look at what the message says about its control part.
    let (needed, first) = unsafe { (libc::CMSG_SPACE(4) as size_t, libc::CMSG_FIRSTHDR(message)) };
    let Some(queued) = queued.filter(|_| !first.is_null() && message.msg_controllen >= needed)
    else {
        message.msg_controllen = 0;
        return;
    };
    // SAFETY: there is room for the header and four bytes behind it, as was just checked.
    unsafe {
        (*first).cmsg_level = libc::SOL_TCP;
        (*first).cmsg_type = TCP_CM_INQ;
        (*first).cmsg_len = libc::CMSG_LEN(4) as size_t;
        libc::CMSG_DATA(first).cast::<i32>().write_unaligned(queued);
    }
    message.msg_controllen = needed;
}
