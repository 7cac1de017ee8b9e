//! A frame that stands for several segments, on its way to a port that cuts it: [`Uncut`]. Invariant:
//! there is one at a time, in a buffer of its own that stays in the cache; while it waits for the port,
//! TCP is asked for nothing.

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;
use core::num::NonZeroU16;

use port::{Caps, Cut, Port};
use wire::ethernet;

use super::Link;
use crate::drops::Reason;

/// The buffer, and the frame in it that the port has not taken yet.
pub(super) struct Uncut {
    bytes: Box<[u8]>,
    /// The frame's bytes, and those of payload in each segment.
    waiting: Option<(usize, NonZeroU16)>,
}

impl Uncut {
    /// For a port that takes such frames.
    pub(super) fn new(caps: &Caps) -> Option<Self> {
        let longest = usize::from(caps.tso?) + ethernet::HEADER_LENGTH;
        Some(Self { bytes: vec![0; longest].into(), waiting: None })
    }
}

impl<P: Port> Link<P> {
    /// Whether a long frame waits for the port.
    pub(super) fn is_uncut_waiting(&self) -> bool {
        self.uncut.as_ref().is_some_and(|uncut| uncut.waiting.is_some())
    }

    /// Sends one with a header and so many bytes behind that, which `emit` writes, to a neighbour that
    /// is known or not.
    pub(super) fn send_uncut(
        &mut self,
        (header, length): (&ethernet::Repr, usize),
        segment: NonZeroU16,
        (is_known, next_hop): (bool, IpAddr),
        emit: impl FnOnce(&mut [u8]) -> bool,
    ) {
        let length = header.length() + length;
        let place = match &mut self.uncut {
            Some(Uncut { bytes, waiting: None }) => bytes.get_mut(..length),
            _ => None,
        };
        let built = place.is_some_and(|place| {
            header.emit(place).is_ok() && emit(&mut place[ethernet::HEADER_LENGTH..])
        });
        let Some(uncut) = self.uncut.as_mut().filter(|_| built) else {
            return self.drops.count(Reason::TooLong);
        };
        uncut.waiting = Some((length, segment));
        if is_known { self.flush() } else { self.hold_cut(next_hop) }
    }

    /// Gives the port the one that waits, once all before it has been taken.
    pub(super) fn flush_uncut(&mut self) {
        let Some(uncut) = &mut self.uncut else { return };
        let Some((length, segment)) = uncut.waiting.filter(|_| self.out.is_empty()) else { return };
        let sent = self.port.tx_uncut(self.now, &uncut.bytes[..length], segment);
        if !matches!(sent, Ok(false)) {
            uncut.waiting = None;
            self.packets.1 += 1;
        }
        self.note(sent.map(drop));
    }

    /// Has its segments wait one by one for a neighbour that is not known.
    fn hold_cut(&mut self, next_hop: IpAddr) {
        let Some(mut uncut) = self.uncut.take() else { return };
        if let Some((length, segment)) = uncut.waiting.take()
            && let Some(mut cut) = Cut::new(&uncut.bytes[..length], segment)
        {
            while let Some(mut frame) = self.frames.take() {
                let buffer = self.frames.buffer_mut(&mut frame);
                let Some(length) = cut.next(&uncut.bytes[..length], buffer) else {
                    self.give(frame);
                    break;
                };
                if !self.caps.checksums_filled {
                    cut.fill_checksum(&mut buffer[..length]);
                }
                frame.set_range(0..length);
                self.leave(frame, false, next_hop);
            }
        }
        self.uncut = Some(uncut);
    }
}
