//! Growth found in made-up measurements: known shapes under the noise that real ones have.

use super::{Growth, fit};
use crate::buckets::buckets;
use crate::run::Sample;

/// A generator of small noise: xorshift, seeded, so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// What a scheduler does to a time: mostly a little more, now and then very much more.
    fn on(&mut self, value: f64) -> f64 {
        let outlier = if self.next() < 0.03 { 50.0 * self.next() } else { 0.0 };
        value * (1.0 + 0.25 * self.next() + outlier)
    }
}

fn measured(count: u64, seed: u64, shape: impl Fn(f64) -> f64) -> Growth {
    let mut noise = Noise(seed);
    let sample = |n: u64| Sample { n, value: noise.on(shape(n as f64)) };
    let samples: Vec<Sample> = (1..=count).map(sample).collect();
    fit(&buckets(&samples), &samples)
}

fn seeds() -> impl Iterator<Item = u64> {
    (1..=8).map(|seed| seed * 0x9e37_79b9)
}

#[test]
fn what_is_flat_is_flat() {
    for seed in seeds() {
        let growth = measured(5_000, seed, |_| 10_000.0);
        let Growth::Flat { value } = growth else { panic!("{seed}: {growth:?}") };
        assert!((10_000.0..13_000.0).contains(&value), "{value}");
    }
}

#[test]
fn a_slow_start_is_no_growth() {
    for seed in seeds() {
        let growth = measured(5_000, seed, |n| if n < 4.0 { 300_000.0 } else { 10_000.0 });
        assert!(matches!(growth, Growth::Flat { .. }), "{seed}: {growth:?}");
    }
}

#[test]
fn what_grows_with_each_one_is_linear() {
    for seed in seeds() {
        let growth = measured(5_000, seed, |n| 2_000.0 + 30.0 * n);
        let Growth::Linear { base, each } = growth else { panic!("{seed}: {growth:?}") };
        assert!((28.0..42.0).contains(&each), "{seed}: {each}");
        assert!((1_000.0..4_000.0).contains(&base), "{seed}: {base}");
    }
}

#[test]
fn what_one_call_does_for_all_falls() {
    for seed in seeds() {
        let growth = measured(5_000, seed, |n| 100.0 + 750.0 / n);
        let Growth::Shared { base, once } = growth else { panic!("{seed}: {growth:?}") };
        assert!((90.0..130.0).contains(&base), "{seed}: {base}");
        assert!((500.0..1_100.0).contains(&once), "{seed}: {once}");
    }
}

#[test]
fn what_grows_with_each_doubling_is_logarithmic() {
    for seed in seeds() {
        let growth = measured(20_000, seed, |n| 100.0 + 60.0 * n.log2());
        let Growth::Log { doubling, .. } = growth else { panic!("{seed}: {growth:?}") };
        assert!((50.0..85.0).contains(&doubling), "{seed}: {doubling}");
    }
}

#[test]
fn a_step_is_found_where_it_is() {
    for seed in seeds() {
        let growth = measured(19_000, seed, |n| if n < 14_116.0 { 10_000.0 } else { 1_018_000.0 });
        let Growth::Step { at, before, after } = growth else { panic!("{seed}: {growth:?}") };
        assert!((14_110..=14_120).contains(&at), "{seed}: {at}");
        assert!((10_000.0..13_000.0).contains(&before), "{before}");
        assert!((1_000_000.0..1_300_000.0).contains(&after), "{after}");
    }
}

#[test]
fn a_small_step_early_is_found() {
    for seed in seeds() {
        let growth = measured(2_000, seed, |n| if n < 64.0 { 500.0 } else { 1_500.0 });
        let Growth::Step { at, .. } = growth else { panic!("{seed}: {growth:?}") };
        assert!((60..=68).contains(&at), "{seed}: {at}");
    }
}

#[test]
fn a_few_counts_measured_often_do_as_well() {
    let mut noise = Noise(7);
    let mut of = |shape: fn(f64) -> f64| {
        let counts = (0..14).map(|power| 1_u64 << power);
        let samples: Vec<Sample> = counts
            .flat_map(|n| (0..30).map(move |_| n))
            .map(|n| Sample { n, value: noise.on(shape(n as f64)) })
            .collect();
        fit(&buckets(&samples), &samples)
    };
    assert!(matches!(of(|_| 700.0), Growth::Flat { .. }));
    assert!(matches!(of(|n| 700.0 + 9.0 * n), Growth::Linear { .. }));
    assert!(matches!(of(|n| 50.0 + 40.0 * n.log2()), Growth::Log { .. }));
    assert!(matches!(of(|n| 100.0 + 750.0 / n), Growth::Shared { .. }));
    let step = of(|n| if n < 1024.0 { 5.0 } else { 90.0 });
    assert!(matches!(step, Growth::Step { at: 1024, .. }), "{step:?}");
}

#[test]
fn too_little_is_unknown() {
    assert_eq!(fit(&[], &[]), Growth::Unknown);
    let samples = [Sample { n: 1, value: 5.0 }, Sample { n: 2, value: 5.0 }];
    assert_eq!(fit(&buckets(&samples), &samples), Growth::Unknown);
}
