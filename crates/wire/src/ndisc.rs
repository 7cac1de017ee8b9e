//! Neighbour discovery, RFC 4861: the bodies of ICMPv6 types 133 to 136. Invariant of what was
//! read: the target is a unicast address and every option had a length. Options other than the
//! link-layer addresses and the MTU are skipped.

use core::net::Ipv6Addr;

use crate::Malformed;
use crate::ethernet::Mac;
use crate::field::{bytes_at, put, u16_at, u32_at};
use crate::icmpv6::HEADER_LENGTH;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const MTU: u8 = 5;

const FROM_ROUTER: u32 = 1 << 31;
const SOLICITED: u32 = 1 << 30;
const OVERRIDE: u32 = 1 << 29;

/// A message as a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repr {
    /// Section 4.1: which routers are there?
    RouterSolicitation {
        /// The asker's Ethernet address, unless it has no IPv6 address yet.
        source: Option<Mac>,
    },
    /// Section 4.2: I am a router.
    RouterAdvertisement {
        /// Hop limit to use; 0: the router does not say.
        hop_limit: u8,
        /// Seconds it may be used as default router; 0: not at all.
        lifetime: u16,
        /// The router's Ethernet address.
        source: Option<Mac>,
        /// The link's MTU.
        mtu: Option<u32>,
    },
    /// Section 4.3: who has this address?
    NeighborSolicitation {
        /// The address.
        target: Ipv6Addr,
        /// The asker's Ethernet address; absent when it only asks whether the address is taken.
        source: Option<Mac>,
    },
    /// Section 4.4: I have this address.
    NeighborAdvertisement {
        /// The address.
        target: Ipv6Addr,
        /// The sender is a router.
        router: bool,
        /// Sent because somebody asked.
        solicited: bool,
        /// Replaces what is known already.
        overriding: bool,
        /// The Ethernet address of the target.
        link_layer: Option<Mac>,
    },
}

impl Repr {
    pub(crate) fn parse(
        kind: u8,
        header: &[u8; HEADER_LENGTH],
        body: &[u8],
    ) -> Result<Self, Malformed> {
        if !(ROUTER_SOLICITATION..=NEIGHBOR_ADVERTISEMENT).contains(&kind) {
            return Err(Malformed::Unsupported);
        }
        if header[1] != 0 {
            return Err(Malformed::Field);
        }
        match kind {
            ROUTER_SOLICITATION => {
                Ok(Self::RouterSolicitation { source: Options::read(body)?.source })
            }
            ROUTER_ADVERTISEMENT => {
                let options = body.get(8..).ok_or(Malformed::Truncated)?;
                let Options { source, mtu, .. } = Options::read(options)?;
                let (hop_limit, lifetime) = (header[4], u16_at(header, 6));
                Ok(Self::RouterAdvertisement { hop_limit, lifetime, source, mtu })
            }
            _ => {
                let (target, options) = body.split_first_chunk().ok_or(Malformed::Truncated)?;
                let target = Ipv6Addr::from_octets(*target);
                if target.is_multicast() {
                    return Err(Malformed::Field);
                }
                let options = Options::read(options)?;
                Ok(Self::about_neighbor(kind, u32_at(header, 4), target, &options))
            }
        }
    }

    const fn about_neighbor(kind: u8, flags: u32, target: Ipv6Addr, options: &Options) -> Self {
        if kind == NEIGHBOR_SOLICITATION {
            return Self::NeighborSolicitation { target, source: options.source };
        }
        Self::NeighborAdvertisement {
            target,
            router: flags & FROM_ROUTER != 0,
            solicited: flags & SOLICITED != 0,
            overriding: flags & OVERRIDE != 0,
            link_layer: options.target,
        }
    }

    pub(crate) const fn kind(&self) -> u8 {
        match self {
            Self::RouterSolicitation { .. } => ROUTER_SOLICITATION,
            Self::RouterAdvertisement { .. } => ROUTER_ADVERTISEMENT,
            Self::NeighborSolicitation { .. } => NEIGHBOR_SOLICITATION,
            Self::NeighborAdvertisement { .. } => NEIGHBOR_ADVERTISEMENT,
        }
    }

    /// The second word of the ICMPv6 header.
    pub(crate) const fn word(&self) -> u32 {
        match *self {
            Self::RouterSolicitation { .. } | Self::NeighborSolicitation { .. } => 0,
            Self::RouterAdvertisement { hop_limit, lifetime, .. } => {
                (hop_limit as u32) << 24 | lifetime as u32
            }
            Self::NeighborAdvertisement { router, solicited, overriding, .. } => {
                (router as u32) << 31 | (solicited as u32) << 30 | (overriding as u32) << 29
            }
        }
    }

    /// The fixed part of the body, then the Ethernet address option's kind and value, then the MTU.
    const fn parts(&self) -> (usize, u8, Option<Mac>, Option<u32>) {
        match *self {
            Self::RouterSolicitation { source } => (0, SOURCE_LINK_LAYER, source, None),
            Self::RouterAdvertisement { source, mtu, .. } => (8, SOURCE_LINK_LAYER, source, mtu),
            Self::NeighborSolicitation { source, .. } => (16, SOURCE_LINK_LAYER, source, None),
            Self::NeighborAdvertisement { link_layer, .. } => {
                (16, TARGET_LINK_LAYER, link_layer, None)
            }
        }
    }

    pub(crate) const fn body_length(&self) -> usize {
        let (fixed, _, mac, mtu) = self.parts();
        fixed + 8 * (mac.is_some() as usize + mtu.is_some() as usize)
    }

    /// Writes the body into exactly [`Repr::body_length`] bytes.
    pub(crate) fn emit_body(&self, body: &mut [u8]) {
        let (fixed, mac_kind, mac, mtu) = self.parts();
        let (fixed_part, options) = body.split_at_mut(fixed);
        fixed_part.fill(0);
        if let Self::NeighborSolicitation { target, .. }
        | Self::NeighborAdvertisement { target, .. } = self
        {
            fixed_part.copy_from_slice(&target.octets());
        }
        let (slots, _) = options.as_chunks_mut::<8>();
        let mut slots = slots.iter_mut();
        if let Some(mac) = mac
            && let Some(slot) = slots.next()
        {
            put(slot, 0, &[mac_kind, 1]);
            put(slot, 2, &mac.0);
        }
        if let Some(mtu) = mtu
            && let Some(slot) = slots.next()
        {
            put(slot, 0, &[MTU, 1, 0, 0]);
            put(slot, 4, &mtu.to_be_bytes());
        }
    }
}

/// The options that are read.
struct Options {
    source: Option<Mac>,
    target: Option<Mac>,
    mtu: Option<u32>,
}

impl Options {
    fn read(mut rest: &[u8]) -> Result<Self, Malformed> {
        let mut options = Self { source: None, target: None, mtu: None };
        while !rest.is_empty() {
            let start = rest.first_chunk::<8>().ok_or(Malformed::Truncated)?;
            let length = usize::from(start[1]) * 8;
            // Section 4.6: a length of zero makes the whole packet invalid.
            if length == 0 {
                return Err(Malformed::Field);
            }
            match (start[0], length) {
                (SOURCE_LINK_LAYER, 8) => options.source = Some(Mac(bytes_at(start, 2))),
                (TARGET_LINK_LAYER, 8) => options.target = Some(Mac(bytes_at(start, 2))),
                (MTU, 8) => options.mtu = Some(u32_at(start, 4)),
                _ => {}
            }
            rest = rest.get(length..).ok_or(Malformed::Truncated)?;
        }
        Ok(options)
    }
}
