//! An answer's content on its way out: [`Outgoing`]. What fits is copied behind what is there
//! already, so that head and content leave in one write; what does not is attached.

use alloc::vec;
use alloc::vec::Vec;

use app::{FileSource, Out, Prepared, Source};
use base::ConnId;

use crate::Segment;

/// Most bytes of memory that are copied rather than attached: above this, a copy costs more than
/// the second buffer of a gathering write.
pub(crate) const COPY_BYTES: u64 = 16 * 1024;

/// Most bytes of a file attached at once. What is attached is what a slow reader keeps ready in
/// memory; a fast one asks for the next piece while this one leaves the machine.
const FILE_PIECE: u64 = 512 * 1024;

/// Segments that are still to go out, in order.
#[derive(Debug)]
pub(crate) struct Outgoing {
    current: Option<Segment>,
    rest: vec::IntoIter<Segment>,
}

/// How far [`Outgoing::put`] came, with the number of bytes that went out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Everything has been handed over.
    Done,
    /// More room is needed.
    Room,
    /// A file is not ready; a wake will come.
    Later,
    /// A source is shorter than it was said to be.
    Short,
}

impl Outgoing {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::many(Vec::new())
    }

    /// One segment.
    pub fn one(segment: Segment) -> Self {
        Self { current: Some(segment), rest: Vec::new().into_iter() }
    }

    /// Several segments, one after the other.
    pub fn many(segments: Vec<Segment>) -> Self {
        let mut rest = segments.into_iter();
        Self { current: rest.next(), rest }
    }

    /// The same with `first` before it.
    pub fn preceded_by(self, first: Segment) -> Self {
        let mut segments = vec![first];
        segments.extend(self.current);
        segments.extend(self.rest);
        Self::many(segments)
    }

    /// Puts out as much as there is room for, at most one attachment, and adds the bytes to `handed`.
    pub fn put(&mut self, out: &mut Out<'_>, id: ConnId, handed: &mut u64) -> Progress {
        while let Some(segment) = &mut self.current {
            if segment.length == 0 {
                self.current = self.rest.next();
                continue;
            }
            let attachable = out.can_attach();
            if !attachable && out.room() == 0 {
                return Progress::Room;
            }
            let put = match &segment.source {
                Source::File(file) => put_file(file.as_ref(), segment, out, id),
                Source::Memory(_) | Source::Static(_) => put_memory(segment, out),
            };
            match put {
                Put::Bytes(count) => {
                    segment.offset += count;
                    segment.length -= count;
                    *handed += count;
                }
                Put::Later => return Progress::Later,
                Put::Short => return Progress::Short,
            }
        }
        Progress::Done
    }
}

/// What became of one segment.
enum Put {
    /// This many bytes of it were put or attached; at least one.
    Bytes(u64),
    Later,
    Short,
}

fn put_memory(segment: &Segment, out: &mut Out<'_>) -> Put {
    let Some(bytes) = memory(segment) else { return Put::Short };
    let fits = bytes.len() <= out.room();
    if out.can_attach() && !(fits && segment.length <= COPY_BYTES) {
        return attach(segment, segment.length, out);
    }
    Put::Bytes(out.put_some(bytes) as u64)
}

fn put_file(file: &dyn FileSource, segment: &Segment, out: &mut Out<'_>, id: ConnId) -> Put {
    let count = match file.prepare(segment.offset, segment.length, id) {
        Prepared::Ready(count) => count.min(segment.length).min(FILE_PIECE),
        Prepared::Later => return Put::Later,
        Prepared::Short => return Put::Short,
    };
    if count == 0 {
        return Put::Short;
    }
    if out.can_attach() {
        return attach(segment, count, out);
    }
    let room = out.room().min(usize::try_from(count).unwrap_or(usize::MAX));
    match file.read_at(segment.offset, &mut out.space()[..room]) {
        Ok(read) if 0 < read && read <= room => {
            out.advance(read);
            Put::Bytes(read as u64)
        }
        _ => Put::Short,
    }
}

fn attach(segment: &Segment, length: u64, out: &mut Out<'_>) -> Put {
    match out.attach(segment.source.clone(), segment.offset, length) {
        Ok(()) => Put::Bytes(length),
        // Cannot be: the caller asked whether it could be attached.
        Err(app::NoRoom) => Put::Short,
    }
}

/// A segment's bytes, where its source is in memory and long enough.
pub(crate) fn memory(segment: &Segment) -> Option<&[u8]> {
    let start = usize::try_from(segment.offset).ok()?;
    let length = usize::try_from(segment.length).ok()?;
    segment.source.memory()?.get(start..start.checked_add(length)?)
}
