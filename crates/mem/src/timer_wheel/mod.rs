//! Timers by key, millions of them: [`TimerWheel`]. Invariant: a key whose timer runs is in exactly
//! one bucket, and the wheel looks into that bucket no later than the timer's time.
//!
//! The wheel is Varghese and Lauck's hierarchical one (1987, scheme 7) with two changes for a
//! server, which starts and stops a timer with every request: a timer that is stopped or put off
//! stays where it is linked, so both are one store, and is moved when its bucket comes up.

mod buckets;
#[cfg(test)]
mod tests;

use core::fmt;

use base::Instant;

use crate::{Arena, Region, ReserveError, Zeroable};
use buckets::{Bucket, Occupancy};

/// The furthest a timer can be put off, in ticks of 1 ms: a little over 49 days. All 32-bit ticks
/// in the wheel are ahead of its own time by at most this, so their distance is never ambiguous.
const HORIZON: u64 = u32::MAX as u64;
/// Timers moved or dropped in one call of [`TimerWheel::expired`] before it takes a break.
const MOVES_PER_CALL: u32 = 256;
/// Set in [`Node::next`] while the timer runs. The other bits are the next key plus one.
const RUNNING: u32 = 1 << 31;

/// One timer for each key below a capacity. Starting, stopping and putting off take constant
/// time; most often they are one store into the 16 bytes that a key costs. Memory is used only for
/// keys that had a timer.
///
/// Time advances in ticks of a millisecond. A timer never runs out early, and at most one tick
/// late as far as the wheel is concerned.
pub struct TimerWheel {
    nodes: Region<Node>,
    /// First key, plus one, of each bucket's list.
    heads: [u32; Bucket::COUNT],
    occupancy: Occupancy,
    /// The wheel's time in ticks: every bucket before it is empty.
    current: u64,
    running: u32,
}

/// A key's place in the lists, and its time. All zeros: no timer, and in no list.
#[derive(Clone, Copy)]
struct Node {
    /// The key after this one in its bucket plus one, or 0; and [`RUNNING`].
    next: u32,
    /// What leads here: 0 for nothing (in no list), a bucket plus 1, or the key before this one
    /// plus 1 plus the number of buckets.
    prev: u32,
    /// The tick at which the timer runs out, modulo 2^32.
    due: u32,
    /// The tick at which the bucket comes up, modulo 2^32.
    comes_up: u32,
}

const _: () = assert!(size_of::<Node>() == 16);

// SAFETY: four integers.
unsafe impl Zeroable for Node {}

impl Node {
    const fn is_linked(&self) -> bool {
        self.prev != 0
    }

    const fn is_running(&self) -> bool {
        self.next & RUNNING != 0
    }

    const fn follower(&self) -> Option<u32> {
        (self.next & !RUNNING).checked_sub(1)
    }

    const fn set_follower(&mut self, link: u32) {
        self.next = self.next & RUNNING | link;
    }
}

impl TimerWheel {
    /// The highest capacity.
    pub const MAX_CAPACITY: u32 = (1 << 31) - 1024;

    /// A wheel for the keys below `capacity`, without any timer running, in address space of its
    /// own.
    ///
    /// # Errors
    /// [`ReserveError`] when that is not to be had, or `capacity` is above
    /// [`TimerWheel::MAX_CAPACITY`].
    pub fn new(capacity: u32, now: Instant) -> Result<Self, ReserveError> {
        Self::new_in(&mut Arena::separate(), capacity, now)
    }

    /// The same in an arena.
    ///
    /// # Errors
    /// [`ReserveError`] when the arena has no room for it, or `capacity` is above
    /// [`TimerWheel::MAX_CAPACITY`].
    pub fn new_in(arena: &mut Arena, capacity: u32, now: Instant) -> Result<Self, ReserveError> {
        if capacity > Self::MAX_CAPACITY {
            return Err(ReserveError { bytes: usize::MAX });
        }
        Ok(Self {
            nodes: arena.place(capacity as usize)?,
            heads: [0; Bucket::COUNT],
            occupancy: Occupancy::default(),
            current: now.as_millis(),
            running: 0,
        })
    }

    /// Bytes of an arena that a wheel takes.
    #[must_use]
    pub const fn bytes_for(capacity: u32) -> usize {
        Arena::bytes_for::<Node>(capacity as usize)
    }

    /// Has the key run out at `at`, instead of whenever it was to before. A time that has passed
    /// runs out at once; one more than 49 days ahead does so after 49 days.
    ///
    /// # Panics
    /// When the key is not below the capacity: a mistake of the caller's own.
    pub fn set(&mut self, key: u32, at: Instant) {
        let due = at.as_nanos().div_ceil(1_000_000);
        let due = due.clamp(self.current, self.current + HORIZON);
        let current = self.current;
        let node = &mut self.nodes[key as usize];
        node.due = due as u32;
        if !node.is_running() {
            node.next |= RUNNING;
            self.running += 1;
        }
        if !node.is_linked() {
            self.link(key, due);
        } else if ahead(current, node.comes_up) > due - current {
            self.unlink(key);
            self.link(key, due);
        }
    }

    /// Stops the key's timer. Nothing happens when none runs.
    pub fn cancel(&mut self, key: u32) {
        let Some(node) = self.nodes.get_mut(key as usize) else { return };
        if node.is_running() {
            node.next &= !RUNNING;
            self.running -= 1;
        }
    }

    /// When the key's timer runs out, if it runs; rounded up to the tick.
    #[must_use]
    pub fn deadline(&self, key: u32) -> Option<Instant> {
        let node = self.nodes.get(key as usize).filter(|node| node.is_running())?;
        Some(Instant::from_millis(self.current + ahead(self.current, node.due)))
    }

    /// Takes one key whose timer has run out by `now`. `None` when there is none, or when this
    /// call has moved as many timers as one call may; in that case [`TimerWheel::next_deadline`]
    /// is not after `now`, and the next call goes on.
    pub fn expired(&mut self, now: Instant) -> Option<u32> {
        let now = now.as_millis();
        let mut moves = 0;
        while moves < MOVES_PER_CALL {
            let Some(key) = self.heads[Bucket::UP.index()].checked_sub(1) else {
                if !self.bring_up(now) {
                    return None;
                }
                continue;
            };
            self.unlink(key);
            moves += 1;
            let node = &mut self.nodes[key as usize];
            let due = self.current + ahead(self.current, node.due);
            if !node.is_running() {
                continue;
            }
            if due == self.current {
                node.next &= !RUNNING;
                self.running -= 1;
                return Some(key);
            }
            self.link(key, due);
        }
        None
    }

    /// When to call [`TimerWheel::expired`] next, if any timer runs or a stopped one is still to
    /// be tidied away. Never later than the first timer's time, rounded up to the tick. Often
    /// earlier: the wheel has to look at a far timer, or one that was put off, once or a few times
    /// on the way.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.heads[Bucket::UP.index()] != 0 {
            return Some(Instant::from_millis(self.current));
        }
        let (_, tick) = self.occupancy.first(self.current)?;
        Some(Instant::from_millis(tick))
    }

    /// Timers that run.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.running
    }

    /// Whether no timer runs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.running == 0
    }

    /// Starts loading the key's timer into the cache.
    #[inline]
    pub fn prefetch(&self, key: u32) {
        self.nodes.prefetch(key as usize);
    }

    /// Bytes of address space reserved. A page of it is used once a key in it has had a timer.
    #[must_use]
    pub fn bytes_reserved(&self) -> usize {
        self.nodes.bytes()
    }

    /// Advances to the first bucket that has come up by `now` and makes its list the one that
    /// `expired` works on. Without one, advances to `now` and says false.
    fn bring_up(&mut self, now: u64) -> bool {
        match self.occupancy.first(self.current) {
            Some((bucket, tick)) if tick <= now => {
                self.current = tick;
                self.occupancy.clear(bucket);
                let head = core::mem::take(&mut self.heads[bucket.index()]);
                self.heads[Bucket::UP.index()] = head;
                if let Some(first) = head.checked_sub(1) {
                    self.nodes[first as usize].prev = Bucket::UP.as_prev();
                }
                true
            }
            _ => {
                self.current = self.current.max(now);
                false
            }
        }
    }

    /// Puts a key that is in no list into the bucket for `due`.
    fn link(&mut self, key: u32, due: u64) {
        let (bucket, comes_up) = Bucket::of(self.current, due);
        let head = core::mem::replace(&mut self.heads[bucket.index()], key + 1);
        self.occupancy.set(bucket);
        if let Some(second) = head.checked_sub(1) {
            self.nodes[second as usize].prev = key_as_prev(key);
        }
        let node = &mut self.nodes[key as usize];
        node.set_follower(head);
        node.prev = bucket.as_prev();
        node.comes_up = comes_up as u32;
    }

    /// Takes a key out of its list.
    fn unlink(&mut self, key: u32) {
        let node = &mut self.nodes[key as usize];
        let (follower, prev) = (node.follower(), core::mem::take(&mut node.prev));
        node.set_follower(0);
        let link = follower.map_or(0, |follower| follower + 1);
        match Bucket::from_prev(prev) {
            Ok(bucket) => {
                self.heads[bucket.index()] = link;
                if link == 0 {
                    self.occupancy.clear(bucket);
                }
            }
            Err(before) => self.nodes[before as usize].set_follower(link),
        }
        if let Some(follower) = follower {
            self.nodes[follower as usize].prev = prev;
        }
    }
}

/// How far the tick that is `tick` modulo 2^32 lies ahead of `current`.
const fn ahead(current: u64, tick: u32) -> u64 {
    // The low half of `current` on purpose: distances are below 2^32.
    tick.wrapping_sub(current as u32) as u64
}

/// How [`Node::prev`] says that a key leads to the node.
const fn key_as_prev(key: u32) -> u32 {
    key + 1 + Bucket::COUNT as u32
}

impl fmt::Debug for TimerWheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel")
            .field("running", &self.running)
            .field("capacity", &self.nodes.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}
