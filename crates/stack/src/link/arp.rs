//! ARP, RFC 826: questions for our addresses are answered, answers learnt. Invariant: nothing is
//! learnt from a packet whose sender has no address, and nothing about an address of ours.

use core::net::{IpAddr, Ipv4Addr};

use port::Port;
use wire::arp::{LENGTH, Operation, Repr};
use wire::ethernet::{EtherType, Mac};

use super::Link;
use super::neighbors::Claim;
use crate::drops::Reason;

impl<P: Port> Link<P> {
    pub(super) fn arp(&mut self, packet: &[u8]) -> Result<(), Reason> {
        let packet = Repr::parse(packet)?;
        let for_us = self.addresses.contains(packet.target.into());
        let sender = packet.sender;
        if !sender.is_unspecified() && !sender.is_broadcast() && !sender.is_multicast() {
            let claim = if for_us { Claim::Wanted } else { Claim::Update };
            self.learn(sender.into(), packet.sender_mac, claim);
        }
        if packet.operation == Operation::Request && for_us {
            let reply = Repr {
                operation: Operation::Reply,
                sender_mac: self.mac,
                sender: packet.target,
                target_mac: packet.sender_mac,
                target: packet.sender,
            };
            self.send_arp(packet.sender_mac, &reply);
        }
        Ok(())
    }

    /// Asks who has an address.
    pub(super) fn ask_arp(&mut self, target: Ipv4Addr) {
        let Some(IpAddr::V4(sender)) = self.addresses.of_family(target.into()) else { return };
        let request = Repr {
            operation: Operation::Request,
            sender_mac: self.mac,
            sender,
            target_mac: Mac::default(),
            target,
        };
        self.send_arp(Mac::BROADCAST, &request);
    }

    fn send_arp(&mut self, to: Mac, packet: &Repr) {
        self.send_frame(to, EtherType::ARP, LENGTH, |_, body| packet.emit(body).is_ok());
    }
}
