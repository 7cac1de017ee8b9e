//! What an engine is built with, and why building one may fail.

use std::fmt;

use base::Limits;
use mem::ReserveError;
use rustix::io::Errno;

/// How an engine is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The shard it runs for; goes into every [`ConnId`](base::ConnId).
    pub shard: u16,
    /// What it may hold.
    pub limits: Limits,
    /// Bytes of the one buffer that all connections are read into. With io_uring the kernel picks
    /// from 512 buffers of 4 KB instead, whatever is said here.
    pub read_buffer: u32,
    /// Bytes of the one buffer that handlers write into: the most one call can put out.
    pub write_buffer: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shard: 0,
            limits: Limits::default(),
            read_buffer: 128 * 1024,
            write_buffer: 64 * 1024,
        }
    }
}

/// Why an engine could not be built.
#[derive(Debug)]
pub enum SetupError {
    /// The operating system refused what the engine needs.
    System {
        /// What was asked for.
        what: &'static str,
        /// What it answered.
        errno: Errno,
    },
    /// Memory for the records could not be reserved.
    Memory {
        /// Bytes of address space asked for.
        bytes: usize,
    },
    /// io_uring is not to be had here, or lacks something the engine needs.
    NoUring(&'static str),
}

/// Why an engine cannot go on.
#[derive(Debug)]
pub struct EngineError {
    pub(crate) what: &'static str,
    pub(crate) errno: Errno,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, errno } => write!(f, "the system refused {what}: {errno}"),
            Self::Memory { bytes } => write!(
                f,
                "no address space for the connection records ({bytes} bytes); lower the \
                 connection limit"
            ),
            Self::NoUring(why) => write!(f, "io_uring cannot be used: {why}; epoll always can"),
        }
    }
}

impl std::error::Error for SetupError {}

impl From<ReserveError> for SetupError {
    fn from(error: ReserveError) -> Self {
        Self::Memory { bytes: error.bytes }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}; the shard cannot go on", self.what, self.errno)
    }
}

impl std::error::Error for EngineError {}
