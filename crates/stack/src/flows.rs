//! The connections of a shard: their records, and the table that finds a record by who talks to
//! whom. Invariant: every record is in the table under its own hash, and nothing else is.

use base::{ConnId, SipKey};
use mem::{Arena, FlowTable, ReserveError, Slab};
use tcp::{Body, Flow, Record, Tuple};

use crate::link::Addresses;

/// Bytes 8 to 11 of an IPv4 address in its IPv6 form (RFC 4291 section 2.5.5.2).
const IPV4_MAPPED: u32 = u32::from_le_bytes([0, 0, 0xff, 0xff]);

/// Records and their table.
pub(crate) struct Flows<C> {
    records: Slab<Record<C>>,
    table: FlowTable,
    key: SipKey,
    shard: u16,
    /// The generation of the next record. One count for all slots: two uses of one slot that are
    /// a multiple of 65,536 connections apart have the same.
    generation: u16,
}

impl<C: Copy + Default> Flows<C> {
    pub(crate) fn new_in(
        arena: &mut Arena,
        capacity: u32,
        key: SipKey,
        shard: u16,
    ) -> Result<Self, ReserveError> {
        let records = Slab::new_in(arena, capacity)?;
        let table = FlowTable::new_in(arena, capacity)?;
        Ok(Self { records, table, key, shard, generation: 0 })
    }

    /// Bytes of an arena that it takes.
    pub(crate) const fn bytes_for(capacity: u32) -> usize {
        Slab::<Record<C>>::bytes_for(capacity).saturating_add(FlowTable::bytes_for(capacity))
    }

    /// The hash of a connection's ends.
    #[inline(always)]
    pub(crate) fn hash(&self, flow: &Flow) -> u64 {
        hash(self.key, flow)
    }

    /// First pass: starts loading the table's bucket.
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Second pass: starts loading the record that the hash most likely leads to, and says which.
    /// Where the bucket has none, what follows it in the table, for another look.
    #[inline]
    pub(crate) fn prefetch_record(&self, hash: u64) -> Option<u32> {
        let Some(slot) = self.table.likely(hash) else {
            self.table.prefetch_chain(hash);
            return None;
        };
        self.records.prefetch(slot);
        Some(slot)
    }

    /// Another look, where the first gave nothing.
    pub(crate) fn prefetch_record_in_chain(&self, hash: u64) -> Option<u32> {
        let slot = self.table.likely_in_chain(hash)?;
        self.records.prefetch(slot);
        Some(slot)
    }

    /// The slot of the connection between these ends, where it most likely is: a connection has one
    /// record, so none but the right one says that it is.
    #[inline]
    pub(crate) fn find_likely(&self, likely: Option<u32>, hash: u64, flow: &Flow) -> Option<u32> {
        match likely {
            Some(slot) if self.is_of(slot, flow) => Some(slot),
            _ => self.find(hash, flow),
        }
    }

    #[inline]
    fn is_of(&self, slot: u32, flow: &Flow) -> bool {
        self.records.get(slot).is_some_and(|record| record.flow == *flow)
    }

    /// Starts loading the record of a connection that is about to be woken.
    pub(crate) fn prefetch_slot(&self, slot: u32) {
        self.records.prefetch(slot);
    }

    /// The slot of the connection between these ends.
    pub(crate) fn find(&self, hash: u64, flow: &Flow) -> Option<u32> {
        self.table.find(hash, |slot| self.is_of(slot, flow))
    }

    /// Adds a connection that is not there. `None` when there is no record or no place in the
    /// table for it.
    pub(crate) fn insert(&mut self, hash: u64, flow: Flow, body: Body) -> Option<u32> {
        let record = Record::new(C::default(), flow, self.generation, body);
        let slot = self.records.insert(record).ok()?;
        let (records, key) = (&self.records, self.key);
        let rehash = |slot| {
            let record = records.get(slot);
            record.map_or(0, |record| self::hash(key, &record.flow))
        };
        if self.table.insert(hash, slot, rehash).is_err() {
            self.records.remove(slot);
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        Some(slot)
    }

    /// Takes a connection out.
    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(record) = self.records.remove(slot) {
            let removed = self.table.remove(self.hash(&record.flow), slot);
            debug_assert!(removed, "a record was not in the table");
        }
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Record<C>> {
        self.records.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Record<C>> {
        self.records.get_mut(slot)
    }

    /// The first slot in use from `from` on.
    pub(crate) fn next_slot(&self, from: u32) -> Option<u32> {
        self.records.next_occupied(from)
    }

    /// The identifier of the connection in a slot.
    pub(crate) fn id(&self, slot: u32) -> Option<ConnId> {
        let record = self.records.get(slot)?;
        Some(ConnId::new(self.shard, slot, record.generation))
    }

    /// The slot that an identifier names, if its connection is still there.
    pub(crate) fn slot(&self, id: ConnId) -> Option<u32> {
        let record = self.records.get(id.slot())?;
        let same = id.shard() == self.shard && id.generation() == record.generation;
        same.then_some(id.slot())
    }

    /// The ends of the connection in a slot.
    #[inline]
    pub(crate) fn ends(&self, slot: u32, addresses: &Addresses) -> Option<Tuple> {
        Some(tuple(&self.records.get(slot)?.flow, addresses))
    }

    pub(crate) const fn len(&self) -> u32 {
        self.records.len()
    }

    /// Entries of the table.
    pub(crate) const fn entries(&self) -> u32 {
        self.table.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() == self.records.capacity()
    }

    /// Bytes of memory in use: records and table.
    pub(crate) fn bytes_touched(&self) -> usize {
        self.records.bytes_touched() + self.table.bytes_touched()
    }
}

/// The ends of a connection, spelled out.
#[inline]
pub(crate) fn tuple(flow: &Flow, addresses: &Addresses) -> Tuple {
    Tuple {
        local: addresses.get(flow.local),
        local_port: flow.local_port,
        remote: flow.remote(),
        remote_port: flow.remote_port,
    }
}

/// Of ten bytes for IPv4 and 22 for IPv6, so that the usual case costs five rounds of SipHash. Inlined where
/// the flow was just made, it takes it from registers: read back from memory in other pieces than it
/// was written in, it would have to wait for the writes.
#[inline(always)]
fn hash(key: SipKey, flow: &Flow) -> u64 {
    let [high, low, rest] = flow.words();
    if high == 0 && low as u32 == IPV4_MAPPED {
        let ports = rest >> 16;
        return key.table_hash_with([low >> 32 | ports << 32], rest & 0xffff, 2);
    }
    key.table_hash_with([high, low], rest, 6)
}
