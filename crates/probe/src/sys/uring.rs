//! io_uring for what probes measure: polls of many descriptors, and copies of a file to a socket.

use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::squeue::Entry;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use rustix::io::Errno;

/// Entries of the submission queue.
const SUBMISSIONS: u32 = 256;
/// Entries of the completion queue, at most, as the kernel has it.
const COMPLETIONS_MAX: u64 = 65_536;

/// A ring that polls descriptors, which are borrowed for as long as it lives.
pub struct Polls<'fd> {
    ring: IoUring,
    watched: Vec<BorrowedFd<'fd>>,
    multishot: bool,
}

impl<'fd> Polls<'fd> {
    /// A ring for `count` polls, each of which stays (`multishot`) or is made again after each event.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(count: u64, multishot: bool) -> Result<Self, Errno> {
        let completions = count.next_power_of_two().clamp(512, COMPLETIONS_MAX) as u32;
        // What the kernel does for an event is done in the wait for it, as it is in a server, and not in
        // the write that made the descriptor readable. Kernels before 6.1 cannot.
        let mut deferred = IoUring::builder();
        deferred.setup_cqsize(completions).setup_single_issuer().setup_defer_taskrun();
        let ring = deferred
            .build(SUBMISSIONS)
            .or_else(|_| IoUring::builder().setup_cqsize(completions).build(SUBMISSIONS));
        Ok(Self { ring: ring.map_err(|error| errno(&error))?, watched: Vec::new(), multishot })
    }

    /// Watches one more.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, fd: BorrowedFd<'fd>) -> Result<(), Errno> {
        self.watched.push(fd);
        self.arm(self.watched.len() - 1)
    }

    /// Hands over what [`add`](Self::add) and [`arm_again`](Self::arm_again) queued.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn submit(&mut self) -> Result<(), Errno> {
        self.ring.submit().map(|_| ()).map_err(|error| errno(&error))
    }

    /// Watches the descriptor of this index again, unless it is being watched still.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn arm_again(&mut self, index: usize) -> Result<(), Errno> {
        if self.multishot { Ok(()) } else { self.arm(index) }
    }

    fn arm(&mut self, index: usize) -> Result<(), Errno> {
        let fd = Fd(self.watched[index].as_raw_fd());
        let poll = opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(self.multishot);
        push(&mut self.ring, &poll.build().user_data(index as u64))
    }

    /// Waits for one event or more and adds the indices of the descriptors to `ready`.
    ///
    /// # Errors
    /// What the system says; ETIME after some seconds.
    pub fn wait(&mut self, ready: &mut Vec<usize>, seconds: u64) -> Result<(), Errno> {
        let timeout = Timespec::new().sec(seconds);
        let arguments = SubmitArgs::new().timespec(&timeout);
        let submitted = self.ring.submitter().submit_with_args(1, &arguments);
        submitted.map_err(|error| errno(&error))?;
        for completion in self.ring.completion() {
            if completion.result() < 0 {
                return Err(Errno::from_raw_os_error(-completion.result()));
            }
            ready.push(completion.user_data() as usize);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Polls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Polls").field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}

/// A ring that copies with one buffer of its own.
pub struct Copier {
    ring: IoUring,
    buffer: Vec<u8>,
}

impl Copier {
    /// A ring and a buffer of this many bytes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(bytes: usize) -> Result<Self, Errno> {
        let ring = IoUring::new(8).map_err(|error| errno(&error))?;
        Ok(Self { ring, buffer: vec![0; bytes] })
    }

    /// Copies from `offset` of a file to a socket, and says how many bytes: a read and a send, linked,
    /// with one system call.
    ///
    /// # Errors
    /// What the system says.
    pub fn copy(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        (offset, length): (u64, usize),
    ) -> Result<usize, Errno> {
        let length = length.min(self.buffer.len());
        let buffer = self.buffer.as_mut_ptr();
        let read = opcode::Read::new(Fd(from.as_raw_fd()), buffer, length as u32).offset(offset);
        let send = opcode::Send::new(Fd(to.as_raw_fd()), buffer, length as u32);
        push(&mut self.ring, &read.build().flags(squeue::Flags::IO_LINK))?;
        push(&mut self.ring, &send.build().user_data(1))?;
        let mut done = 0;
        let mut sent = 0;
        let mut refused = None;
        // Both completions are waited for whatever happens: until then the kernel uses the buffer.
        while done < 2 {
            match self.ring.submit_and_wait(2 - done) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // The kernel may still use the buffer, which therefore is never freed.
                    std::mem::forget(std::mem::take(&mut self.buffer));
                    return Err(errno(&error));
                }
            }
            for completion in self.ring.completion() {
                done += 1;
                match completion.result() {
                    error if error < 0 && refused.is_none() => refused = Some(-error),
                    bytes if completion.user_data() == 1 => sent = bytes.max(0) as usize,
                    _ => {}
                }
            }
        }
        refused.map_or(Ok(sent), |error| Err(Errno::from_raw_os_error(error)))
    }
}

impl std::fmt::Debug for Copier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copier").finish_non_exhaustive()
    }
}

fn push(ring: &mut IoUring, entry: &Entry) -> Result<(), Errno> {
    loop {
        // SAFETY: polls use no memory, and their descriptors are borrowed for as long as the ring lives;
        // `Copier::copy` waits for what uses its buffer before it returns.
        if unsafe { ring.submission().push(entry) }.is_ok() {
            return Ok(());
        }
        ring.submit().map_err(|error| errno(&error))?;
    }
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
