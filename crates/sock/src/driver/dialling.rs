//! How connections go out: asked for by the handler, made, or given up. Invariant: a connection in
//! [`State::Connecting`] has its timer running and the kernel reporting on it, and leads to `open`
//! or to `undialled`.

use app::{Dial, DialError, Handler};
use base::Instant;

use super::{Driver, Happening};
use crate::dial::{self, Begun};
use crate::network::{Network, NoRest};
use crate::record::State;
use crate::steps::Event;

/// Connections begun in one turn at most. On loopback the kernel does the whole handshake within
/// the call, so this is about half a millisecond.
const DIALS_PER_TURN: u32 = 64;

impl<N: Network, C: Copy + Default + 'static> Driver<N, C> {
    /// Asks the handler what to open, and begins it. Says how many there were.
    pub fn dial<H>(&mut self, app: &mut H, now: Instant) -> u32
    where
        H: Handler<Conn = C>,
    {
        let mut dialled = 0;
        while dialled < DIALS_PER_TURN
            && !self.connections.draining
            && let Some(dial) = app.dial(now)
        {
            dialled += 1;
            if let Err(why) = self.begin(app, now, &dial) {
                self.connections.counters.undialled.add(1);
                app.undialled(now, dial.conn, why);
            }
        }
        dialled
    }

    fn begin<H>(&mut self, app: &mut H, now: Instant, dial: &Dial<C>) -> Result<(), DialError>
    where
        H: Handler<Conn = C>,
    {
        if !self.connections.has_room() {
            return Err(DialError::Full);
        }
        let Begun { fd, peer, connected } = dial::begin(&dial.to, dial.from)?;
        let handle = self.network.adopt(fd).map_err(|_| DialError::Exhausted)?;
        let slot = match self.connections.insert_dialled(dial.conn, handle, peer) {
            Ok(slot) => slot,
            Err(handle) => {
                self.network.close(handle);
                return Err(DialError::Full);
            }
        };
        if connected {
            self.established(app, now, slot);
            return Ok(());
        }
        let id = self.connections.id(slot);
        let Some(record) = self.connections.records.get_mut(slot) else { return Ok(()) };
        if let Err(NoRest) = self.network.await_room(&mut record.socket, id) {
            self.connections.strike(slot);
            self.discard(slot);
            return Err(DialError::Exhausted);
        }
        self.connections.start_timer(slot, now, dial.within);
        Ok(())
    }

    /// Something happened on a connection that is being opened.
    pub(super) fn connecting<H>(&mut self, app: &mut H, now: Instant, slot: u32, what: &Happening)
    where
        H: Handler<Conn = C>,
    {
        let outcome = match what {
            Happening::Other(Event::TimerRan) => Err(DialError::TimedOut),
            Happening::Other(Event::Writable) => self.outcome(slot),
            // The kernel says that it is gone, and with what error; without one, it says nothing.
            Happening::Other(Event::Failed(_)) => {
                Err(self.outcome(slot).err().unwrap_or(DialError::Reset))
            }
            Happening::Received { .. } | Happening::Other(_) => return,
        };
        match outcome {
            Ok(()) => self.established(app, now, slot),
            Err(why) => self.give_up(app, now, slot, why),
        }
    }

    /// What the kernel says became of a connection that was being opened.
    fn outcome(&mut self, slot: u32) -> Result<(), DialError> {
        let Some(record) = self.connections.records.get(slot) else { return Ok(()) };
        let outcome =
            self.network.with_descriptor(&record.socket.handle, |fd, _, _| dial::outcome(fd));
        outcome.unwrap_or(Err(DialError::Exhausted))
    }

    fn established<H>(&mut self, app: &mut H, now: Instant, slot: u32)
    where
        H: Handler<Conn = C>,
    {
        self.connections.established(slot);
        self.run(app, now, slot, Event::Opened.into());
    }

    /// Gives a connection up that is being opened.
    pub(super) fn give_up<H>(&mut self, app: &mut H, now: Instant, slot: u32, why: DialError)
    where
        H: Handler<Conn = C>,
    {
        let Some(record) = self.connections.records.get(slot) else { return };
        debug_assert!(record.state == State::Connecting, "it was open already");
        let conn = record.conn;
        self.connections.strike(slot);
        self.discard(slot);
        self.connections.counters.undialled.add(1);
        app.undialled(now, conn, why);
    }
}
