//! The ways of waiting behind one face. Invariant: an index is that of the order of adding.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::sys::readiness::{Select, Signals};
use crate::sys::uring::Polls;

/// Longer than that nothing is waited for.
const SECONDS_MAX: i64 = 5;
const TIME_MAX: Timespec = Timespec { tv_sec: SECONDS_MAX, tv_nsec: 0 };

/// A way of waiting.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Select,
    Poll,
    Sigio,
    Epoll { edge: bool },
    Uring { multishot: bool },
}

impl Way {
    /// The call, as it stands in a reason.
    pub const fn call(self) -> &'static str {
        match self {
            Self::Select => "select()",
            Self::Poll => "poll()",
            Self::Sigio => "sigtimedwait()",
            Self::Epoll { .. } => "epoll_wait()",
            Self::Uring { .. } => "io_uring_enter()",
        }
    }

    /// Whether the kernel keeps something for each descriptor for as long as it is watched.
    pub const fn takes_kernel_memory(self) -> bool {
        matches!(self, Self::Sigio | Self::Epoll { .. } | Self::Uring { .. })
    }

    /// The kernel's caches that its objects for watched descriptors come from.
    pub const fn caches(self) -> &'static [&'static str] {
        match self {
            Self::Select | Self::Poll => &[],
            Self::Sigio => &["fasync_cache"],
            Self::Epoll { .. } => &["eventpoll_epi", "eventpoll_pwq"],
            Self::Uring { .. } => &["io_kiocb"],
        }
    }

    /// Event descriptors send no signals.
    pub const fn wants_pipes(self) -> bool {
        matches!(self, Self::Sigio)
    }
}

/// Descriptors being watched.
pub(super) enum Watcher<'fd> {
    Select { select: Select<'fd>, places: Vec<usize> },
    Poll(Vec<PollFd<'fd>>),
    Sigio { signals: Signals, places: HashMap<RawFd, usize> },
    Epoll { epoll: OwnedFd, events: Vec<Event>, count: u64, flags: EventFlags },
    Uring(Polls<'fd>),
}

impl<'fd> Watcher<'fd> {
    /// One for up to `count` descriptors.
    pub fn new(way: Way, count: u64) -> Result<Self, Errno> {
        Ok(match way {
            Way::Select => Self::Select { select: Select::default(), places: Vec::new() },
            Way::Poll => Self::Poll(Vec::new()),
            Way::Sigio => Self::Sigio { signals: Signals::blocked(), places: HashMap::new() },
            Way::Epoll { edge } => Self::Epoll {
                epoll: epoll::create(CreateFlags::CLOEXEC)?,
                events: Vec::with_capacity(count.max(1) as usize),
                count: 0,
                flags: if edge { EventFlags::IN | EventFlags::ET } else { EventFlags::IN },
            },
            Way::Uring { multishot } => Self::Uring(Polls::new(count, multishot)?),
        })
    }

    /// Watches one more.
    pub fn add(&mut self, fd: BorrowedFd<'fd>) -> Result<(), Errno> {
        match self {
            Self::Select { select, places } => {
                let place = fd.as_raw_fd() as usize;
                let index = places.iter().filter(|place| **place != usize::MAX).count();
                places.resize(places.len().max(place + 1), usize::MAX);
                places[place] = index;
                select.add(fd);
            }
            Self::Poll(fds) => fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN)),
            Self::Sigio { signals, places } => {
                places.insert(fd.as_raw_fd(), places.len());
                signals.add(fd)?;
            }
            Self::Epoll { epoll, count, flags, .. } => {
                epoll::add(epoll, fd, EventData::new_u64(*count), *flags)?;
                *count += 1;
            }
            Self::Uring(polls) => polls.add(fd)?,
        }
        Ok(())
    }

    /// Bytes that are handed to the kernel in every call.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Select { select, .. } => select.bytes(),
            Self::Poll(fds) => size_of_val(fds.as_slice()),
            Self::Sigio { .. } | Self::Epoll { .. } | Self::Uring(_) => 0,
        }
    }

    /// Everything added is watched from here on.
    pub fn settle(&mut self) -> Result<(), Errno> {
        if let Self::Uring(polls) = self { polls.submit() } else { Ok(()) }
    }

    /// Waits, and adds the indices of what is readable to `ready`.
    pub fn wait(&mut self, ready: &mut Vec<usize>) -> Result<(), Errno> {
        let before = ready.len();
        match self {
            Self::Select { select, places } => {
                ready.extend(select.wait(&TIME_MAX)?.map(|fd| places[fd as usize]));
            }
            Self::Poll(fds) => {
                rustix::event::poll(fds, Some(&TIME_MAX))?;
                let readable = |(_, fd): &(usize, &PollFd<'_>)| !fd.revents().is_empty();
                ready.extend(fds.iter().enumerate().filter(readable).map(|(index, _)| index));
            }
            Self::Sigio { signals, places } => {
                let fd = signals.next(SECONDS_MAX)?;
                ready.extend(places.get(&fd));
            }
            Self::Epoll { epoll, events, .. } => {
                events.clear();
                epoll::wait(epoll, spare_capacity(events), Some(&TIME_MAX))?;
                ready.extend(events.iter().map(|event| event.data.u64() as usize));
            }
            Self::Uring(polls) => polls.wait(ready, SECONDS_MAX as u64)?,
        }
        if ready.len() == before { Err(Errno::TIMEDOUT) } else { Ok(()) }
    }

    /// Watches these again, which have been read.
    pub fn again(&mut self, ready: &[usize]) -> Result<(), Errno> {
        let Self::Uring(polls) = self else { return Ok(()) };
        ready.iter().try_for_each(|index| polls.arm_again(*index))?;
        polls.submit()
    }
}
