//! TCP sequence numbers: arithmetic modulo 2^32, RFC 9293 section 3.4. Invariant: two numbers are
//! only ever compared by their distance, which is meaningful while it is below 2^31.

use core::cmp::Ordering;
use core::ops::{Add, AddAssign, Sub};

/// A TCP sequence number. Not `Ord`: the order is circular, so it has [`Seq::before`] and
/// [`Seq::compare`] instead of a total order that would sort wrongly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Seq(pub u32);

impl Seq {
    /// Signed distance from `other` to this one: positive when this one is ahead.
    #[must_use]
    pub const fn distance(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether this number comes before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// Whether this number comes before `other` or is the same.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        self.distance(other) <= 0
    }

    /// The circular order of two numbers.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        self.distance(other).cmp(&0)
    }

    /// Whether this number lies in the window of `length` numbers that starts at `start`.
    #[must_use]
    pub const fn within(self, start: Self, length: u32) -> bool {
        self.0.wrapping_sub(start.0) < length
    }

    /// The later of two numbers.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two numbers.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, count: u32) {
        *self = *self + count;
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

#[cfg(test)]
mod tests {
    use super::Seq;
    use core::cmp::Ordering;

    #[test]
    fn order_survives_the_wrap() {
        let last = Seq(u32::MAX);
        let first = last + 1;
        assert_eq!(first, Seq(0));
        assert!(last.before(first) && !first.before(last));
        assert_eq!(first.distance(last), 1);
        assert_eq!(last.compare(first), Ordering::Less);
        assert_eq!(last.max(first), first);
        assert_eq!(last.min(first), last);
    }

    #[test]
    fn window_holds_its_first_number_and_not_the_one_past_its_end() {
        let start = Seq(u32::MAX - 1);
        assert!(start.within(start, 1));
        assert!((start + 3).within(start, 4));
        assert!(!(start + 4).within(start, 4));
        assert!(!(start - 1).within(start, 4));
        assert!(!start.within(start, 0));
    }
}
