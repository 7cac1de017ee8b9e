//! Connections that could not do all they had to: those that go on in the next turn, and those that
//! wait for a buffer. Invariant: a block is in each list once at most; one that waits for a buffer is
//! in a list as long as none is free for it, and nothing turns meanwhile on its account.

use alloc::collections::VecDeque;

use app::Handler;
use port::Port;

use super::Core;

/// Lists of blocks. A block that was given back, and perhaps taken again, may still be in one: it is
/// passed over then, or looked at in vain.
pub(super) struct Lists {
    /// To be looked at in the next turn.
    again: VecDeque<u32>,
    /// Without a buffer for what the handler may put out: those that answer, and those that ask.
    starved: [VecDeque<u32>; 2],
}

/// What a connection wants a buffer for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    Answer,
    Ask,
}

impl Lists {
    /// Lists for so many blocks.
    pub(super) fn new(blocks: u32) -> Self {
        let list = || VecDeque::with_capacity(blocks as usize);
        Self { again: list(), starved: [list(), list()] }
    }
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Puts a block on the list for the next turn.
    pub(super) fn list(&mut self, block: u32) {
        let facts = &mut self.blocks[block].facts;
        if !core::mem::replace(&mut facts.listed, true) {
            self.lists.again.push_back(block);
        }
    }

    /// Has a block wait for a buffer.
    pub(super) fn starve(&mut self, block: u32, want: Want) {
        let facts = &mut self.blocks[block].facts;
        if !core::mem::replace(&mut facts.starved, true) {
            self.lists.starved[want as usize].push_back(block);
        }
    }

    /// Buffers that are left to others by whoever wants one for this. The end that opened a connection
    /// asks, so it always leaves some for taking answers in: two ends whose questions and answers hold
    /// all the buffers of both would wait for each other.
    pub(super) const fn leaves(&self, want: Want) -> u32 {
        match want {
            Want::Answer => 0,
            Want::Ask => self.settings.buffers_for_payload,
        }
    }

    /// Goes on with connections that were put off, and with those that there is a buffer for now.
    /// Gives how many.
    pub(super) fn run_listed<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        // Those put off again come behind those that are here now.
        let count = self.lists.again.len();
        for _ in 0..count {
            let Some(block) = self.lists.again.pop_front() else { break };
            self.blocks[block].facts.listed = false;
            self.go_on(app, block);
        }
        count as u32 + self.run_starved(app, Want::Answer) + self.run_starved(app, Want::Ask)
    }

    fn run_starved<H: Handler<Conn = C>>(&mut self, app: &mut H, want: Want) -> u32 {
        let mut count = 0;
        for _ in 0..self.lists.starved[want as usize].len() {
            if self.buffers.available() <= self.leaves(want) {
                break;
            }
            let Some(block) = self.lists.starved[want as usize].pop_front() else { break };
            count += 1;
            self.blocks[block].facts.starved = false;
            self.go_on(app, block);
        }
        count
    }

    fn go_on<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) {
        if self.blocks[block].is_taken() {
            self.run(app, block, &[]);
        }
    }

    /// Whether a connection that was put off can go on now.
    pub(super) fn has_listed(&self) -> bool {
        let fed = |want: Want| {
            !self.lists.starved[want as usize].is_empty()
                && self.buffers.available() > self.leaves(want)
        };
        !self.lists.again.is_empty() || fed(Want::Answer) || fed(Want::Ask)
    }

    /// Whether there is a block for what this end begins by itself: a wake, a timer. Some are left
    /// for what arrives, because only that gets a peer's blocks back. Two ends that both ask with all
    /// the blocks they have would wait for each other.
    pub(super) const fn may_begin(&self) -> bool {
        self.draining || self.blocks.available() > self.blocks.for_arrivals()
    }
}
