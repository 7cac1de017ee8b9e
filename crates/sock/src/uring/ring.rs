//! The ring itself: [`Ring`] queues operations for the kernel and brings back completions.
//! Invariant: whatever memory an operation refers to outlives it; the ring counts what is in flight
//! and, when dropped, has all of it end.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use base::ConnId;
use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Probe, cqueue, opcode, squeue};
use rustix::io::Errno;

use super::places::capacity;
use crate::handle::Handle;
use crate::{EngineError, SetupError};

/// Operations handed to the kernel at once. More are handed over in several goes.
const SUBMISSIONS: u32 = 1_024;
/// Completions the kernel keeps in the ring; beyond them it allocates.
const COMPLETIONS: u32 = 8_192;
/// Rounds of 20 ms each that the end of operations is waited for when the ring is dropped.
const FAREWELL_ROUNDS: u32 = 50;
/// Times the kernel is entered for a descriptor of a place. What is queued before it is submitted
/// first, and completions are taken out each time.
const INSTALL_ROUNDS: u32 = 100;

pub(crate) struct Ring {
    ring: IoUring,
    /// Operations that will complete once more at least.
    in_flight: u32,
    /// Whether the ring has been bound to the thread that uses it.
    enabled: bool,
    completions: VecDeque<Completion>,
}

/// What an operation is about, carried through the kernel in 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Alarm,
    Accept(u16),
    Receive(ConnId),
    /// With the number of the send slot.
    Send(u16, ConnId),
    /// Waits for the connection's end.
    AwaitEnd(ConnId),
    /// Waits for room for output.
    AwaitRoom(ConnId),
    /// Ends another operation; what it says itself is of no interest.
    Cancel,
    /// Closes a socket that nothing else is in flight with.
    Close,
    /// The same, by its place in the ring's table.
    ClosePlace(u32),
    /// Makes a descriptor of a place.
    Install,
}

/// An operation came to something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub operation: Operation,
    pub result: Result<u32, Errno>,
    /// The operation goes on and will complete again.
    pub more: bool,
    /// The provided buffer that was filled.
    pub buffer: Option<u16>,
}

impl Ring {
    pub fn new() -> Result<Self, SetupError> {
        let ring = IoUring::builder()
            .setup_clamp()
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // Disabled, so that it belongs to the thread that enables it and not to this one.
            .setup_r_disabled()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)
            .map_err(|error| SetupError::NoUring(explain(&error)))?;
        Ok(Self { ring, in_flight: 0, enabled: false, completions: VecDeque::new() })
    }

    /// Has the kernel take receive buffers from a ring of `entries` at `address`.
    ///
    /// # Safety
    /// The memory at `address` has to hold the ring and outlive this value.
    pub unsafe fn register_buffers(
        &self,
        address: u64,
        entries: u16,
        group: u16,
    ) -> Result<(), SetupError> {
        // SAFETY: the caller's promise is the one that is asked for here.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(address, entries, group, 0) }
            .map_err(|error| SetupError::NoUring(explain(&error)))
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// Whatever memory the operation refers to has to outlive it: until its last completion, or,
    /// for what the kernel reads on submission only, until the next [`Ring::enter`].
    pub unsafe fn push(
        &mut self,
        entry: squeue::Entry,
        operation: Operation,
    ) -> Result<(), EngineError> {
        let entry = entry.user_data(operation.to_bits());
        self.in_flight += 1;
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.enter(0, None)?;
        }
    }

    /// Has an operation end.
    pub fn cancel(&mut self, operation: Operation) -> Result<(), EngineError> {
        let entry = opcode::AsyncCancel::new(operation.to_bits()).build();
        // SAFETY: it refers to no memory.
        unsafe { self.push(entry, Operation::Cancel) }
    }

    /// Whether operations are queued that the kernel does not have yet.
    pub fn has_queued(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    /// Whether completions are waiting.
    pub fn has_completions(&mut self) -> bool {
        !self.completions.is_empty() || !self.ring.completion().is_empty()
    }

    /// Hands over what is queued and waits for `wanted` completions, at most for so long.
    pub fn enter(&mut self, wanted: u32, timeout: Option<Duration>) -> Result<(), EngineError> {
        let failed = |errno| EngineError { what: "waiting for completions", errno };
        if !self.enabled {
            self.ring.submitter().register_enable_rings().map_err(|error| failed(errno(&error)))?;
            self.enabled = true;
        }
        let queued = self.ring.submission().len() as u32;
        let timespec = timeout
            .map(|timeout| Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos()));
        let args = match &timespec {
            None => SubmitArgs::new(),
            Some(timespec) => SubmitArgs::new().timespec(timespec),
        };
        let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        // SAFETY: the arguments are of the kind that EXT_ARG announces and live through the call;
        // what the queued operations refer to is the promise of those who pushed them.
        let entered =
            unsafe { self.ring.submitter().enter(queued, wanted, flags.bits(), Some(&args)) };
        match entered.map_err(|error| errno(&error)) {
            // BUSY and AGAIN: completions have to be taken out first, or memory is short for the
            // moment. What was not taken stays queued.
            Ok(_) | Err(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Takes all completions that are there out of the ring. Says how many wait to be looked at.
    pub fn collect(&mut self) -> usize {
        self.completions.extend(self.ring.completion().map(|entry| Completion::from(&entry)));
        self.completions.len()
    }

    /// The next completion of those collected.
    pub fn next(&mut self) -> Option<Completion> {
        let completion = self.completions.pop_front()?;
        if !completion.more {
            self.in_flight -= 1;
        }
        Some(completion)
    }

    /// Makes a table of `count` places for files of the ring's own. False when the kernel cannot, or
    /// could not make a descriptor of one again (before Linux 6.8).
    pub fn register_places(&self, count: u32) -> bool {
        knows_places(&self.ring) && self.ring.submitter().register_files_sparse(count).is_ok()
    }

    /// Puts a file into a place that is free. The descriptor is needed no more then.
    pub fn put(&self, place: u32, fd: &OwnedFd) -> bool {
        self.ring.submitter().register_files_update(place, &[fd.as_raw_fd()]).is_ok()
    }

    /// A descriptor of the file in a place. `None` when there is none to be had.
    pub fn install(&mut self, place: u32) -> Option<OwnedFd> {
        let entry = opcode::FixedFdInstall::new(Fixed(place), 0).build();
        // SAFETY: it refers to no memory.
        unsafe { self.push(entry, Operation::Install) }.ok()?;
        for _ in 0..INSTALL_ROUNDS {
            // It completes as it is submitted, unless there is no room for completions.
            self.enter(0, None).ok()?;
            self.collect();
            let mut all = self.completions.iter();
            if let Some(place) = all.position(|done| done.operation == Operation::Install) {
                let completion = self.completions.remove(place)?;
                self.in_flight -= 1;
                let fd = completion.result.ok()?;
                // SAFETY: the kernel has just made this descriptor for us.
                return Some(unsafe { OwnedFd::from_raw_fd(fd as i32) });
            }
        }
        None
    }

    /// Has everything end. False when something may still be in flight after that.
    pub fn finish(&mut self) -> bool {
        let cancel_all = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: it refers to no memory.
        let pushed = unsafe { self.push(cancel_all, Operation::Cancel) };
        for _ in 0..FAREWELL_ROUNDS {
            if pushed.is_err() || self.in_flight == 0 {
                break;
            }
            if self.enter(1, Some(Duration::from_millis(20))).is_err() {
                break;
            }
            self.collect();
            while self.next().is_some() {}
        }
        self.in_flight == 0
    }
}

impl Operation {
    /// The connection's identifier without the shard, which is always the same; instead of it the
    /// kind and the send slot.
    fn to_bits(self) -> u64 {
        let of = |kind: u64, detail: u16, id: ConnId| {
            kind << 60 | u64::from(detail) << 48 | id.to_bits() & 0xFFFF_FFFF_FFFF
        };
        let nobody = ConnId::from_bits(0);
        match self {
            Self::Alarm => of(0, 0, nobody),
            Self::Accept(listener) => of(1, 0, ConnId::new(0, u32::from(listener), 0)),
            Self::Receive(id) => of(2, 0, id),
            Self::Send(slot, id) => of(3, slot, id),
            Self::AwaitEnd(id) => of(4, 0, id),
            Self::AwaitRoom(id) => of(5, 0, id),
            Self::Cancel => of(6, 0, nobody),
            Self::Close => of(7, 0, nobody),
            Self::ClosePlace(place) => of(8, 0, ConnId::new(0, place, 0)),
            Self::Install => of(9, 0, nobody),
        }
    }

    fn from_bits(bits: u64) -> Self {
        let id = ConnId::from_bits(bits & 0xFFFF_FFFF_FFFF);
        match bits >> 60 {
            0 => Self::Alarm,
            1 => Self::Accept(id.slot() as u16),
            2 => Self::Receive(id),
            3 => Self::Send((bits >> 48) as u16 & 0xFFF, id),
            4 => Self::AwaitEnd(id),
            5 => Self::AwaitRoom(id),
            6 => Self::Cancel,
            7 => Self::Close,
            8 => Self::ClosePlace(id.slot()),
            _ => Self::Install,
        }
    }
}

impl From<&cqueue::Entry> for Completion {
    fn from(entry: &cqueue::Entry) -> Self {
        let result = entry.result();
        Self {
            operation: Operation::from_bits(entry.user_data()),
            result: u32::try_from(result).map_err(|_| Errno::from_raw_os_error(-result)),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        }
    }
}

/// Connections that so many shards of a process can hold together on io_uring, however few of them
/// the process may have descriptors for: as many as that for each shard, in the ring's own table.
/// `None` before Linux 6.8.
#[must_use]
pub fn uring_capacity(shards: u16) -> Option<u32> {
    let knows = IoUring::new(2).is_ok_and(|ring| knows_places(&ring));
    knows.then(|| capacity(shards))
}

fn knows_places(ring: &IoUring) -> bool {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).is_ok()
        && probe.is_supported(opcode::FixedFdInstall::CODE)
}

/// An operation on a socket, from what makes one on a descriptor.
pub(crate) fn on(handle: &Handle, make: impl FnOnce(Fd) -> squeue::Entry) -> squeue::Entry {
    let (number, is_place) = handle.number();
    let entry = make(Fd(number));
    if is_place { entry.flags(squeue::Flags::FIXED_FILE) } else { entry }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn explain(error: &io::Error) -> &'static str {
    match errno(error) {
        Errno::NOSYS => "this kernel was built without it",
        Errno::PERM | Errno::ACCESS => {
            "it is forbidden here, by kernel.io_uring_disabled or by a container's seccomp profile"
        }
        Errno::INVAL => "this kernel is older than 6.1",
        Errno::NOMEM => "its memory goes over RLIMIT_MEMLOCK",
        Errno::MFILE | Errno::NFILE => "no descriptor is left",
        _ => "the kernel refused it",
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;
    use base::ConnId;

    #[test]
    fn operations_come_back_from_the_kernel_as_they_were() {
        // The shard's number does not go along.
        let id = ConnId::new(0, u32::MAX >> 1, u16::MAX);
        for operation in [
            Operation::Alarm,
            Operation::Accept(u16::MAX),
            Operation::Receive(id),
            Operation::Send(0xFFF, id),
            Operation::AwaitEnd(id),
            Operation::AwaitRoom(id),
            Operation::Cancel,
            Operation::Close,
            Operation::ClosePlace(u32::MAX >> 1),
            Operation::Install,
        ] {
            assert_eq!(Operation::from_bits(operation.to_bits()), operation);
        }
    }
}
