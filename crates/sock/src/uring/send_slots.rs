//! Output that the kernel has been told of and has not answered for: [`SendSlots`]. Invariant: one
//! slot is always free, the one that handlers write into; a slot in flight is not touched until its
//! operation has completed.

use std::ptr;

use app::{Attachment, End};
use base::ConnId;
use io_uring::{opcode, squeue};
use mem::Region;
use rustix::io::Errno;

use super::ring::on;
use crate::SetupError;
use crate::handle::Handle;
use crate::network::{Put, end_of};
use crate::output::{Outcome, Progress, Stalled, advance, attached_part};

/// How many there are; below 4,096. Sends complete as they are submitted, so a slot is taken for
/// less than a turn. When all are taken, output is sent by a call of its own.
const COUNT: u16 = 512;

/// Never waits, and a peer that is gone is an error and not a signal.
const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

pub(crate) struct SendSlots {
    /// The buffers of all slots, one after the other. The kernel reads from those in flight.
    _memory: Region<u8>,
    bytes: *mut u8,
    buffer_bytes: usize,
    slots: Box<[Slot]>,
    /// Slots that are not in flight, without `current`.
    free: Vec<u16>,
    /// The slot that handlers write into.
    current: u16,
    /// Bytes of the buffers that have been written to.
    touched: u64,
}

struct Slot {
    id: ConnId,
    filled: usize,
    /// The most it was ever filled.
    most_filled: usize,
    /// Bytes handed to the kernel.
    length: usize,
    attachment: Option<Attachment>,
    in_flight: bool,
    message: libc::msghdr,
    parts: [libc::iovec; 2],
}

impl SendSlots {
    pub fn new(buffer_bytes: usize) -> Result<Self, SetupError> {
        let mut memory: Region<u8> = Region::reserve(usize::from(COUNT) * buffer_bytes)?;
        Ok(Self {
            bytes: memory.as_mut_ptr(),
            _memory: memory,
            buffer_bytes,
            slots: (0..COUNT).map(|_| Slot::new()).collect(),
            free: (1..COUNT).rev().collect(),
            current: 0,
            touched: 0,
        })
    }

    /// Where handlers write.
    pub fn space(&mut self) -> &mut [u8] {
        let start = usize::from(self.current) * self.buffer_bytes;
        // SAFETY: the buffer of a slot below COUNT lies inside the region; `current` is not in
        // flight, so the kernel does not read it, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.bytes.add(start), self.buffer_bytes) }
    }

    /// Puts what was put out into flight, with an attachment that is in memory. Gives the operation
    /// to queue and its slot; or everything back when no slot is free or the source is too short.
    pub fn launch(
        &mut self,
        socket: &Handle,
        id: ConnId,
        put: Put,
    ) -> Result<(squeue::Entry, u16), Put> {
        let Some(body) = body(&put) else { return Err(put) };
        let Some(next) = self.free.pop() else { return Err(put) };
        let head = self.space().as_mut_ptr();
        let slot = &mut self.slots[usize::from(self.current)];
        let flags = if put.last { FLAGS | libc::MSG_MORE } else { FLAGS };
        let entry = if body.is_empty() {
            on(socket, |fd| opcode::Send::new(fd, head, put.filled as u32).flags(flags).build())
        } else {
            slot.parts = [
                libc::iovec { iov_base: head.cast(), iov_len: put.filled },
                libc::iovec { iov_base: body.as_ptr().cast_mut().cast(), iov_len: body.len() },
            ];
            slot.message.msg_iov = slot.parts.as_mut_ptr();
            slot.message.msg_iovlen = slot.parts.len() as _;
            let message = &raw const slot.message;
            on(socket, |fd| opcode::SendMsg::new(fd, message).flags(flags as u32).build())
        };
        slot.id = id;
        slot.filled = put.filled;
        self.touched += put.filled.saturating_sub(slot.most_filled) as u64;
        slot.most_filled = slot.most_filled.max(put.filled);
        slot.length = put.filled + body.len();
        slot.attachment = put.attachment;
        slot.in_flight = true;
        let launched = std::mem::replace(&mut self.current, next);
        Ok((entry, launched))
    }

    /// The kernel has answered for a slot: frees it and says how far its output got.
    pub fn land(&mut self, number: u16, result: Result<u32, Errno>) -> Progress {
        let Some(slot) = self.slots.get_mut(usize::from(number)) else {
            return Progress { bytes: 0, outcome: Outcome::All };
        };
        slot.in_flight = false;
        let mut attachment = slot.attachment.take();
        let (filled, length) = (slot.filled, slot.length);
        self.free.push(number);
        let bytes = match result {
            Ok(bytes) => bytes as usize,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(errno) => return Progress { bytes: 0, outcome: Outcome::Failed(end_of(errno)) },
        };
        let of_head = bytes.min(filled);
        advance(&mut attachment, (bytes - of_head) as u64);
        let outcome = if of_head == filled && attachment.is_none() {
            Outcome::All
        } else {
            let start = usize::from(number) * self.buffer_bytes;
            // SAFETY: the buffer of a slot below COUNT, filled so far by a handler, and not in
            // flight any more.
            let head = unsafe {
                std::slice::from_raw_parts(self.bytes.add(start + of_head), filled - of_head)
            };
            match Stalled::keep(head, attachment) {
                None => Outcome::Failed(End::Overflow),
                // It took all it was given of an attachment longer than what one call may take.
                Some(stalled) if bytes == length => Outcome::Again(stalled),
                Some(stalled) => Outcome::Full(stalled),
            }
        };
        Progress { bytes: bytes as u64, outcome }
    }

    /// Bytes of a connection's output that are in flight.
    pub fn flying(&self, id: ConnId) -> u64 {
        let of =
            |slot: &Slot| slot.filled as u64 + slot.attachment.as_ref().map_or(0, |a| a.length);
        self.slots.iter().filter(|slot| slot.in_flight && slot.id == id).map(of).sum()
    }

    /// Bytes of memory taken, but for what the last page of each buffer holds besides.
    pub const fn memory(&self) -> u64 {
        self.touched + COUNT as u64 * size_of::<Slot>() as u64
    }
}

/// The attached bytes, none without an attachment; `None` when the source is too short.
fn body(put: &Put) -> Option<&[u8]> {
    match &put.attachment {
        None => Some(&[]),
        Some(attached) => attached_part(attached.source.memory()?, attached),
    }
}

impl Slot {
    fn new() -> Self {
        let none = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self {
            id: ConnId::from_bits(0),
            filled: 0,
            most_filled: 0,
            length: 0,
            attachment: None,
            in_flight: false,
            // SAFETY: all zeros is a message header with nothing in it.
            message: unsafe { std::mem::zeroed() },
            parts: [none; 2],
        }
    }
}
