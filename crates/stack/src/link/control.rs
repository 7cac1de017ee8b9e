//! Control packets that arrived, handed to those who answer them.

use core::net::IpAddr;

use port::Port;
use wire::ethernet::Mac;
use wire::{icmpv4, icmpv6};

use super::Link;
use super::neighbors::Claim;
use super::packet::Control;
use crate::drops::Reason;

/// What an ICMP error says of a packet of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    pub(crate) about: wire::quoted::Quoted,
    pub(crate) what: Trouble,
}

/// What kept a packet of ours from arriving.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// It was larger than this MTU; 0 where the router does not say.
    TooBig { mtu: u16 },
    /// It could not be delivered; `hard` when there is no point in trying again.
    Unreachable { hard: bool },
}

impl<P: Port> Link<P> {
    /// Deals with a control packet. What it says about a packet of ours is given back.
    pub(crate) fn control(&mut self, control: &Control, frame: &[u8]) -> Option<Complaint> {
        let result = match control {
            Control::Arp { payload } => self.arp(&frame[*payload..]).map(|()| None),
            Control::Udp(datagram) => self.datagram(datagram, frame).map(|()| None),
            Control::Icmpv4 { header, message } => icmpv4::Repr::parse(&frame[message.clone()])
                .map_err(Reason::from)
                .and_then(|message| self.icmpv4(header, &message)),
            Control::Icmpv6 { header, message, from } => {
                icmpv6::Repr::parse(&frame[message.clone()], header.source, header.destination)
                    .map_err(Reason::from)
                    .and_then(|message| self.icmpv6(header, &message, *from))
            }
        };
        result.unwrap_or_else(|reason| {
            self.drops.count(reason);
            None
        })
    }

    /// A neighbour said where it is: what waited for that goes out.
    pub(super) fn learn(&mut self, address: IpAddr, mac: Mac, claim: Claim) {
        if self.addresses.contains(address) {
            // Somebody claims an address of ours (RFC 5227): we keep it, and count.
            self.drops.count(Reason::AddressConflict);
            return;
        }
        self.drop_expired();
        if !self.neighbors.learn((address, mac), self.now, claim) {
            return;
        }
        while self.is_ready()
            && let Some(mut frame) = self.neighbors.release(address)
        {
            // The header's first six bytes are the destination.
            if let Some(to) = self.frames.data_mut(&mut frame).first_chunk_mut::<6>() {
                *to = mac.0;
            }
            self.push(frame);
        }
    }
}
