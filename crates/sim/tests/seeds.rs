//! Some hundred worlds, each from its seed. What fails says which seed repeats it.

use sim::Troubles;

/// Enough to meet every kind of trouble many times, few enough for every run of the tests.
const SEEDS: u64 = 300;

#[test]
fn every_world_lives_and_ends_well() {
    let mut all = Troubles::default();
    for seed in 0..SEEDS {
        match sim::simulate(seed) {
            Ok(summary) => add(&mut all, &summary.troubles),
            Err(failure) => panic!("{failure}"),
        }
    }
    let Troubles { lost, damaged, forged, crowded, checksums, starved, refused } = all;
    let each = [lost, damaged, forged, crowded, checksums, starved, refused];
    assert!(each.iter().all(|&count| count > 50), "there was too little to bear: {all:?}");
}

fn add(all: &mut Troubles, some: &Troubles) {
    all.lost += some.lost;
    all.damaged += some.damaged;
    all.forged += some.forged;
    all.crowded += some.crowded;
    all.checksums += some.checksums;
    all.starved += some.starved;
    all.refused += some.refused;
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in [1, 2, 3] {
        assert_eq!(sim::simulate(seed).unwrap(), sim::simulate(seed).unwrap());
    }
    assert_ne!(sim::simulate(1).unwrap().hash, sim::simulate(2).unwrap().hash);
}
