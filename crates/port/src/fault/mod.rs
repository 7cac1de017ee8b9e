//! A link made bad on purpose: [`Faulty`]. Invariant: the same seed and the same frames at the same
//! times give the same faults; every frame that arrived is handed over, held, or given back.

#[cfg(test)]
mod tests;

use alloc::collections::BinaryHeap;
use core::cmp::{Ordering, Reverse};
use core::time::Duration;

use core::net::IpAddr;
use core::num::NonZeroU16;

use base::{Instant, Prng};
use mem::{Batch, Frame, Pool};

use crate::{Caps, Lost, News, Pools, Port};

/// How bad a link is, in the direction towards whoever receives. Chances are in parts per million
/// of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Frames that never arrive.
    pub loss: u32,
    /// Frames that arrive twice.
    pub duplication: u32,
    /// Frames in which one bit is flipped.
    pub corruption: u32,
    /// Frames that take [`Faults::late`] longer, so that later ones overtake them.
    pub reordering: u32,
    /// How long every frame takes.
    pub delay: Duration,
    /// How much longer, at most, a reordered frame takes.
    pub late: Duration,
}

/// A port that passes on what arrives at another with [`Faults`]. What is sent is left alone; both
/// directions are bad when both ends are wrapped.
pub struct Faulty<P> {
    inner: P,
    faults: Faults,
    prng: Prng,
    /// Frames on their way, the one due first on top.
    held: BinaryHeap<Reverse<Held>>,
    /// Frames on their way at most; any more are lost, as in a queue that is full.
    held_max: usize,
    /// Frames that were held so far: the order among those due at the same time.
    arrivals: u64,
}

#[derive(PartialEq, Eq)]
struct Held {
    due: Instant,
    arrival: u64,
    frame: Frame,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.arrival).cmp(&(other.due, other.arrival))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Port> Faulty<P> {
    /// Wraps a port. At most `held_max` frames are on their way at a time.
    #[must_use]
    pub fn new(inner: P, faults: Faults, seed: u64, held_max: usize) -> Self {
        let held = BinaryHeap::with_capacity(held_max);
        Self { inner, faults, prng: Prng::new(seed), held, held_max, arrivals: 0 }
    }

    /// Changes how bad the link is, for frames that arrive from now on.
    pub const fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Frames on their way: they are neither in the pool nor with anyone else.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The port inside.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }

    /// Drops the link: what is on its way is lost and its frames given back.
    pub fn close(mut self, pool: &mut Pool) -> P {
        for Reverse(held) in self.held.drain() {
            pool.give(held.frame);
        }
        self.inner
    }

    fn suffer(&mut self, now: Instant, pool: &mut Pool, mut frame: Frame) {
        if self.prng.chance(self.faults.loss) {
            return pool.give(frame);
        }
        if self.prng.chance(self.faults.duplication)
            && let Some(copy) = copy(pool, &frame)
        {
            self.hold(now, pool, copy);
        }
        if self.prng.chance(self.faults.corruption) {
            self.corrupt(pool.data_mut(&mut frame));
        }
        self.hold(now, pool, frame);
    }

    fn hold(&mut self, now: Instant, pool: &mut Pool, frame: Frame) {
        if self.held.len() >= self.held_max {
            return pool.give(frame);
        }
        let mut due = now + self.faults.delay;
        if self.prng.chance(self.faults.reordering) {
            let late = u32::try_from(self.faults.late.as_micros()).unwrap_or(u32::MAX);
            due += Duration::from_micros(u64::from(self.prng.below(late)) + 1);
        }
        self.arrivals += 1;
        self.held.push(Reverse(Held { due, arrival: self.arrivals, frame }));
    }

    fn corrupt(&mut self, data: &mut [u8]) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if let Some(byte) = data.get_mut(self.prng.below(length) as usize) {
            *byte ^= 1 << self.prng.below(8);
        }
    }
}

fn copy(pool: &mut Pool, frame: &Frame) -> Option<Frame> {
    let mut copy = pool.take()?;
    let (data, buffer) = pool.data_and_buffer(frame, &mut copy);
    buffer[..data.len()].copy_from_slice(data);
    copy.set_range(0..frame.len());
    Some(copy)
}

impl<P: Port> Port for Faulty<P> {
    type Error = P::Error;

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn pools(&mut self) -> Option<Pools> {
        self.inner.pools()
    }

    fn rx(&mut self, now: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), P::Error> {
        let mut arrived = Batch::new();
        let result = self.inner.rx(now, pool, &mut arrived);
        while let Some(frame) = arrived.pop() {
            self.suffer(now, pool, frame);
        }
        while !into.is_full()
            && self.held.peek().is_some_and(|Reverse(first)| first.due <= now)
            && let Some(Reverse(first)) = self.held.pop()
        {
            if let Err(frame) = into.push(first.frame) {
                pool.give(frame);
            }
        }
        result
    }

    fn tx(&mut self, now: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), P::Error> {
        self.inner.tx(now, pool, frames)
    }

    fn tx_uncut(
        &mut self,
        now: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, P::Error> {
        self.inner.tx_uncut(now, frame, segment)
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        let first = [until, self.deadline()].into_iter().flatten().min();
        self.inner.wait(first)
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

    fn deadline(&self) -> Option<Instant> {
        let held = self.held.peek().map(|Reverse(first)| first.due);
        [held, self.inner.deadline()].into_iter().flatten().min()
    }
}

impl<P: core::fmt::Debug> core::fmt::Debug for Faulty<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .field("faults", &self.faults)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
