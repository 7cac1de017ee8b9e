//! The queues of an interface as a port of one shard: [`XdpPort`]. Invariant: frames of one queue are
//! handed over in the order they arrived in; frames are sent in the order they are given.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::Instant;
use mem::{Batch, Frame, Pool};
use port::{Alarm, Caps, News, Port};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::attachment::Shared;
use crate::mail::Mail;
use crate::netlink::{self, Netlink, Route};
use crate::socket::{Counted, Socket};
use crate::{Interface, probe};

/// Calls of [`Port::rx`] between two looks at what has changed, while there is no time to sleep.
const LOOK_EVERY: u32 = 256;
/// Pieces of news kept for the stack.
const NEWS_MAX: usize = 4096;

/// One shard's part of an interface: some of its queues, each with a socket.
///
/// The interface is attached to for as long as any of its ports lives.
#[derive(Debug)]
pub struct XdpPort {
    caps: Caps,
    /// At least one.
    sockets: Vec<Socket>,
    alarm: Alarm,
    mail: Option<Mail>,
    changes: Changes,
    /// Calls of [`Port::rx`] since the kernel was last asked for changes.
    calls: u32,
}

/// What changes on the interface.
#[derive(Debug)]
struct Changes {
    netlink: Netlink,
    index: u32,
    shared: Arc<Shared>,
    /// What has not been told yet.
    news: VecDeque<News>,
}

impl XdpPort {
    pub(crate) fn new(
        interface: &Interface,
        sockets: Vec<Socket>,
        (alarm, mail): (Alarm, Option<Mail>),
        shared: Arc<Shared>,
    ) -> Result<Self, Errno> {
        let caps = Caps {
            mtu: interface.mtu,
            checksums_verified: false,
            checksums_partial: interface.is_virtual(),
            checksums_filled: sockets.iter().all(Socket::fills_checksums),
            host_finds_neighbors: true,
        };
        let mut changes = Changes {
            netlink: Netlink::watch()?,
            index: interface.index,
            shared,
            news: VecDeque::new(),
        };
        for &(address, mac) in &interface.neighbors {
            changes.news.push_back(News::Neighbor { address, mac });
        }
        Ok(Self { caps, sockets, alarm, mail, changes, calls: 0 })
    }

    /// What ends this port's [`Port::wait`] from another thread.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    /// What has been counted, over all queues.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let mut all = Counted::default();
        for socket in &self.sockets {
            all.received += socket.counted.received;
            all.sent += socket.counted.sent;
            all.oversized += socket.counted.oversized;
        }
        all
    }

    /// Whether the driver works in the packet buffers themselves, at every queue.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.sockets.iter().all(|socket| socket.zero_copy)
    }

    fn has_arrivals(&mut self) -> bool {
        self.mail.as_mut().is_some_and(|mail| !mail.is_empty())
            || self.sockets.iter_mut().any(Socket::has_arrivals)
    }

    /// Sleeps in the kernel.
    fn sleep(&mut self, until: Option<Instant>) -> io::Result<()> {
        let timeout = until.filter(|&until| until != Instant::NEVER).map(|until| {
            let left = until.since(now());
            timespec(left)
        });
        let sockets = self.sockets.iter().map(|socket| {
            let sending = if socket.is_sending() { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::new(socket, PollFlags::IN | sending)
        });
        let alarm = PollFd::new(&self.alarm, PollFlags::IN);
        let changes = PollFd::new(&self.changes.netlink, PollFlags::IN);
        let mut waited_for: Vec<PollFd<'_>> = [alarm, changes].into_iter().chain(sockets).collect();
        match poll(&mut waited_for, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has_come: [bool; 2] = [0, 1].map(|at: usize| !waited_for[at].revents().is_empty());
        if has_come[0] {
            self.alarm.clear();
        }
        if has_come[1] {
            self.changes.take();
        }
        Ok(())
    }
}

impl Port for XdpPort {
    type Error = io::Error;

    fn caps(&self) -> Caps {
        self.caps
    }

    fn rx(&mut self, _: Instant, pool: &mut Pool, into: &mut Batch) -> io::Result<()> {
        self.calls += 1;
        if self.calls >= LOOK_EVERY {
            self.calls = 0;
            self.changes.take();
        }
        // The queue that was first is last the next time, so that none starves.
        self.sockets.rotate_left(1);
        for socket in &mut self.sockets {
            socket.take(pool, into);
        }
        Ok(())
    }

    fn tx(&mut self, _: Instant, pool: &mut Pool, frames: &mut Batch) -> io::Result<()> {
        match self.sockets.iter_mut().min_by_key(|socket| socket.queue) {
            Some(socket) => socket.send(pool, frames),
            None => Ok(()),
        }
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.mail.as_mut().is_some_and(|mail| mail.pass_on(frame, passed))
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.mail.as_mut()?.take(pool)
    }

    fn find(&mut self, neighbor: IpAddr) {
        if self.changes.netlink.ask_for(self.changes.index, neighbor).is_err() {
            // Only the privileged may ask that way. A packet that the kernel has to send makes it
            // ask by itself. Where that fails, too, the stack asks again.
            let _ = probe::send(neighbor, self.changes.index);
        }
    }

    fn news(&mut self) -> Option<News> {
        self.changes.news.pop_front()
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.has_arrivals() {
            return Ok(());
        }
        self.sleep(until)
    }
}

impl Changes {
    /// Takes in what has changed. Of a multitude some may be lost: neighbours are asked for again
    /// when they are needed.
    fn take(&mut self) {
        let Self { netlink, index, shared, news } = self;
        netlink.changes(|change| match change {
            netlink::News::Neighbor { index: on, address, mac }
                if on == *index && news.len() < NEWS_MAX =>
            {
                news.push_back(News::Neighbor { address, mac });
            }
            netlink::News::Address { index: on, address, present } if on == *index => {
                shared.address_changed(address, present);
                news.push_back(News::Address { address, present });
            }
            netlink::News::Route { index: on, route, present } if on == *index => {
                let Route { prefix, length, gateway } = route;
                news.push_back(News::Route { prefix, length, gateway, present });
            }
            _ => {}
        });
    }
}

/// `CLOCK_MONOTONIC`, which the times of a shard are read from.
fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is below zero.
    Instant::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

const fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos() as i64 }
}
