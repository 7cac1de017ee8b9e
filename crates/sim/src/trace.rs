//! What happened, as one number and as the last frames before a failure. Invariant: the same events
//! in the same order give the same number, on every machine.

use std::collections::VecDeque;

use base::Instant;
use wire::ethernet::EtherType;
use wire::{ethernet, ipv4, ipv6, tcp};

/// Frames remembered for the report of a failure.
const REMEMBERED: usize = 48;

/// A hash of everything so far, and the last frames.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    /// Frames by what became of them.
    fates: [u64; Fate::COUNT],
    last: VecDeque<(Instant, usize, Fate, Vec<u8>)>,
}

/// What the network did to a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Carried,
    Lost,
    Corrupted,
    Forged,
    Crowded,
}

impl Fate {
    const COUNT: usize = Self::Crowded as usize + 1;
}

impl Trace {
    /// A frame was sent by a station.
    pub(crate) fn frame(&mut self, now: Instant, from: usize, fate: Fate, frame: &[u8]) {
        self.fates[fate as usize] += 1;
        self.number(now.as_nanos());
        self.number((from as u64) << 8 | fate as u64);
        let (words, rest) = frame.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.number(u64::from(byte));
        }
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back((now, from, fate, frame.to_vec()));
    }

    /// Anything else that happened.
    pub(crate) const fn number(&mut self, number: u64) {
        // The finalizer of MurmurHash3 between every two numbers.
        let mut mixed = self.hash ^ number;
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.hash = (mixed ^ mixed >> 33).rotate_left(5).wrapping_add(1);
    }

    /// Frames that this became of.
    pub(crate) const fn count(&self, fate: Fate) -> u64 {
        self.fates[fate as usize]
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The last frames, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(now, from, fate, frame): &(Instant, usize, Fate, Vec<u8>)| {
            let fate = if *fate == Fate::Carried { String::new() } else { format!(" {fate:?}") };
            format!("{:>12} us station {from}:{fate} {}", now.as_micros(), describe(frame))
        };
        self.last.iter().map(line).collect()
    }
}

fn describe(frame: &[u8]) -> String {
    segment_of(frame).map_or_else(
        || format!("{} bytes, not TCP", frame.len()),
        |segment| {
            let header = segment.header;
            let sack: Vec<_> =
                header.options.sack.as_slice().iter().map(|b| (b.start.0, b.end.0)).collect();
            format!(
                "{} > {} {:?} seq {}+{} ack {} win {} sack {sack:?}",
                header.source_port,
                header.destination_port,
                header.flags,
                header.sequence.0,
                segment.length,
                header.acknowledgment.0,
                header.window
            )
        },
    )
}

/// A TCP segment in a frame.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) ethernet: ethernet::Repr,
    pub(crate) source: core::net::IpAddr,
    pub(crate) destination: core::net::IpAddr,
    pub(crate) header: tcp::Repr,
    /// Bytes of payload, and where they start in the frame.
    pub(crate) length: usize,
    pub(crate) start: usize,
}

/// Reads a frame, without looking at checksums; `None` when it holds no TCP segment.
pub(crate) fn segment_of(frame: &[u8]) -> Option<Segment> {
    let view = ethernet::View::new(frame).ok()?;
    let (source, destination, payload) = match view.repr().kind {
        EtherType::IPV4 => {
            let packet = ipv4::View::new(view.payload()).ok()?;
            let header = packet.repr();
            (header.protocol == wire::protocol::TCP).then_some(())?;
            (header.source.into(), header.destination.into(), packet.payload())
        }
        EtherType::IPV6 => {
            let packet = ipv6::View::new(view.payload()).ok()?;
            let header = packet.repr();
            (header.protocol == wire::protocol::TCP).then_some(())?;
            (header.source.into(), header.destination.into(), packet.payload())
        }
        _ => return None,
    };
    let segment = tcp::View::new(payload).ok()?;
    let length = segment.payload().len();
    let start = segment.payload().as_ptr().addr() - frame.as_ptr().addr();
    let (ethernet, header) = (view.repr(), segment.repr());
    Some(Segment { ethernet, source, destination, header, length, start })
}

/// Whether the checksums of a frame with a TCP segment over IPv4 are right.
pub(crate) fn is_intact(frame: &[u8]) -> bool {
    let Ok(view) = ethernet::View::new(frame) else { return false };
    let Ok(packet) = ipv4::View::new(view.payload()) else { return false };
    let header = packet.repr();
    let (source, destination, length) = (header.source, header.destination, header.payload_length);
    let pseudo = wire::checksum::Sum::pseudo_v4(source, destination, header.protocol, length);
    packet.verifies() && tcp::View::new(packet.payload()).is_ok_and(|tcp| tcp.verifies(pseudo))
}
