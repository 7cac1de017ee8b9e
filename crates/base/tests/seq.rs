//! Sequence numbers against whole ones: what two positions in a stream say of each other, their
//! numbers modulo 2^32 say too, wherever in the circle the stream begins.

use base::Seq;
use proptest::prelude::*;

/// The number of the byte at a position of a stream that begins with `origin`.
fn number(origin: u32, position: i64) -> Seq {
    Seq(origin.wrapping_add(position as u32))
}

proptest! {
    #[test]
    fn numbers_are_ordered_as_positions_are(
        origin: u32,
        first in 0..1i64 << 40,
        ahead in -(1i64 << 31) + 1..1i64 << 31,
    ) {
        let second = first + ahead;
        let (a, b) = (number(origin, first), number(origin, second));
        prop_assert_eq!(i64::from(b.distance(a)), ahead);
        prop_assert_eq!((a.before(b), a.at_or_before(b)), (first < second, first <= second));
        prop_assert_eq!(a.compare(b), first.cmp(&second));
        prop_assert_eq!(a.max(b), number(origin, first.max(second)));
        prop_assert_eq!(a.min(b), number(origin, first.min(second)));
    }

    #[test]
    fn a_window_holds_the_positions_it_holds(
        origin: u32,
        start in 0..1i64 << 40,
        length in 0..1u32 << 30,
        at in prop_oneof![-3..3i64, 0..1i64 << 31],
        from_the_end: bool,
    ) {
        let position = start + at + if from_the_end { i64::from(length) } else { 0 };
        let inside = (start..start + i64::from(length)).contains(&position);
        prop_assert_eq!(number(origin, position).within(number(origin, start), length), inside);
    }

    #[test]
    fn adding_and_taking_away_move_the_position(
        origin: u32,
        position in 0..1i64 << 40,
        count: u32,
    ) {
        let here = number(origin, position);
        prop_assert_eq!(here + count, number(origin, position + i64::from(count)));
        prop_assert_eq!(here - count, number(origin, position - i64::from(count)));
        let mut moved = here;
        moved += count;
        prop_assert_eq!(moved, here + count);
    }
}
