//! A bounded set of ranges of sequence numbers: what arrived ahead of its turn. Invariant: ranges
//! are not empty, do not touch one another, are in order, and all lie within 2^31 of each other.

use base::Seq;
use wire::tcp::SackBlock;

/// Ranges kept. One more hole than this, and what lies behind it is treated as lost.
pub(crate) const RANGES_MAX: usize = 16;

/// The set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranges {
    ranges: [SackBlock; RANGES_MAX],
    count: u8,
}

impl Ranges {
    pub(crate) const EMPTY: Self =
        Self { ranges: [SackBlock { start: Seq(0), end: Seq(0) }; RANGES_MAX], count: 0 };

    pub(crate) const fn clear(&mut self) {
        self.count = 0;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn as_slice(&self) -> &[SackBlock] {
        &self.ranges[..usize::from(self.count)]
    }

    /// Adds `start` up to `end`, joined with every range it touches. Gives the range it is in
    /// now; None, and nothing changed, when there is no room for one more.
    pub(crate) fn insert(&mut self, start: Seq, end: Seq) -> Option<SackBlock> {
        debug_assert!(start.before(end));
        let ranges = self.as_slice();
        let first = ranges.iter().take_while(|range| range.end.before(start)).count();
        let touching =
            ranges[first..].iter().take_while(|range| range.start.at_or_before(end)).count();
        let mut joined = SackBlock { start, end };
        if touching > 0 {
            joined.start = start.min(ranges[first].start);
            joined.end = end.max(ranges[first + touching - 1].end);
        } else if ranges.len() == RANGES_MAX {
            return None;
        }
        let count = ranges.len();
        self.ranges.copy_within(first + touching..count, first + 1);
        self.ranges[first] = joined;
        self.count = (count + 1 - touching) as u8;
        Some(joined)
    }

    /// Takes out everything up to `next`, and the range that continues from there. Gives the first
    /// number after it that is missing.
    pub(crate) fn advance(&mut self, next: Seq) -> Seq {
        if self.is_empty() {
            return next;
        }
        let ranges = self.as_slice();
        let gone = ranges.iter().take_while(|range| range.start.at_or_before(next)).count();
        let missing = match gone {
            0 => next,
            _ => next.max(ranges[gone - 1].end),
        };
        let count = ranges.len();
        self.ranges.copy_within(gone..count, 0);
        self.count = (count - gone) as u8;
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::{RANGES_MAX, Ranges};
    use base::Seq;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a set of single numbers, starting just before the wrap.
        #[test]
        fn behaves_as_a_set_of_numbers(origin: u32,
                                       adds in prop::collection::vec((0u32..200, 1u32..20), 0..40),
                                       next in 0u32..220) {
            let at = |offset: u32| Seq(origin) + offset;
            let mut ranges = Ranges::EMPTY;
            let mut model = BTreeSet::new();
            for (start, length) in adds {
                match ranges.insert(at(start), at(start + length)) {
                    Some(_) => model.extend(start..start + length),
                    None => prop_assert_eq!(ranges.as_slice().len(), RANGES_MAX),
                }
                let listed: BTreeSet<u32> = ranges.as_slice().iter()
                    .flat_map(|range| range.start.distance(at(0))..range.end.distance(at(0)))
                    .map(|offset| offset as u32).collect();
                prop_assert_eq!(&listed, &model);
                for pair in ranges.as_slice().windows(2) {
                    prop_assert!(pair[0].end.before(pair[1].start), "apart and in order");
                }
            }
            let missing = (next..).find(|number| !model.contains(number)).unwrap();
            prop_assert_eq!(ranges.advance(at(next)), at(missing));
            prop_assert!(ranges.as_slice().iter().all(|range| at(missing).before(range.start)));
        }
    }
}
