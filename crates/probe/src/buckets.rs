//! Samples gathered where they are close to each other: the median and the 99th percentile of each
//! neighbourhood.

use serde::{Deserialize, Serialize};

use crate::run::Sample;

/// A bucket spans at most this factor.
const RATIO: f64 = 1.2;

/// And at most this part of all, so that what happens at large counts is not blurred.
const PARTS: u64 = 64;

/// Samples of neighbouring counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The smallest and largest count in it.
    pub first: u64,
    /// See above.
    pub last: u64,
    /// How many samples.
    pub samples: u64,
    /// Half of the samples are below.
    pub median: f64,
    /// 99 of 100 samples are below; with fewer than a hundred the largest.
    pub p99: f64,
}

impl Bucket {
    /// Where it is drawn.
    #[must_use]
    pub fn n(&self) -> f64 {
        (self.first as f64).midpoint(self.last as f64)
    }
}

/// Gathers samples, which may come in any order.
#[must_use]
pub fn buckets(samples: &[Sample]) -> Vec<Bucket> {
    let mut sorted: Vec<Sample> = samples.to_vec();
    sorted.sort_by(|one, other| one.n.cmp(&other.n).then(one.value.total_cmp(&other.value)));
    let widest = sorted.last().map_or(1, |last| last.n / PARTS).max(1);
    let mut buckets = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let end = (first.n as f64 * RATIO).ceil() as u64;
        let end = end.min(first.n + widest).max(first.n + 1);
        let length = rest.partition_point(|sample| sample.n < end);
        let (inside, after) = rest.split_at(length);
        buckets.push(bucket(inside));
        rest = after;
    }
    buckets
}

fn bucket(samples: &[Sample]) -> Bucket {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() as f64 * share) as usize).min(values.len() - 1)];
    Bucket {
        first: samples[0].n,
        last: samples[samples.len() - 1].n,
        samples: samples.len() as u64,
        median: at(0.5),
        p99: at(0.99),
    }
}

/// The middle value, of any number of values above none; zero of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
