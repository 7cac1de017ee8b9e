//! An AF_XDP socket on one queue, with its rings: [`Socket`]. Invariant: of the arriving frames'
//! buffers the kernel always has the same number, its share: for each that is taken it gets another.
//! Of those going out it never has more than its share. So no queue and no direction starves another.

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use mem::{Batch, Frame, Pool};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XDP_PGOFF_RX_RING,
    XDP_PGOFF_TX_RING, XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc,
    XdpDescOptions, XdpMmapOffsets, XdpOptionsFlags,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::checksum;
use crate::ring::Ring;
use crate::umem::{METADATA, Shape, Umem};
use crate::{Error, Interface};

/// Frames sent by one call, at most. The kernel's own limit is 32.
const BUDGET: libc::c_int = 256;
/// `XDP_MAX_TX_SKB_BUDGET`.
const OPTION_BUDGET: libc::c_int = 9;
/// `XDP_TX_METADATA`: there is metadata before this frame.
const WITH_METADATA: u32 = 1 << 1;
/// How long the kernel looks for frames when it is asked to, and for how many: as the kernel's own
/// sample does (Documentation/networking/af_xdp.rst, samples/bpf/xdpsock).
const BUSY_POLL_US: libc::c_int = 20;
const BUSY_POLL_FRAMES: libc::c_int = 64;
/// How long a queue may stay busy: a socket that was closed keeps its own up to half a second.
const BUSY_FOR: Duration = Duration::from_millis(1500);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What a socket has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Frames that arrived.
    pub received: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames dropped because no buffer is long enough for them.
    pub oversized: u64,
    /// Frames that the kernel had no room for, or nothing to put into.
    pub lost: u64,
}

/// Does what needs that nobody else is there, again for a while if somebody is: a server that ends
/// leaves its place a moment later.
pub(crate) fn once_free<T>(mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    let deadline = Instant::now() + BUSY_FOR;
    loop {
        match act() {
            Err(Errno::BUSY | Errno::EXIST) if Instant::now() < deadline => {
                thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

/// How sockets are to work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// The kernel looks for frames when it is asked: see [`Socket::take`].
    pub busy_poll: bool,
    /// The kernel copies, also where the driver could work in the buffers themselves.
    pub copies: bool,
}

/// How many of the arriving frames' buffers the ring of those to be filled has room for, for each that the
/// kernel can have. It shows us a frame before it says that it has taken the frame's buffer from there, so
/// that for a moment it has had more than it can have.
const FILL_ROOM: u32 = 2;

#[derive(Debug)]
pub(crate) struct Socket {
    // The rings go before the socket: a mapping that is left keeps the queue busy.
    receive: Ring<XdpDesc>,
    transmit: Ring<XdpDesc>,
    fill: Ring<u64>,
    completion: Ring<u64>,
    descriptor: OwnedFd,
    shape: Shape,
    /// Where the pool of frames going out starts in the memory shared with the kernel.
    departures: usize,
    /// Buffers of that pool that the kernel has.
    leaving: u32,
    pub(crate) counted: Counted,
    pub(crate) queue: u32,
    /// Whether the interface was down when frames were to be sent last.
    down: bool,
    /// Whether the driver works in the buffers themselves.
    pub(crate) zero_copy: bool,
    /// Whether the metadata of a frame that is sent is heeded.
    has_metadata: bool,
    /// Whether the kernel looks for frames when it is asked, and is not interrupted for them.
    polls: bool,
}

impl Socket {
    /// Opens a socket on a queue and gives the kernel its share of the pool for frames that arrive.
    /// The memory is registered with it, or had from another socket that it has been registered
    /// with.
    pub fn open(
        (interface, queue): (&Interface, u32),
        umem: &Umem,
        arrivals: &mut Pool,
        with: Option<&Self>,
        how: How,
    ) -> Result<Self, Error> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = (AddressFamily::XDP, SocketType::RAW);
        let descriptor =
            rustix::net::socket_with(kind.0, kind.1, flags, None).map_err(|error| match error {
                Errno::PERM | Errno::ACCESS => Error::Permission { what: "open an AF_XDP socket" },
                Errno::AFNOSUPPORT => Error::Unsupported { what: "AF_XDP (CONFIG_XDP_SOCKETS)" },
                error => failed(error),
            })?;
        let has_metadata = match with {
            Some(first) => first.has_metadata,
            None => umem.register(descriptor.as_fd())?,
        };
        let (receive, transmit, fill, completion) =
            rings(&descriptor, &umem.shape).map_err(failed)?;
        let mut socket = Self {
            receive,
            transmit,
            fill,
            completion,
            descriptor,
            shape: umem.shape,
            departures: umem.departures,
            leaving: 0,
            counted: Counted::default(),
            queue,
            down: false,
            zero_copy: false,
            has_metadata,
            polls: false,
        };
        for _ in 0..umem.shape.receive {
            if let Some(frame) = arrivals.take() {
                socket.refill(arrivals, frame);
            }
        }
        socket.fill.publish();
        socket.raise_budget();
        socket.bind(interface, with, how)?;
        socket.polls = how.busy_poll && socket.prefer_busy_poll();
        Ok(socket)
    }

    /// Without it, sending takes a call for each 32 frames.
    fn raise_budget(&self) {
        // Older kernels do not know it, and take more calls.
        let _ = self.set(libc::SOL_XDP, OPTION_BUDGET, BUDGET);
    }

    /// Has the driver look for frames when the socket is asked for some, and keep its interrupts to
    /// itself meanwhile (Linux 5.11). False where the kernel refuses.
    fn prefer_busy_poll(&self) -> bool {
        self.set(libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL, 1)
            && self.set(libc::SOL_SOCKET, libc::SO_BUSY_POLL, BUSY_POLL_US)
            && self.set(libc::SOL_SOCKET, libc::SO_BUSY_POLL_BUDGET, BUSY_POLL_FRAMES)
    }

    /// Sets an option that is an integer. Says whether the kernel took it.
    fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> bool {
        let value: *const libc::c_int = &raw const value;
        // SAFETY: the options set here take an integer, which is read during the call.
        let refused = unsafe {
            libc::setsockopt(
                self.descriptor.as_raw_fd(),
                level,
                option,
                value.cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        refused == 0
    }

    /// Puts the socket on its queue, once nobody else is there any more.
    fn bind(&mut self, interface: &Interface, with: Option<&Self>, how: How) -> Result<(), Error> {
        let name = || interface.name.clone();
        once_free(|| self.try_bind(interface, with, how)).map_err(|error| match error {
            Errno::BUSY => Error::QueueBusy { interface: name(), queue: self.queue },
            Errno::NETDOWN => Error::Down { interface: name() },
            Errno::INVAL if with.is_some() => {
                let what = "memory for packets that queues of AF_XDP share";
                Error::Unsupported { what }
            }
            error => failed(error),
        })?;
        let options = sockopt::xdp_options(&self.descriptor).map_err(failed)?;
        self.zero_copy = options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
        // A driver that works in the buffers itself heeds metadata or sends what is there (virtio_net,
        // igb). What the kernel copies reaches a driver without the protocol's number, and not
        // every one then finds the sum's place (e1000e complains). A veth's other end is no device.
        self.has_metadata &= !self.zero_copy && interface.is_pair();
        Ok(())
    }

    fn try_bind(&self, interface: &Interface, with: Option<&Self>, how: How) -> Result<(), Errno> {
        let at = |flags| SocketAddrXdp::new(flags, interface.index, self.queue);
        if let Some(first) = with {
            // All else is as with the first one.
            let addr = at(SocketAddrXdpFlags::XDP_SHARED_UMEM);
            let shared_umem_fd = first.descriptor.as_fd();
            let address = SocketAddrXdpWithSharedUmem { addr, shared_umem_fd };
            return rustix::net::bind(&self.descriptor, &address);
        }
        // Asked for only where it can occur: a driver without it would have to be used without
        // zero-copy.
        let pieces = if self.shape.has_pieces() {
            SocketAddrXdpFlags::XDP_USE_SG
        } else {
            SocketAddrXdpFlags::empty()
        };
        // Left alone the kernel takes zero-copy where the driver has it, else copies.
        let copies =
            if how.copies { SocketAddrXdpFlags::XDP_COPY } else { SocketAddrXdpFlags::empty() };
        let flags = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP | pieces | copies;
        rustix::net::bind(&self.descriptor, &at(flags))
    }

    /// Whether the kernel fills checksums in when it is told to.
    pub const fn fills_checksums(&self) -> bool {
        self.has_metadata
    }

    /// Does what need not be done for each frame: asks the kernel what it has lost, and a driver that
    /// ran out of buffers just when it got more to look again.
    pub fn look(&mut self) {
        if self.fill.needs_wakeup() {
            self.wake_receiver();
        }
        if let Ok(said) = sockopt::xdp_statistics(&self.descriptor) {
            self.counted.lost = said.rx_dropped + said.rx_ring_full.unwrap_or(0);
        }
    }

    /// Whether frames wait for us.
    pub fn has_arrivals(&mut self) -> bool {
        self.receive.peek().is_some()
    }

    /// Takes frames that have arrived. With busy polling the kernel has to be asked to look first.
    pub fn take(&mut self, pool: &mut Pool, into: &mut Batch) {
        if self.polls && !self.has_arrivals() {
            self.wake_receiver();
        }
        let before = self.counted;
        while !into.is_full() && self.take_one(pool, into) {}
        if self.counted != before {
            self.receive.release();
            self.fill.publish();
            if self.fill.needs_wakeup() {
                self.wake_receiver();
            }
        }
    }

    /// Says to the driver that it may go on; there is nothing to receive this way.
    fn wake_receiver(&self) {
        let _ = rustix::net::recv(&self.descriptor, &mut [0; 0], RecvFlags::DONTWAIT);
    }

    /// Takes one frame, where the kernel has put it, and gives another buffer for it. False when there
    /// is none, or no buffer.
    fn take_one(&mut self, pool: &mut Pool, into: &mut Batch) -> bool {
        if self.receive.peek().is_none() {
            return false;
        }
        let Some(other) = pool.take() else { return false };
        self.refill(pool, other);
        let Some((mut frame, more)) = self.take_piece(pool) else { return false };
        let fits = !more || self.join(pool, &mut frame);
        self.counted.received += 1;
        if !fits {
            self.counted.oversized += 1;
            pool.give(frame);
        } else if let Err(frame) = into.push(frame) {
            pool.give(frame);
        }
        true
    }

    /// Gives the kernel a buffer for a frame that arrives.
    fn refill(&mut self, pool: &mut Pool, frame: Frame) {
        let has_room = self.fill.push(pool.lend(frame) as u64);
        debug_assert!(has_room, "the kernel has its share and no more");
    }

    /// Takes the next piece, and says whether more of its frame come after it.
    fn take_piece(&mut self, pool: &mut Pool) -> Option<(Frame, bool)> {
        let piece = self.receive.pop()?;
        let more = piece.options.contains(XdpDescOptions::XDP_PKT_CONTD);
        // The pool is at the start of the memory.
        Some((pool.take_back(piece.addr as usize, piece.len as usize)?, more))
    }

    /// Copies the other pieces of a frame behind its first. False when they are too long.
    fn join(&mut self, pool: &mut Pool, frame: &mut Frame) -> bool {
        let mut whole = frame.range();
        let mut fits = true;
        while let Some((mut piece, more)) = self.take_piece(pool) {
            let (data, buffer) = pool.data_and_buffer(&piece, frame);
            let end = whole.end + data.len();
            match buffer.get_mut(whole.end..end) {
                Some(place) => place.copy_from_slice(data),
                None => fits = false,
            }
            whole.end = end;
            piece.set_range(0..0);
            self.refill(pool, piece);
            if !more {
                break;
            }
        }
        frame.set_range(whole);
        fits
    }

    /// Whether a frame of so many bytes can be queued.
    pub fn has_room(&mut self, length: usize, pool: &Pool) -> bool {
        // A frame is shorter than 2^16.
        let pieces = length.div_ceil(self.shape.room()).max(1) as u32;
        self.leaving + pieces <= self.shape.transmit
            && self.transmit.has_room(pieces)
            && pool.available() + 1 >= pieces
    }

    /// Queues a frame that there is room for, to be sent by the next [`Socket::kick`] from where it is.
    /// What of it is beyond a chunk is copied into other buffers.
    pub fn queue(&mut self, mut frame: Frame, pool: &mut Pool) {
        let length = frame.len();
        let (head, data) = pool.head_and_data(&mut frame);
        let metadata = head.len().checked_sub(METADATA).filter(|_| self.has_metadata);
        let is_to_be_summed =
            metadata.is_some_and(|at| checksum::request(&mut head[at..], data, length));
        let mut options = if is_to_be_summed { WITH_METADATA } else { 0 };
        while frame.len() > self.shape.room()
            && let Some(mut rest) = pool.take()
        {
            let Range { start, end } = frame.range();
            let cut = start + self.shape.room();
            frame.set_range(cut..end);
            let (data, buffer) = pool.data_and_buffer(&frame, &mut rest);
            buffer[..data.len()].copy_from_slice(data);
            rest.set_range(0..data.len());
            frame.set_range(start..cut);
            self.push(pool, frame, options | XdpDescOptions::XDP_PKT_CONTD.bits());
            (frame, options) = (rest, 0);
        }
        self.push(pool, frame, options);
        self.counted.sent += 1;
    }

    fn push(&mut self, pool: &mut Pool, frame: Frame, options: u32) {
        // Not above 4096.
        let len = frame.len() as u32;
        let addr = (self.departures + pool.lend(frame)) as u64;
        let options = XdpDescOptions::from_bits_retain(options);
        self.leaving += 1;
        self.transmit.push(XdpDesc { addr, len, options });
    }

    /// Lets the kernel see what was queued, and tells it to send where it wants to be told.
    pub fn kick(&mut self, pool: &mut Pool) -> io::Result<()> {
        self.transmit.publish();
        self.down = false;
        // Each call takes some, or fails; the bound is for a kernel that does neither.
        for _ in 0..self.shape.transmit {
            if self.transmit.pending() == 0 || !self.transmit.needs_wakeup() {
                break;
            }
            match rustix::net::send(&self.descriptor, &[], SendFlags::DONTWAIT) {
                // A driver goes on by itself, once told.
                Ok(_) if self.zero_copy => {
                    if self.polls && self.transmit.pending() > 0 {
                        self.wake_sender();
                    }
                    break;
                }
                // The link is full, or the completions are: tried again with the next frames.
                Ok(_) | Err(Errno::AGAIN) => self.reclaim(pool),
                Err(Errno::BUSY | Errno::NOBUFS | Errno::NOMEM | Errno::INTR) => {
                    self.reclaim(pool);
                    break;
                }
                // Down for now: frames are lost as on any link that is.
                Err(Errno::NETDOWN | Errno::NXIO) => {
                    self.down = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Tells a driver to send that is polled. It is polled at its receiving end; where sending is not
    /// done there (virtio_net), send(2) would tell nobody.
    fn wake_sender(&self) {
        let fd = self.descriptor.as_raw_fd();
        let mut entry = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one entry, of a descriptor that lives as long as this value.
        let _ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
    }

    /// Whether there is something to do once the kernel can send more. A driver takes what is in the
    /// ring by itself, or cannot while the link is down; what is to be waited for is room.
    pub fn waits_to_send(&self) -> bool {
        let least = if self.zero_copy { self.transmit.size() / 2 } else { 0 };
        !self.down && self.transmit.pending() > least
    }

    /// Takes back buffers that have been sent from.
    pub fn reclaim(&mut self, pool: &mut Pool) {
        let before = self.leaving;
        while let Some(address) = self.completion.pop() {
            let place = (address as usize).wrapping_sub(self.departures);
            if let Some(frame) = pool.take_back(place, 0) {
                pool.give(frame);
                self.leaving -= 1;
            }
        }
        if self.leaving != before {
            self.completion.release();
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

type Rings = (Ring<XdpDesc>, Ring<XdpDesc>, Ring<u64>, Ring<u64>);

/// Sets the sizes of a socket's rings and maps them.
fn rings(socket: &OwnedFd, shape: &Shape) -> rustix::io::Result<Rings> {
    let (receive, transmit) = (shape.receive, shape.transmit);
    let fill = receive * FILL_ROOM;
    sockopt::set_xdp_umem_fill_ring_size(socket, fill)?;
    sockopt::set_xdp_umem_completion_ring_size(socket, transmit)?;
    sockopt::set_xdp_rx_ring_size(socket, receive)?;
    sockopt::set_xdp_tx_ring_size(socket, transmit)?;
    let offsets: XdpMmapOffsets = sockopt::xdp_mmap_offsets(socket)?;
    let fd = socket.as_fd();
    // SAFETY: the kernel's own offsets and the sizes just set, for a socket without rings so far;
    // descriptors and addresses are integers.
    let rings = unsafe {
        (
            Ring::map(fd, XDP_PGOFF_RX_RING, &offsets.rx, receive),
            Ring::map(fd, XDP_PGOFF_TX_RING, &offsets.tx, transmit),
            Ring::map(fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr, fill),
            Ring::map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr, transmit),
        )
    };
    Ok((rings.0?, rings.1?, rings.2?, rings.3?))
}

fn failed(error: Errno) -> Error {
    Error::System { what: "an AF_XDP socket could not be set up", error }
}
