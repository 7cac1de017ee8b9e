//! Results of compression, kept for all shards: [`Coded`].
//!
//! Invariant: the bytes held never exceed the limit; what was used longest ago makes way. Only
//! threads of the pool come here, so that its lock holds up no shard.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::coding::Coding;
use crate::compress::Levels;
use crate::disk::Stamp;
use crate::page::{Page, SMALL};

/// What was compressed, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    pub(crate) original: Original,
    pub(crate) coding: Coding,
    pub(crate) levels: Levels,
}

/// Names an original.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Original {
    /// By the hash of its content.
    Content(u128),
    /// By its file's state.
    File(Stamp),
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Coded(Mutex<State>);

#[derive(Debug)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Keys by when they were last used.
    order: BTreeMap<u64, Key>,
    uses: u64,
    bytes: u64,
    limit: u64,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    /// `None`: the result is no shorter than the original.
    result: Option<Arc<[u8]>>,
}

/// Bytes for one entry beside the result: two copies of the key, two tree nodes.
const OVERHEAD: u64 = 512;

impl Coded {
    /// An empty cache for `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        let (entries, order) = (HashMap::new(), BTreeMap::new());
        Self(Mutex::new(State { entries, order, uses: 0, bytes: 0, limit }))
    }

    /// Holds no more than `limit` bytes from now on.
    pub(crate) fn limit(&self, limit: u64) {
        let mut state = self.lock();
        state.limit = limit;
        state.make_room(0);
    }

    /// The result kept for a key, or the one that `make` gives. `make` runs without the lock: two
    /// threads may make the same result at the same time.
    pub(crate) fn get(
        &self,
        key: Key,
        make: impl FnOnce() -> Option<Arc<[u8]>>,
    ) -> Option<Arc<[u8]>> {
        if let Some(result) = self.lock().find(&key) {
            return result;
        }
        let result = make();
        self.lock().insert(key, result.clone());
        result
    }

    /// Bytes held.
    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a page's content in another coding; `None` when that is no shorter. Takes time.
pub(crate) fn code(page: &Page, coding: Coding, coded: &Coded) -> Option<Arc<[u8]>> {
    let plain = page.variant(Coding::Identity)??;
    let make = || Some(page.levels.compress(coding, &plain.read()?)?.into());
    let sure = page.stamps.as_ref().is_none_or(|stamps| stamps.settled);
    let result: Arc<[u8]> = match plain.original() {
        // The stamp may stay the same while the content changes: the result is not for others.
        Original::File(_) if !sure => make()?,
        original => coded.get(Key { original, coding, levels: page.levels }, make)?,
    };
    // A shard has its own copy of what is small, so that no two cores count its users.
    Some(if result.len() as u64 <= SMALL { Arc::from(&*result) } else { result })
}

impl State {
    fn find(&mut self, key: &Key) -> Option<Option<Arc<[u8]>>> {
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.order.insert(self.uses, *key);
        Some(entry.result.clone())
    }

    fn insert(&mut self, key: Key, result: Option<Arc<[u8]>>) {
        self.remove(&key);
        let cost = cost(&result);
        if cost > self.limit {
            return;
        }
        self.make_room(cost);
        self.uses += 1;
        self.bytes += cost;
        self.order.insert(self.uses, key);
        self.entries.insert(key, Entry { used: self.uses, result });
    }

    fn make_room(&mut self, cost: u64) {
        while self.bytes + cost > self.limit {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= cost(&entry.result);
        }
    }
}

fn cost(result: &Option<Arc<[u8]>>) -> u64 {
    OVERHEAD + result.as_ref().map_or(0, |bytes| bytes.len() as u64)
}

#[cfg(test)]
mod tests;
