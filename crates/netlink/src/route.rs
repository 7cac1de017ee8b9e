//! What rtnetlink(7) says, read and asked for: [`News`]. Invariant: a field that is missing, cut
//! short or of an unknown kind makes its message be passed over, never misread.

use std::net::IpAddr;

use crate::message::{DUMP, REQUEST, attributes, message, put, u16_at, u32_at};

/// Kinds of messages.
pub(super) const NEW_LINK: u16 = 16;
pub(super) const DELETE_LINK: u16 = 17;
pub(super) const GET_LINK: u16 = 18;
pub(super) const NEW_ADDRESS: u16 = 20;
pub(super) const DELETE_ADDRESS: u16 = 21;
pub(super) const GET_ADDRESS: u16 = 22;
pub(super) const NEW_ROUTE: u16 = 24;
pub(super) const DELETE_ROUTE: u16 = 25;
pub(super) const GET_ROUTE: u16 = 26;
pub(super) const NEW_NEIGHBOR: u16 = 28;
pub(super) const DELETE_NEIGHBOR: u16 = 29;
pub(super) const GET_NEIGHBOR: u16 = 30;

/// `NLM_F_ACK`.
pub(super) const ACKNOWLEDGE: u16 = 4;
/// `NLM_F_CREATE`.
pub(super) const CREATE: u16 = 0x400;

/// `AF_INET`, `AF_INET6`.
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 10;

/// What rtnetlink says of one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// An interface, as it is now.
    Link(Link),
    /// An interface is there no more, or in another network namespace.
    LinkGone {
        /// The number that it had.
        index: u32,
    },
    /// An address was added or removed.
    Address {
        /// Of which interface.
        index: u32,
        /// The address.
        address: IpAddr,
        /// Whether it is there now.
        present: bool,
    },
    /// A route was added or removed.
    Route {
        /// Over which interface.
        index: u32,
        /// The route.
        route: Route,
        /// Whether it is there now.
        present: bool,
    },
    /// What the kernel knows of a neighbour.
    Neighbor {
        /// On which interface.
        index: u32,
        /// The neighbour's address.
        address: IpAddr,
        /// Its Ethernet address; `None`: it is not known any more.
        mac: Option<[u8; 6]>,
    },
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Bytes of its longest packet.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// What kind of virtual interface it is, if it is one: "veth", "bridge".
    pub kind: Option<String>,
}

/// A route over an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destinations that share the first `length` bits of this.
    pub prefix: IpAddr,
    /// How many bits.
    pub length: u8,
    /// The router; `None`: the destinations are neighbours.
    pub gateway: Option<IpAddr>,
}

/// A request for everything of a kind.
pub(super) fn dump(kind: u16) -> Vec<u8> {
    // The family comes first in each kind's body and is zero, for all. The kernel complains in its
    // log of a body longer than the kind's.
    let bytes = match kind {
        GET_LINK => 16,
        GET_ADDRESS => 8,
        _ => 12,
    };
    message(kind, REQUEST | DUMP, &[0; 16][..bytes])
}

/// A request to find out where a neighbour is, as if the kernel itself had a packet for it; it is
/// acknowledged.
pub(super) fn use_neighbor(index: u32, address: IpAddr) -> Vec<u8> {
    /// `NTF_USE`.
    const USE: u8 = 1;
    let mut body = vec![family(address), 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend([0, 0, USE, 0]);
    match address {
        IpAddr::V4(address) => put(&mut body, 1, &address.octets()),
        IpAddr::V6(address) => put(&mut body, 1, &address.octets()),
    }
    message(NEW_NEIGHBOR, REQUEST | ACKNOWLEDGE | CREATE, &body)
}

pub(super) const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => FAMILY_IPV4,
        IpAddr::V6(_) => FAMILY_IPV6,
    }
}

/// What a message says: nothing when it is of no interest here, and a route for each way that it has.
pub(super) fn parse(kind: u16, body: &[u8]) -> Vec<News> {
    let one = match kind {
        NEW_LINK => parse_link(body).map(News::Link),
        DELETE_LINK => parse_gone(body),
        NEW_ADDRESS | DELETE_ADDRESS => parse_address(body, kind == NEW_ADDRESS),
        NEW_ROUTE | DELETE_ROUTE => {
            return parse_routes(body, kind == NEW_ROUTE).unwrap_or_default();
        }
        NEW_NEIGHBOR | DELETE_NEIGHBOR => parse_neighbor(body, kind == NEW_NEIGHBOR),
        _ => None,
    };
    one.into_iter().collect()
}

fn parse_link(body: &[u8]) -> Option<Link> {
    const UP: u32 = 1;
    let mut link = Link {
        index: u32_at(body, 4)?,
        name: String::new(),
        mac: [0; 6],
        mtu: 0,
        up: u32_at(body, 8)? & UP != 0,
        kind: None,
    };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            1 => link.mac = value.try_into().unwrap_or_default(),
            3 => link.name = text(value),
            4 => link.mtu = u32_at(value, 0)?,
            // Nested: the first within says what kind.
            18 => link.kind = attributes(value).find(|(kind, _)| *kind == 1).map(|(_, v)| text(v)),
            _ => {}
        }
    }
    Some(link)
}

fn parse_gone(body: &[u8]) -> Option<News> {
    /// `AF_BRIDGE`: the interface has left a bridge, no more.
    const BRIDGE: u8 = 7;
    (*body.first()? != BRIDGE).then_some(News::LinkGone { index: u32_at(body, 4)? })
}

fn parse_address(body: &[u8], present: bool) -> Option<News> {
    let (family, index) = (*body.first()?, u32_at(body, 4)?);
    // Of a point-to-point link, 2 is this end's address; otherwise 1 is, or both are.
    let (mut first, mut local) = (None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            1 => first = ip(family, value),
            2 => local = ip(family, value),
            _ => {}
        }
    }
    Some(News::Address { index, address: local.or(first)?, present })
}

fn parse_routes(body: &[u8], present: bool) -> Option<Vec<News>> {
    /// `RT_TABLE_MAIN` and `RTN_UNICAST`.
    const MAIN: u8 = 254;
    const UNICAST: u8 = 1;
    let (family, length) = (*body.first()?, *body.get(1)?);
    if *body.get(4)? != MAIN || *body.get(7)? != UNICAST {
        return None;
    }
    let (mut prefix, mut index, mut ways) = (unspecified(family)?, None, Vec::new());
    let own = body.get(12..)?;
    for (kind, value) in attributes(own) {
        match kind {
            1 => prefix = ip(family, value)?,
            4 => index = u32_at(value, 0),
            // `RTA_MULTIPATH`: the ways are within.
            9 => ways.extend(next_hops(value).map(|(on, within)| (on, gateway(family, within)))),
            _ => {}
        }
    }
    if let Some(index) = index.filter(|_| ways.is_empty()) {
        ways.push((index, gateway(family, own)));
    }
    let route = |(index, gateway)| {
        let route = Route { prefix, length, gateway };
        News::Route { index, route, present }
    };
    Some(ways.into_iter().map(route).collect())
}

/// The router among a route's attributes, if there is one: for IPv4 it may have an IPv6 address (RFC 5549).
fn gateway(family: u8, attributes_of_it: &[u8]) -> Option<IpAddr> {
    attributes(attributes_of_it).find_map(|(kind, value)| match kind {
        5 => ip(family, value),
        // `RTA_VIA`: the family, in two bytes, and the address.
        18 => ip(u8::try_from(u16_at(value, 0)?).ok()?, value.get(2..)?),
        _ => None,
    })
}

/// Several ways of one route, `struct rtnexthop`: over which interface, and attributes.
fn next_hops(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let (index, within) = (u32_at(bytes, 4)?, bytes.get(8..length)?);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((index, within))
    })
}

fn parse_neighbor(body: &[u8], present: bool) -> Option<News> {
    /// States in which the address may be used: reachable, stale, delay, probe, permanent.
    const USABLE: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
    /// It does not answer.
    const FAILED: u16 = 0x20;
    let (family, index, state) = (*body.first()?, u32_at(body, 4)?, u16_at(body, 8)?);
    let gone = !present || state & FAILED != 0;
    if !gone && state & USABLE == 0 {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            1 => address = ip(family, value),
            2 => mac = value.try_into().ok(),
            _ => {}
        }
    }
    let mac = if gone { None } else { Some(mac?) };
    Some(News::Neighbor { index, address: address?, mac })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        FAMILY_IPV4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        FAMILY_IPV6 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        FAMILY_IPV4 => Some(IpAddr::from([0; 4])),
        FAMILY_IPV6 => Some(IpAddr::from([0; 16])),
        _ => None,
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{
        DELETE_LINK, DELETE_NEIGHBOR, NEW_LINK, NEW_NEIGHBOR, NEW_ROUTE, News, Route, dump, parse,
        use_neighbor,
    };
    use crate::message::{messages, put};

    /// A neighbour that answered, one that did not, and one that the kernel has forgotten.
    #[test]
    fn a_neighbour_that_is_gone_has_no_ethernet_address() {
        let neighbor = |state: u16| {
            let mut body = vec![2, 0, 0, 0, 7, 0, 0, 0];
            body.extend(state.to_ne_bytes());
            body.extend([0, 0]);
            body.extend([8, 0, 1, 0, 192, 0, 2, 1]);
            body.extend([10, 0, 2, 0, 2, 0, 0, 0, 0, 9, 0, 0]);
            body
        };
        let news = |mac| News::Neighbor { index: 7, address: [192, 0, 2, 1].into(), mac };
        let (mac, reachable, failed, incomplete) = ([2, 0, 0, 0, 0, 9], 0x02, 0x20, 0x01);
        assert_eq!(parse(NEW_NEIGHBOR, &neighbor(reachable)), [news(Some(mac))]);
        assert_eq!(parse(NEW_NEIGHBOR, &neighbor(failed)), [news(None)]);
        assert_eq!(parse(NEW_NEIGHBOR, &neighbor(incomplete)), []);
        assert_eq!(parse(DELETE_NEIGHBOR, &neighbor(reachable)), [news(None)]);
    }

    #[test]
    fn an_interface_that_leaves_a_bridge_is_still_there() {
        let gone = |family| parse(DELETE_LINK, &[family, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(gone(0), [News::LinkGone { index: u32::from_ne_bytes([7, 0, 0, 0]) }]);
        assert_eq!(gone(7), []);
    }

    #[test]
    fn a_route_of_several_ways_is_one_for_each() {
        let mut body = vec![2, 16, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
        put(&mut body, 1, &[10, 8, 0, 0]);
        let mut ways = Vec::new();
        for (index, kind, value) in [
            (7_u32, 5, &[10, 0, 0, 2][..]),
            (8, 18, &[&[10, 0][..], &[0xfd; 16]].concat()),
            (9, 1, &[]),
        ] {
            let mut within = Vec::new();
            put(&mut within, kind, value);
            ways.extend((8 + within.len() as u16).to_ne_bytes());
            ways.extend([0, 0]);
            ways.extend(index.to_ne_bytes());
            ways.extend(within);
        }
        put(&mut body, 9, &ways);
        let by = |index, gateway| {
            let route = Route { prefix: [10, 8, 0, 0].into(), length: 16, gateway };
            News::Route { index, route, present: true }
        };
        let expected =
            [by(7, Some([10, 0, 0, 2].into())), by(8, Some([0xfd; 16].into())), by(9, None)];
        if cfg!(target_endian = "little") {
            assert_eq!(parse(NEW_ROUTE, &body), expected);
        }
        for end in 0..body.len() {
            assert!(parse(NEW_ROUTE, &body[..end]).len() <= 2);
        }
    }

    /// Whatever the kernel sends, or half of it, is read without a panic.
    /// Eight bytes too many were an attribute cut short, which the kernel complained of in its log.
    #[test]
    fn a_request_is_as_long_as_its_kind() {
        let lengths = [super::GET_LINK, super::GET_ADDRESS, super::GET_ROUTE, super::GET_NEIGHBOR]
            .map(|kind| super::dump(kind).len() - 16);
        assert_eq!(lengths, [16, 8, 12, 12]);
    }

    #[test]
    fn cut_messages_are_passed_over() {
        let whole = use_neighbor(7, [192, 0, 2, 1].into());
        for end in 0..whole.len() {
            assert_eq!(messages(&whole[..end]).count(), 0);
        }
        let (kind, body) = messages(&whole).next().unwrap();
        assert_eq!((kind, messages(&dump(NEW_LINK)).count()), (NEW_NEIGHBOR, 1));
        for end in 0..=body.len() {
            for kind in [NEW_LINK, DELETE_LINK, NEW_ROUTE, NEW_NEIGHBOR] {
                let _ = parse(kind, &body[..end]);
            }
        }
    }
}
