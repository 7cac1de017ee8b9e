//! Sockets watched with epoll: [`EpollNetwork`]. Invariant: a connection is watched edge-triggered
//! and registered once, when it first has to wait; one that is answered at once and closed never
//! is. What an edge reported is kept in the socket's flags until a read comes up short.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use app::End;
use base::ConnId;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::network::{Input, Network, NoRest, Reading, end_of};
use crate::output::Sender;
use crate::record::{Socket, SocketFlags};
use crate::{Alarm, Config, EngineError, Listener, SetupError};

/// Events taken from the kernel at once.
const EVENTS: usize = 512;
/// Set in the slot of a token that is not a connection's; slots stay below it.
const SPECIAL: u32 = 1 << 31;
const ALARM: u64 = u64::MAX;

pub(crate) struct EpollNetwork {
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    /// Events before this were handed out.
    next_event: usize,
    first_reads: FirstReads,
    read_buffer: Box<[u8]>,
    write_buffer: Box<[u8]>,
    sender: Sender,
    /// Whether the kernel takes waiting times in nanoseconds (Linux 5.11, and no filter against it).
    precise: bool,
}

// SAFETY: only the events keep it from being `Send`, because their data may be a pointer; here it is
// always a number.
unsafe impl Send for EpollNetwork {}

/// Whether reading from a connection that was just accepted is worth a call. Where clients need a
/// moment before they send, it is not: epoll reports them when they have.
#[derive(Debug, Default)]
struct FirstReads {
    /// How many of the last ones, up to 16, came up empty; some of it forgotten with each that did
    /// not.
    empty: u8,
    /// Connections not read from at once since the last that was.
    skipped: u8,
}

impl FirstReads {
    /// Whether to try. Now and then in any case, to learn.
    const fn worthwhile(&mut self) -> bool {
        self.skipped = (self.skipped + 1) % 32;
        self.empty < 8 || self.skipped == 0
    }

    /// What came of a try.
    fn learn(&mut self, was_empty: bool) {
        self.empty = if was_empty { (self.empty + 1).min(16) } else { self.empty / 2 };
    }
}

/// Whom an event is about.
pub(crate) enum Token {
    Alarm,
    Listener(usize),
    Connection(ConnId),
}

impl EpollNetwork {
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let system = |errno| SetupError::System { what: "an epoll descriptor", errno };
        Ok(Self {
            poll: epoll::create(CreateFlags::CLOEXEC).map_err(system)?,
            events: Vec::with_capacity(EVENTS),
            next_event: 0,
            first_reads: FirstReads::default(),
            read_buffer: vec![0; config.read_buffer.max(1) as usize].into(),
            write_buffer: vec![0; config.write_buffer.max(1) as usize].into(),
            sender: Sender::default(),
            precise: true,
        })
    }

    pub fn watch_alarm(&self, alarm: &Alarm) -> Result<(), SetupError> {
        let system = |errno| SetupError::System { what: "watching the alarm", errno };
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.poll, alarm, EventData::new_u64(ALARM), flags).map_err(system)
    }

    /// Level-triggered, so that clients a turn had no time for are reported again.
    pub fn watch_listener(&self, listener: &Listener, index: usize) -> Result<(), SetupError> {
        let system = |errno| SetupError::System { what: "watching a listener", errno };
        let token = ConnId::new(0, SPECIAL | index as u32, 0).to_bits();
        let alone = if listener.is_shared() { EventFlags::EXCLUSIVE } else { EventFlags::empty() };
        let flags = EventFlags::IN | alone;
        match epoll::add(&self.poll, listener, EventData::new_u64(token), flags) {
            // One that was shut out only half when the last attempt failed.
            Err(Errno::EXIST) => Ok(()),
            result => result.map_err(system),
        }
    }

    pub fn unwatch(&self, listener: &Listener) {
        // Fails when it was not watched, which is what is wanted.
        let _ = epoll::delete(&self.poll, listener);
    }

    /// Waits for events, at most for so long; without a time, until there are some.
    pub fn wait(&mut self, time: Option<Duration>) -> Result<(), EngineError> {
        self.events.clear();
        self.next_event = 0;
        if let Some(time) = time.filter(|time| self.precise && *time > Duration::ZERO)
            && let Some(waited) = self.wait_precisely(time)
        {
            return waited;
        }
        // Rounded up to whole milliseconds: waking early would be for nothing.
        let timeout = time.map(timespec);
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        waited(epoll::wait(&self.poll, spare, timeout.as_ref()).map(|_| ()))
    }

    /// By `epoll_pwait2`. `None` where that cannot be had, which is remembered.
    fn wait_precisely(&mut self, time: Duration) -> Option<Result<(), EngineError>> {
        let timeout = libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
        };
        let events = self.events.spare_capacity_mut();
        // SAFETY: the kernel writes at most as many events as there are places behind the pointer,
        // and `epoll::Event` has the layout of its `struct epoll_event`; the timeout outlives the
        // call; no signal mask is given.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.poll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        let result = usize::try_from(count).map_err(|_| {
            let error = std::io::Error::last_os_error();
            Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
        });
        match result {
            Ok(count) => {
                // SAFETY: the vector was empty, and the kernel has filled so many places.
                unsafe { self.events.set_len(count) };
                Some(Ok(()))
            }
            // What filters of system calls answer, and kernels that do not know it.
            Err(Errno::NOSYS | Errno::PERM) => {
                self.precise = false;
                None
            }
            Err(errno) => Some(waited(Err(errno))),
        }
    }

    pub const fn has_events(&self) -> bool {
        self.next_event < self.events.len()
    }

    pub fn next_event(&mut self) -> Option<(Token, EventFlags)> {
        let event = self.events.get(self.next_event)?;
        self.next_event += 1;
        let id = ConnId::from_bits(event.data.u64());
        let token = match id.slot() {
            _ if event.data.u64() == ALARM => Token::Alarm,
            slot if slot & SPECIAL != 0 => Token::Listener((slot & !SPECIAL) as usize),
            _ => Token::Connection(id),
        };
        Some((token, event.flags))
    }

    /// Bytes of memory taken.
    pub const fn memory(&self) -> u64 {
        (self.read_buffer.len() + self.write_buffer.len() + EVENTS * size_of::<epoll::Event>())
            as u64
    }

    fn watch(&self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest> {
        if socket.flags.has(SocketFlags::WATCHED) {
            return Ok(());
        }
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(id.to_bits());
        let fd = socket.handle.as_descriptor().ok_or(NoRest)?;
        epoll::add(&self.poll, fd, data, flags).map_err(|_| NoRest)?;
        socket.flags.set(SocketFlags::WATCHED);
        Ok(())
    }
}

fn timespec(time: Duration) -> Timespec {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn waited(result: Result<(), Errno>) -> Result<(), EngineError> {
    match result {
        Ok(()) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(EngineError { what: "waiting for events", errno }),
    }
}

impl Network for EpollNetwork {
    fn buffers(&mut self, input: Input) -> (&[u8], &mut [u8]) {
        (&self.read_buffer[input.start..input.start + input.len], &mut self.write_buffer)
    }

    fn flying(&self, _id: ConnId) -> u64 {
        0
    }

    fn output(&mut self) -> (&mut Sender, &mut [u8]) {
        (&mut self.sender, &mut self.write_buffer)
    }

    fn read(&mut self, socket: &mut Socket, id: ConnId, most: usize) -> Reading {
        let most = most.min(self.read_buffer.len());
        let first = socket.flags.has(SocketFlags::NEW);
        socket.flags.clear(SocketFlags::NEW);
        if first && !self.first_reads.worthwhile() {
            socket.flags.clear(SocketFlags::READABLE);
        }
        while socket.flags.has(SocketFlags::READABLE) {
            let into = &mut self.read_buffer[..most];
            let Some(fd) = socket.handle.as_descriptor() else {
                return Reading::Failed(End::Reset);
            };
            match rustix::net::recv(fd, into, RecvFlags::DONTWAIT) {
                Ok((_, len)) => {
                    if first {
                        self.first_reads.learn(false);
                    }
                    // A short read has emptied the socket, and whatever comes after it is a new
                    // edge (epoll(7)); so no second read has to find that out.
                    let emptied = len < most;
                    if emptied {
                        socket.flags.clear(SocketFlags::READABLE);
                    }
                    let ended = len == 0 || (emptied && socket.flags.has(SocketFlags::HUNG_UP));
                    return Reading::Bytes { input: Input { start: 0, len }, ended };
                }
                Err(Errno::AGAIN) => {
                    socket.flags.clear(SocketFlags::READABLE);
                    if first {
                        self.first_reads.learn(true);
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Reading::Failed(end_of(errno)),
            }
        }
        match self.watch(socket, id) {
            Ok(()) => Reading::Nothing,
            Err(NoRest) => Reading::NoRest,
        }
    }

    fn is_readable(&self, socket: &Socket) -> bool {
        socket.flags.has(SocketFlags::READABLE)
    }

    fn rest(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest> {
        self.watch(socket, id)
    }

    fn await_room(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest> {
        if socket.flags.has(SocketFlags::WATCHED_FOR_ROOM) {
            return Ok(());
        }
        let all = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(id.to_bits());
        let fd = socket.handle.as_descriptor().ok_or(NoRest)?;
        // Both report at once what is already there, so nothing falls between.
        let watched = if socket.flags.has(SocketFlags::WATCHED) {
            epoll::modify(&self.poll, fd, data, all)
        } else {
            epoll::add(&self.poll, fd, data, all)
        };
        watched.map_err(|_| NoRest)?;
        socket.flags.set(SocketFlags::WATCHED);
        socket.flags.set(SocketFlags::WATCHED_FOR_ROOM);
        Ok(())
    }

    fn abandon(&mut self, _socket: &mut Socket, _id: ConnId) {}
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::EpollNetwork;
    use crate::Config;

    #[test]
    fn no_wait_ends_early_whether_it_is_counted_in_nanoseconds_or_not() {
        let mut network = EpollNetwork::new(&Config::default()).unwrap();
        for precise in [true, false] {
            network.precise = precise;
            let (time, start) = (Duration::from_micros(1_300), Instant::now());
            network.wait(Some(time)).unwrap();
            assert!(start.elapsed() >= time && !network.has_events());
        }
    }
}
