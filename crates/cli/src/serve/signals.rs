//! The signals a server obeys, as something to wait for. Invariant: they are blocked in every
//! thread, so that none is lost and no code ever runs inside a signal handler.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// SIGTERM or SIGINT: the server is to stop.
    Stop,
    /// SIGHUP: it is to read its configuration and open its log anew.
    Reload,
    /// The other end of the pipe that was waited for as well is closed.
    Hangup,
    /// The time has come.
    Time,
}

/// The signals that arrived and were not looked at yet.
#[derive(Debug)]
pub struct Signals {
    arrived: SignalFd,
    /// Those that were looked at and not acted on.
    noticed: Mutex<VecDeque<Event>>,
}

/// Keeps SIGHUP, which would end the process, until [`Signals::catch`] makes something of it. Those that
/// are meant to end it still do.
///
/// # Errors
/// When the kernel refuses, which it never does.
pub fn hold_reloads() -> io::Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGHUP);
    Ok(set.thread_block()?)
}

impl Signals {
    /// Catches the signals from now on. To be called before any other thread is started, since a
    /// thread inherits what is blocked. SIGPIPE needs nothing: Rust programs ignore it.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn catch() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self { arrived: SignalFd::with_flags(&set, flags)?, noticed: Mutex::default() })
    }

    /// Waits for a signal, for the end of `pipe`, and until `until` at most.
    ///
    /// # Errors
    /// When the kernel does not let the process wait, which it always does.
    pub fn wait(&self, until: Option<Instant>, pipe: BorrowedFd<'_>) -> io::Result<Event> {
        loop {
            if let Some(event) = self.notice()?.pop_front() {
                return Ok(event);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Event::Time);
            }
            let mut watched = [
                PollFd::new(self.arrived.as_fd(), PollFlags::POLLIN),
                PollFd::new(pipe, PollFlags::empty()),
            ];
            match poll(&mut watched, timeout(left)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            // A signal that came as well is looked at first, another time round.
            let signalled = watched[0].any().unwrap_or(false);
            if !signalled && watched[1].any().unwrap_or(false) {
                return Ok(Event::Hangup);
            }
        }
    }

    /// Whether a signal to stop has arrived, without waiting for one. [`Signals::wait`] tells of it, and of
    /// others, all the same.
    pub fn stopped(&self) -> bool {
        self.notice().is_ok_and(|noticed| noticed.contains(&Event::Stop))
    }

    /// What has arrived and was not acted on.
    fn notice(&self) -> io::Result<MutexGuard<'_, VecDeque<Event>>> {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(arrived) = self.arrived.read_signal()? {
            let is_reload = arrived.ssi_signo as i32 == Signal::SIGHUP as i32;
            noticed.push_back(if is_reload { Event::Reload } else { Event::Stop });
        }
        Ok(noticed)
    }
}

/// Rounded up to whole milliseconds, so as not to look again and again within the last one.
fn timeout(left: Option<Duration>) -> PollTimeout {
    let Some(left) = left else { return PollTimeout::NONE };
    let millis = left.as_millis().saturating_add(1);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}
