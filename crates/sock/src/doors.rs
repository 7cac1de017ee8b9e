//! The listeners of one engine: [`Doors`]. Invariant: while descriptors last, one is kept in
//! reserve, so that when they run out a waiting client can still be taken in, told, and sent away;
//! and neither running out nor a socket that was shut down makes accepting spin, because it pauses.

use std::os::fd::OwnedFd;
use std::time::Duration;

use app::Peer;
use base::Instant;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags};
use std::net::SocketAddr;

use crate::Listener;
use crate::record::canonical;

/// How long accepting rests when descriptors or memory have run out.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Doors {
    pub listeners: Vec<Listener>,
    spare: Option<OwnedFd>,
    paused_until: Option<Instant>,
}

/// What an accept brought.
pub(crate) enum Accepted {
    Connection(OwnedFd, Peer),
    /// Nobody waits.
    Nobody,
    /// That one was gone before it was taken in.
    Lost,
    /// Nobody can be taken in for now: no descriptor, no memory, or who shares the socket has shut it
    /// down.
    Exhausted(Errno),
}

impl Doors {
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, spare: spare(), paused_until: None }
    }

    /// Takes in whoever waits longest at a listener.
    pub fn accept(&self, listener: usize) -> Accepted {
        let Some(listener) = self.listeners.get(listener) else { return Accepted::Nobody };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match rustix::net::acceptfrom_with(listener, flags) {
            Ok((fd, address)) => Accepted::Connection(fd, canonical(inet(address))),
            Err(errno) => Accepted::from_error(errno),
        }
    }

    /// Takes in one client by giving up the reserve, to be sent away at once. The reserve has to
    /// be [restocked](Doors::restock) when it is gone.
    pub fn accept_with_spare(&mut self, listener: usize) -> Option<OwnedFd> {
        self.spare.take()?;
        match self.accept(listener) {
            Accepted::Connection(fd, _) => Some(fd),
            _ => None,
        }
    }

    /// Lays a descriptor in reserve again.
    pub fn restock(&mut self) {
        if self.spare.is_none() {
            self.spare = spare();
        }
    }

    /// Accepting rests from now on for a while.
    pub fn pause(&mut self, now: Instant) {
        self.paused_until = Some(now + PAUSE);
    }

    /// When accepting goes on, if it rests.
    pub const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Whether accepting rested and has to be taken up now.
    pub fn resumes(&mut self, now: Instant) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= now);
        if over {
            self.paused_until = None;
        }
        over
    }

    /// Nobody is let in any more.
    pub fn close(&mut self) {
        self.listeners.clear();
        self.paused_until = None;
    }
}

impl Accepted {
    /// What an accept that failed means.
    pub const fn from_error(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::Nobody,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::INVAL => {
                Self::Exhausted(errno)
            }
            // accept(2): errors of the new connection itself are reported here, too.
            _ => Self::Lost,
        }
    }
}

fn spare() -> Option<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC).ok()
}

fn inet(address: Option<SocketAddrAny>) -> Option<SocketAddr> {
    SocketAddr::try_from(address?).ok()
}
