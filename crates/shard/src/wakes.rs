//! The way into a server's shards for every other thread: [`Wakes`] for connections,
//! [`Wakes::order`] for the shards themselves.

use std::fmt;
use std::sync::Arc;

use app::Wake;
use base::ConnId;

use crate::{Mailbox, Order};

/// A shard's mailbox, and what ends the sleep of its engine.
pub struct Letterbox {
    mailbox: Mailbox,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl Letterbox {
    /// A letterbox of a shard whose engine's [`park`](app::Engine::park) returns, soon or the next
    /// time it is called, when `ring` is called from any thread.
    #[must_use]
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { mailbox: Mailbox::new(), ring: Box::new(ring) }
    }

    pub(crate) const fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    fn wake(&self, id: ConnId) {
        if self.mailbox.wake(id) {
            (self.ring)();
        }
    }

    fn order(&self, order: Order) {
        if self.mailbox.order(order) {
            (self.ring)();
        }
    }
}

impl fmt::Debug for Letterbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letterbox").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

/// The letterboxes of all shards of one server, by the shard number that is in every [`ConnId`].
#[derive(Clone, Debug)]
pub struct Wakes {
    /// The number of the first shard.
    first: u16,
    letterboxes: Arc<[Arc<Letterbox>]>,
}

impl Wakes {
    /// The letterboxes of shards `first`, `first + 1` and so on, modulo 65,536.
    #[must_use]
    pub fn new(first: u16, letterboxes: Vec<Arc<Letterbox>>) -> Self {
        Self { first, letterboxes: letterboxes.into() }
    }

    /// Gives an order to every shard.
    pub fn order(&self, order: Order) {
        for letterbox in self.letterboxes.iter() {
            letterbox.order(order);
        }
    }
}

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        let index = usize::from(id.shard().wrapping_sub(self.first));
        if let Some(letterbox) = self.letterboxes.get(index) {
            letterbox.wake(id);
        }
    }
}
