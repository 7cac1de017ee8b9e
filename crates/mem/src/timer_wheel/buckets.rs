//! The wheel's geometry: six levels of 64 buckets, each level's bucket spanning a whole turn of the
//! level below. Invariant: below the top level, every timer lies in the same turn of its level as
//! the wheel's time, so a lower level's first bucket comes up before any of a higher level's.

/// Bits of a tick that select the bucket within a level.
const BITS: u32 = 6;
const BUCKETS: u32 = 1 << BITS;
/// Six levels span 2^36 ticks, more than the horizon of 2^32, so on the top level the buckets in
/// use never reach round to the current one.
const LEVELS: u32 = 6;

/// A list of timers: one of the levels', or the one that has come up and is being worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bucket(u16);

impl Bucket {
    /// The list that has come up.
    pub const UP: Self = Self((LEVELS * BUCKETS) as u16);
    /// How many lists there are.
    pub const COUNT: usize = (LEVELS * BUCKETS) as usize + 1;

    /// The bucket for a timer due at `due` seen from `current` (not after it), and the tick at
    /// which that bucket comes up: `due` itself or before it.
    pub const fn of(current: u64, due: u64) -> (Self, u64) {
        let differing = u64::BITS - (current ^ due).leading_zeros();
        let level = if differing == 0 { 0 } else { (differing - 1) / BITS };
        let level = if level < LEVELS { level } else { LEVELS - 1 };
        let turn = due >> (level * BITS);
        let slot = turn as u32 % BUCKETS;
        (Self((level * BUCKETS + slot) as u16), turn << (level * BITS))
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// How a node says that it is the first of this list.
    pub const fn as_prev(self) -> u32 {
        self.0 as u32 + 1
    }

    /// What leads to a node in a list: the list itself, or the key before it.
    pub const fn from_prev(prev: u32) -> Result<Self, u32> {
        let place = prev - 1;
        if place < Self::COUNT as u32 {
            Ok(Self(place as u16))
        } else {
            Err(place - Self::COUNT as u32)
        }
    }

    const fn level(self) -> usize {
        (self.0 as u32 / BUCKETS) as usize
    }

    const fn bit(self) -> u64 {
        1 << (self.0 as u32 % BUCKETS)
    }
}

/// Which buckets hold anything: a word for each level. The list that has come up is not in it.
#[derive(Default)]
pub(super) struct Occupancy([u64; LEVELS as usize]);

impl Occupancy {
    pub const fn set(&mut self, bucket: Bucket) {
        self.0[bucket.level()] |= bucket.bit();
    }

    pub fn clear(&mut self, bucket: Bucket) {
        if let Some(word) = self.0.get_mut(bucket.level()) {
            *word &= !bucket.bit();
        }
    }

    /// The bucket that comes up first, and when: a tick that is not before `current`.
    pub fn first(&self, current: u64) -> Option<(Bucket, u64)> {
        let level = (0..LEVELS).find(|&level| self.0[level as usize] != 0)?;
        let turn = current >> (level * BITS);
        let slot = turn as u32 % BUCKETS;
        let distance = self.0[level as usize].rotate_right(slot).trailing_zeros();
        let bucket = Bucket((level * BUCKETS + (slot + distance) % BUCKETS) as u16);
        Some((bucket, (turn + u64::from(distance)) << (level * BITS)))
    }
}
