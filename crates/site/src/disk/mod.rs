//! Files and folders as the kernel gives them out. Everything here may block: it is called from
//! the pool's threads and at start, never on a shard.

mod file;
mod root;
mod stamp;
mod walk;

pub(crate) use file::{OpenFile, read_whole};
pub(crate) use root::{Found, Kind, OpenError, Root};
pub(crate) use stamp::Stamp;

#[cfg(test)]
mod tests;
