//! Bytes that arrived and were not consumed: [`ReceiveStore`]. Invariant: of the bytes from the
//! first one not consumed on, the first `ready` are in order; what lies behind them was written
//! ahead of its turn, at its own place.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use mem::{Frame, Pool};

/// Bytes of one buffer.
pub(crate) const PAGE: usize = 4096;
/// Buffers that a store has places for, and those of a wide one.
const PAGES: usize = 16;
const PAGES_WIDE: usize = 1024;

/// A unit of the window scale that [`ReceiveStore::WINDOW_WIDE`] needs.
const ROUNDING: u32 = 128;

/// Places for the buffers of a window that has grown: 8 KiB, of which there are few.
pub(crate) type WidePages = [Option<Frame>; PAGES_WIDE];

/// A window's worth of bytes by their place in the stream, in buffers that are taken as they are
/// needed.
pub(crate) struct ReceiveStore {
    pages: Pages,
    /// Which place has the first byte not consumed; the others follow in a ring.
    first: usize,
    /// Where in that buffer the byte is.
    start: usize,
    ready: usize,
    /// Bytes from the first one not consumed to the last one written.
    extent: usize,
}

enum Pages {
    Usual([Option<Frame>; PAGES]),
    Wide(Box<WidePages>),
}

impl Pages {
    const fn count(&self) -> usize {
        match self {
            Self::Usual(_) => PAGES,
            Self::Wide(_) => PAGES_WIDE,
        }
    }

    fn all(&self) -> &[Option<Frame>] {
        match self {
            Self::Usual(pages) => pages,
            Self::Wide(pages) => &pages[..],
        }
    }

    /// A place by its number from the start of the ring; both counts are powers of two.
    fn at(&mut self, number: usize) -> &mut Option<Frame> {
        match self {
            Self::Usual(pages) => &mut pages[number % PAGES],
            Self::Wide(pages) => &mut pages[number % PAGES_WIDE],
        }
    }

    fn get(&self, number: usize) -> Option<&Frame> {
        self.all()[number % self.count()].as_ref()
    }
}

impl ReceiveStore {
    /// Bytes that always fit, wherever in a page they start and however a window scale rounds them up:
    /// the window offered at first.
    pub(crate) const WINDOW: u32 = ((PAGES - 1) * PAGE) as u32 - ROUNDING;
    /// The same of a wide store: the largest window offered.
    pub(crate) const WINDOW_WIDE: u32 = ((PAGES_WIDE - 1) * PAGE) as u32 - ROUNDING;

    pub(crate) const fn new() -> Self {
        let pages = Pages::Usual([const { None }; PAGES]);
        Self { pages, first: 0, start: 0, ready: 0, extent: 0 }
    }

    /// Whether there are places for the bytes up to the one `ahead` bytes after those in order.
    pub(crate) const fn fits(&self, ahead: usize) -> bool {
        self.start + self.ready + ahead <= self.pages.count() * PAGE
    }

    /// Whether it has the usual places and not yet more.
    pub(crate) const fn is_usual(&self) -> bool {
        matches!(self.pages, Pages::Usual(_))
    }

    /// Gets more places, once.
    pub(crate) fn widen(&mut self, mut wide: Box<WidePages>) {
        if let Pages::Usual(pages) = &mut self.pages {
            for (number, place) in wide[..PAGES].iter_mut().enumerate() {
                *place = pages[(self.first + number) % PAGES].take();
            }
            self.first = 0;
            self.pages = Pages::Wide(wide);
        }
    }

    /// Gives the places back that it got. Only while it is vacant.
    pub(crate) fn narrow(&mut self) -> Option<Box<WidePages>> {
        if self.is_usual() {
            return None;
        }
        debug_assert!(self.extent == 0);
        match core::mem::replace(self, Self::new()).pages {
            Pages::Usual(_) => None,
            Pages::Wide(wide) => Some(wide),
        }
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
            if place / PAGE >= self.pages.count() {
                return false;
            }
            let page = self.pages.at(self.first + place / PAGE);
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

    /// Copies the first bytes in order behind one another, at most [`ReceiveStore::WINDOW`].
    pub(crate) fn gather(&self, into: &mut Vec<u8>, buffers: &Pool) {
        let (mut place, end) = (self.start, self.start + self.ready.min(Self::WINDOW as usize));
        while place < end {
            let within = place % PAGE;
            let count = (end - place).min(PAGE - within);
            let Some(frame) = self.pages.get(self.first + place / PAGE) else { return };
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
            if let Some(frame) = self.pages.at(self.first).take() {
                buffers.give(frame);
            }
            self.first = (self.first + 1) % self.pages.count();
            self.start -= PAGE;
        }
    }

    /// Whether it holds bytes ahead of their turn.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.extent > self.ready
    }

    /// Lets go of bytes ahead of their turn.
    pub(crate) fn forget_ahead(&mut self, buffers: &mut Pool) {
        if self.ready == 0 {
            return self.clear(buffers);
        }
        let used = (self.start + self.extent).div_ceil(PAGE);
        let kept = (self.start + self.ready).div_ceil(PAGE);
        self.give_pages(kept..used, buffers);
        self.extent = self.ready;
    }

    fn give_pages(&mut self, numbers: Range<usize>, buffers: &mut Pool) {
        for number in numbers {
            if let Some(frame) = self.pages.at(self.first + number).take() {
                buffers.give(frame);
            }
        }
    }

    /// Buffers in it.
    pub(crate) fn buffers_held(&self) -> u32 {
        // At most as many as there are pages in a window.
        self.pages.all().iter().flatten().count() as u32
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, buffers: &mut Pool) {
        // What was consumed to the end has its last buffer still.
        let used = (self.start + self.extent).div_ceil(PAGE).max(1);
        self.give_pages(0..used.min(self.pages.count()), buffers);
        (self.start, self.ready, self.extent) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use base::Prng;
    use mem::Pool;

    use alloc::boxed::Box;

    use super::{PAGE, PAGES_WIDE, ReceiveStore};

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

    /// As the first, with a window of four megabytes in places that come and go.
    #[test]
    fn a_wide_store_keeps_what_the_usual_one_had() {
        let mut buffers = Pool::new(1_024, PAGE).unwrap();
        let byte = |number: usize| (number % 251) as u8;
        let stream: Vec<u8> = (0..5_000_000).map(byte).collect();
        let mut store = ReceiveStore::new();
        // The ring has turned, and something is ahead.
        for _ in 0..5 {
            assert!(store.write(0, &stream[..10_000], &mut buffers));
            store.advance(10_000);
            store.consume(9_999, &mut buffers);
            store.consume(1, &mut buffers);
        }
        assert!(store.write(0, &stream[..40_000], &mut buffers));
        store.advance(40_000);
        store.consume(30_000, &mut buffers);
        assert!(store.write(20_000, &stream[60_000..70_000], &mut buffers));
        assert!(!store.fits(100_000) && store.is_usual());
        store.widen(Box::new([const { None }; PAGES_WIDE]));
        assert!(store.fits(ReceiveStore::WINDOW_WIDE as usize - 10_000) && !store.is_usual());
        let last = 30_000 + ReceiveStore::WINDOW_WIDE as usize;
        assert!(store.write(30_000, &stream[70_000..last], &mut buffers));
        assert!(store.write(0, &stream[40_000..60_000], &mut buffers));
        store.advance(last - 40_000);
        let (mut out, mut scratch) = (Vec::new(), Vec::new());
        while !store.is_vacant() {
            scratch.clear();
            store.gather(&mut scratch, &buffers);
            assert!(scratch.len() <= ReceiveStore::WINDOW as usize);
            out.extend_from_slice(&scratch);
            store.consume(scratch.len(), &mut buffers);
        }
        assert!(out == stream[30_000..last] && buffers.taken() == 0);
        assert!(store.narrow().is_some() && store.is_usual() && store.narrow().is_none());
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
