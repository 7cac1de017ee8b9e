//! What a connection has while it has work: [`Block`], from a pool much smaller than the number of
//! connections. Invariant: a block is free, and holds nothing, or belongs to the one record that
//! names it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use app::Next;
use base::{Instant, Seq};
use mem::{Frame, Pool};
use tcp::{Sleeping, State, Waiting, Working};

use crate::native::sleep_timer;
use crate::receive_store::{ReceiveStore, WidePages};
use crate::send_queue::SendQueue;

/// Least room that a handler is offered, bytes: most answers without a body fit.
const ROOM_MIN: usize = 1024;
/// When fewer than one block in this many is free, they are scarce.
const SCARCE: u32 = 4;
/// One block in this many is left for what arrives, and one at least.
const ARRIVALS: u32 = 8;
/// In place of a slot.
const FREE: u32 = u32::MAX;
/// For so many buffers there is one window that can grow, of at most so many.
const BUFFERS_A_WIDE: u32 = 128;
const WIDE_MOST: u32 = 64;

/// A connection at work.
pub(crate) struct Block {
    pub(crate) tcp: Working,
    /// Where its record is.
    pub(crate) slot: u32,
    pub(crate) sending: SendQueue,
    pub(crate) received: ReceiveStore,
    /// The number after the last byte sent, to tell what has left from what waits.
    pub(crate) sent_to: Seq,
    /// What the handler waits for: Read, Idle, Write or Wait.
    pub(crate) waiting: Next,
    /// When the handler's timer runs out.
    pub(crate) timer: Option<Instant>,
    pub(crate) facts: Facts,
}

/// Where a connection stands with its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// The peer has opened it, and not shown yet that it can be reached.
    pub(crate) half_open: bool,
    /// The handshake is complete.
    pub(crate) established: bool,
    /// The handler has been told so.
    pub(crate) opened: bool,
    /// There is input, or its end, that the handler has not been offered.
    pub(crate) fresh: bool,
    /// The peer has closed its side.
    pub(crate) input_ended: bool,
    /// The handler wants to close once everything has been sent.
    pub(crate) closing: bool,
    /// TCP has been told to close.
    pub(crate) closed: bool,
    /// TCP is in TIME-WAIT: what is left to send is sent, then the block can go.
    pub(crate) time_wait: bool,
    /// It is on the list of those to be looked at in the next turn.
    pub(crate) listed: bool,
    /// It is on a list of those that wait for a buffer.
    pub(crate) starved: bool,
    /// A source had fewer bytes than it was said to have.
    pub(crate) short: bool,
    /// The handler has been told that the engine is closing down.
    pub(crate) drained: bool,
}

impl Block {
    fn new() -> Self {
        Self {
            tcp: Working::new(),
            slot: FREE,
            sending: SendQueue::new(),
            received: ReceiveStore::new(),
            sent_to: Seq(0),
            waiting: Next::Read,
            timer: None,
            facts: Facts::default(),
        }
    }

    /// Goes on with what was remembered of it while it slept.
    pub(crate) fn has_slept(&mut self, sleeping: &Sleeping, now: Instant) {
        self.facts.established = true;
        self.facts.opened = true;
        self.timer = sleep_timer::decode(now, sleeping.timer);
        self.facts.drained = sleeping.waiting.was_asked();
        self.waiting = match sleeping.waiting {
            Waiting::Idle => Next::Idle,
            Waiting::Input | Waiting::InputAsked => Next::Read,
            Waiting::Wake | Waiting::WakeAsked => Next::Wait,
        };
    }

    /// This side has closed and has nothing more to send; whether the peer has closed before.
    pub(crate) const fn has_closed(&mut self, input_ended: bool) {
        self.facts.input_ended = input_ended;
        self.facts.closing = true;
        self.facts.closed = true;
        self.timer = None;
    }

    /// Bytes put out that have not been sent once.
    pub(crate) fn unsent(&self) -> u64 {
        let told = self.tcp.end().distance(self.sent_to);
        u64::try_from(told).unwrap_or(0) + self.sending.untold()
    }

    /// Whether the handler is likely to take input at once.
    pub(crate) fn can_take_now(&self) -> bool {
        matches!(self.waiting, Next::Read | Next::Idle) && self.is_writable(0)
    }

    /// Whether a record alone could hold all there is of it.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_idle() && self.tcp.is_quiet()
    }

    /// Whether a connection has it.
    pub(crate) const fn is_taken(&self) -> bool {
        self.slot != FREE
    }

    /// Whether nothing is to be done for it but what TCP may still have to say.
    pub(crate) fn is_idle(&self) -> bool {
        let facts = &self.facts;
        facts.opened
            && !facts.closing
            && !facts.fresh
            && !facts.listed
            && self.waiting != Next::Write
            && self.sending.is_empty()
            && self.received.is_vacant()
    }

    /// Whether everything was sent and acknowledged, the FIN too, so that nothing but the peer's is missing.
    pub(crate) fn has_only_to_hear_of_the_end(&self) -> bool {
        self.facts.closed
            && !self.facts.listed
            && self.tcp.state() == State::FinWait2
            && !self.tcp.has_output()
    }

    /// A buffer for more output: the last one if it has room to spare, else a new one.
    pub(crate) fn open_buffer(&mut self, buffers: &mut Pool) -> Option<Frame> {
        self.sending.reopen_last(ROOM_MIN, buffers).or_else(|| buffers.take())
    }

    /// Gives back the buffers of what arrived ahead of its turn.
    pub(crate) fn forget_ahead(&mut self, buffers: &mut Pool) {
        if self.received.is_ahead() {
            self.received.forget_ahead(buffers);
            self.tcp.renege();
        }
    }

    /// Whether there is room for more output: no more than `ahead` bytes of what there was before
    /// have not been sent once.
    pub(crate) fn is_writable(&self, ahead: u64) -> bool {
        self.unsent() <= ahead && self.sending.has_room()
    }
}

/// The pool of blocks.
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    free: Vec<u32>,
    capacity: u32,
    /// Places for the buffers of windows that have grown.
    wide: Vec<Box<WidePages>>,
    /// Whose turn it is when one after the other is looked at.
    turn: usize,
}

impl Blocks {
    /// A pool of `capacity` blocks, which share so many buffers. Memory is used once they are.
    pub(crate) fn new(capacity: u32, buffers: u32) -> Self {
        let size = capacity as usize;
        let wide = (buffers / BUFFERS_A_WIDE).clamp(1, WIDE_MOST);
        Self {
            blocks: Vec::with_capacity(size),
            free: Vec::with_capacity(size),
            capacity,
            wide: (0..wide).map(|_| Box::new([const { None }; _])).collect(),
            turn: 0,
        }
    }

    /// Gives a block places for more than the usual window. False when there are none left.
    pub(crate) fn widen(&mut self, index: u32) -> bool {
        let can = self[index].received.is_usual();
        let Some(pages) = self.wide.pop_if(|_| can) else { return false };
        self[index].received.widen(pages);
        true
    }

    /// Takes a block for the connection in a slot. Its TCP part is as the last user left it.
    pub(crate) fn take(&mut self, slot: u32) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if (self.blocks.len() as u32) < self.capacity => {
                // Never past the capacity reserved, so this allocates nothing.
                self.blocks.push(Block::new());
                self.blocks.len() as u32 - 1
            }
            None => return None,
        };
        let block = &mut self[index];
        block.slot = slot;
        block.waiting = Next::Read;
        block.timer = None;
        // The lists may have it from its last use.
        let Facts { listed, starved, .. } = block.facts;
        block.facts = Facts { listed, starved, ..Facts::default() };
        Some(index)
    }

    /// Gives a block back, and its buffers to their pool.
    pub(crate) fn give(&mut self, index: u32, buffers: &mut Pool) {
        let block = &mut self[index];
        block.sending.clear(buffers);
        block.received.clear(buffers);
        block.slot = FREE;
        let wide = block.received.narrow();
        self.wide.extend(wide);
        self.free.push(index);
    }

    /// One block after the other, for as long as this is called. Only while one is taken.
    pub(crate) fn next_in_turn(&mut self) -> &mut Block {
        self.turn = (self.turn + 1) % self.blocks.len();
        &mut self.blocks[self.turn]
    }

    /// Gives the buffers of all blocks back, when nobody will use them any more.
    pub(crate) fn clear(&mut self, buffers: &mut Pool) {
        for block in &mut self.blocks {
            block.sending.clear(buffers);
            block.received.clear(buffers);
        }
    }

    /// Buffers that blocks hold, those of free blocks included: they should hold none.
    pub(crate) fn buffers_held(&self) -> u32 {
        let held = |block: &Block| block.sending.buffers_held() + block.received.buffers_held();
        self.blocks.iter().map(held).sum()
    }

    pub(crate) const fn available(&self) -> u32 {
        self.capacity - self.taken()
    }

    pub(crate) const fn taken(&self) -> u32 {
        (self.blocks.len() - self.free.len()) as u32
    }

    /// Whether so few are free that connections should sleep as soon as they can, even if a
    /// congestion window is forgotten over that, and that a SYN should cost nothing.
    pub(crate) const fn are_scarce(&self) -> bool {
        self.are_scarce_beside(0)
    }

    /// The same if so many more were taken.
    pub(crate) const fn are_scarce_beside(&self, more: u32) -> bool {
        self.available() < self.capacity.div_ceil(SCARCE) + more
    }

    /// Blocks that are left for what arrives.
    pub(crate) const fn for_arrivals(&self) -> u32 {
        self.capacity.div_ceil(ARRIVALS)
    }

    /// Bytes of memory in use: every block that was ever taken.
    pub(crate) const fn bytes_touched(&self) -> usize {
        self.blocks.len() * size_of::<Block>() + self.wide.capacity() * size_of::<WidePages>()
    }
}

impl Index<u32> for Blocks {
    type Output = Block;

    fn index(&self, index: u32) -> &Block {
        &self.blocks[index as usize]
    }
}

impl IndexMut<u32> for Blocks {
    fn index_mut(&mut self, index: u32) -> &mut Block {
        &mut self.blocks[index as usize]
    }
}
