//! A wire between two stacks in one process: [`MemPort`]. Invariant: frames arrive whole, in order
//! and once; a frame is dropped only where it is longer than any buffer or the ring itself.

#[cfg(test)]
mod tests;

use core::convert::Infallible;
use core::net::IpAddr;
use core::num::NonZeroU16;

use base::Instant;
use mem::{Batch, Consumer, Frame, Pool, Producer, ReserveError, ring};

use crate::{Bell, Caps, Lost, News, Pools, Port};

/// One end of a wire made of memory: two rings of packets, one for each direction. The ends may be
/// driven by one thread or by two.
///
/// Each end has a pool of its own; a frame is copied into the ring from the one and out of it into
/// the other, so that shards share nothing but the ring.
#[derive(Debug)]
pub struct MemPort {
    caps: Caps,
    out: Producer,
    into: Consumer,
    here: Bell,
    there: Bell,
    /// Frames sent and received.
    sent: u64,
    received: u64,
    /// Frames too long for the ring, or for the buffers of this end.
    oversized: u64,
}

impl MemPort {
    /// Both ends of a wire with the same properties, that holds about `bytes` bytes of frames in
    /// each direction. A ring that fits the processor's cache (256 KiB) is fastest.
    ///
    /// # Errors
    /// [`ReserveError`] when the memory is not to be had.
    pub fn pair(bytes: usize, caps: Caps) -> Result<(Self, Self), ReserveError> {
        let ((out, there), (back, here)) = (ring(bytes)?, ring(bytes)?);
        let (one, other) = (Bell::default(), Bell::default());
        let end = |out, into, here: &Bell, there: &Bell| Self {
            caps,
            out,
            into,
            here: here.clone(),
            there: there.clone(),
            sent: 0,
            received: 0,
            oversized: 0,
        };
        Ok((end(out, here, &one, &other), end(back, there, &other, &one)))
    }

    /// What ends this end's [`Port::wait`] from another thread.
    #[must_use]
    pub fn bell(&self) -> Bell {
        self.here.clone()
    }

    /// Frames sent so far.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Frames received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Frames dropped because they were too long.
    #[must_use]
    pub const fn oversized(&self) -> u64 {
        self.oversized
    }
}

impl Port for MemPort {
    type Error = Infallible;

    fn caps(&self) -> Caps {
        self.caps
    }

    fn rx(&mut self, _: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), Infallible> {
        while !into.is_full() && !self.into.is_empty() {
            let Some(mut frame) = pool.take() else { break };
            let length = self.into.pop(|packet| {
                let place = pool.buffer_mut(&mut frame).get_mut(..packet.len())?;
                place.copy_from_slice(packet);
                Some(packet.len())
            });
            let Some(length) = length.flatten() else {
                self.oversized += 1;
                pool.give(frame);
                continue;
            };
            frame.set_range(0..length);
            self.received += 1;
            if let Err(frame) = into.push(frame) {
                pool.give(frame);
            }
        }
        self.into.release();
        Ok(())
    }

    fn tx(&mut self, _: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), Infallible> {
        while let Some(frame) = frames.first() {
            let data = pool.data(frame);
            if data.len() > self.out.longest() {
                self.oversized += 1;
            } else if self.out.push(data).is_err() {
                break;
            } else {
                self.sent += 1;
            }
            if let Some(frame) = frames.pop() {
                pool.give(frame);
            }
        }
        if self.out.publish() {
            self.there.nudge();
        }
        Ok(())
    }

    /// It is handed over as it is, to an end that takes long packets and checks none.
    fn tx_uncut(&mut self, _: Instant, frame: &[u8], _: NonZeroU16) -> Result<bool, Infallible> {
        let is_taken = frame.len() > self.out.longest() || self.out.push(frame).is_ok();
        if frame.len() > self.out.longest() {
            self.oversized += 1;
        } else if is_taken {
            self.sent += 1;
        }
        if self.out.publish() {
            self.there.nudge();
        }
        Ok(is_taken)
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), Infallible> {
        let into = &mut self.into;
        self.here.sleep(until, || !into.is_empty());
        Ok(())
    }

    fn pools(&mut self) -> Option<Pools> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn pass_on(&mut self, _: &[u8], _: u16) -> bool {
        false
    }

    fn passed(&mut self, _: &mut Pool) -> Option<(Frame, u16)> {
        None
    }

    fn lost(&self) -> Lost {
        Lost { frames: self.oversized, checksum: 0 }
    }

    fn find(&mut self, _: IpAddr) {}

    fn news(&mut self) -> Option<News> {
        None
    }
}
