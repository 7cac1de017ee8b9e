//! The queues of an interface as a port of one shard: [`XdpPort`]. Invariant: frames of one queue are
//! handed over in the order they arrived in; frames to one peer are sent in the order they are given.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use base::Instant;
use mem::{Batch, Frame, Pages, Pool};
use port::{Alarm, Caps, Lost, Mail, News, Pools, Port};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::attachment::Shared;
use crate::changes::Changes;
use crate::packet::{PacketSocket, Sent};
use crate::socket::{Counted, Socket};
use crate::umem::Umem;
use crate::{Interface, Mode};

/// Calls of [`Port::rx`] between two looks at what has changed, while there is no time to sleep.
const LOOK_EVERY: u32 = 256;

/// One shard's part of an interface: some of its queues, each with a socket.
///
/// The interface is attached to for as long as any of its ports lives.
#[derive(Debug)]
pub struct XdpPort {
    caps: Caps,
    /// At least one.
    sockets: Vec<Socket>,
    /// Where frames go that the kernel cuts, if there are any.
    packets: Option<PacketSocket>,
    /// Of those, some that the kernel had no room for.
    lost: u64,
    /// The memory that packets are in, and its pools until whoever drives the port has them.
    umem: Umem,
    pools: Option<Pools>,
    /// The one that frames are taken from first.
    first: usize,
    /// Who is waited for: the alarm, the changes, the sockets.
    waited_for: Vec<libc::pollfd>,
    alarm: Alarm,
    mail: Option<Mail>,
    changes: Changes,
    /// Calls of [`Port::rx`] since the kernel was last asked for changes.
    calls: u32,
}

impl XdpPort {
    pub(crate) fn new(
        interface: &Interface,
        (sockets, umem, pools): (Vec<Socket>, Umem, Pools),
        (alarm, mail): (Alarm, Option<Mail>),
        shared: Arc<Shared>,
    ) -> Result<Self, Errno> {
        let filled = sockets.iter().all(Socket::fills_checksums);
        // A driver that works in our memory needs no help, and elsewhere frames of a connection could
        // overtake each other by way of different queues.
        let in_order = interface.is_pair() || interface.queues == 1;
        let copies = sockets.iter().all(|socket| !socket.zero_copy);
        let packets = if copies && in_order { PacketSocket::open(interface).ok() } else { None };
        let tso = packets.as_ref().map(|_| u16::MAX);
        let caps = Caps { tso, ..caps(interface, shared.mode(), filled) };
        let changes = Changes::watch(interface, shared)?;
        let waited_for = Vec::with_capacity(2 + sockets.len());
        let pools = Some(pools);
        Ok(Self {
            caps,
            sockets,
            packets,
            lost: 0,
            umem,
            pools,
            first: 0,
            waited_for,
            alarm,
            mail,
            changes,
            calls: 0,
        })
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
            all.lost += socket.counted.lost;
        }
        all
    }

    /// Whether the driver works in the packet buffers themselves, at every queue.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.sockets.iter().all(|socket| socket.zero_copy)
    }

    /// Bytes of memory for packets, over all queues, and the pages that it is on.
    #[must_use]
    pub const fn memory(&self) -> (usize, Pages) {
        (self.umem.bytes(), self.umem.pages)
    }

    /// Looks at what is not looked at for each frame: news of the kernel's, and what it has lost.
    fn look(&mut self) {
        self.changes.take();
        self.sockets.iter_mut().for_each(Socket::look);
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
        let Self { alarm, changes, sockets, waited_for, .. } = self;
        let entry = |descriptor: BorrowedFd<'_>, events| libc::pollfd {
            fd: descriptor.as_raw_fd(),
            events,
            revents: 0,
        };
        waited_for.clear();
        let others = [alarm.as_fd(), changes.as_fd()];
        waited_for.extend(others.map(|other| entry(other, libc::POLLIN)));
        waited_for.extend(sockets.iter().map(|socket| {
            let sending = if socket.waits_to_send() { libc::POLLOUT } else { 0 };
            entry(socket.as_fd(), libc::POLLIN | sending)
        }));
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: as many entries as are said, of descriptors that live as long as this value; the
        // time, if there is one, outlives the call; no signals are masked.
        let ready = unsafe {
            // As many queues as a machine has are far below 2^32.
            libc::ppoll(
                waited_for.as_mut_ptr(),
                waited_for.len() as libc::nfds_t,
                timeout,
                std::ptr::null(),
            )
        };
        if ready < 0 {
            let error = io::Error::last_os_error();
            let interrupted = error.kind() == io::ErrorKind::Interrupted;
            return if interrupted { Ok(()) } else { Err(error) };
        }
        if waited_for[0].revents != 0 {
            alarm.clear();
        }
        if waited_for[1].revents != 0 {
            changes.take();
        }
        Ok(())
    }
}

impl Port for XdpPort {
    type Error = io::Error;

    fn caps(&self) -> Caps {
        self.caps
    }

    fn pools(&mut self) -> Option<Pools> {
        self.pools.take()
    }

    fn rx(&mut self, _: Instant, pool: &mut Pool, into: &mut Batch) -> io::Result<()> {
        if !self.umem.has_arrivals(pool) {
            return Err(stranger());
        }
        self.calls += 1;
        if self.calls >= LOOK_EVERY {
            self.calls = 0;
            self.look();
        }
        if self.changes.is_gone() {
            return Err(gone());
        }
        if let Some(mail) = &mut self.mail {
            // What was passed on while the last batch was dealt with.
            mail.deliver();
        }
        // Another queue is the first each time, so that none starves.
        self.first = (self.first + 1) % self.sockets.len();
        let (last, first) = self.sockets.split_at_mut(self.first);
        for socket in first.iter_mut().chain(last) {
            socket.take(pool, into);
        }
        Ok(())
    }

    fn tx(&mut self, _: Instant, pool: &mut Pool, frames: &mut Batch) -> io::Result<()> {
        if !self.umem.has_departures(pool) {
            return Err(stranger());
        }
        let queues = self.sockets.len();
        for socket in &mut self.sockets {
            socket.reclaim(pool);
        }
        while let Some(frame) = frames.first() {
            let data = pool.data(frame);
            let socket = &mut self.sockets[queue_for(data, queues)];
            if !socket.has_room(data.len(), pool) {
                break;
            }
            if let Some(frame) = frames.pop() {
                socket.queue(frame, pool);
            }
        }
        self.sockets.iter_mut().try_for_each(|socket| socket.kick(pool))
    }

    fn tx_uncut(&mut self, _: Instant, frame: &[u8], segment: NonZeroU16) -> io::Result<bool> {
        let sent = match &self.packets {
            Some(packets) => packets.send(frame, segment),
            None => Sent::Lost,
        };
        self.lost += u64::from(sent == Sent::Lost);
        Ok(sent != Sent::NotNow)
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.mail.as_mut().is_some_and(|mail| mail.pass_on(frame, passed))
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.mail.as_mut()?.take(pool)
    }

    fn lost(&self) -> Lost {
        let counted = self.counted();
        Lost { frames: counted.oversized + counted.lost + self.lost, checksum: 0 }
    }

    fn find(&mut self, neighbor: IpAddr) {
        self.changes.find(neighbor);
    }

    fn news(&mut self) -> Option<News> {
        self.changes.told()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        if let Some(mail) = &mut self.mail {
            mail.deliver();
        }
        if self.has_arrivals() {
            return Ok(());
        }
        self.sleep(until)
    }
}

/// Nothing will ever arrive any more.
fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the network interface is gone: it was removed, or moved to another network namespace",
    )
}

const fn caps(interface: &Interface, mode: Mode, checksums_filled: bool) -> Caps {
    // In generic mode frames are seen as they leave the driver, and a virtual machine's has from its
    // host such as have no sum yet.
    let checksums_partial = interface.is_virtual() || matches!(mode, Mode::Generic);
    Caps {
        mtu: interface.mtu,
        checksums_verified: false,
        checksums_partial,
        checksums_filled,
        host_finds_neighbors: true,
        ..Caps::ETHERNET
    }
}

/// The pool is not one of those that the port came with.
fn stranger() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "frames are not in the memory of their port")
}

/// Which of so many queues a frame of ours goes out by: all to one peer and port by the same, so that
/// they stay in order.
fn queue_for(frame: &[u8], queues: usize) -> usize {
    if queues == 1 {
        return 0;
    }
    // The lower half of the destination and the port there; behind IPv4 headers without options and
    // IPv6 ones without extensions, as ours are. What has neither goes anywhere.
    let at = match frame.get(12..14) {
        Some([0x08, 0x00]) => [32, 36],
        Some([0x86, 0xdd]) => [52, 56],
        _ => return 0,
    };
    let word = |at: usize| {
        frame.get(at..at + 2).map_or(0, |word| usize::from(word[0]) << 8 | usize::from(word[1]))
    };
    // Fibonacci hashing, Knuth, The Art of Computer Programming 6.4.
    let key = (word(at[0]) << 16 | word(at[1])) as u64;
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % queues
}

/// `CLOCK_MONOTONIC`, which the times of a shard are read from.
fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is below zero.
    Instant::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

const fn timespec(time: Duration) -> libc::timespec {
    // Half of 2^64 ns are 292 years.
    libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos() as _ }
}

#[cfg(test)]
mod tests {
    use super::{caps, queue_for};
    use crate::{Interface, Mode};

    /// virtio_net is no virtual interface to the kernel it runs under.
    #[test]
    fn sums_that_a_virtual_machines_host_left_out_are_taken_in_generic_mode() {
        let card = Interface {
            name: "eth0".into(),
            index: 2,
            mac: [2; 6],
            mtu: 1500,
            kind: None,
            driver: None,
            queues: 1,
            addresses: Vec::new(),
            routes: Vec::new(),
            neighbors: Vec::new(),
        };
        assert!(caps(&card, Mode::Generic, false).checksums_partial);
        assert!(!caps(&card, Mode::Driver, false).checksums_partial);
        assert!(!card.is_pair());
        let forgetful = Interface { driver: Some("vmxnet3".into()), ..card.clone() };
        assert!(forgetful.is_better_generic() && !card.is_better_generic());
        let pair = Interface { kind: Some("veth".into()), ..card };
        assert!(caps(&pair, Mode::Driver, false).checksums_partial && pair.is_pair());
    }

    #[test]
    fn frames_to_one_peer_go_by_one_queue_and_those_to_many_by_all() {
        for (kind, length, address, port) in
            [([0x08, 0x00], 54, 33, 36), ([0x86, 0xdd], 74, 53, 56)]
        {
            let frame = |peer: u8, to: u16, other: u8| {
                let mut frame = vec![other; length];
                frame[12..14].copy_from_slice(&kind);
                frame[address] = peer;
                frame[port..port + 2].copy_from_slice(&to.to_be_bytes());
                frame[address - 1] = 7;
                frame
            };
            let mut used = [0; 4];
            for peer in 0..100 {
                let queue = queue_for(&frame(peer, 40_000, 1), 4);
                assert_eq!(queue, queue_for(&frame(peer, 40_000, 2), 4));
                used[queue] += 1;
            }
            assert!(used.iter().all(|&count| count > 10), "{used:?}");
            let queues = (0..100).map(|to| queue_for(&frame(1, to, 0), 2));
            assert!((20..80).contains(&queues.sum::<usize>()));
        }
        for length in 0..40 {
            assert!(queue_for(&vec![8; length], 3) < 3);
        }
    }
}
