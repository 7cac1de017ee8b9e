//! Which neighbour a packet goes to next. Invariant: the longest prefix that matches decides.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::Route;

pub(super) struct Routes(Vec<Route>);

impl Routes {
    pub(super) fn new(routes: &[Route]) -> Self {
        let mut sorted = routes.to_vec();
        sorted.sort_by_key(|route| core::cmp::Reverse(route.length));
        Self(sorted)
    }

    /// Adds a route, or takes it away. The gateway of one that is there already is changed.
    pub(super) fn set(&mut self, route: Route, present: bool) {
        let is_other = |held: &Route| (held.prefix, held.length) != (route.prefix, route.length);
        self.0.retain(|held| is_other(held) || !present && held.gateway != route.gateway);
        if present {
            let place = self.0.partition_point(|held| held.length > route.length);
            self.0.insert(place, route);
        }
    }

    /// The neighbour to send a packet for `destination` to: itself on the link, or a gateway.
    /// `None` without a route.
    pub(super) fn next_hop(&self, destination: IpAddr) -> Option<IpAddr> {
        let route = self.0.iter().find(|route| route.covers(destination))?;
        Some(route.gateway.unwrap_or(destination))
    }
}

impl Route {
    fn covers(&self, address: IpAddr) -> bool {
        match (self.prefix, address) {
            (IpAddr::V4(prefix), IpAddr::V4(address)) => {
                let differing = (prefix.to_bits() ^ address.to_bits()).leading_zeros();
                differing >= u32::from(self.length.min(32))
            }
            (IpAddr::V6(prefix), IpAddr::V6(address)) => {
                let differing = (prefix.to_bits() ^ address.to_bits()).leading_zeros();
                differing >= u32::from(self.length.min(128))
            }
            _ => false,
        }
    }
}
