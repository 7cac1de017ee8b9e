//! All connections of one engine and the books kept on them: [`Connections`]. Invariant: the open
//! ones and those being opened are counted once in `open`, accepted ones once for their client; a record is in the idle list exactly
//! while it rests with nothing owed, in the lingering list exactly while it lingers.

use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Peer, Refusal};
use base::{ConnId, Instant, Limits};
use mem::{Region, Slab, TimerWheel};

use crate::client_limits::ClientLimits;
use crate::handle::Handle;
use crate::held::Held;
use crate::list::List;
use crate::output::Stalled;
use crate::record::{Flags, NONE, Record, State};
use crate::{Config, SetupError};

/// Most connections that linger at once. The oldest is cut off for the next.
const LINGERING: u32 = 1_024;
/// The longest that a connection lingers.
const LINGER_TIME: Duration = Duration::from_secs(5);
/// What a lingering connection may still send: each read costs one, and one more for every
/// [`LINGER_UNIT`] bytes. Between 1 and 4 MB, or 255 dribbles.
const LINGER_UNITS: u8 = 255;
const LINGER_UNIT: usize = 16 * 1024;

pub(crate) struct Connections<C> {
    shard: u16,
    pub limits: Limits,
    pub records: Slab<Record<C>>,
    /// How often each slot has been used, modulo 65,536.
    generations: Region<u16>,
    work: Slab<Work>,
    pub timers: TimerWheel,
    clients: ClientLimits,
    idle: List,
    lingering: List,
    pub open: u32,
    pub draining: bool,
    /// Bytes in held input and stalled output.
    buffered: u64,
    pub counters: Arc<Counters>,
}

/// What a connection needs only while it works: none while it rests.
#[derive(Default)]
pub(crate) struct Work {
    pub held: Held,
    pub output: Option<Stalled>,
}

impl Work {
    const fn is_empty(&self) -> bool {
        self.held.is_empty() && self.output.is_none()
    }

    fn memory(&self) -> u64 {
        (self.held.memory() + self.output.as_ref().map_or(0, Stalled::memory)) as u64
    }
}

/// Whether a new connection can be held.
pub(crate) enum Admission {
    Admitted,
    /// After this one, which is idle, has made way.
    InPlaceOf(u32),
    Refused(Refusal),
}

impl<C: Copy + Default> Connections<C> {
    pub fn new(config: &Config, counters: Arc<Counters>) -> Result<Self, SetupError> {
        let () = Record::<C>::FITS;
        let limits = config.limits;
        let slots = limits.connections.saturating_add(LINGERING);
        let clients = ClientLimits::new(limits.connections_per_client, limits.connections)
            .ok_or(SetupError::Memory { bytes: limits.connections as usize * 32 })?;
        Ok(Self {
            shard: config.shard,
            limits,
            records: Slab::new(slots)?,
            generations: Region::reserve(slots as usize)?,
            work: Slab::new(limits.connections)?,
            timers: TimerWheel::new(slots, Instant::ZERO)?,
            clients,
            idle: List::new(),
            lingering: List::new(),
            open: 0,
            draining: false,
            buffered: 0,
            counters,
        })
    }

    /// Bytes that so many connections take while they rest: records, generations and timers.
    pub const fn bytes_for(connections: u32) -> usize {
        Slab::<Record<C>>::bytes_for(connections)
            .saturating_add(connections as usize * size_of::<u16>())
            .saturating_add(TimerWheel::bytes_for(connections))
    }

    /// The identifier of the connection in a slot.
    pub fn id(&self, slot: u32) -> ConnId {
        ConnId::new(self.shard, slot, self.generations[slot as usize])
    }

    /// The slot of a connection, unless the identifier is stale.
    pub fn slot(&self, id: ConnId) -> Option<u32> {
        let slot = id.slot();
        (id.shard() == self.shard && self.records.contains(slot) && self.id(slot) == id)
            .then_some(slot)
    }

    /// Whether a new connection from this peer can be held. A refusal is counted.
    pub fn admission(&self, peer: &Peer) -> Admission {
        if !self.clients.allows(peer) {
            self.counters.refused_client.add(1);
            return Admission::Refused(Refusal::FullForClient);
        }
        if self.open < self.limits.connections {
            return Admission::Admitted;
        }
        match self.oldest_idle() {
            Some(oldest) => Admission::InPlaceOf(oldest),
            None => {
                self.counters.refused_full.add(1);
                Admission::Refused(Refusal::Full)
            }
        }
    }

    /// Whether one more can be opened by this side. Nobody makes way for it.
    pub const fn has_room(&self) -> bool {
        self.open < self.limits.connections
    }

    /// The connection that would make way for a new one.
    pub const fn oldest_idle(&self) -> Option<u32> {
        self.idle.oldest()
    }

    /// Whether a descriptor is free once this connection is closed.
    pub fn holds_descriptor(&self, slot: u32) -> bool {
        let record = self.records.get(slot);
        record.is_some_and(|record| record.socket.handle.as_descriptor().is_some())
    }

    /// Puts a connection that was admitted into a slot. The handle comes back, to be closed, only when
    /// operations of many that have ended are still in flight.
    pub fn insert(&mut self, handle: Handle, peer: Peer, listener: u16) -> Result<u32, Handle> {
        let slot = self.keep(Record::new(C::default(), handle, peer, listener))?;
        self.clients.opened(&peer);
        self.open += 1;
        self.counters.accepted.add(1);
        self.counters.connections.set(u64::from(self.open));
        Ok(slot)
    }

    /// Puts a connection that this side opens into a slot, as [`Connections::insert`] does.
    pub fn insert_dialled(&mut self, conn: C, handle: Handle, peer: Peer) -> Result<u32, Handle> {
        let slot = self.keep(Record::dialled(conn, handle, peer))?;
        self.open += 1;
        self.counters.connections.set(u64::from(self.open));
        Ok(slot)
    }

    fn keep(&mut self, record: Record<C>) -> Result<u32, Handle> {
        self.records.insert(record).map_err(|record| record.socket.handle)
    }

    /// A connection that was being opened is open.
    pub fn established(&mut self, slot: u32) {
        self.timers.cancel(slot);
        self.counters.opened.add(1);
        if let Some(record) = self.records.get_mut(slot) {
            record.state = State::Read;
        }
    }

    /// Puts a connection that was refused into a slot, to linger, as [`Connections::insert`] does.
    pub fn insert_refused(&mut self, handle: Handle, now: Instant) -> Result<u32, Handle> {
        let slot = self.keep(Record::new(C::default(), handle, Peer::Unix, 0))?;
        self.linger(slot, now);
        Ok(slot)
    }

    /// Takes a connection that is over for its handler out of the books. The record stays.
    pub fn strike(&mut self, slot: u32) {
        self.busy(slot);
        self.timers.cancel(slot);
        self.set_work(slot, Work::default());
        let Some(record) = self.records.get_mut(slot) else { return };
        record.state = State::Gone;
        if !record.is_dialled() {
            self.clients.ended(&record.peer.unpack());
        }
        self.open -= 1;
        self.counters.connections.set(u64::from(self.open));
    }

    /// Has a struck connection linger.
    pub fn linger(&mut self, slot: u32, now: Instant) {
        let Some(record) = self.records.get_mut(slot) else { return };
        record.state = State::Lingering;
        record.socket.linger_units = LINGER_UNITS;
        self.timers.set(slot, now + LINGER_TIME);
        self.lingering.push(&mut self.records, slot);
    }

    /// Counts a read of a lingering connection. True when it was the last.
    pub fn spend(&mut self, slot: u32, bytes: usize) -> bool {
        let Some(record) = self.records.get_mut(slot) else { return true };
        let units = &mut record.socket.linger_units;
        let cost = u8::try_from(1 + bytes / LINGER_UNIT).unwrap_or(u8::MAX);
        *units = units.saturating_sub(cost);
        *units == 0
    }

    /// The lingering connection that is to be cut off because there are too many.
    pub fn lingering_too_many(&self) -> Option<u32> {
        self.oldest_lingering().filter(|_| self.lingering.len() >= LINGERING)
    }

    /// The connection that has lingered longest.
    pub const fn oldest_lingering(&self) -> Option<u32> {
        self.lingering.oldest()
    }

    /// A connection that lingers lingers no more. The record stays.
    pub fn stop_lingering(&mut self, slot: u32) {
        self.timers.cancel(slot);
        self.lingering.remove(&mut self.records, slot);
        if let Some(record) = self.records.get_mut(slot) {
            record.state = State::Gone;
        }
    }

    /// Gives a slot back; the identifier goes stale. The socket is closed with the record.
    pub fn release(&mut self, slot: u32) -> Option<Record<C>> {
        let record = self.records.remove(slot)?;
        let generation = &mut self.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        Some(record)
    }

    /// The connection rests with nothing owed.
    pub fn idle(&mut self, slot: u32) {
        if self.limits.evict_idle {
            self.idle.push(&mut self.records, slot);
        }
    }

    /// The connection does not rest any more.
    pub fn busy(&mut self, slot: u32) {
        if self.records.get(slot).is_some_and(|record| record.flags.has(Flags::LISTED)) {
            self.idle.remove(&mut self.records, slot);
        }
    }

    /// The working block, if the connection has one.
    pub fn work(&self, slot: u32) -> Option<&Work> {
        self.work.get(self.records.get(slot)?.work)
    }

    /// Takes the working block away; what is left of it has to be put back.
    pub fn take_work(&mut self, slot: u32) -> Work {
        let Some(record) = self.records.get_mut(slot) else { return Work::default() };
        if record.work == NONE {
            return Work::default();
        }
        let index = std::mem::replace(&mut record.work, NONE);
        let work = self.work.remove(index).unwrap_or_default();
        self.buffered -= work.memory();
        work
    }

    /// Puts a working block back, unless there is nothing in it.
    pub fn set_work(&mut self, slot: u32, work: Work) {
        drop(self.take_work(slot));
        if work.is_empty() {
            return;
        }
        let Some(record) = self.records.get_mut(slot) else { return };
        self.buffered += work.memory();
        // There are as many blocks as open connections, so there is one.
        record.work = self.work.insert(work).unwrap_or(NONE);
    }

    /// Bytes of memory held for connections.
    pub fn memory(&self) -> u64 {
        let slots = self.records.bytes_touched();
        // A generation of 2 bytes and a timer of 16 for each record of 64.
        let beside = slots / size_of::<Record<C>>() * 18;
        let tables = slots + beside + self.work.bytes_touched() + self.clients.bytes();
        tables as u64 + self.buffered
    }
}
