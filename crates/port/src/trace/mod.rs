//! Writes down what passes a port, for Wireshark and tcpdump: [`Tracer`]. The format is pcapng,
//! draft-ietf-opsawg-pcapng. Invariant: a frame is written once, when it has arrived or the port
//! has taken it.

mod pcapng;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use core::net::IpAddr;

use base::Instant;
use mem::{Batch, Frame, Pool};

use crate::{Caps, News, Port};
use pcapng::Direction;

/// A port around another that hands a pcapng capture of it to `sink`, piece by piece. Slower than
/// the port alone: frames are sent one at a time.
pub struct Tracer<P, S> {
    inner: P,
    sink: S,
    /// The block being written.
    block: Vec<u8>,
}

impl<P: Port, S: FnMut(&[u8])> Tracer<P, S> {
    /// Wraps a port and writes the start of the capture. `sink` gets whole blocks; if it cannot
    /// write one, it has to answer for that by itself.
    pub fn new(inner: P, mut sink: S) -> Self {
        let mut block = Vec::new();
        pcapng::start(&mut block);
        sink(&block);
        Self { inner, sink, block }
    }

    /// The port inside.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }

    fn write(&mut self, now: Instant, direction: Direction, data: &[u8]) {
        pcapng::packet(&mut self.block, now, direction, data);
        (self.sink)(&self.block);
    }
}

impl<P: Port, S: FnMut(&[u8])> Port for Tracer<P, S> {
    type Error = P::Error;

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), P::Error> {
        let before = into.len();
        let result = self.inner.rx(now, pool, into);
        for frame in into.iter().skip(before) {
            self.write(now, Direction::Inbound, pool.data(frame));
        }
        result
    }

    fn tx(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), P::Error> {
        let mut one = Batch::new();
        while let Some(frame) = frames.pop() {
            pcapng::packet(&mut self.block, now, Direction::Outbound, pool.data(&frame));
            if let Err(frame) = one.push(frame) {
                pool.give(frame);
            }
            let result = self.inner.tx(now, pool, &mut one);
            if let Some(frame) = one.pop() {
                put_back(pool, frames, frame);
                return result;
            }
            (self.sink)(&self.block);
            result?;
        }
        Ok(())
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        self.inner.wait(until)
    }

    fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.inner.pass_on(frame, passed)
    }

    fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.inner.passed(pool)
    }

    fn find(&mut self, neighbor: IpAddr) {
        self.inner.find(neighbor);
    }

    fn news(&mut self) -> Option<News> {
        self.inner.news()
    }

    fn deadline(&self) -> Option<Instant> {
        self.inner.deadline()
    }
}

/// Makes a frame the first of a batch that it was taken from.
fn put_back(pool: &mut Pool, frames: &mut Batch, frame: Frame) {
    if let Err(frame) = frames.push(frame) {
        pool.give(frame);
    }
    for _ in 1..frames.len() {
        if let Some(next) = frames.pop()
            && let Err(next) = frames.push(next)
        {
            pool.give(next);
        }
    }
}

impl<P: core::fmt::Debug, S> core::fmt::Debug for Tracer<P, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tracer").field("inner", &self.inner).finish_non_exhaustive()
    }
}
