//! Why a device in use cannot be used any more: [`PortError`].

use std::fmt;

use rustix::io::Errno;

/// Why nothing more arrives or can be sent. Prints as what happened and what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortError {
    /// The device was removed.
    Gone,
    /// The kernel refused something else.
    System(Errno),
}

impl From<Errno> for PortError {
    fn from(error: Errno) -> Self {
        // What a queue says whose device is not there any more.
        if error == Errno::BADFD { Self::Gone } else { Self::System(error) }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str(
                "the TAP device is gone: it was removed; crore makes it anew when it is started again",
            ),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PortError {}
