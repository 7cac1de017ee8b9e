//! Packets going out. Invariant: whatever cannot be sent is dropped and counted, and no frame is
//! lost with it; TCP sends again what mattered.

use core::net::IpAddr;
use core::num::NonZeroU16;

use ::tcp::{Outgoing, Tuple};
use mem::Frame;
use port::{Caps, Port};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::{ipv4, ipv6, plain, tcp};

use super::Link;
use crate::drops::Reason;

/// Hops a packet of ours may take.
pub(super) const HOP_LIMIT: u8 = wire::plain::HOP_LIMIT;

impl<P: Port> Link<P> {
    /// Sends a TCP segment, or several in one frame that the port cuts; `fill` writes the payload.
    pub(crate) fn send_segment(
        &mut self,
        ends: &Tuple,
        outgoing: &Outgoing,
        fill: impl FnOnce(&mut [u8]),
    ) {
        let header = tcp::Repr {
            source_port: ends.local_port,
            destination_port: ends.remote_port,
            ..outgoing.header
        };
        let (ends, cut) = ((ends.local, ends.remote), outgoing.cut);
        let is_left_to_port = self.caps.checksums_filled || cut.is_some();
        let total = header.length() + outgoing.length as usize;
        self.send_ip_with(ends, (protocol::TCP, outgoing.ecn, cut), total, |segment| {
            let Ok(head) = header.emit(segment) else { return false };
            fill(&mut segment[head..]);
            if !is_left_to_port {
                fill_checksum(ends, segment);
            }
            true
        });
    }

    /// Sends a plain segment, with PSH if `push`.
    pub(crate) fn send_plain(
        &mut self,
        ends: &Tuple,
        (header, push, ecn): (&tcp::Plain, bool, Ecn),
        payload: &[u8],
    ) {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (ends.local, ends.remote) else {
            let header = tcp::Repr::from(*header);
            let flags = header.flags.with_if(push, tcp::Flags::PSH);
            let header = tcp::Repr { flags, ..header };
            // Not more than fits a segment.
            let length = payload.len() as u32;
            let outgoing = Outgoing { header, length, cut: None, retransmission: false, ecn };
            return self.send_segment(ends, &outgoing, |into| into.copy_from_slice(payload));
        };
        let Some(next_hop) = self.routes.next_hop(ends.remote) else {
            return self.drops.count(Reason::NoRoute);
        };
        let station = self.station(ends.remote, next_hop);
        let Some(mut frame) = self.frames.take() else {
            return self.drops.count(Reason::NoFrame);
        };
        let ends = plain::Ends {
            macs: (self.mac, station.unwrap_or_default()),
            addresses: (source, destination),
            ports: (ends.local_port, ends.remote_port),
        };
        let (what, checksum) = ((header, push, ecn), !self.caps.checksums_filled);
        let buffer = self.frames.buffer_mut(&mut frame);
        let Some(length) = plain::emit(buffer, &ends, what, payload, checksum) else {
            self.give(frame);
            return self.drops.count(Reason::TooLong);
        };
        frame.set_range(0..length);
        self.leave(frame, station.is_some(), next_hop);
    }

    /// Puts a frame into the batch, or holds it until its neighbour is known.
    pub(super) fn leave(&mut self, frame: Frame, is_known: bool, next_hop: IpAddr) {
        if is_known {
            self.push(frame);
        } else if let Some(unheld) = self.neighbors.hold(next_hop, frame, self.now) {
            self.drop_held(unheld);
        }
    }

    /// Sends an IP packet whose `length` bytes of payload `emit` writes.
    pub(super) fn send_ip(
        &mut self,
        ends: (IpAddr, IpAddr),
        protocol: u8,
        length: usize,
        emit: impl FnOnce(&mut [u8]) -> bool,
    ) {
        self.send_ip_with(ends, (protocol, Ecn::NotCapable, None), length, emit);
    }

    fn send_ip_with(
        &mut self,
        (source, destination): (IpAddr, IpAddr),
        (protocol, ecn, cut): (u8, Ecn, Option<NonZeroU16>),
        length: usize,
        emit: impl FnOnce(&mut [u8]) -> bool,
    ) {
        let Some(next_hop) = self.routes.next_hop(destination) else {
            return self.drops.count(Reason::NoRoute);
        };
        let Ok(payload_length) = u16::try_from(length) else {
            return self.drops.count(Reason::TooLong);
        };
        let station = self.station(destination, next_hop);
        let (kind, head) = match source {
            IpAddr::V4(_) => (EtherType::IPV4, ipv4::HEADER_LENGTH),
            IpAddr::V6(_) => (EtherType::IPV6, ipv6::HEADER_LENGTH),
        };
        let mac = station.unwrap_or_default();
        let header = self.header(mac, kind);
        let write = |packet: &mut [u8]| {
            let Some((header, body)) = packet.split_at_mut_checked(head) else { return false };
            emit_ip((source, destination), protocol, ecn, payload_length, header) && emit(body)
        };
        let length = head + length;
        let to = (station.is_some(), next_hop);
        if let Some(segment) = cut {
            return self.send_uncut((&header, length), segment, to, write);
        }
        if let Some(frame) = self.build(&header, length, write) {
            self.leave(frame, to.0, to.1);
        }
    }

    /// Lets go of frames that have waited too long for their neighbours.
    pub(super) fn drop_expired(&mut self) {
        while let Some(frame) = self.neighbors.expired(self.now) {
            self.drop_held(frame);
        }
    }

    fn drop_held(&mut self, frame: Frame) {
        self.give(frame);
        self.drops.count(Reason::NoNeighbor);
    }

    /// Sends a frame to a station; `emit` gets the link and the frame's `length` bytes of payload.
    pub(super) fn send_frame(
        &mut self,
        to: Mac,
        kind: EtherType,
        length: usize,
        emit: impl FnOnce(&Caps, &mut [u8]) -> bool,
    ) {
        let caps = self.caps;
        let header = self.header(to, kind);
        if let Some(frame) = self.build(&header, length, |body| emit(&caps, body)) {
            self.push(frame);
        }
    }

    /// Puts a frame into the batch.
    pub(super) fn push(&mut self, frame: Frame) {
        if self.out.is_full() {
            self.flush();
        }
        if let Err(frame) = self.out.push(frame) {
            self.give(frame);
            self.drops.count(Reason::PortFull);
        }
    }

    const fn header(&self, destination: Mac, kind: EtherType) -> ethernet::Repr {
        ethernet::Repr { destination, source: self.mac, service: None, tag: None, kind }
    }

    fn build(
        &mut self,
        header: &ethernet::Repr,
        length: usize,
        emit: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Frame> {
        let total = header.length() + length;
        if total > self.frames.buffer_bytes() {
            self.drops.count(Reason::TooLong);
            return None;
        }
        let Some(mut frame) = self.frames.take() else {
            self.drops.count(Reason::NoFrame);
            return None;
        };
        let buffer = &mut self.frames.buffer_mut(&mut frame)[..total];
        let built = header.emit(buffer).is_ok() && emit(&mut buffer[ethernet::HEADER_LENGTH..]);
        if !built {
            self.give(frame);
            self.drops.count(Reason::TooLong);
            return None;
        }
        frame.set_range(0..total);
        Some(frame)
    }

    pub(super) fn ask(&mut self, target: IpAddr) {
        if self.caps.host_finds_neighbors {
            return self.port.find(target);
        }
        match target {
            IpAddr::V4(target) => self.ask_arp(target),
            IpAddr::V6(target) => self.ask_ndisc(target),
        }
    }
}

fn emit_ip(
    ends: (IpAddr, IpAddr),
    protocol: u8,
    ecn: Ecn,
    payload_length: u16,
    into: &mut [u8],
) -> bool {
    match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4::Repr {
            source,
            destination,
            protocol,
            time_to_live: HOP_LIMIT,
            dscp: 0,
            ecn,
            // RFC 6864 section 4.1: of no meaning in a packet that is never fragmented.
            identification: 0,
            dont_fragment: true,
            payload_length,
        }
        .emit(into)
        .is_ok(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6::Repr {
            source,
            destination,
            protocol,
            hop_limit: HOP_LIMIT,
            dscp: 0,
            ecn,
            flow_label: 0,
            payload_length,
        }
        .emit(into)
        .is_ok(),
        _ => false,
    }
}

/// Fills the checksum in.
fn fill_checksum(ends: (IpAddr, IpAddr), segment: &mut [u8]) {
    let length = segment.len();
    let pseudo = match ends {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // Not above 65,535: the whole packet fits a frame.
            Sum::pseudo_v4(source, destination, protocol::TCP, length as u16)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Sum::pseudo_v6(source, destination, protocol::TCP, length as u32)
        }
        _ => return,
    };
    tcp::fill_checksum(segment, pseudo);
}
