//! Bytes that arrived and were not consumed: [`ReceiveStore`]. Invariant: of the bytes from the
//! first one not consumed on, the first `ready` are in order; what lies behind them was written
//! ahead of its turn, at its own place.

use alloc::vec::Vec;

use mem::{Frame, Pool};

/// Bytes of one buffer.
pub(crate) const PAGE: usize = 4096;
const PAGES: usize = 16;

/// A window's worth of bytes by their place in the stream, in buffers that are taken as they are
/// needed.
pub(crate) struct ReceiveStore {
    pages: [Option<Frame>; PAGES],
    /// Where in the first page the first byte not consumed is.
    start: usize,
    ready: usize,
    /// Bytes from the first one not consumed to the last one written.
    extent: usize,
}

impl ReceiveStore {
    /// Bytes that always fit, wherever in a page they start: the largest window to be offered.
    pub(crate) const WINDOW: u32 = ((PAGES - 1) * PAGE) as u32;

    pub(crate) const fn new() -> Self {
        Self { pages: [const { None }; PAGES], start: 0, ready: 0, extent: 0 }
    }

    /// Buffers that a segment of so many bytes can need: it may begin and end in the middle of one.
    pub(crate) const fn buffers_for(bytes: usize) -> u32 {
        // A segment is shorter than 2^16.
        1 + bytes.div_ceil(PAGE) as u32
    }

    /// Bytes in order.
    pub(crate) const fn ready(&self) -> usize {
        self.ready
    }

    /// Whether nothing at all is held.
    pub(crate) const fn is_vacant(&self) -> bool {
        self.extent == 0
    }

    /// Writes bytes that start `ahead` bytes after those in order. False when there is no buffer or
    /// no room for all of them; some may have been written then.
    pub(crate) fn write(&mut self, ahead: usize, bytes: &[u8], buffers: &mut Pool) -> bool {
        let mut place = self.start + self.ready + ahead;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(page) = self.pages.get_mut(place / PAGE) else { return false };
            if page.is_none() {
                *page = buffers.take();
            }
            let Some(frame) = page else { return false };
            let within = place % PAGE;
            let count = rest.len().min(PAGE - within);
            let (now, later) = rest.split_at(count);
            buffers.buffer_mut(frame)[within..within + count].copy_from_slice(now);
            frame.set_range(0..PAGE);
            rest = later;
            place += count;
            self.extent = self.extent.max(place - self.start);
        }
        true
    }

    /// `count` more bytes, written before, are in order now.
    pub(crate) fn advance(&mut self, count: usize) {
        self.ready += count;
        debug_assert!(self.ready <= self.extent);
    }

    /// Copies all bytes in order behind one another.
    pub(crate) fn gather(&self, into: &mut Vec<u8>, buffers: &Pool) {
        let (mut place, end) = (self.start, self.start + self.ready);
        while place < end {
            let within = place % PAGE;
            let count = (end - place).min(PAGE - within);
            let Some(frame) = &self.pages[place / PAGE] else { return };
            into.extend_from_slice(&buffers.data(frame)[within..within + count]);
            place += count;
        }
    }

    /// The first `count` bytes in order are done with.
    pub(crate) fn consume(&mut self, count: usize, buffers: &mut Pool) {
        let count = count.min(self.ready);
        self.start += count;
        self.ready -= count;
        self.extent -= count;
        if self.extent == 0 {
            return self.clear(buffers);
        }
        while self.start >= PAGE {
            if let Some(frame) = self.pages[0].take() {
                buffers.give(frame);
            }
            self.pages.rotate_left(1);
            self.start -= PAGE;
        }
    }

    /// Whether it holds bytes ahead of their turn.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.extent > self.ready
    }

    /// Lets go of bytes ahead of their turn.
    pub(crate) fn forget_ahead(&mut self, buffers: &mut Pool) {
        self.extent = self.ready;
        if self.extent == 0 {
            return self.clear(buffers);
        }
        let used = (self.start + self.extent).div_ceil(PAGE);
        for page in &mut self.pages[used..] {
            if let Some(frame) = page.take() {
                buffers.give(frame);
            }
        }
    }

    /// Buffers in it.
    pub(crate) fn buffers_held(&self) -> u32 {
        // At most as many as there are pages in a window.
        self.pages.iter().flatten().count() as u32
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, buffers: &mut Pool) {
        for page in &mut self.pages {
            if let Some(frame) = page.take() {
                buffers.give(frame);
            }
        }
        (self.start, self.ready, self.extent) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use base::Prng;
    use mem::Pool;

    use super::{PAGE, ReceiveStore};

    /// Writes a stream in pieces, some ahead of their turn, consumes it in others, and compares.
    #[test]
    fn a_stream_comes_out_as_it_went_in() {
        let mut prng = Prng::new(11);
        let mut buffers = Pool::new(16, PAGE).unwrap();
        let stream: Vec<u8> = (0..400_000).map(|_| prng.next_u32() as u8).collect();
        let mut store = ReceiveStore::new();
        let (mut written, mut out, mut scratch) = (0, Vec::new(), Vec::new());
        while out.len() < stream.len() {
            let held = written - out.len();
            let room = (ReceiveStore::WINDOW as usize - held).min(stream.len() - written);
            let length = (prng.below(1_460) as usize + 1).min(room);
            let gap = (prng.below(3_000) as usize).min(room - length);
            if length > 0 && prng.chance(500_000) {
                let ahead = &stream[written + gap..written + gap + length];
                assert!(store.write(gap, ahead, &mut buffers));
                assert!(store.write(0, &stream[written..written + gap], &mut buffers));
                store.advance(gap + length);
                written += gap + length;
            }
            scratch.clear();
            store.gather(&mut scratch, &buffers);
            assert_eq!(scratch.len(), written - out.len());
            let taken = (prng.below(4_000) as usize).min(scratch.len());
            out.extend_from_slice(&scratch[..taken]);
            store.consume(taken, &mut buffers);
        }
        assert!(out == stream && store.is_vacant());
        assert_eq!(buffers.taken(), 0);
    }

    #[test]
    fn what_is_ahead_of_its_turn_can_be_forgotten() {
        let mut buffers = Pool::new(16, PAGE).unwrap();
        let mut store = ReceiveStore::new();
        assert!(store.write(5 * PAGE, &[2; PAGE], &mut buffers) && store.is_ahead());
        store.forget_ahead(&mut buffers);
        assert!(store.is_vacant() && buffers.taken() == 0);
        assert!(store.write(0, &[1; PAGE + 10], &mut buffers));
        store.advance(PAGE + 10);
        store.consume(PAGE - 1, &mut buffers);
        assert!(store.write(0, &[2; 20], &mut buffers) && store.write(PAGE, &[3], &mut buffers));
        assert_eq!((store.buffers_held(), store.is_ahead()), (3, true));
        store.forget_ahead(&mut buffers);
        assert_eq!((store.buffers_held(), store.is_ahead(), store.ready()), (2, false, 11));
        let mut bytes = Vec::new();
        store.gather(&mut bytes, &buffers);
        assert_eq!(bytes, [1; 11]);
        store.clear(&mut buffers);
    }

    #[test]
    fn running_out_of_buffers_or_of_window_is_said() {
        let mut buffers = Pool::new(1, PAGE).unwrap();
        let mut store = ReceiveStore::new();
        assert!(store.write(0, &[1; PAGE], &mut buffers));
        assert!(!store.write(PAGE, b"x", &mut buffers));
        assert!(!store.write(16 * PAGE, b"x", &mut buffers));
        store.clear(&mut buffers);
        assert_eq!(buffers.taken(), 0);
    }
}
