//! A shard's mailbox: wakes and orders, posted by any thread, taken by the shard's own.
//!
//! Invariants, checked by a model in `tests/mailbox_model.rs`:
//! - What is posted is taken, or the shard does not go to sleep, or the poster is told to ring:
//!   nothing can be left lying while the shard sleeps. Whether the shard sleeps is decided under
//!   the same lock as the posting, so no order of events falls between the two.
//! - A post to a shard that is awake costs one short lock and no system call.
//! - The mailbox holds at most twice as many wakes as there are different identifiers among them.

use std::mem;
use std::sync::PoisonError;

use base::ConnId;

use crate::Order;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// From this many waiting wakes on, those that are there twice are dropped now and then.
const TIDY_FROM: usize = 4_096;

/// The space for wakes that is kept when they have been delivered; more is given back.
const KEPT: usize = 2 * TIDY_FROM;

/// Wakes and orders on their way to one shard.
#[derive(Debug)]
pub struct Mailbox {
    /// Whether `letters` holds anything: lets a busy shard look without taking the lock. A hint;
    /// before it sleeps the shard looks for itself.
    waiting: AtomicBool,
    letters: Mutex<Letters>,
}

#[derive(Debug)]
struct Letters {
    wakes: Vec<ConnId>,
    /// The number of wakes at which to look for doubles next.
    tidy_at: usize,
    order: Order,
    /// Whether the shard may be asleep and nobody has been told to ring yet.
    asleep: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Mailbox {
    /// An empty mailbox of a shard that is awake.
    #[must_use]
    pub fn new() -> Self {
        Self {
            waiting: AtomicBool::new(false),
            letters: Mutex::new(Letters {
                wakes: Vec::new(),
                tidy_at: TIDY_FROM,
                order: Order::Run,
                asleep: false,
            }),
        }
    }

    /// Posts a wake, from any thread. True: the shard may be asleep, and the caller must ring.
    #[must_use = "a sleeping shard does not notice until it is rung"]
    pub fn wake(&self, id: ConnId) -> bool {
        self.post(|letters| letters.add(id))
    }

    /// Posts an order, from any thread. True: the shard may be asleep, and the caller must ring.
    #[must_use = "a sleeping shard does not notice until it is rung"]
    pub fn order(&self, order: Order) -> bool {
        self.post(|letters| letters.order = letters.order.and(order))
    }

    fn post(&self, write: impl FnOnce(&mut Letters)) -> bool {
        self.with(|letters| {
            write(letters);
            self.waiting.store(true, Ordering::Relaxed);
            mem::take(&mut letters.asleep)
        })
    }

    /// For the shard: whether it is worth calling [`Mailbox::take`].
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// For the shard: exchanges `wakes`, which must be empty, for those waiting, and says what the
    /// shard's orders are now.
    pub fn take(&self, wakes: &mut Vec<ConnId>) -> Order {
        debug_assert!(wakes.is_empty());
        if wakes.capacity() > KEPT {
            *wakes = Vec::new();
        }
        self.with(|letters| {
            self.waiting.store(false, Ordering::Relaxed);
            letters.tidy_at = TIDY_FROM;
            mem::swap(wakes, &mut letters.wakes);
            letters.order
        })
    }

    /// For the shard: whether it may go to sleep. After true, whoever posts is told to ring, until
    /// [`Mailbox::woke`].
    #[must_use]
    pub fn may_sleep(&self) -> bool {
        // `waiting` is written under the lock only, so here it is exact.
        self.with(|letters| {
            letters.asleep = !self.waiting.load(Ordering::Relaxed);
            letters.asleep
        })
    }

    /// For the shard: it is awake again, nobody needs to ring.
    pub fn woke(&self) {
        self.with(|letters| letters.asleep = false);
    }

    fn with<R>(&self, act: impl FnOnce(&mut Letters) -> R) -> R {
        // Nothing under the lock can leave the letters half-written, so a poisoned lock is sound.
        act(&mut self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Letters {
    fn add(&mut self, id: ConnId) {
        if self.wakes.last() == Some(&id) {
            return;
        }
        if self.wakes.len() >= self.tidy_at {
            self.wakes.sort_unstable();
            self.wakes.dedup();
            // Twice what is left, so that looking for doubles stays cheap however many come.
            self.tidy_at = TIDY_FROM.max(2 * self.wakes.len());
        }
        self.wakes.push(id);
    }
}
