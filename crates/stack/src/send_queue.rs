//! What was put out and is not acknowledged yet: [`SendQueue`]. Invariant: it holds exactly the
//! bytes from SND.UNA to the last one put out, in order; its buffers go back to their pool when
//! their bytes are acknowledged or the queue is cleared.

use app::{Attachment, Prepared, Source};
use base::ConnId;
use mem::{Frame, Pool};

use crate::read_ahead::ReadAhead;

/// Pieces a queue holds: buffers of bytes, and sources.
const PARTS: usize = 16;
/// Pieces that one call of a handler can add: a buffer and an attachment.
const PARTS_A_CALL: usize = 2;

/// Bytes on their way out, by their place after SND.UNA.
pub(crate) struct SendQueue {
    parts: [Part; PARTS],
    first: usize,
    count: usize,
    /// Bytes at the end that TCP has not been told of: of a source that is long or not at hand.
    untold: u64,
}

enum Part {
    Unused,
    Bytes(Frame),
    Source { source: Source, offset: u64, length: u64 },
}

/// What became of the attempt to tell TCP of more bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// TCP may be told of this many more; 0 when there are none.
    Bytes(u32),
    /// A wake will come when the source has more at hand.
    Later,
    /// The source ends too soon.
    Short,
}

impl Part {
    const fn length(&self) -> u64 {
        match self {
            Self::Unused => 0,
            Self::Bytes(frame) => frame.len() as u64,
            Self::Source { length, .. } => *length,
        }
    }

    /// Copies bytes from `offset` of the part on, which is `told` bytes long; false when a source has
    /// not as many as it should.
    fn copy(
        &self,
        (offset, told): (u64, u64),
        into: &mut [u8],
        buffers: &Pool,
        (place, ahead): (usize, &mut ReadAhead),
    ) -> bool {
        // Offsets into memory fit a usize, as the memory does.
        match self {
            Self::Unused => false,
            Self::Bytes(frame) => copy_from(buffers.data(frame), offset, into),
            Self::Source { source, offset: start, .. } => {
                let at = start + offset;
                match source {
                    Source::File(file) => ahead.copy((place, &**file), (at, start + told), into),
                    Source::Memory(bytes) => copy_from(bytes, at, into),
                    Source::Static(bytes) => copy_from(bytes, at, into),
                }
            }
        }
    }
}

fn copy_from(bytes: &[u8], offset: u64, into: &mut [u8]) -> bool {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let part = bytes.get(start..).and_then(|rest| rest.get(..into.len()));
    part.is_some_and(|part| {
        into.copy_from_slice(part);
        true
    })
}

impl SendQueue {
    pub(crate) const fn new() -> Self {
        Self { parts: [const { Part::Unused }; PARTS], first: 0, count: 0, untold: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Buffers in it.
    pub(crate) fn buffers_held(&self) -> u32 {
        // At most 16.
        self.parts.iter().filter(|part| matches!(part, Part::Bytes(_))).count() as u32
    }

    /// Whether a handler's call may add to it.
    pub(crate) const fn has_room(&self) -> bool {
        self.count + PARTS_A_CALL <= PARTS && self.untold == 0
    }

    /// Bytes that TCP has not been told of.
    pub(crate) const fn untold(&self) -> u64 {
        self.untold
    }

    /// Adds a buffer's bytes; TCP is to be told of them at once. Only while there is room.
    pub(crate) fn push_bytes(&mut self, frame: Frame, buffers: &mut Pool) {
        if let Some(Part::Bytes(refused)) = self.push(Part::Bytes(frame)) {
            buffers.give(refused);
        }
    }

    /// Takes the last buffer out again if `least` more bytes fit behind those in it; it has to be
    /// pushed again.
    pub(crate) fn reopen_last(&mut self, least: usize, buffers: &Pool) -> Option<Frame> {
        let place = (self.first + self.count.checked_sub(1)?) % PARTS;
        let fits = |frame: &Frame| frame.range().end + least <= buffers.buffer_bytes();
        if !matches!(&self.parts[place], Part::Bytes(frame) if fits(frame)) {
            return None;
        }
        self.count -= 1;
        match core::mem::replace(&mut self.parts[place], Part::Unused) {
            Part::Bytes(frame) => Some(frame),
            Part::Unused | Part::Source { .. } => None,
        }
    }

    /// Adds an attachment. Only while there is room.
    pub(crate) fn push_source(&mut self, attachment: Attachment) {
        let Attachment { source, offset, length } = attachment;
        if self.push(Part::Source { source, offset, length }).is_none() {
            self.untold = length;
        }
    }

    fn push(&mut self, part: Part) -> Option<Part> {
        debug_assert!(self.count < PARTS, "pushed without room");
        if self.count == PARTS {
            return Some(part);
        }
        self.parts[(self.first + self.count) % PARTS] = part;
        self.count += 1;
        None
    }

    /// Asks for up to `most` bytes that TCP has not been told of, and counts them as told.
    pub(crate) fn tell(&mut self, most: u32, id: ConnId) -> Told {
        let wanted = self.untold.min(u64::from(most));
        if wanted == 0 {
            return Told::Bytes(0);
        }
        let last = &self.parts[(self.first + self.count - 1) % PARTS];
        let ready = match last {
            Part::Source { source: Source::File(file), offset, length } => {
                match file.prepare(offset + length - self.untold, wanted, id) {
                    Prepared::Ready(ready) => ready.min(wanted),
                    Prepared::Later => return Told::Later,
                    Prepared::Short => return Told::Short,
                }
            }
            Part::Source { source, offset, length } => {
                let held = source.memory().map_or(0, |bytes| bytes.len() as u64);
                if offset.saturating_add(*length) > held {
                    return Told::Short;
                }
                wanted
            }
            Part::Bytes(_) | Part::Unused => wanted,
        };
        self.untold -= ready;
        // Not above `most`.
        Told::Bytes(ready as u32)
    }

    /// Copies bytes from `offset` after SND.UNA on; false when a source has not as many as it said.
    /// What is read of files may be some of what comes next, which `ahead` keeps: it is for this
    /// queue alone until something is released.
    pub(crate) fn copy(
        &self,
        mut offset: u64,
        mut into: &mut [u8],
        buffers: &Pool,
        ahead: &mut ReadAhead,
    ) -> bool {
        let mut whole = true;
        for index in 0..self.count {
            let place = (self.first + index) % PARTS;
            let part = &self.parts[place];
            let length = part.length();
            if offset >= length {
                offset -= length;
                continue;
            }
            let count = into.len().min(usize::try_from(length - offset).unwrap_or(usize::MAX));
            let (now, rest) = into.split_at_mut(count);
            // Only what TCP was told of is at hand.
            let told =
                if index + 1 == self.count { length.saturating_sub(self.untold) } else { length };
            whole &= part.copy((offset, told), now, buffers, (place, &mut *ahead));
            into = rest;
            offset = 0;
            if into.is_empty() {
                return whole;
            }
        }
        into.is_empty() && whole
    }

    /// Lets go of `count` bytes at the start: they are acknowledged.
    pub(crate) fn release(&mut self, count: u32, buffers: &mut Pool) {
        let mut left = u64::from(count);
        while left > 0 && self.count > 0 {
            let part = &mut self.parts[self.first];
            let length = part.length();
            if left < length {
                match part {
                    Part::Unused => {}
                    Part::Bytes(frame) => {
                        let range = frame.range();
                        frame.set_range(range.start + left as usize..range.end);
                    }
                    Part::Source { offset, length, .. } => {
                        *offset += left;
                        *length -= left;
                    }
                }
                return;
            }
            left -= length;
            self.drop_first(buffers);
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, buffers: &mut Pool) {
        while self.count > 0 {
            self.drop_first(buffers);
        }
        self.untold = 0;
    }

    fn drop_first(&mut self, buffers: &mut Pool) {
        let part = core::mem::replace(&mut self.parts[self.first], Part::Unused);
        if let Part::Bytes(frame) = part {
            buffers.give(frame);
        }
        self.first = (self.first + 1) % PARTS;
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests {
    use app::{Attachment, Source};
    use base::ConnId;
    use mem::Pool;

    use super::{SendQueue, Told};
    use crate::read_ahead::ReadAhead;

    const ID: ConnId = ConnId::new(0, 0, 0);

    fn queue(buffers: &mut Pool) -> SendQueue {
        let mut queue = SendQueue::new();
        let mut frame = buffers.take().unwrap();
        buffers.buffer_mut(&mut frame)[..4].copy_from_slice(b"head");
        frame.set_range(0..4);
        queue.push_bytes(frame, buffers);
        let source = Source::Static(b"0123456789");
        queue.push_source(Attachment { source, offset: 2, length: 5 });
        queue
    }

    fn read(queue: &SendQueue, offset: u64, length: usize, buffers: &Pool) -> Option<[u8; 9]> {
        let mut bytes = [0; 9];
        queue.copy(offset, &mut bytes[..length], buffers, &mut ReadAhead::new()).then_some(bytes)
    }

    #[test]
    fn bytes_are_found_across_pieces_and_after_a_release() {
        let mut buffers = Pool::new(4, 64).unwrap();
        let mut queue = queue(&mut buffers);
        assert_eq!(read(&queue, 0, 9, &buffers), Some(*b"head23456"));
        assert_eq!(read(&queue, 2, 9, &buffers), None);
        queue.release(3, &mut buffers);
        assert_eq!(read(&queue, 0, 2, &buffers).map(|bytes| [bytes[0], bytes[1]]), Some(*b"d2"));
        queue.release(2, &mut buffers);
        assert_eq!(buffers.taken(), 0);
        assert_eq!(read(&queue, 0, 4, &buffers).map(|bytes| bytes[3]), Some(b'6'));
        queue.release(4, &mut buffers);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_buffer_is_filled_further_while_it_has_room() {
        let mut buffers = Pool::new(4, 64).unwrap();
        let mut queue = SendQueue::new();
        assert_eq!(queue.reopen_last(1, &buffers), None);
        let mut frame = buffers.take().unwrap();
        frame.set_range(10..60);
        queue.push_bytes(frame, &mut buffers);
        assert_eq!(queue.reopen_last(5, &buffers), None);
        let mut frame = queue.reopen_last(4, &buffers).unwrap();
        assert!(queue.is_empty());
        frame.set_range(10..64);
        queue.push_bytes(frame, &mut buffers);
        let has = |at| queue.copy(at, &mut [0], &buffers, &mut ReadAhead::new());
        assert!(has(53) && !has(54));
        queue.clear(&mut buffers);
    }

    #[test]
    fn tcp_is_told_of_a_source_bit_by_bit() {
        let mut buffers = Pool::new(4, 64).unwrap();
        let mut queue = queue(&mut buffers);
        assert!(!queue.has_room());
        assert_eq!((queue.tell(3, ID), queue.untold()), (Told::Bytes(3), 2));
        assert_eq!((queue.tell(3, ID), queue.tell(3, ID)), (Told::Bytes(2), Told::Bytes(0)));
        assert!(queue.has_room());
        queue.clear(&mut buffers);
        assert_eq!(buffers.taken(), 0);
    }

    #[test]
    fn a_source_shorter_than_it_was_said_to_be_is_noticed() {
        let mut queue = SendQueue::new();
        let source = Source::Static(b"abc");
        queue.push_source(Attachment { source, offset: 1, length: 3 });
        assert_eq!(queue.tell(9, ID), Told::Short);
    }
}
