//! Where a handler's bytes go out: [`Out`], and the bytes it may point at instead of copying them.

use alloc::sync::Arc;
use core::fmt;

use base::ConnId;

/// Room for bytes to go out, and at most one reference to bytes kept elsewhere behind them.
///
/// The room is the payload area of the next frame, or the shard's write buffer: writing here is
/// the only copy that is made.
pub struct Out<'a> {
    buffer: &'a mut [u8],
    filled: usize,
    attached: Option<Attachment>,
    attachable: bool,
}

/// There is no room (now) for what was to go out. Wait for [`Handler::room`](crate::Handler::room).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

impl<'a> Out<'a> {
    /// For engines: an output that starts at the beginning of `buffer`. An attachment is taken
    /// when `attachable`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8], attachable: bool) -> Self {
        Self { buffer, filled: 0, attached: None, attachable }
    }

    /// For engines: an output with no room at all, for calls while earlier output is leaving.
    #[must_use]
    pub const fn closed() -> Out<'static> {
        Out { buffer: &mut [], filled: 0, attached: None, attachable: false }
    }

    /// Bytes that can be put now. None after an attachment.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.attached.is_some() { 0 } else { self.buffer.len() - self.filled }
    }

    /// Puts all of `bytes`, or nothing.
    ///
    /// # Errors
    /// [`NoRoom`] when `bytes` is longer than [`Out::room`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        if bytes.len() > self.room() {
            return Err(NoRoom);
        }
        self.buffer[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// Puts as many of `bytes` as there is room for and says how many that was.
    pub fn put_some(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.buffer[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }

    /// The room itself, to be written to in place; [`Out::advance`] says how much was.
    pub fn space(&mut self) -> &mut [u8] {
        let end = self.filled + self.room();
        &mut self.buffer[self.filled..end]
    }

    /// Counts the first `count` bytes of [`Out::space`] as put.
    ///
    /// # Panics
    /// When `count` is more than [`Out::room`]: a mistake of the handler's own.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.room(), "advanced by {count} with room for {}", self.room());
        self.filled += count;
    }

    /// Sends `length` bytes of `source` from `offset` on, after the bytes put so far, without
    /// copying them here. The engine keeps the source until they have been taken; nothing more can
    /// be put until [`Handler::room`](crate::Handler::room).
    ///
    /// # Errors
    /// [`NoRoom`] when there is an attachment already, or output is still leaving.
    pub fn attach(&mut self, source: Source, offset: u64, length: u64) -> Result<(), NoRoom> {
        if !self.attachable || self.attached.is_some() {
            return Err(NoRoom);
        }
        if length > 0 {
            self.attached = Some(Attachment { source, offset, length });
        }
        Ok(())
    }

    /// Whether [`Out::attach`] would be taken now.
    #[must_use]
    pub const fn can_attach(&self) -> bool {
        self.attachable && self.attached.is_none()
    }

    /// Bytes put so far, the attachment not counted.
    #[must_use]
    pub const fn filled(&self) -> usize {
        self.filled
    }

    /// How many bytes are attached.
    #[must_use]
    pub fn attached(&self) -> u64 {
        self.attached.as_ref().map_or(0, |attachment| attachment.length)
    }

    /// Whether nothing was put and nothing attached.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.filled == 0 && self.attached.is_none()
    }

    /// For engines: the bytes put.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// For engines: takes the attachment out.
    #[must_use]
    pub const fn take_attachment(&mut self) -> Option<Attachment> {
        self.attached.take()
    }
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out")
            .field("filled", &self.filled)
            .field("room", &self.room())
            .field("attached", &self.attached)
            .finish_non_exhaustive()
    }
}

/// A part of a [`Source`] on its way out.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// Where the bytes are kept.
    pub source: Source,
    /// The first byte's place in the source.
    pub offset: u64,
    /// How many bytes; at least one.
    pub length: u64,
}

/// Bytes that are kept elsewhere and do not change while they are being sent.
#[derive(Clone)]
pub enum Source {
    /// In memory, shared.
    Memory(Arc<[u8]>),
    /// In memory, for ever.
    Static(&'static [u8]),
    /// In a file.
    File(Arc<dyn FileSource>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
            Self::Static(bytes) => write!(f, "Static({} bytes)", bytes.len()),
            Self::File(file) => write!(f, "File({:?})", file.descriptor()),
        }
    }
}

impl Source {
    /// The bytes, where they are in memory.
    #[must_use]
    pub fn memory(&self) -> Option<&[u8]> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::Static(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

/// A file as a source, shared by every connection that sends it.
pub trait FileSource: Send + Sync {
    /// Makes the part at `offset` ready to be sent without waiting for a disk. `Ready(count)` says
    /// that the first `count` (at least 1, at most `length`) bytes are in memory now. After
    /// `Later`, `id` is sent a [`Wake`](crate::Wake) when it is worth asking again.
    fn prepare(&self, offset: u64, length: u64, id: ConnId) -> Prepared;

    /// The operating system's descriptor, where there is one, for an engine that can have the
    /// kernel send from it. Valid as long as the source lives.
    fn descriptor(&self) -> Option<i32>;

    /// Reads at `offset` into `into` and says how many bytes were read; fewer than asked for only
    /// at the end of the file. For engines that cannot send from a descriptor.
    ///
    /// # Errors
    /// [`ShortSource`] when the file cannot be read there.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, ShortSource>;
}

/// What [`FileSource::prepare`] answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prepared {
    /// This many bytes from the offset on can be attached now.
    Ready(u64),
    /// Wait for a wake, then ask again.
    Later,
    /// The file does not reach that far any more, or cannot be read.
    Short,
}

/// A source has fewer bytes than it was said to have, or cannot be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShortSource;
