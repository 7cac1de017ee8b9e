//! How connections go: ended, lingering, and their slots free again. RFC 9112 section 9.6 has why a
//! connection is closed in stages.

use app::{DialError, End, Handler};
use base::Instant;

use super::{Driver, Happening};
use crate::network::{Input, Network, Reading};
use crate::record::{Record, SocketFlags, State};
use crate::steps::{Action, Event, Parting, Turn};

impl<N: Network, C: Copy + Default + 'static> Driver<N, C> {
    /// Ends an open connection.
    pub fn end<H>(&mut self, app: &mut H, now: Instant, slot: u32, why: End)
    where
        H: Handler<Conn = C>,
    {
        let id = self.connections.id(slot);
        let flying = self.flying(slot, id);
        let (_, space) = self.network.buffers(Input::default());
        let mut turn = Turn { app, now, space, flying, calls: 0 };
        if let Action::Part(parting) = self.connections.end(&mut turn, slot, why) {
            self.part(now, slot, parting);
        }
    }

    /// Closes a connection that is over for its handler.
    pub(super) fn part(&mut self, now: Instant, slot: u32, parting: Parting) {
        let Some(record) = self.connections.records.get_mut(slot) else { return };
        match parting {
            Parting::Linger => {
                // A peer has most often closed its side by the next turn: look before watching.
                if !record.socket.flags.has(SocketFlags::WATCHED) {
                    record.socket.flags.set(SocketFlags::READABLE);
                }
                // Fails when the peer is gone, and then reading will, too.
                let _ = self.network.with_descriptor(&record.socket.handle, |fd, _, _| {
                    rustix::net::shutdown(fd, rustix::net::Shutdown::Write)
                });
                if let Some(oldest) = self.connections.lingering_too_many() {
                    self.cut_off(oldest);
                }
                self.connections.linger(slot, now);
                let id = self.connections.id(slot);
                self.enqueue(slot, id);
            }
            Parting::Close => self.discard(slot),
            Parting::Reset => {
                let zero = Some(std::time::Duration::ZERO);
                let _ = self.network.with_descriptor(&record.socket.handle, |fd, _, _| {
                    rustix::net::sockopt::set_socket_linger(fd, zero)
                });
                self.discard(slot);
            }
        }
    }

    /// Something happened on a lingering connection: what comes in is thrown away.
    pub(super) fn lingers(&mut self, slot: u32, happening: &Happening) {
        let over = match happening {
            Happening::Received { ended: true, .. } => true,
            Happening::Received { input, .. } => self.connections.spend(slot, input.len),
            Happening::Other(Event::Failed(_) | Event::TimerRan) => true,
            Happening::Other(_) => false,
        };
        if over || self.read_out(slot) {
            self.cut_off(slot);
        }
    }

    /// Reads a lingering connection empty. True when it is over.
    fn read_out(&mut self, slot: u32) -> bool {
        let id = self.connections.id(slot);
        loop {
            let Some(record) = self.connections.records.get_mut(slot) else { return true };
            match self.network.read(&mut record.socket, id, usize::MAX) {
                Reading::Nothing => return false,
                Reading::Bytes { ended: false, input } => {
                    if self.connections.spend(slot, input.len) {
                        return true;
                    }
                }
                Reading::Bytes { .. } | Reading::Failed(_) | Reading::NoRest => return true,
            }
        }
    }

    /// Ends the lingering of a connection.
    pub(super) fn cut_off(&mut self, slot: u32) {
        self.connections.stop_lingering(slot);
        self.discard(slot);
    }

    /// Gives a connection up that is over for everybody.
    pub(super) fn discard(&mut self, slot: u32) {
        let id = self.connections.id(slot);
        let Some(record) = self.connections.records.get_mut(slot) else { return };
        self.network.abandon(&mut record.socket, id);
        if record.socket.in_flight == 0 {
            self.release(slot);
        }
    }

    /// Frees the slot of a connection with which nothing is in flight.
    pub fn release(&mut self, slot: u32) {
        if let Some(record) = self.connections.release(slot) {
            self.network.close(record.socket.handle);
        }
    }

    /// Asks every open connection to finish, and gives up those that are being opened.
    pub fn drain<H>(&mut self, app: &mut H, now: Instant)
    where
        H: Handler<Conn = C>,
    {
        self.connections.draining = true;
        let mut from = 0;
        while let Some(slot) = self.connections.records.next_occupied(from) {
            from = slot + 1;
            match self.connections.records.get(slot) {
                Some(record) if record.is_open() => {
                    self.run(app, now, slot, Event::Draining.into());
                }
                Some(Record { state: State::Connecting, .. }) => {
                    self.give_up(app, now, slot, DialError::Shutdown);
                }
                _ => {}
            }
        }
    }

    /// Ends every connection, lingering ones included.
    pub fn shut_down<H>(&mut self, app: &mut H, now: Instant)
    where
        H: Handler<Conn = C>,
    {
        self.connections.draining = true;
        let mut from = 0;
        while let Some(slot) = self.connections.records.next_occupied(from) {
            from = slot + 1;
            match self.connections.records.get(slot).map(|record| record.state) {
                None | Some(State::Gone) => {}
                Some(State::Connecting) => self.give_up(app, now, slot, DialError::Shutdown),
                Some(State::Lingering) => self.cut_off(slot),
                Some(_) => self.end(app, now, slot, End::Shutdown),
            }
        }
    }
}
