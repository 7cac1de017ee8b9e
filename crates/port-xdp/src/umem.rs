//! The memory that the kernel copies frames into and out of: [`Umem`]. Invariant: a chunk that
//! stands in one of the kernel's rings is not touched; every other chunk is ours.

use std::os::fd::BorrowedFd;

use mem::{Arena, Region, Touch};
use rustix::io::Errno;
use rustix::net::sockopt::set_xdp_umem_reg;
use rustix::net::xdp::{XdpUmemReg, XdpUmemRegFlags};

use crate::Error;

/// Bytes before a frame that is sent, for its metadata: `struct xsk_tx_metadata`.
pub(crate) const METADATA: usize = 24;
/// `XDP_UMEM_TX_METADATA_LEN`: there is such a place in the chunks.
const HAS_METADATA: u32 = 1 << 2;

/// Chunks of one size on the largest pages to be had, registered with a socket.
#[derive(Debug)]
pub(crate) struct Umem {
    bytes: Region<u8>,
    chunk: usize,
    /// Whether the kernel looks at the metadata of a frame that is sent.
    pub has_metadata: bool,
}

impl Umem {
    /// Reserves memory and registers it with a socket that has none yet.
    pub fn register(socket: BorrowedFd<'_>, chunks: u32, chunk: usize) -> Result<Self, Error> {
        let length = chunks as usize * chunk;
        let mut arena = Arena::new(length, Touch::Now)?;
        let bytes: Region<u8> = arena.place(length)?;
        let mut umem = Self { bytes, chunk, has_metadata: true };
        let registered = umem.try_register(socket).or_else(|error| {
            // Kernels before 6.8 know no metadata.
            if error != Errno::INVAL {
                return Err(error);
            }
            umem.has_metadata = false;
            umem.try_register(socket)
        });
        match registered {
            Ok(()) => Ok(umem),
            Err(Errno::NOBUFS) => Err(Error::LockedMemory { bytes: length }),
            Err(error) => {
                Err(Error::System { what: "packet buffers could not be registered", error })
            }
        }
    }

    fn try_register(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        let flags = if self.has_metadata { HAS_METADATA } else { 0 };
        let registration = XdpUmemReg {
            addr: self.bytes.as_mut_ptr().addr() as u64,
            len: self.bytes.len() as u64,
            // 2048 or 4096.
            chunk_size: self.chunk as u32,
            headroom: 0,
            flags: XdpUmemRegFlags::from_bits_retain(flags),
            tx_metadata_len: if self.has_metadata { METADATA as u32 } else { 0 },
        };
        set_xdp_umem_reg(socket, registration)
    }

    /// Where a chunk begins.
    pub const fn start(&self, chunk: u32) -> u64 {
        chunk as u64 * self.chunk as u64
    }

    /// Where the chunk begins that this address is in.
    pub const fn start_of(&self, address: u64) -> u64 {
        address - address % self.chunk as u64
    }

    /// Bytes in a chunk.
    pub const fn chunk(&self) -> usize {
        self.chunk
    }

    /// What is at an address. What lies beyond the chunk is cut off, whatever the kernel says.
    pub fn data(&self, address: u64, length: usize) -> &[u8] {
        let start = (address as usize).min(self.bytes.len());
        let end = self.start_of(address) as usize + self.chunk;
        let end = end.min(start.saturating_add(length)).min(self.bytes.len());
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// A chunk of ours, to be filled.
    pub fn chunk_mut(&mut self, start: u64) -> &mut [u8] {
        let start = start as usize;
        self.bytes.get_mut(start..start + self.chunk).unwrap_or_default()
    }
}
