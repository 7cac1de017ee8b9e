//! Whether all there is of an engine still adds up: for simulations and tests, which ask after every
//! turn. Invariant: asking changes nothing.

use core::fmt;

use port::Port;
use tcp::Body;

use super::{Core, Native};

/// What does not add up. Any of these is a mistake in the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistency {
    /// Packet buffers taken from their pool, and those that are in a batch or wait for a neighbour.
    Frames {
        /// Taken from the pool.
        taken: u32,
        /// Found where they may be.
        found: u32,
    },
    /// Packets that arrived and were not given back when the turn ended.
    Arrivals(u32),
    /// Buffers taken from their pool, and those that working blocks and answers in flight hold.
    Buffers {
        /// Taken from the pool.
        taken: u32,
        /// Found there.
        found: u32,
    },
    /// The flow table does not lead to the record in this slot by its own ends.
    Flow(u32),
    /// The flow table has another number of entries than there are records.
    Entries {
        /// Records.
        records: u32,
        /// Entries of the table.
        entries: u32,
    },
    /// A record names a block that belongs to another one, or blocks are taken that no record names.
    Block(u32),
    /// The same of answers in flight.
    Reply(u32),
    /// SND.UNA ≤ SND.NXT ≤ the number after the FIN does not hold for the connection in this slot.
    Sequence(u32),
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames { taken, found } => {
                write!(f, "{taken} packet buffers are taken and {found} are where they may be")
            }
            Self::Arrivals(count) => write!(f, "{count} packets that arrived were not given back"),
            Self::Buffers { taken, found } => {
                write!(f, "{taken} buffers are taken and connections hold {found}")
            }
            Self::Flow(slot) => write!(f, "the flow table does not find the record in slot {slot}"),
            Self::Entries { records, entries } => {
                write!(f, "{records} records and {entries} entries of the flow table")
            }
            Self::Reply(index) => write!(f, "reply {index} and the records do not agree"),
            Self::Block(block) => write!(f, "block {block} and the records do not agree"),
            Self::Sequence(slot) => {
                write!(f, "the sequence numbers of the connection in slot {slot} are out of order")
            }
        }
    }
}

impl<P: Port, C: Copy + Default> Native<P, C> {
    /// Looks at everything and says what does not add up. Costs time for every connection.
    ///
    /// # Errors
    /// The first [`Inconsistency`] found.
    pub fn audit(&self) -> Result<(), Inconsistency> {
        let arrivals = self.arrivals.taken();
        if arrivals != 0 {
            return Err(Inconsistency::Arrivals(arrivals));
        }
        self.core.audit()
    }

    /// Connections, in TIME-WAIT or not, and buffers in use: nothing of either is left once every
    /// connection is over and forgotten.
    #[must_use]
    pub fn left_over(&self) -> (u32, u32) {
        (self.core.flows.len(), self.core.buffers.taken())
    }
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    pub(super) fn audit(&self) -> Result<(), Inconsistency> {
        let (taken, found) = self.link.frames_taken_and_found();
        if taken != found {
            return Err(Inconsistency::Frames { taken, found });
        }
        let found = self.blocks.buffers_held() + self.replies.buffers_held();
        let taken = self.buffers.taken();
        if taken != found {
            return Err(Inconsistency::Buffers { taken, found });
        }
        let (records, entries) = (self.flows.len(), self.flows.entries());
        if records != entries {
            return Err(Inconsistency::Entries { records, entries });
        }
        let (mut from, mut blocks, mut replies) = (0, 0, 0);
        while let Some(slot) = self.flows.next_slot(from) {
            from = slot + 1;
            match self.audit_record(slot)? {
                Kept::Block => blocks += 1,
                Kept::Reply => replies += 1,
                Kept::Record => {}
            }
        }
        if replies != self.replies.taken() {
            return Err(Inconsistency::Reply(replies));
        }
        if blocks == self.blocks.taken() { Ok(()) } else { Err(Inconsistency::Block(blocks)) }
    }

    fn audit_record(&self, slot: u32) -> Result<Kept, Inconsistency> {
        let flow = self.flows.get(slot).map(|record| record.flow);
        let found = flow.and_then(|flow| self.flows.find(self.flows.hash(&flow), &flow));
        if found != Some(slot) {
            return Err(Inconsistency::Flow(slot));
        }
        let block = match self.flows.get(slot).map(|record| record.body) {
            Some(Body::Working(block)) => block,
            Some(Body::Replied(index)) if self.replies.get(index).slot != slot => {
                return Err(Inconsistency::Reply(index));
            }
            Some(Body::Replied(_)) => return Ok(Kept::Reply),
            Some(Body::Sleeping(_) | Body::TimeWait(_)) | None => return Ok(Kept::Record),
        };
        let working = &self.blocks[block];
        if working.slot != slot {
            return Err(Inconsistency::Block(block));
        }
        let (una, next, end) = (working.tcp.una(), working.tcp.next(), working.tcp.end());
        if !una.at_or_before(next) || !next.at_or_before(end + 1) {
            return Err(Inconsistency::Sequence(slot));
        }
        Ok(Kept::Block)
    }
}

/// Where a connection is kept, beside its record.
enum Kept {
    Block,
    Reply,
    Record,
}
