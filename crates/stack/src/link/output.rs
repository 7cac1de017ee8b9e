//! Packets going out. Invariant: whatever cannot be sent is dropped and counted, and no frame is
//! lost with it; TCP sends again what mattered.

use core::net::IpAddr;

use ::tcp::Tuple;
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
    /// Sends a TCP segment; `fill` writes its `length` bytes of payload.
    pub(crate) fn send_segment(
        &mut self,
        ends: (IpAddr, IpAddr),
        header: &tcp::Repr,
        ecn: Ecn,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
    ) {
        let caps = self.caps;
        let total = header.length() + length;
        self.send_ip_with(ends, protocol::TCP, ecn, total, |segment| {
            let Ok(head) = header.emit(segment) else { return false };
            fill(&mut segment[head..]);
            checksum(&caps, ends, segment);
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
            let header = tcp::Repr {
                source_port: ends.local_port,
                destination_port: ends.remote_port,
                ..tcp::Repr::from(*header)
            };
            let flags = header.flags.with_if(push, tcp::Flags::PSH);
            let header = tcp::Repr { flags, ..header };
            let fill = |into: &mut [u8]| into.copy_from_slice(payload);
            let between = (ends.local, ends.remote);
            return self.send_segment(between, &header, ecn, payload.len(), fill);
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
    fn leave(&mut self, frame: Frame, is_known: bool, next_hop: IpAddr) {
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
        self.send_ip_with(ends, protocol, Ecn::NotCapable, length, emit);
    }

    fn send_ip_with(
        &mut self,
        (source, destination): (IpAddr, IpAddr),
        protocol: u8,
        ecn: Ecn,
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
        let built = self.build(station.unwrap_or_default(), kind, head + length, |packet| {
            let Some((header, body)) = packet.split_at_mut_checked(head) else { return false };
            emit_ip((source, destination), protocol, ecn, payload_length, header) && emit(body)
        });
        let Some(frame) = built else { return };
        self.leave(frame, station.is_some(), next_hop);
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
        if let Some(frame) = self.build(to, kind, length, |body| emit(&caps, body)) {
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

    fn build(
        &mut self,
        to: Mac,
        kind: EtherType,
        length: usize,
        emit: impl FnOnce(&mut [u8]) -> bool,
    ) -> Option<Frame> {
        let header =
            ethernet::Repr { destination: to, source: self.mac, service: None, tag: None, kind };
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

/// Fills the checksum in, or leaves it to the port.
fn checksum(caps: &Caps, ends: (IpAddr, IpAddr), segment: &mut [u8]) {
    if caps.checksums_filled {
        return;
    }
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
