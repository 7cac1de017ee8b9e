//! Where frames come from and go to: [`Port`].
//!
//! [`MemPort`] joins two stacks in one process, [`Fanout`] the queues of one link, [`Mail`] the shards
//! at them. [`Faulty`] and [`Tracer`] go around any port: the
//! one makes a link bad on purpose, the other writes down what passes. [`Cut`] makes segments of a frame
//! that stands for several.
//!
//! Invariant: a port owns no frame between calls but what [`Faulty`] holds back; a frame handed to
//! [`Port::tx`] is sent and given back to its pool, still in the batch, or lent by the pool to
//! whoever sends it ([`Pool::lend`]).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod alarm;
mod bell;
mod cut;
mod fanout;
mod fault;
mod mail;
mod mem_port;
mod trace;
pub mod vnet;

use core::net::IpAddr;
use core::num::NonZeroU16;

use base::Instant;
use mem::{Batch, Frame, Pool};

pub use alarm::Alarm;
pub use bell::Bell;
pub use cut::Cut;
pub use fanout::Fanout;
pub use fault::{Faults, Faulty};
pub use mail::Mail;
pub use mem_port::MemPort;
pub use trace::{Filter, Recorder, Tracer};

/// A link that Ethernet frames are sent over and arrive from, without their check sequence.
///
/// One thread drives a port. The time of the turn is handed in; a port reads no clock.
///
/// No method has a body here: a port around another that forgot to hand one on would not compile,
/// rather than keep what its inside has to say to itself.
pub trait Port {
    /// What makes the port unusable. That a link loses frames is no error.
    type Error;

    /// What the port can do. Does not change.
    fn caps(&self) -> Caps;

    /// The pools that frames of this port are in, where it shares their memory with whoever carries
    /// them; they are handed over once, and no others may be given to the port then. `None`: any
    /// pool will do.
    fn pools(&mut self) -> Option<Pools>;

    /// Adds frames that have arrived at the end of `into`, in order, until it is full, the pool is
    /// empty or there are no more. What cannot be taken waits in the port, or is lost where the
    /// port cannot let it wait.
    ///
    /// # Errors
    /// When nothing will arrive any more.
    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), Self::Error>;

    /// Sends frames from the front of `frames`, in order, and gives them back to the pool. What
    /// the port has no room for now stays in the batch.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    fn tx(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), Self::Error>;

    /// Sends a long frame that stands for several TCP segments, each of `segment` bytes of payload but
    /// the last: the port cuts it, or has it cut, and fills the checksums in. It goes after all that
    /// [`Port::tx`] has taken. False when the port has no room for it now. Only where
    /// [`Caps::tso`] allows it.
    ///
    /// # Errors
    /// When nothing can be sent any more.
    fn tx_uncut(
        &mut self,
        now: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, Self::Error>;

    /// Sleeps until a frame can be had by [`Port::rx`], `until` has come (on the clock that
    /// [`Instant`]s are read from), or somebody rang. May return early.
    ///
    /// # Errors
    /// When the port cannot wait.
    fn wait(&mut self, until: Option<Instant>) -> Result<(), Self::Error>;

    /// When the port itself has something to hand over that has arrived already, if it has.
    fn deadline(&self) -> Option<Instant>;

    /// Gives a frame that belongs to no connection here to the next of the shards that share the
    /// link, one of which may know it. So many have done that with it before. `false` when there
    /// is no other that has not seen it.
    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool;

    /// A frame that another shard has passed on to this one, and how many have.
    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)>;

    /// What was lost at the port since the start.
    fn lost(&self) -> Lost;

    /// Has the host find out where a neighbour is, where [`Caps::host_finds_neighbors`]. What it
    /// finds comes as [`News`].
    fn find(&mut self, neighbor: IpAddr);

    /// Something about the link that the host has learnt, if there is any that was not told yet.
    fn news(&mut self) -> Option<News>;
}

/// Frames that a port lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lost {
    /// Longer than a buffer, more than could wait, refused by the link.
    pub frames: u64,
    /// With a wrong checksum, where [`Caps::checksums_verified`]: the port looked.
    pub checksum: u64,
}

/// Pools that a port brings along. What it keeps for itself is lent out of them, and never all:
/// several batches are left in either for who drives the port.
#[derive(Debug)]
pub struct Pools {
    /// For frames that arrive: what [`Port::rx`] is given.
    pub arrivals: Pool,
    /// For frames going out: what [`Port::tx`] is given.
    pub departures: Pool,
}

impl Pools {
    /// Bytes of memory that both take.
    #[must_use]
    pub const fn bytes_reserved(&self) -> usize {
        self.arrivals.bytes_reserved() + self.departures.bytes_reserved()
    }
}

/// What the host has learnt about the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// Where a neighbour is.
    Neighbor {
        /// Its IP address.
        address: IpAddr,
        /// Its Ethernet address; `None`: it is not known any more.
        mac: Option<[u8; 6]>,
    },
    /// The host has given this end an address, or taken one away.
    Address {
        /// The address.
        address: IpAddr,
        /// Whether this end has it now.
        present: bool,
    },
    /// The host has a route over this link, or has it no more.
    Route {
        /// Destinations that share the first `length` bits of this.
        prefix: IpAddr,
        /// How many bits.
        length: u8,
        /// The router; `None`: they are neighbours.
        gateway: Option<IpAddr>,
        /// Whether there is such a route now.
        present: bool,
    },
    /// This end may not use an address any more, which another may have from now on: connections
    /// from it are over.
    Expired(IpAddr),
    /// The longest packet in a frame has so many bytes now; what [`Caps::mtu`] says still is the
    /// longest that there will ever be.
    Mtu(u16),
}

/// What a port can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caps {
    /// Bytes of the longest packet in a frame: the frame without its Ethernet header.
    pub mtu: u16,
    /// Whether frames that arrive carry right TCP and UDP checksums or none worth looking at,
    /// because the port has looked.
    pub checksums_verified: bool,
    /// Whether frames may come from this very machine, whose kernel leaves the TCP checksum to a
    /// device that is not there: they carry the sum of the pseudo-header alone.
    pub checksums_partial: bool,
    /// Whether the port fills in the TCP or UDP checksum of frames sent, so that it need not be.
    pub checksums_filled: bool,
    /// Whether the host finds neighbours, and answers those that look for us. Where it does, a
    /// frame's sender is taken to be the way back, nothing is asked, and a neighbour is known until
    /// the host says otherwise.
    pub host_finds_neighbors: bool,
    /// Bytes of the longest packet that [`Port::tx_uncut`] takes (TCP segmentation offload), more
    /// than `mtu`, where it takes any.
    pub tso: Option<u16>,
    /// Bytes of the longest packet that [`Port::rx`] hands over (large receive offload), more than
    /// `mtu`, where some stand for several TCP segments that arrived together.
    pub lro: Option<u16>,
}

impl Caps {
    /// An Ethernet link that does nothing for its users.
    pub const ETHERNET: Self = Self {
        mtu: 1500,
        checksums_verified: false,
        checksums_partial: false,
        checksums_filled: false,
        host_finds_neighbors: false,
        tso: None,
        lro: None,
    };
}
