//! An AF_XDP socket on one queue, with its memory and rings: [`Socket`]. Invariant: every chunk is
//! in exactly one place: the fill ring, the receive ring, the transmit ring, the completion ring, or
//! the list of free ones.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use mem::{Batch, Pool};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpDescOptions,
    XdpMmapOffsets, XdpOptionsFlags,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::checksum;
use crate::ring::Ring;
use crate::umem::{METADATA, Umem};
use crate::{Error, Interface};

/// Frames that can wait for us, and chunks that the kernel has for them.
/// As many as come in 12 ms of a flood of 330,000 a second.
const RECEIVE: u32 = 4096;
/// Frames that can wait for the kernel.
const TRANSMIT: u32 = 1024;
/// Where a frame that is sent begins in its chunk: the metadata lies before it.
const HEAD: usize = 64;
/// Bytes at the start of a chunk that the kernel keeps to itself when a frame arrives.
const KERNEL_HEAD: usize = 256;
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

#[derive(Debug)]
pub(crate) struct Socket {
    // The rings go before the socket: a mapping that is left keeps the queue busy.
    receive: Ring<XdpDesc>,
    transmit: Ring<XdpDesc>,
    fill: Ring<u64>,
    completion: Ring<u64>,
    descriptor: OwnedFd,
    umem: Umem,
    /// Chunks for frames that are sent.
    free: Vec<u64>,
    pub(crate) counted: Counted,
    pub(crate) queue: u32,
    /// Whether the driver works in the chunks themselves.
    pub(crate) zero_copy: bool,
    /// Whether the kernel looks for frames when it is asked, and is not interrupted for them.
    polls: bool,
}

impl Socket {
    /// Opens a socket on a queue. `busy_poll`: see [`Socket::take`].
    pub fn open(
        interface: &Interface,
        queue: u32,
        head_bytes: usize,
        busy_poll: bool,
    ) -> Result<Self, Error> {
        let longest = usize::from(interface.mtu) + head_bytes;
        let chunk = if longest + KERNEL_HEAD <= 2048 { 2048 } else { 4096 };
        let deadline = Instant::now() + BUSY_FOR;
        loop {
            match Self::try_open(interface, queue, chunk) {
                Err(Error::QueueBusy { .. }) if Instant::now() < deadline => {
                    thread::sleep(BUSY_PAUSE);
                }
                opened => {
                    let mut socket = opened?;
                    socket.polls = busy_poll && socket.prefer_busy_poll();
                    return Ok(socket);
                }
            }
        }
    }

    fn try_open(interface: &Interface, queue: u32, chunk: usize) -> Result<Self, Error> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = (AddressFamily::XDP, SocketType::RAW);
        let descriptor =
            rustix::net::socket_with(kind.0, kind.1, flags, None).map_err(|error| match error {
                Errno::PERM | Errno::ACCESS => Error::Permission { what: "open an AF_XDP socket" },
                Errno::AFNOSUPPORT => Error::Unsupported { what: "AF_XDP (CONFIG_XDP_SOCKETS)" },
                error => failed(error),
            })?;
        let umem = Umem::register(descriptor.as_fd(), RECEIVE + TRANSMIT, chunk)?;
        let (receive, transmit, fill, completion) = rings(&descriptor).map_err(failed)?;
        let free = (RECEIVE..RECEIVE + TRANSMIT).map(|chunk| umem.start(chunk)).collect();
        let mut socket = Self {
            receive,
            transmit,
            fill,
            completion,
            descriptor,
            umem,
            free,
            counted: Counted::default(),
            queue,
            zero_copy: false,
            polls: false,
        };
        for chunk in 0..RECEIVE {
            socket.fill.push(socket.umem.start(chunk));
        }
        socket.fill.publish();
        socket.raise_budget();
        socket.bind(interface)?;
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

    fn bind(&mut self, interface: &Interface) -> Result<(), Error> {
        let wakeup = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        // Frames longer than a chunk come in several. Asked for only where they can occur: a
        // driver without it would have to be used without zero-copy.
        let pieces = if usize::from(interface.mtu) + 64 > self.umem.chunk() - KERNEL_HEAD {
            SocketAddrXdpFlags::XDP_USE_SG
        } else {
            SocketAddrXdpFlags::empty()
        };
        // The kernel takes zero-copy where the driver has it, else copies.
        let address = SocketAddrXdp::new(wakeup | pieces, interface.index, self.queue);
        let bound = rustix::net::bind(&self.descriptor, &address);
        bound.map_err(|error| match error {
            Errno::BUSY => {
                Error::QueueBusy { interface: interface.name.clone(), queue: self.queue }
            }
            Errno::NETDOWN => Error::Down { interface: interface.name.clone() },
            error => failed(error),
        })?;
        let options = sockopt::xdp_options(&self.descriptor).map_err(failed)?;
        self.zero_copy = options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
        Ok(())
    }

    /// Whether the kernel fills checksums in when it is told to.
    pub const fn fills_checksums(&self) -> bool {
        self.umem.has_metadata
    }

    /// Bytes of packet buffers.
    pub fn bytes(&self) -> usize {
        self.umem.chunk() * (RECEIVE + TRANSMIT) as usize
    }

    /// Asks the kernel what it has lost.
    pub fn count_lost(&mut self) {
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

    /// Takes one frame, of as many pieces as it has. False when there is none, or no buffer.
    fn take_one(&mut self, pool: &mut Pool, into: &mut Batch) -> bool {
        if self.receive.peek().is_none() {
            return false;
        }
        let Some(mut frame) = pool.take() else { return false };
        let buffer = pool.buffer_mut(&mut frame);
        let (mut length, mut fits) = (0, true);
        while let Some(piece) = self.receive.pop() {
            let data = self.umem.data(piece.addr, piece.len as usize);
            match buffer.get_mut(length..length + data.len()) {
                Some(place) => place.copy_from_slice(data),
                None => fits = false,
            }
            length += data.len();
            self.fill.push(self.umem.start_of(piece.addr));
            if !piece.options.contains(XdpDescOptions::XDP_PKT_CONTD) {
                break;
            }
        }
        frame.set_range(0..length);
        self.counted.received += 1;
        if !fits {
            self.counted.oversized += 1;
            pool.give(frame);
        } else if let Err(frame) = into.push(frame) {
            pool.give(frame);
        }
        true
    }

    /// Queues a frame to be sent by the next [`Socket::kick`]. False when there is no room for it.
    pub fn queue(&mut self, data: &[u8]) -> bool {
        let room = self.umem.chunk() - HEAD;
        let pieces = data.len().div_ceil(room).max(1);
        // A frame is shorter than 2^17.
        if self.free.len() < pieces || !self.transmit.has_room(pieces as u32) {
            return false;
        }
        self.put(data, room);
        true
    }

    /// Copies a frame into chunks and describes them. There are as many as it takes.
    fn put(&mut self, data: &[u8], room: usize) {
        let mut rest = data;
        let mut options = 0;
        let has_metadata = self.umem.has_metadata;
        while let Some(start) = self.free.pop() {
            let (piece, after) = rest.split_at(rest.len().min(room));
            let is_first = rest.len() == data.len();
            let chunk = self.umem.chunk_mut(start);
            chunk[HEAD..HEAD + piece.len()].copy_from_slice(piece);
            if is_first && has_metadata {
                let (head, frame) = chunk.split_at_mut(HEAD);
                if checksum::request(&mut head[HEAD - METADATA..], frame, data.len()) {
                    options = WITH_METADATA;
                }
            }
            let more = if after.is_empty() { 0 } else { XdpDescOptions::XDP_PKT_CONTD.bits() };
            self.transmit.push(XdpDesc {
                addr: start + HEAD as u64,
                // Not above 4096.
                len: piece.len() as u32,
                options: XdpDescOptions::from_bits_retain(options | more),
            });
            (rest, options) = (after, 0);
            if rest.is_empty() {
                break;
            }
        }
        self.counted.sent += 1;
    }

    /// Lets the kernel see what was queued, and tells it to send where it wants to be told.
    pub fn kick(&mut self) -> io::Result<()> {
        self.transmit.publish();
        // Each call takes some, or fails; the bound is for a kernel that does neither.
        for _ in 0..TRANSMIT {
            if !self.transmit.is_pending() || !self.transmit.needs_wakeup() {
                break;
            }
            match rustix::net::send(&self.descriptor, &[], SendFlags::DONTWAIT) {
                // The link is full, or the completions are: tried again with the next frames.
                Ok(_) | Err(Errno::AGAIN) => self.reclaim(),
                Err(Errno::BUSY | Errno::NOBUFS | Errno::INTR) => {
                    self.reclaim();
                    break;
                }
                // Down for now: frames are lost as on any link that is.
                Err(Errno::NETDOWN | Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether frames that were given to the kernel have not gone out yet.
    pub fn is_sending(&self) -> bool {
        self.transmit.is_pending()
    }

    /// Takes back chunks that have been sent.
    pub fn reclaim(&mut self) {
        let before = self.free.len();
        while let Some(address) = self.completion.pop() {
            self.free.push(self.umem.start_of(address));
        }
        if self.free.len() != before {
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
fn rings(socket: &OwnedFd) -> rustix::io::Result<Rings> {
    sockopt::set_xdp_umem_fill_ring_size(socket, RECEIVE)?;
    sockopt::set_xdp_umem_completion_ring_size(socket, TRANSMIT)?;
    sockopt::set_xdp_rx_ring_size(socket, RECEIVE)?;
    sockopt::set_xdp_tx_ring_size(socket, TRANSMIT)?;
    let offsets: XdpMmapOffsets = sockopt::xdp_mmap_offsets(socket)?;
    let fd = socket.as_fd();
    // SAFETY: the kernel's own offsets and the sizes just set, for a socket without rings so far;
    // descriptors and addresses are integers.
    let rings = unsafe {
        (
            Ring::map(fd, XDP_PGOFF_RX_RING, &offsets.rx, RECEIVE),
            Ring::map(fd, XDP_PGOFF_TX_RING, &offsets.tx, TRANSMIT),
            Ring::map(fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr, RECEIVE),
            Ring::map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr, TRANSMIT),
        )
    };
    Ok((rings.0?, rings.1?, rings.2?, rings.3?))
}

fn failed(error: Errno) -> Error {
    Error::System { what: "an AF_XDP socket could not be set up", error }
}
