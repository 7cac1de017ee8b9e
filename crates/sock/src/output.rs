//! Bytes on their way out: [`Sender`] hands them to the kernel without waiting, [`Stalled`] is what
//! the kernel did not take. Invariant: bytes leave in the order in which they were put out, each
//! once; an attachment is never copied for keeping, only referred to.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use app::{Attachment, End, FileSource, Source};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use crate::network::end_of;

/// Most bytes that one call hands to the kernel, so that a fast reader of something large does not
/// keep everyone else waiting. About 0.2 ms of copying.
const BYTES_PER_CALL: u64 = 1 << 20;
/// Bytes read at once from a file that the kernel cannot send from by itself.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Hands output to the kernel. One serves all connections of a shard.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// For files without a descriptor; made when the first is sent.
    scratch: Vec<u8>,
}

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub socket: BorrowedFd<'a>,
    /// Whether nothing follows and our side is closed as soon as the kernel has taken it all. The
    /// kernel then waits for that, and the end travels with the last bytes: one packet instead of
    /// two.
    pub last: bool,
}

/// How far output got.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes the kernel took.
    pub bytes: u64,
    pub outcome: Outcome,
}

impl Progress {
    /// Nothing can be sent, for want of a descriptor.
    pub const NONE: Self = Self { bytes: 0, outcome: Outcome::Failed(End::Overflow) };
}

/// What became of output.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The kernel took it all.
    All,
    /// The kernel has no more room; it will say when it has.
    Full(Stalled),
    /// There is more room, but it is others' turn now.
    Again(Stalled),
    /// It cannot go out any more.
    Failed(End),
}

/// Output that waits for room.
#[derive(Debug)]
pub(crate) struct Stalled {
    head: Vec<u8>,
    /// Bytes of `head` that have left.
    taken: usize,
    attachment: Option<Attachment>,
}

impl Stalled {
    /// Keeps what is left. `None` when there is no memory for it.
    pub fn keep(head: &[u8], attachment: Option<Attachment>) -> Option<Self> {
        let mut kept = Vec::new();
        kept.try_reserve_exact(head.len()).ok()?;
        kept.extend_from_slice(head);
        Some(Self { head: kept, taken: 0, attachment })
    }

    /// Bytes that have not left.
    pub fn unsent(&self) -> u64 {
        let attached = self.attachment.as_ref().map_or(0, |attachment| attachment.length);
        (self.head.len() - self.taken) as u64 + attached
    }

    /// Bytes of memory taken.
    pub const fn memory(&self) -> usize {
        self.head.capacity()
    }
}

/// Why the kernel took no more.
enum Stop {
    Full,
    Budget,
    Failed(End),
}

impl Sender {
    /// Hands `head`, then the attachment, to the kernel.
    pub fn send(
        &mut self,
        line: Line<'_>,
        head: &[u8],
        mut attachment: Option<Attachment>,
    ) -> Progress {
        let mut taken = 0;
        let (bytes, stop) = self.transmit(line, head, &mut taken, &mut attachment);
        let outcome = match stop {
            None => Outcome::All,
            Some(Stop::Failed(end)) => Outcome::Failed(end),
            Some(stop) => match Stalled::keep(&head[taken..], attachment) {
                None => Outcome::Failed(End::Overflow),
                Some(stalled) => stop.keeping(stalled),
            },
        };
        Progress { bytes, outcome }
    }

    /// Goes on with output kept earlier.
    pub fn resend(&mut self, line: Line<'_>, mut stalled: Stalled) -> Progress {
        let Stalled { head, taken, attachment } = &mut stalled;
        let (bytes, stop) = self.transmit(line, head, taken, attachment);
        let outcome = match stop {
            None => Outcome::All,
            Some(Stop::Failed(end)) => Outcome::Failed(end),
            Some(stop) => stop.keeping(stalled),
        };
        Progress { bytes, outcome }
    }

    /// Hands over what it can and says how many bytes and, if that was not all, why it stopped.
    /// `taken` and the attachment are moved on.
    fn transmit(
        &mut self,
        line: Line<'_>,
        head: &[u8],
        taken: &mut usize,
        attachment: &mut Option<Attachment>,
    ) -> (u64, Option<Stop>) {
        let mut bytes = 0;
        loop {
            let head = &head[*taken..];
            if head.is_empty() && attachment.is_none() {
                return (bytes, None);
            }
            if bytes >= BYTES_PER_CALL {
                return (bytes, Some(Stop::Budget));
            }
            let sent = match self.step(line, head, attachment.as_ref()) {
                Ok(0) | Err(Stop::Full) => return (bytes, Some(Stop::Full)),
                Ok(sent) => sent,
                Err(stop) => return (bytes, Some(stop)),
            };
            bytes += sent;
            let of_head = sent.min(head.len() as u64);
            *taken += of_head as usize;
            advance(attachment, sent - of_head);
        }
    }

    /// One system call's worth.
    fn step(
        &mut self,
        line: Line<'_>,
        head: &[u8],
        attachment: Option<&Attachment>,
    ) -> Result<u64, Stop> {
        let Line { socket, last } = line;
        let flags = if last { SendFlags::MORE } else { SendFlags::empty() };
        let Some(attachment) = attachment else {
            return send(socket, head, flags);
        };
        match &attachment.source {
            Source::Memory(bytes) => send_both(socket, head, part(bytes, attachment)?, flags),
            Source::Static(bytes) => send_both(socket, head, part(bytes, attachment)?, flags),
            // The kernel adds the file's bytes to the same segment.
            Source::File(_) if !head.is_empty() => send(socket, head, SendFlags::MORE),
            Source::File(file) => match file.descriptor() {
                Some(descriptor) => send_file(socket, descriptor, attachment),
                None => self.send_read(socket, file.as_ref(), attachment),
            },
        }
    }

    /// Sends from a file that has to be read here.
    fn send_read(
        &mut self,
        socket: BorrowedFd<'_>,
        file: &dyn FileSource,
        attachment: &Attachment,
    ) -> Result<u64, Stop> {
        if self.scratch.is_empty() {
            self.scratch.resize(SCRATCH_BYTES, 0);
        }
        let most = clamp(attachment.length, SCRATCH_BYTES);
        let into = &mut self.scratch[..most];
        match file.read_at(attachment.offset, into) {
            Ok(read @ 1..) => send(socket, &self.scratch[..read.min(most)], SendFlags::empty()),
            Ok(0) | Err(_) => Err(Stop::Failed(End::ShortSource)),
        }
    }
}

impl Stop {
    fn keeping(self, stalled: Stalled) -> Outcome {
        match self {
            Self::Full => Outcome::Full(stalled),
            Self::Budget => Outcome::Again(stalled),
            Self::Failed(end) => Outcome::Failed(end),
        }
    }
}

/// Counts bytes of an attachment as taken, and drops it with the last.
pub(crate) fn advance(attachment: &mut Option<Attachment>, bytes: u64) {
    if let Some(left) = attachment {
        left.offset += bytes;
        left.length = left.length.saturating_sub(bytes);
        if left.length == 0 {
            *attachment = None;
        }
    }
}

/// The part of a source in memory that is attached, and not more of it than one call may take.
/// `None` when the source is shorter.
pub(crate) fn attached_part<'a>(bytes: &'a [u8], attachment: &Attachment) -> Option<&'a [u8]> {
    let start = usize::try_from(attachment.offset).ok()?;
    let length = usize::try_from(attachment.length).ok()?;
    let part = bytes.get(start..start.checked_add(length)?)?;
    Some(&part[..part.len().min(BYTES_PER_CALL as usize)])
}

fn part<'a>(bytes: &'a [u8], attachment: &Attachment) -> Result<&'a [u8], Stop> {
    attached_part(bytes, attachment).ok_or(Stop::Failed(End::ShortSource))
}

fn clamp(length: u64, most: usize) -> usize {
    usize::try_from(length).map_or(most, |length| length.min(most))
}

/// Never waits, and a peer that is gone is an error and not a signal.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

fn send(socket: BorrowedFd<'_>, bytes: &[u8], flags: SendFlags) -> Result<u64, Stop> {
    taken(rustix::io::retry_on_intr(|| rustix::net::send(socket, bytes, FLAGS | flags)))
}

fn send_both(
    socket: BorrowedFd<'_>,
    head: &[u8],
    body: &[u8],
    flags: SendFlags,
) -> Result<u64, Stop> {
    if head.is_empty() {
        return send(socket, body, flags);
    }
    let parts = [IoSlice::new(head), IoSlice::new(body)];
    let mut control = SendAncillaryBuffer::default();
    taken(rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(socket, &parts, &mut control, FLAGS | flags)
    }))
}

fn send_file(
    socket: BorrowedFd<'_>,
    descriptor: i32,
    attachment: &Attachment,
) -> Result<u64, Stop> {
    // SAFETY: a `FileSource`'s descriptor is valid as long as the source lives, and the attachment
    // holds it for the whole of this call.
    let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let count = clamp(attachment.length, BYTES_PER_CALL as usize);
    let mut offset = attachment.offset;
    match rustix::fs::sendfile(socket.as_fd(), file, Some(&mut offset), count) {
        // The file has become shorter.
        Ok(0) => Err(Stop::Failed(End::ShortSource)),
        Err(Errno::INTR) => send_file(socket, descriptor, attachment),
        Err(errno @ (Errno::IO | Errno::INVAL | Errno::OVERFLOW | Errno::BADF | Errno::STALE)) => {
            debug_assert!(errno != Errno::BADF, "a FileSource's descriptor was closed");
            Err(Stop::Failed(End::ShortSource))
        }
        result => taken(result),
    }
}

fn taken(result: Result<usize, Errno>) -> Result<u64, Stop> {
    match result {
        Ok(bytes) => Ok(bytes as u64),
        Err(Errno::AGAIN) => Err(Stop::Full),
        Err(errno) => Err(Stop::Failed(end_of(errno))),
    }
}
