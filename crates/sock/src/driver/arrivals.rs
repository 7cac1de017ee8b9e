//! How connections come in: opened, refused, or sent away.

use std::os::fd::{AsFd, OwnedFd};

use app::{End, Handler, Out, Peer, Refusal};
use base::Instant;
use rustix::io::Errno;

use super::Driver;
use crate::connections::Admission;
use crate::doors::Doors;
use crate::network::Network;
use crate::output::Line;
use crate::steps::Event;

/// Bytes discarded at most from a connection that is closed for want of descriptors.
const FAREWELL_BYTES: usize = 64 * 1024;

impl<N: Network, C: Copy + Default + 'static> Driver<N, C> {
    /// Descriptors or memory have run out for a client who waits at a listener. A connection makes way
    /// if one may; else the client is told, and accepting rests from now on. Whether it does.
    pub fn exhausted<H>(
        &mut self,
        app: &mut H,
        now: Instant,
        doors: &mut Doors,
        (listener, errno): (usize, Errno),
    ) -> bool
    where
        H: Handler<Conn = C>,
    {
        if self.make_way(app, now, errno) {
            return false;
        }
        if let Some(fd) = doors.accept_with_spare(listener) {
            self.turn_away(app, now, fd);
        }
        doors.restock();
        doors.pause(now);
        true
    }

    /// An accept failed for want of descriptors or memory: counts it, and for want of descriptors
    /// has a connection make way: the one that has lingered longest, which is over for everybody
    /// but a peer that does not close, else the one that has been idle longest, if one may.
    fn make_way<H>(&mut self, app: &mut H, now: Instant, errno: Errno) -> bool
    where
        H: Handler<Conn = C>,
    {
        self.connections.counters.accept_failures.add(1);
        if errno != Errno::MFILE {
            return false;
        }
        // One that holds none would make way for nothing.
        let holds = |slot: &u32| self.connections.holds_descriptor(*slot);
        if let Some(oldest) = self.connections.oldest_lingering().filter(holds) {
            self.cut_off(oldest);
            return true;
        }
        let oldest = self.connections.oldest_idle().filter(holds);
        if let Some(oldest) = oldest {
            self.end(app, now, oldest, End::Evicted);
        }
        oldest.is_some()
    }

    /// A connection was accepted: opens or refuses it.
    pub fn arrived<H>(&mut self, app: &mut H, now: Instant, fd: OwnedFd, from: (Peer, u16))
    where
        H: Handler<Conn = C>,
    {
        let (peer, listener) = from;
        match self.connections.admission(&peer) {
            Admission::Refused(why) => return self.refuse(app, now, fd, why),
            Admission::InPlaceOf(oldest) => self.end(app, now, oldest, End::Evicted),
            Admission::Admitted => {}
        }
        // Without a slot, so many are ending at this moment that there is nothing left to tell
        // this one with.
        let handle = match self.network.adopt(fd) {
            Ok(handle) => handle,
            Err(fd) => return self.turn_away(app, now, fd),
        };
        match self.connections.insert(handle, peer, listener) {
            Ok(slot) => self.run(app, now, slot, Event::Opened.into()),
            Err(handle) => self.network.close(handle),
        }
    }

    /// Tells a connection that it cannot be held, and has it linger.
    fn refuse<H>(&mut self, app: &mut H, now: Instant, fd: OwnedFd, why: Refusal)
    where
        H: Handler<Conn = C>,
    {
        self.farewell(app, now, &fd, why);
        if let Some(oldest) = self.connections.lingering_too_many() {
            self.cut_off(oldest);
        }
        // Without room for it, it is closed at once.
        let Ok(handle) = self.network.adopt(fd) else { return };
        match self.connections.insert_refused(handle, now) {
            Ok(slot) => {
                let id = self.connections.id(slot);
                self.enqueue(slot, id);
            }
            Err(handle) => self.network.close(handle),
        }
    }

    /// Tells a connection that it cannot be held, for want of descriptors, and closes it now.
    fn turn_away<H>(&mut self, app: &mut H, now: Instant, fd: OwnedFd)
    where
        H: Handler<Conn = C>,
    {
        self.connections.counters.refused_full.add(1);
        self.farewell(app, now, &fd, Refusal::Full);
        // Unread bytes would make the close a reset.
        let mut discarded = [0; 4_096];
        for _ in 0..FAREWELL_BYTES / discarded.len() {
            let read = rustix::net::recv(&fd, &mut discarded, rustix::net::RecvFlags::DONTWAIT);
            if !matches!(read, Ok((_, 1..))) {
                break;
            }
        }
    }

    /// Sends what the handler has to say to a refused connection, as far as the kernel takes it at
    /// once, and closes our side.
    fn farewell<H>(&mut self, app: &mut H, now: Instant, fd: &OwnedFd, why: Refusal)
    where
        H: Handler<Conn = C>,
    {
        let (sender, space) = self.network.output();
        let mut out = Out::new(space, true);
        app.refuse(now, why, &mut out);
        let attachment = out.take_attachment();
        let line = Line { socket: fd.as_fd(), last: true };
        let progress = sender.send(line, out.bytes(), attachment);
        self.connections.counters.bytes_out.add(progress.bytes);
        let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Write);
    }
}
