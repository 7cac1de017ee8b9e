//! The memory that packets of one shard are in, shared with the kernel: [`Umem`]. Invariant: its
//! first part is the pool of frames that arrive and the rest that of frames going out, so neither
//! can ever take the other's buffers; a buffer that the kernel has is lent to it by its pool.
//!
//! A buffer is as long as a frame can be. The kernel knows chunks, of at most a page; where that is
//! less than a frame, a buffer is several, of which the kernel gets the first. A longer frame comes
//! in pieces, each in the first chunk of some buffer, and those after the first are copied behind it.
//!
//! Queues of one shard share the memory (`XDP_SHARED_UMEM`), rather than that each registers it
//! anew: so it is locked once, counted once against the limit of locked memory, and mapped once for
//! the device.

use std::os::fd::BorrowedFd;

use mem::{Arena, Pages, Pool, Region, ReserveError, Touch};
use port::Pools;
use rustix::io::Errno;
use rustix::net::sockopt::set_xdp_umem_reg;
use rustix::net::xdp::{XdpUmemReg, XdpUmemRegFlags};

use crate::Error;

/// Bytes before a frame that is sent, for its metadata: `struct xsk_tx_metadata`.
pub(crate) const METADATA: usize = 24;
/// `XDP_UMEM_TX_METADATA_LEN`: there is such a place in the chunks.
const HAS_METADATA: u32 = 1 << 2;
/// Where a frame that is sent begins in its buffer: the metadata lies before it.
const HEAD: usize = 64;
/// Bytes at the start of a chunk that the kernel keeps to itself when a frame arrives.
const KERNEL_HEAD: usize = 256;
/// Bytes that a frame may be longer than its packet: Ethernet, tags.
const AROUND: usize = 64;
/// The largest chunk: a page.
const CHUNK_MAX: usize = 4096;
/// The longest buffer: enough for any frame of a device.
const STRIDE_MAX: usize = 32_768;

/// How large everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Bytes of a chunk: 2048 or 4096.
    chunk: usize,
    /// Bytes of a buffer: some chunks.
    stride: usize,
    /// Frames that can wait for us at a queue, and buffers that the kernel has for them there.
    pub receive: u32,
    /// Buffers that the kernel can have for frames going out by a queue.
    pub transmit: u32,
    /// Buffers in either pool that the kernel does not get: what the shard works with.
    spare: u32,
}

impl Shape {
    /// For packets of at most `mtu` bytes. A device that writes into the chunks itself may use whole
    /// kilobytes of one alone (Intel's do: igb, igc), and less than two are left of 2048 bytes.
    pub fn new(mtu: u16, for_device: bool) -> Self {
        let longest = KERNEL_HEAD + usize::from(mtu) + AROUND;
        if longest <= CHUNK_MAX {
            let chunk = if longest <= 2048 && !for_device { 2048 } else { CHUNK_MAX };
            // As many frames as come in 12 ms of a flood of 330,000 a second.
            return Self { chunk, stride: chunk, receive: 4096, transmit: 1024, spare: 512 };
        }
        let stride = longest.next_multiple_of(CHUNK_MAX).min(STRIDE_MAX);
        Self { chunk: CHUNK_MAX, stride, receive: 2048, transmit: 1024, spare: 256 }
    }

    /// Whether frames can be longer than a chunk, so that they come and go in pieces.
    pub const fn has_pieces(&self) -> bool {
        self.stride > self.chunk
    }

    /// Bytes of a frame that go into one chunk when it is sent.
    pub const fn room(&self) -> usize {
        self.chunk - HEAD
    }

    /// Bytes of the two pools, with so many queues.
    fn bytes(&self, queues: u32) -> [usize; 2] {
        let bytes = |each: u32| (queues * each + self.spare) as usize * self.stride;
        [bytes(self.receive), bytes(self.transmit)]
    }
}

/// The memory of a shard's packets, reserved on the largest pages to be had.
#[derive(Debug)]
pub(crate) struct Umem {
    pub shape: Shape,
    /// Where it starts, and how long it is.
    address: usize,
    bytes: usize,
    /// Where the second pool starts in it.
    pub departures: usize,
    pub pages: Pages,
}

impl Umem {
    /// Reserves memory for so many queues, all of it now, and makes pools of it.
    pub fn reserve(shape: Shape, queues: u32) -> Result<(Self, Pools), ReserveError> {
        let [arriving, departing] = shape.bytes(queues);
        let bytes = arriving + departing;
        let mut arena = Arena::new(bytes, Touch::Now)?;
        let memory: Region<u8> = arena.place(bytes)?;
        let (address, pages) = (memory.address(), arena.pages());
        let (arriving_bytes, departing_bytes) = memory.split_at(arriving);
        let pools = Pools {
            arrivals: Pool::over(arriving_bytes, shape.stride, 0)?,
            departures: Pool::over(departing_bytes, shape.stride, HEAD)?,
        };
        Ok((Self { shape, address, bytes, departures: arriving, pages }, pools))
    }

    /// Registers it with a socket that has no memory yet. Says whether the kernel looks at the
    /// metadata of frames that are sent.
    pub fn register(&self, socket: BorrowedFd<'_>) -> Result<bool, Error> {
        let registered = self.try_register(socket, true).map(|()| true).or_else(|error| {
            // Kernels before 6.8 know no metadata.
            if error != Errno::INVAL {
                return Err(error);
            }
            self.try_register(socket, false).map(|()| false)
        });
        registered.map_err(|error| match error {
            Errno::NOBUFS => Error::LockedMemory { bytes: self.bytes },
            error => Error::System { what: "packet buffers could not be registered", error },
        })
    }

    fn try_register(&self, socket: BorrowedFd<'_>, has_metadata: bool) -> Result<(), Errno> {
        let flags = if has_metadata { HAS_METADATA } else { 0 };
        let registration = XdpUmemReg {
            addr: self.address as u64,
            len: self.bytes as u64,
            // Not above 4096.
            chunk_size: self.shape.chunk as u32,
            headroom: 0,
            flags: XdpUmemRegFlags::from_bits_retain(flags),
            tx_metadata_len: if has_metadata { METADATA as u32 } else { 0 },
        };
        set_xdp_umem_reg(socket, registration)
    }

    /// Bytes of memory.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this is its pool of frames that arrive.
    pub fn has_arrivals(&self, pool: &Pool) -> bool {
        pool.starts_at(self.address)
    }

    /// Whether this is its pool of frames going out.
    pub fn has_departures(&self, pool: &Pool) -> bool {
        pool.starts_at(self.address + self.departures)
    }
}

#[cfg(test)]
mod tests {
    use super::{AROUND, KERNEL_HEAD, Shape, Umem};

    #[test]
    fn a_buffer_holds_the_longest_frame_both_ways() {
        for mtu in [68, 1280, 1500, 1_728, 1_729, 3_776, 3_777, 9000, 9216, 16_000] {
            let shape = Shape::new(mtu, false);
            let longest = usize::from(mtu) + AROUND;
            assert!(shape.stride >= longest + KERNEL_HEAD, "{mtu}");
            assert!(shape.stride.is_multiple_of(shape.chunk));
            assert_eq!(shape.has_pieces(), longest + KERNEL_HEAD > shape.chunk, "{mtu}");
            assert!(shape.has_pieces() || shape.room() >= longest, "{mtu}");
        }
        assert_eq!(
            (Shape::new(1500, false).stride, Shape::new(9000, false).stride),
            (2048, 3 * 4096)
        );
    }

    /// igb took none above 1024 bytes.
    #[test]
    fn a_device_that_uses_whole_kilobytes_has_room_for_a_frame() {
        let shape = Shape::new(1500, true);
        assert!((shape.chunk - KERNEL_HEAD) / 1024 * 1024 >= 1500 + AROUND);
    }

    #[test]
    fn what_the_kernel_gets_at_most_leaves_each_pool_its_spare_buffers() {
        for queues in [1, 3] {
            let shape = Shape::new(1500, true);
            let (umem, pools) = Umem::reserve(shape, queues).unwrap();
            assert_eq!(pools.arrivals.available(), queues * shape.receive + shape.spare);
            assert_eq!(pools.departures.available(), queues * shape.transmit + shape.spare);
            assert!(umem.has_arrivals(&pools.arrivals) && umem.has_departures(&pools.departures));
            assert!(!umem.has_arrivals(&pools.departures) && !umem.has_departures(&pools.arrivals));
        }
    }
}
