//! The way into a server's shards for every other thread: [`Wakes`] for connections,
//! [`Wakes::order`] for the shards themselves.

use std::fmt;
use std::sync::Arc;

use app::Wake;
use base::ConnId;

use crate::survey::{Survey, Surveys};
use crate::{Mailbox, Order};

/// A shard's mailbox, and what ends the sleep of its engine.
pub struct Letterbox {
    mailbox: Mailbox,
    ring: Box<dyn Fn() + Send + Sync>,
    surveys: Surveys,
}

impl Letterbox {
    /// A letterbox of a shard whose engine's [`park`](app::Engine::park) returns, soon or the next
    /// time it is called, when `ring` is called from any thread.
    #[must_use]
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self { mailbox: Mailbox::new(), ring: Box::new(ring), surveys: Surveys::default() }
    }

    pub(crate) const fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    pub(crate) const fn surveys(&self) -> &Surveys {
        &self.surveys
    }

    fn survey(&self, survey: Survey) {
        self.surveys.add(survey);
        // An order that changes nothing: the shard looks round when it is awake.
        self.order(Order::Run);
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

    /// Has every shard show its connections to a survey made for it.
    pub fn survey(&self, mut make: impl FnMut() -> Survey) {
        for letterbox in self.letterboxes.iter() {
            letterbox.survey(make());
        }
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.letterboxes.len()
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
