//! Why a server could not be started or could not go on: [`Error`].

use std::fmt;
use std::io;
use std::path::PathBuf;

use sock::{ListenError, SetupError};

use crate::{AddressError, LinkError};

/// Why a server could not be started, or ended before it was told to. Prints as a sentence that
/// says what happened and what to do about it.
#[non_exhaustive]
pub enum Error {
    /// A text given to [`Server::listen`](crate::Server::listen) is not an address.
    Address(AddressError),
    /// No address was given to listen on.
    NoAddress,
    /// An address cannot be listened on: taken, not permitted, not of this machine.
    Listen(ListenError),
    /// A socket handed over by systemd cannot be taken over.
    Inherited(io::Error),
    /// More connections were asked for than this process may have descriptors.
    Descriptors {
        /// Connections asked for.
        asked: u32,
        /// Connections for which there are descriptors.
        possible: u32,
    },
    /// An engine could not be set up.
    Setup(SetupError),
    /// crore's own stack cannot be put on the link.
    Link(LinkError),
    /// A file for a capture cannot be made.
    Capture {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The operating system refused a thread, a descriptor or a signal handler.
    System {
        /// What was refused.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A shard's engine could not go on.
    Engine {
        /// The shard, counted from 0.
        shard: u16,
        /// What the engine said.
        message: String,
    },
    /// The handler of a shard panicked.
    Panicked {
        /// The shard, counted from 0.
        shard: u16,
        /// What it panicked with.
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoAddress => f.write_str("there is nowhere to listen; give at least one address"),
            Self::Listen(error) => error.fmt(f),
            Self::Inherited(error) => write!(
                f,
                "a socket handed over in LISTEN_FDS cannot be used: {error}; the socket unit has \
                 to be of ListenStream= with Accept=no"
            ),
            Self::Descriptors { asked, possible } => write!(
                f,
                "{asked} connections need as many file descriptors, and this process may have \
                 enough for {possible}; raise the limit (ulimit -n, or LimitNOFILE= in the \
                 unit), ask for fewer connections, or take io_uring by name, with which each shard \
                 holds as many as that"
            ),
            Self::Setup(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
            Self::Capture { file, error } => write!(
                f,
                "frames cannot be kept in {}: {error}; name a file that can be written",
                file.display()
            ),
            Self::System { what, error } => write!(f, "the system refused {what}: {error}"),
            Self::Engine { shard, message } => write!(f, "shard {shard} stopped: {message}"),
            Self::Panicked { shard, message } => write!(
                f,
                "shard {shard} stopped because its handler panicked: {message}; the other shards \
                 were stopped too"
            ),
        }
    }
}

/// Prints the message, because this is what a `main` that returns the error shows to its user.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl From<ListenError> for Error {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<SetupError> for Error {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}
