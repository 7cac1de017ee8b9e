//! The calls of packetdrill's interface, each in C's terms: pointers become slices and answers become
//! numbers. Invariant: a failure is -1 with `errno` set, and the memory that a caller hands over is only
//! touched while the call lasts.

use std::ffi::{c_int, c_longlong, c_uint, c_ulong, c_void};
use std::sync::Arc;
use std::time::Duration;

use libc::{
    epoll_event, iovec, loff_t, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t,
    timeval,
};

use crate::interface::User;
use crate::memory::{self, gather, input, output, scatter};
use crate::shared::Shared;
use crate::surface::Answer;

/// The instance behind the first argument.
///
/// # Safety
/// It is what `packetdrill_interface_init` put into the table, before `free`.
unsafe fn shared<'a>(user: User) -> &'a Shared {
    // SAFETY: the caller's promise: it came from `Arc::into_raw` and is not dropped yet.
    unsafe { &*user.cast::<Shared>() }
}

/// C's result for an answer.
fn result<T>(answer: Answer<T>, number: impl FnOnce(T) -> ssize_t) -> ssize_t {
    match answer {
        Ok(value) => number(value),
        Err(error) => {
            memory::set_errno(error);
            -1
        }
    }
}

fn done(answer: Answer<()>) -> c_int {
    result(answer, |()| 0) as c_int
}

fn number(answer: Answer<c_int>) -> c_int {
    result(answer, |value| value as ssize_t) as c_int
}

fn count(answer: Answer<usize>) -> ssize_t {
    result(answer, |count| count as ssize_t)
}

pub(crate) unsafe extern "C" fn free(user: User) {
    // SAFETY: packetdrill calls this once, with what init gave it, and nothing after.
    let shared = unsafe { Arc::from_raw(user.cast::<Shared>().cast_const()) };
    shared.retire();
}

pub(crate) unsafe extern "C" fn socket(
    user: User,
    domain: c_int,
    kind: c_int,
    protocol: c_int,
) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    number(shared.socket(domain, kind, protocol))
}

pub(crate) unsafe extern "C" fn bind(
    user: User,
    fd: c_int,
    at: *const sockaddr,
    length: socklen_t,
) -> c_int {
    // SAFETY: `user` is the table's; `at` has `length` bytes, as for bind(2).
    let (shared, at) = unsafe { (shared(user), input(at.cast(), length as size_t)) };
    done(shared.bind(fd, at))
}

pub(crate) unsafe extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    done(shared.now(|world| world.listen(fd, backlog)))
}

pub(crate) unsafe extern "C" fn accept(
    user: User,
    fd: c_int,
    peer: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    let accepted = shared.accept(fd).map(|(accepted, address)| {
        // SAFETY: `peer` has as many bytes as `length` says, as for accept(2), or is null.
        unsafe { memory::give(&address, peer.cast(), length) };
        accepted
    });
    number(accepted)
}

pub(crate) unsafe extern "C" fn connect(
    user: User,
    fd: c_int,
    to: *const sockaddr,
    length: socklen_t,
) -> c_int {
    // SAFETY: `user` is the table's; `to` has `length` bytes, as for connect(2).
    let (shared, to) = unsafe { (shared(user), input(to.cast(), length as size_t)) };
    done(shared.connect(fd, to))
}

/// Receives into one piece of memory, from a socket or anything else.
///
/// # Safety
/// `user` is the table's; `into` has `length` bytes, or is null for bytes to be passed over.
unsafe fn receive(
    user: User,
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    if into.is_null() && length > 0 && flags & libc::MSG_TRUNC == 0 {
        return count(Err(libc::EFAULT));
    }
    // SAFETY: the caller's promise.
    let (shared, into) = unsafe { (shared(user), output(into, length)) };
    if !shared.owns(fd) {
        return count(
            crate::descriptor::read(fd, length).map(|bytes| scatter(&bytes, &mut [into])),
        );
    }
    count(shared.receive(fd, length, flags).map(|bytes| {
        scatter(&bytes, &mut [into]);
        bytes.len()
    }))
}

pub(crate) unsafe extern "C" fn read(
    user: User,
    fd: c_int,
    into: *mut c_void,
    length: size_t,
) -> ssize_t {
    // SAFETY: as for read(2).
    unsafe { receive(user, fd, into, length, 0) }
}

pub(crate) unsafe extern "C" fn readv(
    user: User,
    fd: c_int,
    pieces: *const iovec,
    number: c_int,
) -> ssize_t {
    // SAFETY: `user` is the table's; the pieces are as for readv(2).
    let (shared, mut pieces) = unsafe { (shared(user), memory::outputs(pieces, number)) };
    let room = pieces.iter().map(|piece| piece.len()).sum();
    count(shared.receive(fd, room, 0).map(|bytes| scatter(&bytes, &mut pieces)))
}

pub(crate) unsafe extern "C" fn recv(
    user: User,
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as for recv(2).
    unsafe { receive(user, fd, into, length, flags) }
}

pub(crate) unsafe extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    into: *mut c_void,
    length: size_t,
    flags: c_int,
    _from: *mut sockaddr,
    _from_length: *mut socklen_t,
) -> ssize_t {
    // SAFETY: as for recvfrom(2). TCP does not say whom it is from.
    unsafe { receive(user, fd, into, length, flags) }
}

pub(crate) unsafe extern "C" fn recvmsg(
    user: User,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: `user` is the table's; the message is as for recvmsg(2).
    let (shared, message) = unsafe { (shared(user), &mut *message) };
    // SAFETY: as above.
    let mut pieces = unsafe { memory::outputs(message.msg_iov, message.msg_iovlen as c_int) };
    let room = pieces.iter().map(|piece| piece.len()).sum();
    let received = shared.receive(fd, room, flags);
    if received.is_ok() {
        message.msg_flags = 0;
        // SAFETY: as above.
        unsafe { memory::tell_queued(message, shared.queued(fd)) };
    }
    count(received.map(|bytes| scatter(&bytes, &mut pieces)))
}

/// Sends one piece of memory, to a socket or anything else.
///
/// # Safety
/// `user` is the table's; `from` has `length` bytes.
unsafe fn transmit(
    user: User,
    fd: c_int,
    from: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    if from.is_null() && length > 0 {
        return count(Err(libc::EFAULT));
    }
    // SAFETY: the caller's promise.
    let (shared, bytes) = unsafe { (shared(user), input(from, length)) };
    if !shared.owns(fd) {
        return count(crate::descriptor::write(fd, bytes));
    }
    count(shared.send(fd, bytes, flags))
}

pub(crate) unsafe extern "C" fn write(
    user: User,
    fd: c_int,
    from: *const c_void,
    length: size_t,
) -> ssize_t {
    // SAFETY: as for write(2).
    unsafe { transmit(user, fd, from, length, 0) }
}

pub(crate) unsafe extern "C" fn writev(
    user: User,
    fd: c_int,
    pieces: *const iovec,
    number: c_int,
) -> ssize_t {
    // SAFETY: `user` is the table's; the pieces are as for writev(2).
    let (shared, bytes) = unsafe { (shared(user), gather(pieces, number)) };
    count(shared.send(fd, &bytes, 0))
}

pub(crate) unsafe extern "C" fn send(
    user: User,
    fd: c_int,
    from: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as for send(2).
    unsafe { transmit(user, fd, from, length, flags) }
}

pub(crate) unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    from: *const c_void,
    length: size_t,
    flags: c_int,
    _to: *const sockaddr,
    _to_length: socklen_t,
) -> ssize_t {
    // SAFETY: as for sendto(2). A connected socket's address is the connection's.
    unsafe { transmit(user, fd, from, length, flags) }
}

pub(crate) unsafe extern "C" fn sendmsg(
    user: User,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: `user` is the table's; the message is as for sendmsg(2).
    let (shared, message) = unsafe { (shared(user), &*message) };
    // SAFETY: as above.
    let bytes = unsafe { gather(message.msg_iov, message.msg_iovlen as c_int) };
    count(shared.send(fd, &bytes, flags))
}

/// fcntl(2) has a variable argument. In the calling conventions of Linux on x86-64 and AArch64 it
/// comes in the register of a fourth one; left out, that holds anything and is not looked at.
pub(crate) unsafe extern "C" fn fcntl(
    user: User,
    fd: c_int,
    command: c_int,
    argument: c_int,
) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    number(shared.fcntl(fd, command, argument))
}

/// As for fcntl(2).
pub(crate) unsafe extern "C" fn ioctl(
    user: User,
    fd: c_int,
    request: c_ulong,
    into: *mut c_int,
) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    done(shared.ioctl(fd, request).map(|value| {
        // SAFETY: every request that is answered takes a pointer to a number.
        unsafe { into.write(value) };
    }))
}

pub(crate) unsafe extern "C" fn close(user: User, fd: c_int) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    if !shared.owns(fd) {
        crate::descriptor::close(fd);
        return 0;
    }
    done(shared.close(fd))
}

pub(crate) unsafe extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    done(shared.now(|world| world.shut_down(fd, how)))
}

pub(crate) unsafe extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: `user` is the table's; value and length are as for getsockopt(2).
    unsafe { crate::preload::option(shared(user), (fd, level, name), value, length) }
}

pub(crate) unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    // SAFETY: `user` is the table's; `value` has `length` bytes, as for setsockopt(2).
    let (shared, value) = unsafe { (shared(user), input(value, length as size_t)) };
    done(shared.now(|world| world.set_option(fd, level, name, value)))
}

pub(crate) unsafe extern "C" fn poll(
    user: User,
    fds: *mut pollfd,
    number: nfds_t,
    millis: c_int,
) -> c_int {
    // SAFETY: `user` is the table's; the array is as for poll(2).
    let (shared, fds) = unsafe { (shared(user), memory::array(fds, number as usize)) };
    let wanted: Vec<_> = fds.iter().map(|one| (one.fd, one.events)).collect();
    let found = shared.poll(&wanted, millis);
    let ready = found.map(|ready| {
        for (one, bits) in fds.iter_mut().zip(&ready) {
            one.revents = *bits;
        }
        ready.iter().filter(|bits| **bits != 0).count()
    });
    count(ready) as c_int
}

pub(crate) unsafe extern "C" fn netdev_send(
    user: User,
    packet: *const c_void,
    length: size_t,
) -> c_int {
    // SAFETY: `user` is the table's; `packet` has `length` bytes.
    let (shared, packet) = unsafe { (shared(user), input(packet, length)) };
    done(shared.now(|world| {
        world.input(packet);
        Ok(())
    }))
}

/// With nothing to give, the length is zero: packetdrill takes that for a packet that is damaged and
/// ends the script; a failure it would ask about for ever.
pub(crate) unsafe extern "C" fn netdev_receive(
    user: User,
    packet: *mut c_void,
    length: *mut size_t,
    micros: *mut c_longlong,
) -> c_int {
    // SAFETY: `user` is the table's; `packet` has as many bytes as `length` says.
    let (shared, room) = unsafe { (shared(user), output(packet, *length)) };
    let (at, bytes) = shared.next_packet().unwrap_or_else(|| {
        eprintln!("crore-packetdrill: the packet that is waited for is never sent");
        (shared.time_of_day(), Vec::new())
    });
    let count = scatter(&bytes, &mut [room]);
    // SAFETY: both point to numbers of the caller's.
    unsafe {
        length.write(count);
        micros.write(at as c_longlong);
    }
    0
}

pub(crate) unsafe extern "C" fn usleep(user: User, micros: c_uint) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    shared.sleep(Duration::from_micros(micros.into()));
    0
}

pub(crate) unsafe extern "C" fn gettimeofday(
    user: User,
    into: *mut timeval,
    _zone: *mut c_void,
) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    let micros = shared.time_of_day() as i64;
    // SAFETY: `into` points to the caller's structure, as for gettimeofday(2).
    unsafe { into.write(timeval { tv_sec: micros / 1_000_000, tv_usec: micros % 1_000_000 }) };
    0
}

pub(crate) unsafe extern "C" fn epoll_create(user: User, size: c_int) -> c_int {
    // SAFETY: `user` is the table's.
    let shared = unsafe { shared(user) };
    number(if size > 0 { shared.epoll_create() } else { Err(libc::EINVAL) })
}

pub(crate) unsafe extern "C" fn epoll_ctl(
    user: User,
    set: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    // SAFETY: `user` is the table's; the event is as for epoll_ctl(2): null only for DEL.
    let (shared, event) = unsafe { (shared(user), event.as_ref()) };
    let wanted = event.map_or((0, 0), |event| (event.events, event.u64));
    done(shared.now(|world| world.epoll_control(set, operation, fd, wanted)))
}

pub(crate) unsafe extern "C" fn epoll_wait(
    user: User,
    set: c_int,
    events: *mut epoll_event,
    most: c_int,
    millis: c_int,
) -> c_int {
    // SAFETY: `user` is the table's; the array is as for epoll_wait(2).
    let (shared, events) =
        unsafe { (shared(user), memory::array(events, usize::try_from(most).unwrap_or(0))) };
    let found = shared.epoll_wait(set, most, millis);
    let number = found.map(|found| {
        for (slot, (bits, data)) in events.iter_mut().zip(&found) {
            *slot = epoll_event { events: *bits, u64: *data };
        }
        found.len()
    });
    count(number) as c_int
}

pub(crate) unsafe extern "C" fn pipe(_user: User, ends: *mut c_int) -> c_int {
    done(crate::descriptor::pipe().map(|[reader, writer]| {
        // SAFETY: the caller's array of two, as for pipe(2).
        unsafe {
            ends.write(reader);
            ends.add(1).write(writer);
        }
    }))
}

pub(crate) unsafe extern "C" fn splice(
    user: User,
    from: c_int,
    _from_offset: *mut loff_t,
    to: c_int,
    _to_offset: *mut loff_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: `user` is the table's. Neither sockets nor pipes have offsets.
    let shared = unsafe { shared(user) };
    count(shared.splice(from, to, length, flags))
}
