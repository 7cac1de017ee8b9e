//! Somebody who sees every frame and can add some, but not stop any: forged resets, SYNs and data, in
//! the window and out of it (RFC 5961). Invariant: no forgery is one that a right stack believes. It
//! never hits RCV.NXT exactly, and what it acknowledges was never sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Prng, Seq};
use wire::tcp::{Flags, Options, Repr};

use crate::craft::craft;
use crate::odd_peer;
use crate::trace::segment_of;

/// Who sends to whom.
type Direction = (IpAddr, u16, IpAddr, u16);

pub(crate) struct Attacker {
    prng: Prng,
    /// The number after the last that was sent, by direction: no RCV.NXT is past it.
    furthest: BTreeMap<Direction, Seq>,
    /// Directions whose sender has completed the handshake.
    synchronized: BTreeSet<Direction>,
}

impl Attacker {
    pub(crate) fn new(seed: u64) -> Self {
        let prng = Prng::new(seed);
        Self { prng, furthest: BTreeMap::new(), synchronized: BTreeSet::new() }
    }

    /// Sees a frame.
    pub(crate) fn watch(&mut self, frame: &[u8]) {
        let Some(segment) = segment_of(frame) else { return };
        let header = &segment.header;
        if header.flags.any(Flags::RST) {
            return;
        }
        let (syn, fin) = (header.flags.any(Flags::SYN), header.flags.any(Flags::FIN));
        let end = header.sequence + segment.length as u32 + u32::from(syn) + u32::from(fin);
        let (from, to) = (header.source_port, header.destination_port);
        let direction = (segment.source, from, segment.destination, to);
        if syn {
            self.synchronized.remove(&direction);
        } else {
            self.synchronized.insert(direction);
        }
        let furthest = self.furthest.entry(direction).or_insert(end);
        *furthest = if syn { end } else { furthest.max(end) };
    }

    /// A frame that pretends to come from the sender of this one.
    pub(crate) fn forge(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let segment = segment_of(frame)?;
        let genuine = &segment.header;
        let (from, to) = (genuine.source_port, genuine.destination_port);
        // A connection in SYN-RECEIVED goes by a SYN in the window (RFC 9293 section 3.10.7.4);
        // RFC 5961 defends those that are synchronized.
        let victim = (segment.destination, to, segment.source, from);
        let is_ready = self.synchronized.contains(&victim) && genuine.flags.any(Flags::ACK);
        let is_ours = to != odd_peer::PORT;
        if !is_ready || !is_ours || genuine.flags.any(Flags::SYN | Flags::RST) {
            return None;
        }
        let furthest = *self.furthest.get(&(segment.source, from, segment.destination, to))?;
        let in_window = furthest + 1 + self.prng.below(8_000);
        let anywhere = furthest + (1 << 30) + self.prng.below(1 << 30);
        let sequence = if self.prng.chance(600_000) { in_window } else { anywhere };
        let never_sent = genuine.acknowledgment + (1 << 31) + self.prng.below(1_000);
        let stamped = Options { timestamps: genuine.options.timestamps, ..Options::default() };
        let blank = Repr {
            source_port: from,
            destination_port: to,
            sequence,
            acknowledgment: never_sent,
            window: self.prng.next_u32() as u16,
            ..Repr::default()
        };
        let (header, payload): (Repr, &[u8]) = match self.prng.below(5) {
            0 => (Repr { flags: Flags::RST, ..blank }, &[]),
            1 => (Repr { flags: Flags::RST | Flags::ACK, options: stamped, ..blank }, &[]),
            2 => (Repr { flags: Flags::SYN, ..blank }, &[]),
            3 => (Repr { flags: Flags::ACK | Flags::FIN, options: stamped, ..blank }, &[]),
            _ => {
                let data = Repr { sequence: furthest, options: stamped, ..blank };
                (Repr { flags: Flags::ACK | Flags::PSH, ..data }, &[0xee; 100])
            }
        };
        craft(&segment.ethernet, (segment.source, segment.destination), &header, payload)
    }
}
