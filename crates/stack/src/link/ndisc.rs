//! Neighbour discovery, RFC 4861 section 7: solicitations for our addresses are answered, answers
//! learnt. Invariant: only messages with a hop limit of 255, which no router has touched, count.

use core::net::{IpAddr, Ipv6Addr};

use port::Port;
use wire::ethernet::Mac;
use wire::ndisc::Repr;
use wire::{icmpv6, ipv6};

use super::Link;
use super::addresses::solicited_node;
use super::neighbors::Claim;
use crate::drops::Reason;

/// RFC 4861 section 7.1: anything else was sent from off the link.
const HOP_LIMIT: u8 = 255;

impl<P: Port> Link<P> {
    pub(super) fn ndisc(
        &mut self,
        header: &ipv6::Repr,
        message: &Repr,
        from: Mac,
    ) -> Result<(), Reason> {
        if header.hop_limit != HOP_LIMIT {
            return Err(Reason::Malformed);
        }
        match *message {
            Repr::NeighborSolicitation { target, source } => {
                if self.addresses.contains(target.into()) {
                    self.answer(header.source, target, source.unwrap_or(from));
                }
            }
            Repr::NeighborAdvertisement { target, link_layer, overriding, .. } => {
                if let Some(mac) = link_layer {
                    let claim = if overriding { Claim::Update } else { Claim::Addition };
                    self.learn(target.into(), mac, claim);
                }
            }
            // Addresses and routes are configured.
            Repr::RouterSolicitation { .. } | Repr::RouterAdvertisement { .. } => {}
        }
        Ok(())
    }

    /// Answers a solicitation, section 7.2.4.
    fn answer(&mut self, asker: Ipv6Addr, target: Ipv6Addr, mac: Mac) {
        let probe = asker.is_unspecified();
        if !probe {
            self.learn(asker.into(), mac, Claim::Wanted);
        }
        let to = if probe { ALL_NODES } else { asker };
        let answer = Repr::NeighborAdvertisement {
            target,
            router: false,
            solicited: !probe,
            overriding: true,
            link_layer: Some(self.mac),
        };
        let mac = if probe { multicast_mac(to) } else { mac };
        self.send_ndisc(mac, target, to, answer);
    }

    /// Asks who has an address, section 7.2.2.
    pub(super) fn ask_ndisc(&mut self, target: Ipv6Addr) {
        let Some(IpAddr::V6(source)) = self.addresses.of_family(target.into()) else { return };
        let group = solicited_node(target);
        let question = Repr::NeighborSolicitation { target, source: Some(self.mac) };
        self.send_ndisc(multicast_mac(group), source, group, question);
    }

    fn send_ndisc(&mut self, mac: Mac, source: Ipv6Addr, destination: Ipv6Addr, message: Repr) {
        self.send_icmpv6(mac, (source, destination), HOP_LIMIT, &icmpv6::Repr::Ndisc(message));
    }
}

/// RFC 4291 section 2.7.1.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Where packets for a group go on Ethernet, RFC 2464 section 7.
const fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}
