//! Waiting in the older ways: `select` with as many descriptors as there are, and signals.

use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::null_mut;

use rustix::event::{FdSetElement, FdSetIter, Timespec, fd_set_insert, fd_set_num_elements};
use rustix::io::Errno;

use super::process::last;

/// `select` for reading. The set grows with the largest descriptor: the kernel knows no limit of 1,024.
#[derive(Default)]
pub struct Select<'fd> {
    watched: Vec<BorrowedFd<'fd>>,
    set: Vec<FdSetElement>,
    result: Vec<FdSetElement>,
    end: RawFd,
}

impl<'fd> Select<'fd> {
    /// Watches one more.
    pub fn add(&mut self, fd: BorrowedFd<'fd>) {
        self.watched.push(fd);
        self.end = self.end.max(fd.as_raw_fd() + 1);
        let length = fd_set_num_elements(self.watched.len(), self.end);
        self.set.resize(length, FdSetElement::default());
        fd_set_insert(&mut self.set, fd.as_raw_fd());
    }

    /// Bytes of the set.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.set.as_slice())
    }

    /// Waits, and gives the descriptors that are readable.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self, timeout: &Timespec) -> Result<impl Iterator<Item = RawFd>, Errno> {
        self.result.clone_from(&self.set);
        // SAFETY: every descriptor in the set is borrowed for as long as this lives, so it is open.
        unsafe {
            rustix::event::select(self.end, Some(&mut self.result), None, None, Some(timeout))?;
        }
        Ok(FdSetIter::new(&self.result))
    }
}

/// From `asm-generic/fcntl.h`; the crate libc does not have it.
const F_SETSIG: libc::c_int = 10;

/// The signal that says a descriptor is readable, less what the C library keeps for itself.
fn ready_signal() -> libc::c_int {
    libc::SIGRTMIN() + 1
}

/// Readiness by signal (`F_SETSIG`), taken from the queue with `sigtimedwait`. The signal is blocked while
/// this lives.
#[derive(Debug)]
pub struct Signals {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

impl Signals {
    /// Blocks the signal.
    #[must_use]
    pub fn blocked() -> Self {
        // SAFETY: zeros are valid for sigset_t; both sets live through the calls.
        unsafe {
            let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, ready_signal());
            // What the kernel sends when its queue is full.
            libc::sigaddset(&raw mut set, libc::SIGIO);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            Self { set, before }
        }
    }

    /// Has the kernel send the signal when `fd` becomes readable.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        let fd = fd.as_raw_fd();
        // SAFETY: these calls take numbers only, and the descriptor is open.
        let results = unsafe {
            [
                libc::fcntl(fd, libc::F_SETOWN, libc::getpid()),
                libc::fcntl(fd, F_SETSIG, ready_signal()),
                libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK),
            ]
        };
        if results.contains(&-1) { Err(last()) } else { Ok(()) }
    }

    /// Waits for the next signal and gives the descriptor it is about.
    ///
    /// # Errors
    /// ENOBUFS when the queue was full, so that signals are lost; otherwise what the system says.
    pub fn next(&self, seconds: i64) -> Result<RawFd, Errno> {
        let timeout = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
        // SAFETY: zeros are valid for siginfo_t; all pointers live through the call.
        let (signal, info) = unsafe {
            let mut info: libc::siginfo_t = zeroed();
            (libc::sigtimedwait(&raw const self.set, &raw mut info, &raw const timeout), info)
        };
        match signal {
            -1 => Err(last()),
            libc::SIGIO => Err(Errno::NOBUFS),
            _ => Ok(descriptor_of(&info)),
        }
    }
}

/// The descriptor in what came with a readiness signal.
fn descriptor_of(info: &libc::siginfo_t) -> RawFd {
    /// The head of siginfo_t for SIGPOLL, as the kernel lays it out: three numbers, padding to the size
    /// of a pointer, the band, the descriptor.
    #[repr(C)]
    struct Poll {
        head: [libc::c_int; 3],
        band: libc::c_long,
        fd: libc::c_int,
    }
    // SAFETY: siginfo_t is larger than this, aligned as a pointer is, and fully initialized.
    unsafe { (*(&raw const *info).cast::<Poll>()).fd }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What is still queued would be delivered, and would end the process.
        while matches!(self.next(0), Ok(_) | Err(Errno::NOBUFS)) {}
        // SAFETY: the set is the one from before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, null_mut()) };
    }
}

/// How often the threads of this process were switched between, of their own will or not.
#[must_use]
pub fn switches() -> u64 {
    // SAFETY: zeros are valid for rusage, which lives through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    (usage.ru_nvcsw + usage.ru_nivcsw).unsigned_abs()
}
