//! A DHCP server that follows a script: [`Server`].

use std::net::Ipv4Addr;

use base::Prng;
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};
use wire::arp;
use wire::ethernet::Mac;

use crate::frame::Outgoing;

pub const OWN: Mac = Mac([2, 1, 2, 3, 4, 5]);
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Where answers come from.
pub const STATION: Mac = Mac([2, 0, 0, 0, 0, 1]);

pub struct Server {
    pub address: Ipv4Addr,
    pub lends: Ipv4Addr,
    pub seconds: u32,
    pub router: Option<Ipv4Addr>,
    /// Answers nothing.
    pub silent: bool,
    /// Answers a request at all.
    pub confirms: bool,
    /// Answers every request with a refusal.
    pub refuses: bool,
    /// Parts of a million of its answers that are lost.
    pub loss: u32,
    pub prng: Prng,
    /// An address that another host has, and whether that host only just looks for it.
    pub taken: Option<(Ipv4Addr, bool)>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            address: SERVER,
            lends: ADDRESS,
            seconds: 3_600,
            router: Some(SERVER),
            silent: false,
            confirms: true,
            refuses: false,
            loss: 0,
            prng: Prng::new(7),
            taken: None,
        }
    }
}

/// What a client said, as far as tests ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    /// `None` of ARP.
    pub kind: Option<DhcpMessageType>,
    pub from: Ipv4Addr,
    pub to: Option<(Ipv4Addr, Mac)>,
    pub own: Option<Ipv4Addr>,
    pub address: Option<Ipv4Addr>,
    pub server: Option<Ipv4Addr>,
    /// Of ARP: whom it looks for.
    pub target: Option<Ipv4Addr>,
}

impl Default for Said {
    fn default() -> Self {
        let from = Ipv4Addr::UNSPECIFIED;
        Self { kind: None, from, to: None, own: None, address: None, server: None, target: None }
    }
}

impl Said {
    pub fn of(outgoing: &Outgoing) -> Self {
        match outgoing {
            Outgoing::Arp(packet) => {
                let (from, target) = (packet.sender, Some(packet.target));
                Self { from, target, ..Self::default() }
            }
            Outgoing::Message { from, to, message } => {
                let packet = DhcpPacket::new_checked(&message[..]).unwrap();
                let repr = DhcpRepr::parse(&packet).unwrap();
                assert_eq!(repr.client_hardware_address, EthernetAddress(OWN.0));
                assert_eq!(repr.client_identifier, Some(EthernetAddress(OWN.0)));
                Self {
                    kind: Some(repr.message_type),
                    from: *from,
                    to: *to,
                    own: (!repr.client_ip.is_unspecified()).then_some(repr.client_ip),
                    address: repr.requested_ip,
                    server: repr.server_identifier,
                    target: None,
                }
            }
        }
    }
}

impl Server {
    /// What it answers to what a client said.
    pub fn answers(&mut self, outgoing: &Outgoing) -> Vec<Vec<u8>> {
        let Outgoing::Message { message, .. } = outgoing else { return Vec::new() };
        let packet = DhcpPacket::new_checked(&message[..]).unwrap();
        let question = DhcpRepr::parse(&packet).unwrap();
        if self.silent || self.prng.chance(self.loss) {
            return Vec::new();
        }
        let kind = match question.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request if self.refuses => DhcpMessageType::Nak,
            DhcpMessageType::Request if self.confirms => DhcpMessageType::Ack,
            _ => return Vec::new(),
        };
        vec![self.answer(kind, &question)]
    }

    pub fn answer(&self, kind: DhcpMessageType, question: &DhcpRepr<'_>) -> Vec<u8> {
        let mtu = 1_400_u16.to_be_bytes();
        let options = [DhcpOption { kind: 26, data: &mtu }];
        let lends = kind != DhcpMessageType::Nak;
        let repr = DhcpRepr {
            message_type: kind,
            your_ip: if lends { self.lends } else { Ipv4Addr::UNSPECIFIED },
            client_ip: Ipv4Addr::UNSPECIFIED,
            requested_ip: None,
            parameter_request_list: None,
            max_size: None,
            server_identifier: Some(self.address),
            subnet_mask: lends.then_some(Ipv4Addr::new(255, 255, 255, 0)),
            router: self.router.filter(|_| lends),
            lease_duration: lends.then_some(self.seconds),
            additional_options: if lends { &options } else { &[] },
            ..question.clone()
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
        bytes
    }

    /// What another host answers to a question of ARP.
    pub fn arp(&self, question: &arp::Repr) -> Option<arp::Repr> {
        let (address, looks) = self.taken?;
        let (operation, sender) = if looks {
            (arp::Operation::Request, Ipv4Addr::UNSPECIFIED)
        } else {
            (arp::Operation::Reply, address)
        };
        let (target_mac, target) =
            (question.sender_mac, if looks { address } else { question.sender });
        let sender_mac = Mac([2, 9, 9, 9, 9, 9]);
        let answer = arp::Repr { operation, sender_mac, sender, target_mac, target };
        (question.target == address).then_some(answer)
    }
}
