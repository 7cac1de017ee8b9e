//! Ranges by table, and against a plain set of byte numbers.

use std::collections::BTreeSet;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::{ByteRange, MAX_RANGES, Ranges, ranges};

fn one(offset: u64, length: u64) -> Ranges {
    Ranges::One(ByteRange { offset, length })
}

fn many(parts: &[(u64, u64)]) -> Ranges {
    Ranges::Many(parts.iter().map(|&(offset, length)| ByteRange { offset, length }).collect())
}

#[test]
fn ranges_of_a_thousand_bytes() {
    for (value, expected) in [
        ("bytes=0-499", one(0, 500)),
        ("bytes=500-999", one(500, 500)),
        ("bytes=-500", one(500, 500)),
        ("bytes=9-", one(9, 991)),
        ("bytes=0-0", one(0, 1)),
        ("bytes=-1", one(999, 1)),
        ("bytes=-2000", one(0, 1000)),
        ("bytes=0-2000", one(0, 1000)),
        ("bytes=0-99999999999999999999999", one(0, 1000)),
        ("Bytes=0-0", one(0, 1)),
        ("bytes= 0-0 ", one(0, 1)),
        ("bytes=,0-0,,", one(0, 1)),
        ("bytes=0-0,-1", many(&[(0, 1), (999, 1)])),
        ("bytes=-1, 0-0", many(&[(999, 1), (0, 1)])),
        ("bytes=500-600,601-999", one(500, 500)),
        ("bytes=500-700,601-999", one(500, 500)),
        ("bytes=5-9,0-2,1-3", many(&[(0, 4), (5, 5)])),
        ("bytes=0-,0-,0-", one(0, 1000)),
        ("bytes=0-0,5000-", one(0, 1)),
        ("bytes=1000-", Ranges::Unsatisfiable),
        ("bytes=1000-1001,2000-", Ranges::Unsatisfiable),
        ("bytes=-0", Ranges::Unsatisfiable),
        ("bytes=", Ranges::Whole),
        ("bytes=,", Ranges::Whole),
        ("bytes=-", Ranges::Whole),
        ("bytes=5-4", Ranges::Whole),
        ("bytes=0-0,5-4", Ranges::Whole),
        ("bytes=a-b", Ranges::Whole),
        ("bytes=0-0x", Ranges::Whole),
        ("bytes=+1-2", Ranges::Whole),
        ("bytes=1 - 2", Ranges::Whole),
        ("bytes=--1", Ranges::Whole),
        ("bytes 0-0", Ranges::Whole),
        ("bytes", Ranges::Whole),
        ("lines=0-0", Ranges::Whole),
        ("", Ranges::Whole),
    ] {
        assert_eq!(ranges(value.as_bytes(), 1000), expected, "{value}");
    }
}

#[test]
fn nothing_of_an_empty_representation_is_satisfiable() {
    for value in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
        assert_eq!(ranges(value.as_bytes(), 0), Ranges::Unsatisfiable);
    }
}

#[test]
fn too_many_ranges_are_ignored() {
    let value = |count: usize| {
        let specs: Vec<_> = (0..count).map(|n| std::format!("{}-{}", n * 2, n * 2)).collect();
        String::from("bytes=") + &specs.join(",")
    };
    assert!(matches!(ranges(value(MAX_RANGES).as_bytes(), 1000), Ranges::Many(_)));
    assert_eq!(ranges(value(MAX_RANGES + 1).as_bytes(), 1000), Ranges::Whole);
}

proptest! {
    /// The bytes chosen are those asked for, and no byte twice.
    #[test]
    fn the_same_bytes_as_asked_for(
        specs in prop::collection::vec((0..60_u64, 0..10_u64), 1..12),
        length in 1..50_u64,
    ) {
        let texts: Vec<_> =
            specs.iter().map(|(first, more)| std::format!("{first}-{}", first + more)).collect();
        let value = String::from("bytes=") + &texts.join(",");
        let asked: BTreeSet<u64> = specs
            .iter()
            .flat_map(|&(first, more)| first..=first + more)
            .filter(|&byte| byte < length)
            .collect();
        let chosen = match ranges(value.as_bytes(), length) {
            Ranges::One(range) => std::vec![range],
            Ranges::Many(ranges) => ranges,
            Ranges::Unsatisfiable => Vec::new(),
            Ranges::Whole => panic!("{value} ignored"),
        };
        let bytes: Vec<u64> = chosen.iter().flat_map(|range| range.offset..range.end()).collect();
        prop_assert_eq!(bytes.len(), asked.len());
        prop_assert_eq!(bytes.into_iter().collect::<BTreeSet<_>>(), asked);
    }
}
