//! The bytes of a connection: those to be sent and kept until they are acknowledged, and those that
//! arrived, in order and ahead of it. Invariant: `Output` holds exactly the payload from SND.UNA to
//! the end of what the application wrote, `Input` what was acknowledged and not read.

use std::collections::VecDeque;

use base::Seq;

/// What the application wrote.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: VecDeque<u8>,
    /// The number of the first byte.
    base: Seq,
}

impl Output {
    /// The first byte will have the number `base`.
    pub(crate) const fn start(&mut self, base: Seq) {
        self.base = base;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number after the last byte.
    pub(crate) fn end(&self) -> Seq {
        self.base + self.bytes.len() as u32
    }

    /// The first `count` bytes were acknowledged.
    pub(crate) fn acknowledged(&mut self, count: u32) {
        let count = (count as usize).min(self.bytes.len());
        self.bytes.drain(..count);
        self.base += count as u32;
    }

    /// `length` bytes from `start` on, to be sent.
    pub(crate) fn copy(&self, start: Seq, length: u32) -> Vec<u8> {
        let from = start.distance(self.base).max(0) as usize;
        self.bytes.iter().skip(from).take(length as usize).copied().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: VecDeque<u8>,
    /// Behind a gap: where each piece starts. Pieces may overlap.
    ahead: Vec<(Seq, Vec<u8>)>,
    /// The peer has said that no more comes.
    pub(crate) ended: bool,
}

impl Input {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(crate) fn keep_ahead(&mut self, start: Seq, bytes: &[u8]) {
        self.ahead.push((start, bytes.to_vec()));
    }

    /// What was kept for `start` and `length` bytes on is in order now.
    pub(crate) fn take_ahead(&mut self, start: Seq, length: u32) {
        let end = start + length;
        let mut joined = vec![0; length as usize];
        for (at, piece) in &self.ahead {
            let from = start.max(*at);
            let to = end.min(*at + piece.len() as u32);
            if from.before(to) {
                let source = from.distance(*at) as usize..to.distance(*at) as usize;
                let target = from.distance(start) as usize..to.distance(start) as usize;
                joined[target].copy_from_slice(&piece[source]);
            }
        }
        self.bytes.extend(joined);
        self.ahead.retain(|(at, piece)| end.before(*at + piece.len() as u32));
    }

    /// Up to `most` bytes; they stay when `peek`.
    pub(crate) fn take(&mut self, most: usize, peek: bool) -> Vec<u8> {
        let count = most.min(self.bytes.len());
        if peek {
            return self.bytes.iter().take(count).copied().collect();
        }
        self.bytes.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, Output};
    use base::Seq;

    #[test]
    fn pieces_ahead_join_across_the_wrap_of_numbers() {
        let mut input = Input::default();
        let start = Seq(u32::MAX - 1);
        input.keep_ahead(start + 3, b"def");
        input.keep_ahead(start + 1, b"bcd");
        input.push(b"a");
        input.take_ahead(start + 1, 5);
        assert_eq!(input.take(10, true), b"abcdef");
        assert_eq!(input.take(2, false), b"ab");
        assert!(input.ahead.is_empty());
    }

    #[test]
    fn what_is_acknowledged_is_let_go() {
        let mut output = Output::default();
        output.start(Seq(10));
        output.push(b"abcdef");
        output.acknowledged(2);
        assert_eq!(output.copy(Seq(13), 10), b"def");
        assert_eq!((output.end(), output.len()), (Seq(16), 4));
    }
}
