//! How a time grows with the count: O(1), O(log n), O(n), or a step somewhere; or how it falls where one
//! call serves many.
//!
//! Fitted to the medians of buckets, by least absolute deviation of logarithms: a median that is off by
//! a hundred times weighs no more than a few that are off by a little, and a deviation of 10 % weighs
//! the same for 1 µs as for 1 ms. Slopes are weighted medians of the slopes between all pairs of points
//! (Theil 1950, Sen 1968), which no minority of outliers can move. A growth is only claimed when it
//! describes the data clearly better than a constant does and is large enough to matter; of two that
//! fit, the simpler one is.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::buckets::{Bucket, median};
use crate::run::Sample;

/// From the smallest to the largest count the time must have grown by this much to be called growth.
const GROWTH_MIN: f64 = 1.5;

/// And the growth must leave at most this part of the deviation that a constant leaves.
const BETTER: f64 = 0.75;

/// A step has a place besides two heights, so it must fit this much better than a line.
const STEP_PENALTY: f64 = 1.3;

/// Buckets on either side of a step, at least.
const STEP_SIDE: usize = 3;

/// How a time grows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "growth")]
pub enum Growth {
    /// Too few samples to tell.
    Unknown,
    /// O(1).
    Flat {
        /// The time whatever the count.
        value: f64,
    },
    /// O(log n): `base` and `factor` for each doubling.
    Log {
        /// At a count of one.
        base: f64,
        /// What each doubling adds.
        doubling: f64,
    },
    /// O(n): `base` and `each` for each one there is.
    Linear {
        /// Of none.
        base: f64,
        /// What each one adds.
        each: f64,
    },
    /// O(1), and `once` shared among all there are: the time for each of what one call does for all.
    Shared {
        /// Of very many.
        base: f64,
        /// What there is to share.
        once: f64,
    },
    /// One value before, another from `at` on.
    Step {
        /// The first count of the new value.
        at: u64,
        /// The value before.
        before: f64,
        /// The value after.
        after: f64,
    },
}

impl Growth {
    /// The value at `n`.
    #[must_use]
    pub fn at(&self, n: f64) -> f64 {
        match *self {
            Self::Unknown => f64::NAN,
            Self::Flat { value } => value,
            Self::Log { base, doubling } => base + doubling * n.max(1.0).log2(),
            Self::Linear { base, each } => base + each * n,
            Self::Shared { base, once } => base + once / n.max(1.0),
            Self::Step { at, before, after } => {
                if n < at as f64 {
                    before
                } else {
                    after
                }
            }
        }
    }
}

/// Fits the growth of `samples`, which `buckets` are of.
#[must_use]
pub fn fit(buckets: &[Bucket], samples: &[Sample]) -> Growth {
    if buckets.len() < STEP_SIDE {
        return Growth::Unknown;
    }
    let points: Vec<(f64, f64)> =
        buckets.iter().map(|bucket| (bucket.n(), bucket.median.max(1e-3))).collect();
    let flat = Growth::Flat { value: median_of(&points) };
    let logarithms: Vec<_> = points.iter().map(|(n, value)| (n.max(1.0).log2(), *value)).collect();
    let (base, doubling) = line(&logarithms);
    let log = Growth::Log { base, doubling };
    let (base, each) = line(&points);
    let linear = Growth::Linear { base, each };
    let inverse: Vec<_> =
        points.iter().rev().map(|(n, value)| (1.0 / n.max(1.0), *value)).collect();
    let (base, once) = line(&inverse);
    let shared = Growth::Shared { base, once };
    let step = step(&points).map(|(split, before, after)| {
        let between = (buckets[split - 1].first, buckets[split].last);
        let at = place(samples, between, (before * after).sqrt()).unwrap_or(buckets[split].first);
        Growth::Step { at, before, after }
    });
    let smooth = [(log, 1.0), (linear, 1.0), (shared, 1.0)];
    let candidates = smooth.into_iter().chain(step.map(|step| (step, STEP_PENALTY)));
    let judged = candidates.map(|(growth, penalty)| (growth, penalty * deviation(growth, &points)));
    let grows = judged.filter(|(growth, deviated)| {
        ratio(*growth, &points) >= GROWTH_MIN && *deviated < BETTER * deviation(flat, &points)
    });
    grows.min_by(|one, other| one.1.total_cmp(&other.1)).map_or(flat, |(growth, _)| growth)
}

/// The mean deviation of the logarithms; infinite where a growth says that something takes no time.
fn deviation(growth: Growth, points: &[(f64, f64)]) -> f64 {
    let off = |(n, value): &(f64, f64)| {
        let fitted = growth.at(*n);
        if fitted > 0.0 { (value / fitted).ln().abs() } else { f64::INFINITY }
    };
    points.iter().map(off).sum::<f64>() / points.len() as f64
}

/// How much larger the last value is than the first; of what is shared, the first than the last.
fn ratio(growth: Growth, points: &[(f64, f64)]) -> f64 {
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let ratio = growth.at(last) / growth.at(first).max(1e-3);
    if matches!(growth, Growth::Shared { .. }) { 1.0 / ratio.max(1e-3) } else { ratio }
}

fn median_of(points: &[(f64, f64)]) -> f64 {
    median(&mut points.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

/// Base and slope: the median of the slopes of all pairs, each weighted by how far they are apart.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let mut slopes = Vec::new();
    for (index, (n, value)) in points.iter().enumerate() {
        let later = points[index + 1..].iter().filter(|(later, _)| later > n);
        slopes.extend(later.map(|(later, high)| ((high - value) / (later - n), later - n)));
    }
    slopes.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = slopes.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut weight = 0.0;
    let middle = slopes.iter().find(|slope| {
        weight += slope.1;
        weight >= half
    });
    let slope = middle.map_or(0.0, |(slope, _)| *slope);
    // The base is what the small counts say: at the large ones it drowns in the slope's error.
    let mut bases: Vec<(f64, f64)> =
        points.iter().map(|(n, value)| (value - slope * n, 1.0 / value)).collect();
    bases.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = bases.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut weight = 0.0;
    let base = bases.iter().find(|base| {
        weight += base.1;
        weight >= half
    });
    (base.map_or(0.0, |(base, _)| *base), slope)
}

/// The index of the first point after the step, and the values before and after.
fn step(points: &[(f64, f64)]) -> Option<(usize, f64, f64)> {
    let splits = STEP_SIDE..points.len().saturating_sub(STEP_SIDE - 1);
    let judged = splits.map(|split| {
        let (before, after) = (median_of(&points[..split]), median_of(&points[split..]));
        let off = |value: f64, to: f64| (value / to).ln().abs();
        let low: f64 = points[..split].iter().map(|(_, value)| off(*value, before)).sum();
        let high: f64 = points[split..].iter().map(|(_, value)| off(*value, after)).sum();
        (low + high, split, before, after)
    });
    let best = judged.min_by(|one, other| one.0.total_cmp(&other.0))?;
    Some((best.1, best.2, best.3))
}

/// Where exactly a step is: the count that best parts the samples `between` two counts into those below
/// and those above `threshold`.
fn place(samples: &[Sample], between: (u64, u64), threshold: f64) -> Option<u64> {
    let near = |sample: &&Sample| (between.0..=between.1).contains(&sample.n);
    let mut near: Vec<Sample> = samples.iter().filter(near).copied().collect();
    near.sort_by_key(|sample| sample.n);
    let mut wrong = near.iter().filter(|sample| sample.value < threshold).count() as i64;
    let mut best = (wrong, near.first()?.n);
    for (index, sample) in near.iter().enumerate() {
        wrong += if sample.value < threshold { -1 } else { 1 };
        let next = near.get(index + 1).map(|next| next.n);
        if let Some(next) = next.filter(|next| *next != sample.n && wrong < best.0) {
            best = (wrong, next);
        }
    }
    Some(best.1)
}
