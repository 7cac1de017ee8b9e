//! Times as they are counted: [`Times`], an HdrHistogram of nanoseconds. Invariant: all have the
//! same bounds, so any two can be added, and a value is right to within one in a thousand.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// The longest time told apart from longer ones, in nanoseconds: an hour.
const MOST_NS: u64 = 3_600_000_000_000;

/// Times, counted by their length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub struct Times(Histogram<u64>);

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

    /// Counts all times of another.
    pub fn add(&mut self, other: &Self) {
        // It fails only for values out of bounds, and the bounds are the same.
        let _ = self.0.add(&other.0);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
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

impl From<Times> for Vec<u8> {
    fn from(times: Times) -> Self {
        let mut bytes = Self::new();
        // Writing to memory does not fail, and the bounds are such that it fits.
        let _ = V2Serializer::new().serialize(&times.0, &mut bytes);
        bytes
    }
}

impl TryFrom<Vec<u8>> for Times {
    type Error = String;

    fn try_from(bytes: Vec<u8>) -> Result<Self, String> {
        let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
        let read: Histogram<u64> = histogram.map_err(|error| format!("{error:?}"))?;
        let mut times = Self::default();
        times.0.add(&read).map_err(|error| format!("{error:?}"))?;
        Ok(times)
    }
}
