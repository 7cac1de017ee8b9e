//! Writes down what passes a port, for Wireshark and tcpdump: [`Tracer`]. The format is pcapng,
//! draft-ietf-opsawg-pcapng. Invariant: a frame is written once, when it arrives or is first handed
//! to the port; whatever becomes of the writing, no frame waits for it.

mod filter;
mod pcapng;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU16;

use base::Instant;
use mem::{Batch, Consumer, Frame, Pool, Producer, ReserveError, ring};

use crate::{Caps, Lost, News, Pools, Port};
pub use filter::Filter;
use pcapng::{Direction, Place};

/// A port around another that records what passes, if it has something to record it with. Without,
/// it costs a comparison for each batch.
#[derive(Debug)]
pub struct Tracer<P> {
    inner: P,
    recorder: Option<Recorder>,
    /// Frames at the front of the batch going out that have been recorded and that the port did
    /// not take yet.
    waiting: usize,
}

/// Where frames are recorded: a queue to whoever keeps them.
#[derive(Debug)]
pub struct Recorder {
    to: Producer,
    filter: Filter,
    /// Which port it is, of those in one capture.
    interface: u32,
    /// The wall clock at [`Instant::ZERO`], in nanoseconds since the Unix epoch.
    unix_at_zero: u64,
    /// Frames that there was no room for since the last that there was.
    lost: u32,
    block: Vec<u8>,
}

impl Recorder {
    /// A recorder for the port with this number, and the other end of its queue, which gives blocks
    /// of a capture. The queue holds about `bytes` bytes; frames that find it full are counted in
    /// the next one's block and lost to the capture.
    ///
    /// # Errors
    /// [`ReserveError`] when the memory is not to be had.
    pub fn new(
        interface: u32,
        filter: Filter,
        unix_at_zero: u64,
        bytes: usize,
    ) -> Result<(Self, Consumer), ReserveError> {
        let (to, from) = ring(bytes)?;
        let block = Vec::new();
        Ok((Self { to, filter, interface, unix_at_zero, lost: 0, block }, from))
    }

    /// What a capture of so many ports starts with.
    #[must_use]
    pub fn start(interfaces: u32) -> Vec<u8> {
        pcapng::start(interfaces)
    }

    fn record(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        if !self.filter.accepts(frame) {
            return;
        }
        let place = Place {
            interface: self.interface,
            time: self.unix_at_zero + now.as_nanos(),
            direction,
            lost: self.lost,
        };
        pcapng::packet(&mut self.block, &place, frame);
        self.lost = if self.to.push(&self.block).is_ok() { 0 } else { self.lost + 1 };
    }
}

impl<P: Port> Tracer<P> {
    /// Wraps a port.
    pub const fn new(inner: P, recorder: Option<Recorder>) -> Self {
        Self { inner, recorder, waiting: 0 }
    }

    /// The port inside.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }
}

impl<P: Port> Port for Tracer<P> {
    type Error = P::Error;

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn pools(&mut self) -> Option<Pools> {
        self.inner.pools()
    }

    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), P::Error> {
        let before = into.len();
        let result = self.inner.rx(now, pool, into);
        if let Some(recorder) = &mut self.recorder {
            for frame in into.iter().skip(before) {
                recorder.record(now, Direction::Inbound, pool.data(frame));
            }
            recorder.to.publish();
        }
        result
    }

    fn tx(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), P::Error> {
        let Some(recorder) = &mut self.recorder else { return self.inner.tx(now, pool, frames) };
        for frame in frames.iter().skip(self.waiting) {
            recorder.record(now, Direction::Outbound, pool.data(frame));
        }
        recorder.to.publish();
        let result = self.inner.tx(now, pool, frames);
        self.waiting = frames.len();
        result
    }

    fn tx_uncut(
        &mut self,
        now: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, P::Error> {
        let sent = self.inner.tx_uncut(now, frame, segment)?;
        if sent && let Some(recorder) = &mut self.recorder {
            recorder.record(now, Direction::Outbound, frame);
            recorder.to.publish();
        }
        Ok(sent)
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        self.inner.wait(until)
    }

    fn deadline(&self) -> Option<Instant> {
        self.inner.deadline()
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.inner.pass_on(frame, passed)
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.inner.passed(pool)
    }

    fn lost(&self) -> Lost {
        self.inner.lost()
    }

    fn find(&mut self, neighbor: IpAddr) {
        self.inner.find(neighbor);
    }

    fn news(&mut self) -> Option<News> {
        self.inner.news()
    }
}
