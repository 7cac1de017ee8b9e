//! Times as they are counted: [`Times`], an HdrHistogram of nanoseconds, and as they are kept and
//! passed on: [`Packed`]. Invariant: all have the same bounds, so any two can be added, and a value is
//! right to within one in a thousand.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest time told apart from longer ones, in nanoseconds: an hour.
const MOST_NS: u64 = 3_600_000_000_000;

/// Times, counted by their length. 270 KB, so there are few of them, however long a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Times(Histogram<u64>);

/// The same, as some bytes for each length that occurred: its distance from the one before and how
/// often it did, both in as many times seven bits as they take. HdrHistogram's own serialized form is
/// as small, but takes 300 KB of fresh memory to write, which requests that are due would wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed(Vec<u8>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MOST_NS, 3).expect("the bounds are in order"))
    }
}

impl Times {
    /// Counts a time of so many nanoseconds.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos);
    }

    /// Counts so many times of so many nanoseconds each.
    pub fn record_many(&mut self, nanos: u64, times: u64) {
        self.0.saturating_record_n(nanos, times);
    }

    /// Counts all times of another.
    pub fn add(&mut self, other: &Self) {
        // It fails only for values out of bounds, and the bounds are the same.
        let _ = self.0.add(&other.0);
    }

    /// Counts all times of a packed one.
    pub fn add_packed(&mut self, packed: &Packed) {
        let (mut rest, mut nanos) = (packed.0.as_slice(), 0_u64);
        // What another process tells is read here, so it may be anything.
        while let (Some(distance), Some(count)) = (take_number(&mut rest), take_number(&mut rest)) {
            nanos = nanos.saturating_add(distance);
            self.0.saturating_record_n(nanos, count);
        }
    }

    /// All times, packed.
    #[must_use]
    pub fn pack(&self) -> Packed {
        let (mut bytes, mut last) = (Vec::new(), 0);
        if self.count() > 0 {
            for step in self.0.iter_recorded() {
                let nanos = step.value_iterated_to();
                put_number(&mut bytes, nanos - last);
                put_number(&mut bytes, step.count_at_value());
                last = nanos;
            }
        }
        Packed(bytes)
    }

    /// Takes all times out, packed.
    pub fn take(&mut self) -> Packed {
        let packed = self.pack();
        self.clear();
        packed
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        // Where nothing was counted no memory has to be touched.
        if self.count() > 0 {
            self.0.reset();
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this part of all (0 to 1) did not exceed.
    #[must_use]
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The shortest.
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_nanos(self.0.min())
    }

    /// The histogram itself, for formats of its own.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

impl Packed {
    /// The times; `None` where there are none.
    #[must_use]
    pub fn unpack(&self) -> Option<Times> {
        if self.0.is_empty() {
            return None;
        }
        let mut times = Times::default();
        times.add_packed(self);
        (times.count() > 0).then_some(times)
    }

    /// Counts all times of another.
    pub fn add(&mut self, other: &Self) {
        match self.unpack() {
            None => self.clone_from(other),
            Some(mut times) => {
                times.add_packed(other);
                *self = times.pack();
            }
        }
    }
}

/// Seven bits a byte, the least first; the eighth says that more follow.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::{Packed, Times};

    #[test]
    fn packing_loses_nothing_and_takes_little() {
        let mut times = Times::default();
        for nanos in (1..10_000).map(|number| number * number) {
            times.record(nanos);
        }
        let whole = times.clone();
        let packed = times.take();
        assert_eq!(times.count(), 0);
        assert_eq!(times.pack(), Packed::default());
        assert!(packed.0.len() < 24 * 1024, "{} bytes", packed.0.len());
        let mut twice = Packed::default();
        twice.add(&packed);
        twice.add(&packed);
        let twice = twice.unpack().unwrap();
        assert_eq!(twice.count(), 2 * whole.count());
        for quantile in [0.0, 0.5, 0.99, 1.0] {
            assert_eq!(twice.at(quantile), whole.at(quantile));
        }
        times.add_packed(&packed);
        let seen = |times: &Times| (times.count(), times.min(), times.max(), times.mean());
        assert_eq!(seen(&times), seen(&whole));
    }

    #[test]
    fn what_cannot_be_read_counts_nothing() {
        let mut times = Times::default();
        times.add_packed(&Packed(vec![0xff; 1_000]));
        times.add_packed(&Packed(vec![0x81, 0x00, 0x85]));
        assert_eq!(times.count(), 0);
    }
}
