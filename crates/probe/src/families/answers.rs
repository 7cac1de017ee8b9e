//! A pipe that children answer on, and calls that wait no longer than some seconds.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::run::Stop;
use crate::sys::interrupt;

/// How often a wait may be interrupted, each time after a second.
const WAIT_SECONDS: u32 = 5;

/// Both ends of a pipe.
pub(super) struct Answers {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

impl Answers {
    pub fn new() -> Result<Self, Stop> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(Stop::at("pipe()"))?;
        Ok(Self { read, write })
    }

    /// Waits for a byte. A child that does not answer for some seconds is an error.
    pub fn wait(&self) -> Result<(), Errno> {
        self.wait_byte().map(|_| ())
    }

    /// The same, and the byte.
    pub fn wait_byte(&self) -> Result<u8, Errno> {
        let mut byte = [0];
        read_exactly(&self.read, &mut byte)?;
        Ok(byte[0])
    }

    /// Writes a byte.
    pub fn say(&self, byte: u8) -> Result<(), Errno> {
        rustix::io::write(&self.write, &[byte]).map(|_| ())
    }
}

/// Reads until `into` is full.
pub(super) fn read_exactly(from: impl AsFd, mut into: &mut [u8]) -> Result<(), Errno> {
    while !into.is_empty() {
        match waiting(|| rustix::io::read(from.as_fd(), &mut *into))? {
            0 => return Err(Errno::PIPE),
            length => into = &mut into[length..],
        }
    }
    Ok(())
}

/// Makes a call again when the timer interrupted it, but not for ever: ETIMEDOUT after some seconds,
/// EINTR when someone asked to stop.
pub(super) fn waiting<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..WAIT_SECONDS {
        match call() {
            Err(Errno::INTR) if !interrupt::requested() => {}
            result => return result,
        }
    }
    Err(Errno::TIMEDOUT)
}
