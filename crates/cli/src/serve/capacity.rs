//! Whether the memory of this machine suffices for the connections asked for. Descriptors are the
//! library's matter; memory is a question of what else runs here, and only a program can answer it.

use std::num::NonZeroU32;

use base::Bytes;
use doctor::Tree;

use crate::settings::Problem;

/// What Linux holds for one idle TCP connection, in bytes: socket 2,368, socket inode 832, dentry
/// 192, file 192, epoll item 128, and what its allocator wastes between them (measured on 6.18).
pub const KERNEL_BYTES: u64 = 3_957;

/// What crore holds for one idle connection, in bytes, at most.
pub const OWN_BYTES: u64 = 128;

/// The part of the memory available that connections may take, in percent: buffers, files and
/// other programs want some.
pub const USABLE_PERCENT: u64 = 90;

/// Who holds connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// The kernel, and crore besides.
    Kernel,
    /// crore alone, with its own stack.
    OwnStack,
}

impl Holder {
    /// Bytes for one idle connection.
    const fn bytes(self) -> u64 {
        match self {
            Self::Kernel => KERNEL_BYTES + OWN_BYTES,
            Self::OwnStack => OWN_BYTES,
        }
    }
}

/// Connections that the memory available now suffices for; none where the system does not say how
/// much that is.
pub fn connections_in_memory(holder: Holder) -> Option<u64> {
    Some(usable_memory()? / holder.bytes())
}

/// Bytes of memory that connections may take now; none where the system does not say.
pub fn usable_memory() -> Option<u64> {
    Some(doctor::available_memory(&Tree::at("/"))? / 100 * USABLE_PERCENT)
}

/// Checks that memory suffices for `asked` connections, `possible` being what
/// [`connections_in_memory`] says.
///
/// # Errors
/// When it does not. The problem has no place: the caller knows where the number came from.
pub fn check(asked: NonZeroU32, holder: Holder, possible: Option<u64>) -> Result<(), Problem> {
    let Some(possible) = possible.filter(|possible| u64::from(asked.get()) > *possible) else {
        return Ok(());
    };
    let needed = u64::from(asked.get()) * holder.bytes();
    Err(Problem::unplaced(format!(
        "{asked} connections need about {}, and memory suffices for {possible}",
        Bytes(needed)
    ))
    .advise(format!(
        "ask for {possible} or fewer; an idle connection takes {}{}",
        Bytes(holder.bytes()),
        if holder == Holder::Kernel { ", most of it in the kernel" } else { "" }
    )))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{Holder, check};

    #[test]
    fn more_than_memory_holds_is_refused_with_what_it_holds() {
        let asked = |count| check(NonZeroU32::new(count).unwrap(), Holder::Kernel, Some(1_000));
        assert_eq!(asked(1_000), Ok(()));
        let problem = asked(10_000_000).unwrap_err().to_string();
        assert!(problem.contains("38.0 GiB"), "{problem}");
        assert!(problem.contains("ask for 1000 or fewer"), "{problem}");
        assert_eq!(check(NonZeroU32::MAX, Holder::Kernel, None), Ok(()));
    }
}
