//! Being asked to stop, and never blocking for long. SIGINT, SIGTERM and SIGHUP ask; each second a timer
//! interrupts whatever call blocks, so that the time limit is looked at.

use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether someone asked to stop.
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

extern "C" fn request(_: libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}

extern "C" fn tick(_: libc::c_int) {}

/// Catches the signals and starts the timer, for the rest of the process's life. Calls are interrupted
/// (no `SA_RESTART`): that is the purpose.
///
/// # Errors
/// When the system refuses.
pub fn install() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        handle(signal, request)?;
    }
    handle(libc::SIGALRM, tick)?;
    let second = libc::timeval { tv_sec: 1, tv_usec: 0 };
    let every = libc::itimerval { it_interval: second, it_value: second };
    // SAFETY: the structure is complete and lives through the call; the old value is not asked for.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const every, null_mut()) })
}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: the structure is complete, and both handlers do no more than store into an atomic, which is
    // safe at any point of the program.
    check(unsafe { libc::sigaction(signal, &raw const action, null_mut()) })
}

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A thread started while this is held gets no signals, so that they reach the one that measures.
#[derive(Debug)]
pub struct Blocked(libc::sigset_t);

impl Blocked {
    /// Blocks all signals for the calling thread until dropped.
    #[must_use]
    pub fn all() -> Self {
        // SAFETY: sigset_t is plain data, for which zeros are valid; both are filled in before use.
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { zeroed() };
        // SAFETY: both sets live through the calls, which cannot fail with these arguments.
        unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        }
        Self(before)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, null_mut()) };
    }
}
