//! Byte ranges: the `Range` field and what of it a representation has, RFC 9110 section 14.

use alloc::vec::Vec;

/// Most ranges in one request. With more the field is ignored (section 14.2 allows it): nobody who
/// reads a file needs them, and each costs the server far more than the client.
pub const MAX_RANGES: usize = 64;

/// A part of a representation; at least one byte, and all of it there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteRange {
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl ByteRange {
    /// The byte after the last one.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.offset + self.length
    }
}

/// What a `Range` field comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ranges {
    /// It is to be ignored: malformed, of another unit, or of too many ranges.
    Whole,
    /// One part.
    One(ByteRange),
    /// Several that do not touch each other, in the order asked for; in the order of their place
    /// when some that overlapped were put together (section 15.3.7.2).
    Many(Vec<ByteRange>),
    /// No byte asked for is there: 416.
    Unsatisfiable,
}

/// What a `Range` field with this value asks for of a representation of `length` bytes.
#[must_use]
pub fn ranges(value: &[u8], length: u64) -> Ranges {
    let mut found = [ByteRange { offset: 0, length: 0 }; MAX_RANGES];
    let mut count = 0;
    let mut specs = 0;
    let Some(list) = byte_ranges(value) else { return Ranges::Whole };
    for text in list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        if text.is_empty() {
            continue;
        }
        specs += 1;
        let Some(spec) = Spec::parse(text) else { return Ranges::Whole };
        if specs > MAX_RANGES {
            return Ranges::Whole;
        }
        if let Some(range) = spec.of(length) {
            found[count] = range;
            count += 1;
        }
    }
    match put_together(&mut found[..count]) {
        [] if specs == 0 => Ranges::Whole,
        [] => Ranges::Unsatisfiable,
        [range] => Ranges::One(*range),
        ranges => Ranges::Many(ranges.to_vec()),
    }
}

/// What follows `bytes=`.
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    let (unit, list) = value.split_at_checked(b"bytes=".len())?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(list)
}

/// One range as it was asked for.
enum Spec {
    /// From the first to the last byte, both included.
    Int(u64, u64),
    /// The last so many bytes.
    Suffix(u64),
}

impl Spec {
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&text[..dash], &text[dash + 1..]);
        match (first, last) {
            ([], _) => number(last).map(Self::Suffix),
            (_, []) => number(first).map(|first| Self::Int(first, u64::MAX)),
            _ => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Int(first, last))
            }
        }
    }

    /// What there is of it.
    fn of(&self, length: u64) -> Option<ByteRange> {
        let range = match *self {
            Self::Int(first, last) if first < length => {
                ByteRange { offset: first, length: last.min(length - 1) - first + 1 }
            }
            Self::Int(..) => return None,
            Self::Suffix(count) => {
                let count = count.min(length);
                ByteRange { offset: length - count, length: count }
            }
        };
        (range.length > 0).then_some(range)
    }
}

/// `1*DIGIT`. A number beyond 64 bits is as good as the largest: no representation is that long.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

/// Puts ranges that overlap or touch together. Leaves them in their order if none do.
fn put_together(ranges: &mut [ByteRange]) -> &[ByteRange] {
    let touch = |left: &ByteRange, right: &ByteRange| {
        left.offset <= right.end() && right.offset <= left.end()
    };
    let is_apart =
        |index: usize| ranges[index + 1..].iter().all(|other| !touch(&ranges[index], other));
    if (0..ranges.len()).all(is_apart) {
        return ranges;
    }
    ranges.sort_unstable();
    let mut last = 0;
    for index in 1..ranges.len() {
        let range = ranges[index];
        if touch(&ranges[last], &range) {
            ranges[last].length = ranges[last].end().max(range.end()) - ranges[last].offset;
        } else {
            last += 1;
            ranges[last] = range;
        }
    }
    &ranges[..=last]
}

#[cfg(test)]
mod tests;
