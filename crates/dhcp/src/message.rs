//! Messages of DHCP, RFC 2131 section 2 and RFC 2132: [`Answer`] read, [`Question`] written. smoltcp's
//! `wire` knows where everything is but the options that a server puts into other fields (section 4.1);
//! what it means, and whether it may, is decided here.

use core::net::Ipv4Addr;
use core::ops::Range;

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address};
use wire::ethernet::Mac;

use crate::lease::Offered;

/// Bytes of the shortest message: what BOOTP had (RFC 951), and some relays still insist on.
const LENGTH_MIN: usize = 300;
/// Bytes of the longest message that is taken: a packet of 1,500 without its headers.
pub(crate) const LENGTH_MAX: usize = 1_472;

const MASK: u8 = 1;
const ROUTER: u8 = 3;
const MTU: u8 = 26;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const T1: u8 = 58;
const T2: u8 = 59;
const CLIENT: u8 = 61;
const ROUTES: u8 = 121;

/// Options without a length: that is nothing, and that is all (RFC 2132 section 3).
const PAD: u8 = 0;
const END: u8 = 255;

/// Where a message has its fields for names, and where its options start (RFC 2131 section 2).
const SERVER_NAME: Range<usize> = 44..108;
const BOOT_FILE: Range<usize> = 108..236;
const OPTIONS_AT: usize = 240;

/// What servers are asked to send along. Routes have to be asked for before the router (RFC 3442).
const WANTED: [u8; 7] = [MASK, ROUTES, ROUTER, MTU, LEASE_TIME, T1, T2];

/// What a server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Offer,
    Ack,
    Nak,
}

/// A message of a server's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// `xid`.
    pub(crate) transaction: u32,
    /// `chaddr`.
    pub(crate) client: Mac,
    pub(crate) offered: Offered,
}

impl Answer {
    /// `None` when it is not a whole message of a server's to an Ethernet client. An option whose length
    /// is wrong is as if it were not there; of one that comes twice the first counts, but of routes, which
    /// may be too many for one (RFC 3396).
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        /// What tells DHCP's options from BOOTP's (RFC 2131 section 3).
        const MAGIC: u32 = 0x6382_5363;
        /// `op` of what a server sends, and `htype` and `hlen` of Ethernet.
        const REPLY: [u8; 3] = [2, 1, 6];
        let packet = DhcpPacket::new_checked(bytes).ok()?;
        if packet.magic_number() != MAGIC || !bytes.starts_with(&REPLY) {
            return None;
        }
        let client = Mac(packet.client_hardware_address().0);
        let mut offered = Offered::default();
        let address = packet.your_ip();
        offered.address = (!address.is_unspecified()).then_some(address);
        let mut kind = None;
        for (code, data) in all_options(bytes) {
            match code {
                MESSAGE_TYPE => kind = kind.or(data.first().copied()),
                MASK => keep(&mut offered.mask, address_of(data)),
                ROUTER => keep(&mut offered.router, data.first_chunk().map(of_octets)),
                MTU => keep(&mut offered.mtu, data.try_into().ok().map(u16::from_be_bytes)),
                LEASE_TIME => keep(&mut offered.seconds, number(data)),
                SERVER => keep(&mut offered.server, address_of(data)),
                T1 => keep(&mut offered.renew, number(data)),
                T2 => keep(&mut offered.rebind, number(data)),
                ROUTES => offered.routes.extend(data),
                // RFC 6842: a server that says whom it answers has to mean us.
                CLIENT if data != identifier(client) => return None,
                _ => {}
            }
        }
        let kind = match kind? {
            2 => Kind::Offer,
            5 => Kind::Ack,
            6 => Kind::Nak,
            _ => return None,
        };
        Some(Self { kind, transaction: packet.transaction_id(), client, offered })
    }
}

/// The options of a message, those in fields that the server says it has put some into included: option
/// 52 (RFC 2132 section 9.3), in RFC 3396's order.
fn all_options(message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    const IN_FILE: u8 = 1;
    const IN_NAME: u8 = 2;
    let field = |place: Range<usize>| message.get(place).unwrap_or_default();
    let own = field(OPTIONS_AT..message.len());
    let overload = options(own).find(|(code, _)| *code == OVERLOAD);
    let holds = overload.and_then(|(_, data)| data.first().copied()).unwrap_or(0);
    let of = |bit: u8, place| if holds & bit != 0 { field(place) } else { &[] };
    let (file, name) = (of(IN_FILE, BOOT_FILE), of(IN_NAME, SERVER_NAME));
    options(own).chain(options(file)).chain(options(name))
}

/// The options in one field, up to its end or to one that reaches beyond it.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        while let [PAD, rest @ ..] = bytes {
            bytes = rest;
        }
        let (&code, rest) = bytes.split_first().filter(|(code, _)| **code != END)?;
        let (&length, rest) = rest.split_first()?;
        let (data, rest) = rest.split_at_checked(length.into())?;
        bytes = rest;
        Some((code, data))
    })
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}

fn address_of(data: &[u8]) -> Option<Ipv4Addr> {
    data.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets))
}

fn of_octets(octets: &[u8; 4]) -> Ipv4Addr {
    Ipv4Addr::from(*octets)
}

/// The client's identifier (RFC 2132 section 9.14): its kind of link, and its address there.
fn identifier(client: Mac) -> [u8; 7] {
    let [a, b, c, d, e, f] = client.0;
    [1, a, b, c, d, e, f]
}

/// What a client says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    pub(crate) kind: DhcpMessageType,
    pub(crate) transaction: u32,
    pub(crate) client: Mac,
    /// Seconds since it began to ask.
    pub(crate) seconds: u16,
    /// `ciaddr`: an address that it has.
    pub(crate) own: Option<Ipv4Addr>,
    /// The address that it would have, or will not.
    pub(crate) address: Option<Ipv4Addr>,
    /// The server it means.
    pub(crate) server: Option<Ipv4Addr>,
}

impl Question {
    pub(crate) fn emit(&self) -> Vec<u8> {
        let asks = matches!(self.kind, DhcpMessageType::Discover | DhcpMessageType::Request);
        let repr = DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: self.seconds,
            client_hardware_address: EthernetAddress(self.client.0),
            client_ip: self.own.unwrap_or(Ipv4Address::UNSPECIFIED),
            your_ip: Ipv4Address::UNSPECIFIED,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            // An answer to our Ethernet address arrives before we have an IP address.
            broadcast: false,
            requested_ip: self.address,
            client_identifier: Some(EthernetAddress(self.client.0)),
            server_identifier: self.server,
            parameter_request_list: asks.then_some(&WANTED),
            dns_servers: None,
            max_size: asks.then_some(LENGTH_MAX as u16),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; repr.buffer_len().max(LENGTH_MIN)];
        let emitted = repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..]));
        debug_assert!(emitted.is_ok(), "the buffer is as long as the message says");
        bytes
    }
}
