//! Records in the order they came: [`List`], linked through the records themselves. Invariant: a
//! record is in at most one list, and says so ([`Flags::LISTED`]).

use mem::Slab;

use crate::record::{Flags, NONE, Record};

/// A list of records, oldest first. Push and remove take constant time.
#[derive(Debug)]
pub(crate) struct List {
    oldest: u32,
    newest: u32,
    len: u32,
}

impl List {
    pub const fn new() -> Self {
        Self { oldest: NONE, newest: NONE, len: 0 }
    }

    pub const fn oldest(&self) -> Option<u32> {
        if self.oldest == NONE { None } else { Some(self.oldest) }
    }

    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Puts a record that is in no list at the end.
    pub fn push<C>(&mut self, records: &mut Slab<Record<C>>, slot: u32) {
        let Some(record) = records.get_mut(slot) else { return };
        debug_assert!(!record.flags.has(Flags::LISTED), "in a list already");
        record.flags.set(Flags::LISTED);
        record.newer = NONE;
        record.older = self.newest;
        match records.get_mut(self.newest) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        self.len += 1;
    }

    /// Takes a record out, if it is in a list; that has to be this one.
    pub fn remove<C>(&mut self, records: &mut Slab<Record<C>>, slot: u32) {
        let Some(record) = records.get_mut(slot) else { return };
        if !record.flags.take(Flags::LISTED) {
            return;
        }
        let (newer, older) = (record.newer, record.older);
        match records.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match records.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::List;
    use crate::handle::Handle;
    use crate::record::Record;
    use app::Peer;
    use mem::Slab;

    #[test]
    fn oldest_first_whatever_was_taken_out() {
        let mut records = Slab::new(4).unwrap();
        let slots: Vec<u32> = (0..4)
            .map(|_| {
                let handle = Handle::place(0);
                records.insert(Record::new((), handle, Peer::Unix, 0)).ok().unwrap()
            })
            .collect();
        let mut list = List::new();
        for &slot in &slots {
            list.push(&mut records, slot);
        }
        list.remove(&mut records, slots[1]);
        list.remove(&mut records, slots[1]);
        list.push(&mut records, slots[1]);
        list.remove(&mut records, slots[3]);
        let mut order = Vec::new();
        while let Some(slot) = list.oldest() {
            order.push(slot);
            list.remove(&mut records, slot);
        }
        assert_eq!(order, [slots[0], slots[2], slots[1]]);
        assert_eq!(list.len(), 0);
    }
}
