//! What is ready on a socket, and sets of sockets to be watched: poll and epoll. Invariant: an
//! edge-triggered entry is told of once for every time that something happened to its socket.

use std::collections::BTreeMap;

use tcp::State;

use crate::connection::Wakeups;
use crate::world::{Outcome, Role, Stop, World};

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ERR: u32 = libc::EPOLLERR as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const RDHUP: u32 = libc::EPOLLRDHUP as u32;
const RDNORM: u32 = libc::EPOLLRDNORM as u32;
const WRNORM: u32 = libc::EPOLLWRNORM as u32;
const EDGE: u32 = libc::EPOLLET as u32;
const ONESHOT: u32 = libc::EPOLLONESHOT as u32;

/// One epoll descriptor.
#[derive(Debug, Default)]
pub(crate) struct Epoll {
    entries: BTreeMap<i32, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    events: u32,
    data: u64,
    /// What had happened when it was told of last; None: never.
    seen: Option<Wakeups>,
    disabled: bool,
}

impl Epoll {
    /// The socket is closed.
    pub(crate) fn forget(&mut self, fd: i32) {
        self.entries.remove(&fd);
    }
}

impl World {
    /// What is ready on a socket, as bits of `EPOLL…`, which are those of `POLL…`.
    pub(crate) fn ready(&mut self, fd: i32) -> Outcome<u32> {
        let socket = self.sockets.get(&fd).ok_or(Stop::Error(libc::EBADF))?;
        let id = match &socket.role {
            Role::Fresh => return Ok(OUT | WRNORM | HUP),
            Role::Listener(listener) => {
                return Ok(if listener.ready.is_empty() { 0 } else { IN | RDNORM });
            }
            Role::Connection(id) => *id,
        };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(HUP) };
        let input_shut = connection.input.ended || connection.receive_shut || connection.over;
        let output_shut = connection.send_shut || connection.over;
        let mut bits = 0;
        if input_shut && output_shut {
            bits |= HUP;
        }
        if input_shut {
            bits |= IN | RDNORM | RDHUP;
        }
        if connection.state() != State::SynSent || connection.over {
            if connection.input.len() > 0 {
                bits |= IN | RDNORM;
            }
            if output_shut || (connection.established && connection.has_space(&self.net)) {
                bits |= OUT | WRNORM;
            } else {
                connection.no_space = true;
            }
        }
        if connection.error.is_some() {
            bits |= ERR;
        }
        Ok(bits)
    }

    /// How often something happened to a socket.
    fn wakeups(&self, fd: i32) -> Wakeups {
        match self.sockets.get(&fd).map(|socket| &socket.role) {
            Some(Role::Listener(listener)) => Wakeups { input: listener.wakeups, output: 0 },
            Some(Role::Connection(id)) => {
                self.connections.get(id).map(|one| one.wakeups).unwrap_or_default()
            }
            Some(Role::Fresh) | None => Wakeups::default(),
        }
    }

    /// `poll` of one socket: what of `events` is ready.
    pub(crate) fn poll(&mut self, fd: i32, events: i16) -> Outcome<i16> {
        let ready = self.ready(fd)? as i16;
        Ok(ready & (events | libc::POLLERR | libc::POLLHUP))
    }

    pub(crate) fn epoll_control(
        &mut self,
        set: i32,
        operation: i32,
        fd: i32,
        wanted: (u32, u64),
    ) -> Outcome<()> {
        if !self.sockets.contains_key(&fd) {
            return Err(Stop::Error(libc::EBADF));
        }
        let epoll = self.epolls.get_mut(&set).ok_or(Stop::Error(libc::EBADF))?;
        let (events, data) = wanted;
        let entry = Entry { events, data, seen: None, disabled: false };
        match (operation, epoll.entries.contains_key(&fd)) {
            (libc::EPOLL_CTL_ADD, true) => Err(Stop::Error(libc::EEXIST)),
            (libc::EPOLL_CTL_ADD, false) | (libc::EPOLL_CTL_MOD, true) => {
                epoll.entries.insert(fd, entry);
                Ok(())
            }
            (libc::EPOLL_CTL_DEL, true) => {
                epoll.entries.remove(&fd);
                Ok(())
            }
            (libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL, false) => Err(Stop::Error(libc::ENOENT)),
            _ => Err(Stop::Error(libc::EINVAL)),
        }
    }

    /// Gives the sockets of a set that are ready, with the caller's data.
    pub(crate) fn epoll_take(&mut self, set: i32, most: usize) -> Outcome<Vec<(u32, u64)>> {
        let epoll = self.epolls.get(&set).ok_or(Stop::Error(libc::EBADF))?;
        let entries: Vec<(i32, Entry)> =
            epoll.entries.iter().map(|(fd, one)| (*fd, *one)).collect();
        let mut found = Vec::new();
        for (fd, mut entry) in entries {
            if found.len() == most {
                break;
            }
            let wakeups = self.wakeups(fd);
            let news = entry.seen.is_none_or(|seen| {
                let input = entry.events & (IN | RDNORM | RDHUP) != 0;
                let output = entry.events & (OUT | WRNORM) != 0;
                input && seen.input != wakeups.input || output && seen.output != wakeups.output
            });
            let edge = entry.events & EDGE != 0;
            if entry.disabled || edge && !news {
                continue;
            }
            let ready = self.ready(fd)? & (entry.events | ERR | HUP);
            if ready == 0 {
                continue;
            }
            found.push((ready, entry.data));
            entry.seen = Some(wakeups);
            entry.disabled = entry.events & ONESHOT != 0;
            if let Some(epoll) = self.epolls.get_mut(&set) {
                epoll.entries.insert(fd, entry);
            }
        }
        if found.is_empty() { Err(Stop::Wait) } else { Ok(found) }
    }
}
