//! The kernel's name for a socket: [`Handle`]. Invariant: a handle that is dropped has closed its
//! descriptor; a place in a ring's table is closed by that ring, or with it.

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// A socket by its descriptor in the process, or by its place in a ring's own table of files, which
/// does not count against `RLIMIT_NOFILE`. Four bytes, because every record has one.
pub(crate) struct Handle(i32);

impl Handle {
    pub fn descriptor(fd: OwnedFd) -> Self {
        Self(fd.into_raw_fd())
    }

    /// A place in the table of the ring that the connection is on; below 2^31.
    pub const fn place(place: u32) -> Self {
        Self(!(place as i32))
    }

    /// The descriptor, if it is one.
    pub const fn as_descriptor(&self) -> Option<BorrowedFd<'_>> {
        if self.0 < 0 {
            return None;
        }
        // SAFETY: the handle owns the descriptor, and the borrow ends before the handle does.
        Some(unsafe { BorrowedFd::borrow_raw(self.0) })
    }

    /// The number that the kernel knows it by, and whether that is a place in the ring's table.
    pub const fn number(&self) -> (RawFd, bool) {
        if self.0 < 0 { (!self.0, true) } else { (self.0, false) }
    }

    /// The descriptor, or the place.
    pub fn into_parts(self) -> Result<OwnedFd, u32> {
        let this = ManuallyDrop::new(self);
        if this.0 < 0 {
            return Err(!this.0 as u32);
        }
        // SAFETY: the handle owned it, and is not dropped.
        Ok(unsafe { OwnedFd::from_raw_fd(this.0) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(fd) = self.as_descriptor() {
            // SAFETY: the handle owned it, and is gone after this.
            drop(unsafe { OwnedFd::from_raw_fd(fd.as_raw_fd()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Handle;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    #[test]
    fn places_and_descriptors_come_back_as_they_were() {
        for place in [0, 1, 19_899, i32::MAX as u32] {
            let handle = Handle::place(place);
            assert!(handle.as_descriptor().is_none());
            assert_eq!(handle.number(), (place as i32, true));
            assert_eq!(handle.into_parts().err(), Some(place));
        }
        let file = File::open("/dev/null").unwrap();
        let number = file.as_raw_fd();
        let handle = Handle::descriptor(file.into());
        assert_eq!(handle.number(), (number, false));
        assert_eq!(handle.as_descriptor().unwrap().as_raw_fd(), number);
    }
}
