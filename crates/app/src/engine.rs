//! The other side of the contract: what drives a handler.

use base::{ConnId, Instant};

use crate::{Handler, Seen};

/// Drives a [`Handler`] over all connections of one shard.
///
/// The caller's loop is: read the clock, [`Engine::turn`], deliver messages, [`Engine::park`].
pub trait Engine<H: Handler> {
    /// What makes the engine as a whole unable to go on. What befalls one connection is told to
    /// the handler, never returned here.
    type Error;

    /// Does a bounded amount of work, which includes opening what [`Handler::dial`] asks for, and
    /// says how many events it handled; zero when there is nothing to do until
    /// [`Engine::deadline`], [`Handler::dial_at`] or something arrives.
    ///
    /// # Errors
    /// When the engine cannot go on.
    fn turn(&mut self, now: Instant, app: &mut H) -> Result<u32, Self::Error>;

    /// Delivers a wake to a connection. Stale identifiers are ignored.
    fn wake(&mut self, now: Instant, id: ConnId, app: &mut H);

    /// Stops accepting and dialling, gives up what is being opened, closes idle connections and
    /// asks every other one to finish ([`Handler::drain`]).
    fn drain(&mut self, now: Instant, app: &mut H);

    /// Ends every connection that is left, with [`End::Shutdown`](crate::End::Shutdown).
    fn shut_down(&mut self, now: Instant, app: &mut H);

    /// Tells `tell` of some connections, a bounded number, from the place `from` on, and gives the
    /// place to go on from. `None` at the end, and where the engine has no TCP of its own. One that
    /// begins or ends meanwhile may be missed or told of twice.
    fn look(&self, _from: u32, _tell: &mut dyn FnMut(&Seen)) -> Option<u32> {
        None
    }

    /// Connections open now.
    fn connections(&self) -> u32;

    /// When the next timer runs out, if one is running. Does not know of [`Handler::dial_at`].
    fn deadline(&self) -> Option<Instant>;

    /// Sleeps until something arrives, `until` has come, or the engine's alarm is rung from
    /// another thread. Returns at once when work is already waiting.
    ///
    /// # Errors
    /// When the engine cannot go on.
    fn park(&mut self, until: Option<Instant>) -> Result<(), Self::Error>;
}

/// Sends wakes to connections, from any thread. One serves the whole process: it finds the shard
/// by [`ConnId::shard`].
pub trait Wake: Send + Sync {
    /// Has [`Handler::wake`] called for `id` soon, on its own shard. Wakes of a connection that is
    /// over are dropped there.
    fn wake(&self, id: ConnId);
}
