//! The record of a connection: one aligned cache line, whatever it is doing. Invariant: 64 bytes,
//! with up to 16 of the application's, for IPv4 and IPv6 alike; indices in it, never pointers.

use core::net::{IpAddr, Ipv6Addr};

use crate::{Sleeping, TimeWait};

/// Bytes of application state that fit a record.
pub const APPLICATION_STATE_MAX: usize = 16;
/// Bytes of a record.
pub const RECORD_LENGTH: usize = 64;

/// Everything a shard keeps of one connection that is not working.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Record<C> {
    /// The application's state.
    pub conn: C,
    /// Whose connection it is.
    pub flow: Flow,
    /// Which use of this record this is, for identifiers.
    pub generation: u16,
    /// What it is doing.
    pub body: Body,
}

impl<C> Record<C> {
    const FITS: () = assert!(
        size_of::<Self>() == RECORD_LENGTH,
        "the application's state per connection is larger than 16 bytes"
    );

    /// A record for a connection. Does not compile when `C` is too large.
    #[must_use]
    pub const fn new(conn: C, flow: Flow, generation: u16, body: Body) -> Self {
        let () = Self::FITS;
        Self { conn, flow, generation, body }
    }
}

/// Both ends of a connection. The address of this end is an index, because a shard has few of them
/// (at most 65,536) next to its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Flow {
    /// The peer's address; an IPv4 one in its IPv6 form (RFC 4291 section 2.5.5.2).
    remote: [u8; 16],
    /// Index of the address at this end.
    pub local: u16,
    /// The peer's port.
    pub remote_port: u16,
    /// The port at this end.
    pub local_port: u16,
}

impl Flow {
    /// A connection with `remote`, from the address with index `local`.
    #[must_use]
    #[inline]
    pub fn new(remote: IpAddr, remote_port: u16, local: u16, local_port: u16) -> Self {
        let remote = match remote {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self { remote: remote.octets(), remote_port, local_port, local }
    }

    /// All of it as three words, the last of 6 bytes: for a keyed hash.
    #[must_use]
    #[inline]
    pub fn words(&self) -> [u64; 3] {
        let (halves, _) = self.remote.as_chunks::<8>();
        let last = u64::from(self.local_port) << 32
            | u64::from(self.remote_port) << 16
            | u64::from(self.local);
        [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1]), last]
    }

    /// The peer's address.
    #[must_use]
    #[inline]
    pub fn remote(&self) -> IpAddr {
        Ipv6Addr::from_octets(self.remote).to_canonical()
    }
}

/// What a connection is doing, and all that is remembered of it meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Established, with nothing in flight and nothing buffered.
    Sleeping(Sleeping),
    /// Everything is in the working block with this index.
    Working(u32),
    /// With one segment of ours in flight, and asleep otherwise: everything is in the
    /// [`Reply`](crate::Reply), or another like it, with this index.
    Replied(u32),
    /// Over, but late segments may still arrive.
    TimeWait(TimeWait),
}

const _: () = assert!(size_of::<Body>() == 24);
const _: () = assert!(size_of::<Flow>() == 22);
const _: () = assert!(size_of::<Record<[u64; 2]>>() == RECORD_LENGTH);
const _: () = assert!(size_of::<Record<()>>() == RECORD_LENGTH);
const _: () = assert!(align_of::<Record<u128>>() == RECORD_LENGTH);

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::Flow;

    #[test]
    fn every_part_of_a_flow_is_hashed() {
        let remote: IpAddr = "2001:db8::1".parse().unwrap();
        let flow = Flow::new(remote, 0x1234, 0x5678, 0x9abc);
        assert_eq!(flow.words()[2], 0x9abc_1234_5678);
        let others = [
            Flow::new("2001:db9::1".parse().unwrap(), 0x1234, 0x5678, 0x9abc),
            Flow::new("2001:db8::2".parse().unwrap(), 0x1234, 0x5678, 0x9abc),
            Flow::new(remote, 0x1235, 0x5678, 0x9abc),
            Flow::new(remote, 0x1234, 0x5679, 0x9abc),
            Flow::new(remote, 0x1234, 0x5678, 0x9abd),
        ];
        for other in others {
            assert_ne!(other.words(), flow.words(), "{other:?}");
        }
    }
}
