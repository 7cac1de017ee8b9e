//! What a server lends: [`Lease`]. Invariant: the address is one that a host can have, in a network that
//! it can be in, and its times are in order.

use core::net::Ipv4Addr;
use core::time::Duration;

/// Seconds of a lease without an end (RFC 2131 section 3.3).
const FOR_EVER: u32 = u32::MAX;
/// A shorter lease would be over before it is renewed: there is no use in it.
const LEASE_MIN: Duration = Duration::from_secs(10);
/// What every host takes (RFC 791); an interface that takes less is none (RFC 2132 section 5.1 allows 68).
const MTU_MIN: u16 = 576;

/// An address for a while, and what goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of its network.
    pub length: u8,
    /// The router to everywhere else, where the server names no routes.
    pub router: Option<Ipv4Addr>,
    /// The routes that it names in place of one router (RFC 3442).
    pub named: Vec<Route>,
    /// Bytes of the longest packet, where the server says so.
    pub mtu: Option<u16>,
    /// The server.
    pub server: Ipv4Addr,
    /// How long it lasts; `None`: for ever.
    pub duration: Option<Duration>,
    /// T1: after how long the server is asked for more time.
    pub renew: Duration,
    /// T2: after how long any server is.
    pub rebind: Duration,
}

/// Where packets for some destinations go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destinations that share the first `length` bits of this.
    pub prefix: Ipv4Addr,
    /// How many bits.
    pub length: u8,
    /// The router; `None`: they are neighbours.
    pub gateway: Option<Ipv4Addr>,
}

/// What a message says of a lease, before it is believed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Offered {
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) mask: Option<Ipv4Addr>,
    pub(crate) router: Option<Ipv4Addr>,
    /// As the message has them; of no meaning where they make no sense (RFC 3442).
    pub(crate) routes: Vec<u8>,
    pub(crate) mtu: Option<u16>,
    pub(crate) server: Option<Ipv4Addr>,
    pub(crate) seconds: Option<u32>,
    pub(crate) renew: Option<u32>,
    pub(crate) rebind: Option<u32>,
}

impl Offered {
    /// `None` for what no host could live with. What can be done without is left out.
    pub(crate) fn believe(&self) -> Option<Lease> {
        let (address, server) = (self.address?, self.server?);
        let length = self.mask.map_or(Some(class_length(address)), prefix_length)?;
        let seconds = self.seconds?;
        let duration = (seconds != FOR_EVER).then(|| Duration::from_secs(seconds.into()));
        let long_enough = duration.is_none_or(|duration| duration >= LEASE_MIN);
        if !(is_host(address) && is_host(server) && is_host_in(address, length) && long_enough) {
            return None;
        }
        let is_gateway = |router: Ipv4Addr| is_host(router) && router != address;
        let mut named = routes_in(&self.routes).unwrap_or_default();
        // "If the DHCP server returns both a Classless Static Routes option and a Router option, the
        // DHCP client MUST ignore the Router option" (RFC 3442).
        let router = self.router.filter(|&router| named.is_empty() && is_gateway(router));
        named.retain(|route| route.gateway.is_none_or(is_gateway));
        let (renew, rebind) = self.times(duration);
        let mtu = self.mtu.filter(|mtu| *mtu >= MTU_MIN);
        Some(Lease { address, length, router, named, mtu, server, duration, renew, rebind })
    }

    /// T1 and T2: RFC 2131 section 4.4.5, a half and seven eighths of the lease where the server does
    /// not say, or says what is out of order.
    fn times(&self, duration: Option<Duration>) -> (Duration, Duration) {
        let Some(duration) = duration else { return (Duration::MAX, Duration::MAX) };
        let said =
            |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
        match (said(self.renew), said(self.rebind)) {
            (Some(renew), Some(rebind))
                if renew >= LEASE_MIN / 2 && renew < rebind && rebind < duration =>
            {
                (renew, rebind)
            }
            _ => (duration / 2, duration * 7 / 8),
        }
    }
}

impl Lease {
    /// Where packets go: to the network, and to everywhere else by the router or as the server says. A
    /// router outside of the network counts as a neighbour.
    pub fn routes(&self) -> Vec<Route> {
        let mut all = vec![Route { prefix: self.address, length: self.length, gateway: None }];
        let rest = |router| Route::to_all(Some(router));
        for route in self.router.map(rest).iter().chain(&self.named) {
            let beside = route.gateway.filter(|&router| !self.has_neighbor(router));
            let to_router = beside.map(|prefix| Route { prefix, length: 32, gateway: None });
            for route in to_router.into_iter().chain([*route]) {
                if !all.contains(&route) {
                    all.push(route);
                }
            }
        }
        all
    }

    /// The router to everywhere that no other route leads to.
    #[must_use]
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        let of_all = |route: &&Route| route.length == 0;
        self.router.or_else(|| self.named.iter().find(of_all).and_then(|route| route.gateway))
    }

    fn has_neighbor(&self, host: Ipv4Addr) -> bool {
        mask(host, self.length) == mask(self.address, self.length)
    }
}

impl Route {
    const fn to_all(gateway: Option<Ipv4Addr>) -> Self {
        Self { prefix: Ipv4Addr::UNSPECIFIED, length: 0, gateway }
    }
}

/// Classless static routes as a message has them, RFC 3442: the bits of the destination, as many of its
/// bytes as have some of these, and the router, 0.0.0.0 for none. `None` when there is more or less than
/// whole routes.
fn routes_in(mut bytes: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        if length > 32 {
            return None;
        }
        let (significant, rest) = rest.split_at_checked(usize::from(length).div_ceil(8))?;
        let (gateway, rest) = rest.split_first_chunk::<4>()?;
        let mut prefix = [0; 4];
        prefix[..significant.len()].copy_from_slice(significant);
        let prefix = Ipv4Addr::from_bits(mask(prefix.into(), length));
        let gateway = Some(Ipv4Addr::from(*gateway)).filter(|gateway| !gateway.is_unspecified());
        routes.push(Route { prefix, length, gateway });
        bytes = rest;
    }
    Some(routes)
}

fn mask(address: Ipv4Addr, length: u8) -> u32 {
    let host_bits = 32 - u32::from(length.min(32));
    address.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)
}

/// Bits of a mask; `None` when it has holes, or none at all.
fn prefix_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (length > 0 && bits.count_ones() == length).then_some(length as u8)
}

/// The network of an address before there were masks (RFC 791 section 3.2): what is meant where none
/// is sent.
const fn class_length(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

/// Whether a host can have an address: not this network, this host, many, or none yet.
const fn is_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

/// Whether it is neither its network's own address nor that for all in it (RFC 1122 section 3.2.1.3);
/// networks of two have neither (RFC 3021).
fn is_host_in(address: Ipv4Addr, length: u8) -> bool {
    let host = address.to_bits() & !mask(Ipv4Addr::BROADCAST, length);
    length >= 31 || (host != 0 && host != u32::MAX >> length)
}
