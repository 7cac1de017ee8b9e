//! Sockets served by io_uring: [`UringNetwork`]. Invariant: a connection has at most one operation
//! of each kind in flight, its flags say which, and [`Socket::in_flight`] counts them; the record
//! outlives them all.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use app::Source;
use base::ConnId;
use io_uring::types::{Fd, Fixed};
use io_uring::{opcode, squeue};

use super::places::Places;
use super::receive_buffers::{GROUP, ReceiveBuffers};
use super::ring::{Operation, Ring, on};
use super::send_slots::SendSlots;
use crate::handle::Handle;
use crate::network::{Input, Network, NoRest, Put, Reading, Sending};
use crate::output::Sender;
use crate::record::{Socket, SocketFlags};
use crate::{Alarm, Config, EngineError, Listener, SetupError};

pub(crate) struct UringNetwork {
    pub ring: Ring,
    /// Like the slots, dropped only when the kernel is known to use it no more.
    pub receive_buffers: ManuallyDrop<ReceiveBuffers>,
    pub send_slots: ManuallyDrop<SendSlots>,
    pub places: Places,
    sender: Sender,
    /// Why the engine cannot go on, found where it could not be returned.
    pub broken: Option<EngineError>,
}

// SAFETY: what keeps it from being `Send` are pointers into memory that it owns alone. The ring
// binds itself to a thread only when it is first entered.
unsafe impl Send for UringNetwork {}

impl UringNetwork {
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let ring = Ring::new()?;
        Ok(Self {
            receive_buffers: ManuallyDrop::new(ReceiveBuffers::new(&ring)?),
            send_slots: ManuallyDrop::new(SendSlots::new(config.write_buffer.max(1) as usize)?),
            ring,
            places: Places::new(config.limits.connections),
            sender: Sender::default(),
            broken: None,
        })
    }

    /// Has every ring of the alarm reported.
    pub fn watch_alarm(&mut self, alarm: &Alarm) {
        let fd = Fd(alarm.as_fd().as_raw_fd());
        let entry = opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(true).build();
        // SAFETY: it refers to no memory.
        let pushed = unsafe { self.ring.push(entry, Operation::Alarm) };
        self.note(pushed);
    }

    /// Has whoever connects taken in.
    pub fn accept(&mut self, listener: &Listener, index: u16) {
        let fd = Fd(listener.as_fd().as_raw_fd());
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let entry = opcode::AcceptMulti::new(fd).flags(flags).build();
        // SAFETY: it refers to no memory.
        let pushed = unsafe { self.ring.push(entry, Operation::Accept(index)) };
        self.note(pushed);
    }

    /// Has an operation end.
    pub fn cancel(&mut self, operation: Operation) {
        let cancelled = self.ring.cancel(operation);
        self.note(cancelled);
    }

    /// Has receiving stop, because nobody wants the bytes now.
    pub fn stop_receiving(&mut self, socket: &mut Socket, id: ConnId) {
        if socket.flags.has(SocketFlags::RECEIVING) && !socket.flags.has(SocketFlags::STOPPING) {
            socket.flags.set(SocketFlags::STOPPING);
            self.cancel(Operation::Receive(id));
        }
    }

    fn poll(&mut self, socket: &mut Socket, poll: squeue::Entry, operation: Operation) {
        socket.in_flight += 1;
        // SAFETY: it refers to no memory.
        let pushed = unsafe { self.ring.push(poll, operation) };
        self.note(pushed);
    }

    /// Keeps a failure of the ring for the end of the turn.
    fn note(&mut self, result: Result<(), EngineError>) {
        if let Err(error) = result {
            self.broken = Some(error);
        }
    }

    /// Bytes of memory taken.
    pub fn memory(&self) -> u64 {
        self.receive_buffers.memory() + self.send_slots.memory()
    }
}

impl Network for UringNetwork {
    fn buffers(&mut self, input: Input) -> (&[u8], &mut [u8]) {
        (self.receive_buffers.bytes(input.start, input.len), self.send_slots.space())
    }

    fn flying(&self, id: ConnId) -> u64 {
        self.send_slots.flying(id)
    }

    fn output(&mut self) -> (&mut Sender, &mut [u8]) {
        (&mut self.sender, self.send_slots.space())
    }

    fn send(&mut self, socket: &mut Socket, id: ConnId, put: Put) -> Sending {
        let is_file = put
            .attachment
            .as_ref()
            .is_some_and(|attached| matches!(attached.source, Source::File(_)));
        if is_file {
            return self.send_now(socket, put);
        }
        match self.send_slots.launch(&socket.handle, id, put) {
            Err(put) => self.send_now(socket, put),
            Ok((entry, slot)) => {
                socket.in_flight += 1;
                // SAFETY: the slot's buffer, its message header and its attachment stay as they
                // are until `land`, and slots live in memory that does not move.
                let pushed = unsafe { self.ring.push(entry, Operation::Send(slot, id)) };
                self.note(pushed);
                Sending::Flying
            }
        }
    }

    fn read(&mut self, socket: &mut Socket, id: ConnId, _most: usize) -> Reading {
        if !socket.flags.has(SocketFlags::RECEIVING) {
            let entry = on(&socket.handle, |fd| opcode::RecvMulti::new(fd, GROUP).build());
            socket.flags.set(SocketFlags::RECEIVING);
            socket.in_flight += 1;
            // SAFETY: it receives into the registered buffers, which outlive the ring's operations.
            let pushed = unsafe { self.ring.push(entry, Operation::Receive(id)) };
            self.note(pushed);
        }
        Reading::Nothing
    }

    fn is_readable(&self, _socket: &Socket) -> bool {
        false
    }

    fn rest(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest> {
        // A receive that is armed notices the end, too.
        if !socket.flags.has(SocketFlags::RECEIVING) && !socket.flags.has(SocketFlags::WATCHED) {
            socket.flags.set(SocketFlags::WATCHED);
            // Errors and the end are reported unasked; the end of input is among them, and a poll
            // that completes once would complete with that at once and for ever.
            let poll = on(&socket.handle, |fd| opcode::PollAdd::new(fd, 0).multi(true).build());
            self.poll(socket, poll, Operation::AwaitEnd(id));
        }
        Ok(())
    }

    fn await_room(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest> {
        if !socket.flags.has(SocketFlags::WATCHED_FOR_ROOM) {
            socket.flags.set(SocketFlags::WATCHED_FOR_ROOM);
            let events = libc::POLLOUT as u32;
            let poll = on(&socket.handle, |fd| opcode::PollAdd::new(fd, events).build());
            self.poll(socket, poll, Operation::AwaitRoom(id));
        }
        Ok(())
    }

    fn abandon(&mut self, socket: &mut Socket, id: ConnId) {
        self.stop_receiving(socket, id);
        if socket.flags.has(SocketFlags::WATCHED) {
            self.cancel(Operation::AwaitEnd(id));
        }
        if socket.flags.has(SocketFlags::WATCHED_FOR_ROOM) {
            self.cancel(Operation::AwaitRoom(id));
        }
    }

    fn close(&mut self, handle: Handle) {
        let pushed = match handle.into_parts() {
            Ok(fd) => {
                let entry = opcode::Close::new(Fd(fd.as_raw_fd())).build();
                // SAFETY: it refers to no memory.
                let pushed = unsafe { self.ring.push(entry, Operation::Close) };
                if pushed.is_ok() {
                    // The operation closes it.
                    let _ = fd.into_raw_fd();
                }
                pushed
            }
            Err(place) => {
                let entry = opcode::Close::new(Fixed(place)).build();
                // SAFETY: it refers to no memory.
                unsafe { self.ring.push(entry, Operation::ClosePlace(place)) }
            }
        };
        self.note(pushed);
    }

    fn adopt(&mut self, fd: OwnedFd) -> Result<Handle, OwnedFd> {
        if !self.places.wants(fd.as_raw_fd()) {
            return Ok(Handle::descriptor(fd));
        }
        let Some(place) = self.places.take(|count| self.ring.register_places(count)) else {
            // Where there are no places at all, it stays what it is.
            return if self.places.exist() { Err(fd) } else { Ok(Handle::descriptor(fd)) };
        };
        if self.ring.put(place, &fd) {
            return Ok(Handle::place(place));
        }
        self.places.give_back(place);
        Err(fd)
    }

    fn with_descriptor<R>(
        &mut self,
        handle: &Handle,
        act: impl FnOnce(BorrowedFd<'_>, &mut Sender, &mut [u8]) -> R,
    ) -> Option<R> {
        let installed;
        let fd = match handle.as_descriptor() {
            Some(fd) => fd,
            None => {
                // For as long as the call takes.
                installed = self.ring.install(handle.number().0 as u32)?;
                installed.as_fd()
            }
        };
        Some(act(fd, &mut self.sender, self.send_slots.space()))
    }
}

impl Drop for UringNetwork {
    fn drop(&mut self) {
        if self.ring.finish() {
            // SAFETY: dropped nowhere else, and not used after this.
            unsafe {
                ManuallyDrop::drop(&mut self.receive_buffers);
                ManuallyDrop::drop(&mut self.send_slots);
            }
        }
    }
}
