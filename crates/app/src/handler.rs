//! The application's side of the contract: [`Handler`], and the reasons it is told.

use base::Instant;

use crate::{Cx, Dial, DialError, Out, Step};

/// An application: what it does when something happens on one of its connections.
///
/// One value serves all connections of one shard; what belongs to a single connection is
/// [`Handler::Conn`], which the engine keeps for it.
pub trait Handler {
    /// What the handler remembers of a connection: plain data, at most 16 bytes, because it lives
    /// in the connection's own record. What does not fit goes into a table of the handler's, with
    /// the index here.
    type Conn: Copy + Default + 'static;

    /// The connection is established. [`Cx::origin`] says in which role and with whom. One that
    /// this side opened starts with the [`Handler::Conn`] of its [`Dial`], any other with the
    /// default.
    fn open(&mut self, cx: &mut Cx<'_, Self::Conn>) -> Step {
        let _ = cx;
        Step::read(0)
    }

    /// `rx` holds all bytes that arrived and were not consumed, in order. It is empty only when
    /// the peer has closed its side ([`Cx::input_ended`]) and nothing is left over.
    ///
    /// After the end of input, a step that asks to read more closes the connection.
    fn data(&mut self, cx: &mut Cx<'_, Self::Conn>, rx: &[u8]) -> Step;

    /// Everything put out so far has been taken; called after [`Next::Write`](crate::Next::Write).
    fn room(&mut self, cx: &mut Cx<'_, Self::Conn>) -> Step {
        let _ = cx;
        Step::read(0)
    }

    /// Somebody sent this connection a [`Wake`](crate::Wake). Several wakes may arrive as one, and
    /// one may arrive that was meant for an earlier connection: look before believing it.
    fn wake(&mut self, cx: &mut Cx<'_, Self::Conn>) -> Step {
        let _ = cx;
        Step::stay()
    }

    /// The time set by [`Step::within`](crate::Step::within) has passed.
    fn timer(&mut self, cx: &mut Cx<'_, Self::Conn>) -> Step {
        let _ = cx;
        Step::abort()
    }

    /// The engine is closing down. A connection whose last step was
    /// [`Next::Idle`](crate::Next::Idle) is closed without being asked; every other is asked here,
    /// once, and is expected to finish what it owes its peer and then close.
    fn drain(&mut self, cx: &mut Cx<'_, Self::Conn>) -> Step {
        let _ = cx;
        Step::stay()
    }

    /// The connection is over, for the reason given. Nothing can be put out any more.
    fn end(&mut self, cx: &mut Cx<'_, Self::Conn>, why: End) {
        let _ = (cx, why);
    }

    /// A connection arrived that cannot be held. What is put into `out` is sent if the network
    /// takes it at once, and the connection is closed; it never had an identifier.
    ///
    /// Called by engines to which the connection comes established, as from a kernel. Where the
    /// engine itself would have to establish it first, and hold what it has no room for, the peer
    /// gets a reset for its SYN instead.
    fn refuse(&mut self, now: Instant, why: Refusal, out: &mut Out<'_>) {
        let _ = (now, why, out);
    }

    /// A connection to be opened now, if there is one. The engine asks in every turn, some tens of
    /// times at most, until there is none; not while it closes down, and not while it has no
    /// memory to begin one. What comes of it is told by [`Handler::open`] or
    /// [`Handler::undialled`], one of them, once, in this turn or a later one.
    ///
    /// A handler that never opens connections leaves this as it is.
    fn dial(&mut self, now: Instant) -> Option<Dial<Self::Conn>> {
        let _ = now;
        None
    }

    /// When [`Handler::dial`] is to be asked even if nothing happens until then. A time that has
    /// come (or passed) keeps the shard from sleeping. Looked at before every sleep, so what one
    /// of the calls changes here takes effect at once. Another thread ends the sleep with a
    /// [`Wake`](crate::Wake) for any identifier of the shard.
    fn dial_at(&self) -> Option<Instant> {
        None
    }

    /// A connection that [`Handler::dial`] asked for was not made. It had no identifier and there
    /// is no `end` for it; `conn` is what the dial brought.
    fn undialled(&mut self, now: Instant, conn: Self::Conn, why: DialError) {
        let _ = (now, conn, why);
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Both sides closed in order, or the handler closed.
    Closed,
    /// The peer reset the connection, or the address at this end was lost.
    Reset,
    /// The peer vanished: it did not acknowledge in time what was sent, or answered no keep-alive
    /// probe.
    TimedOut,
    /// The same, and the last that the network said is that there is no way to the peer.
    Unreachable,
    /// The handler chose [`Next::Abort`](crate::Next::Abort).
    Aborted,
    /// The connection was idle and made way for a new one.
    Evicted,
    /// The engine is closing down.
    Shutdown,
    /// An attached [`Source`](crate::Source) gave fewer bytes than it was said to have.
    ShortSource,
    /// More bytes were left unconsumed than [`Limits::held_bytes`](base::Limits::held_bytes), or
    /// the engine had no memory to hold them.
    Overflow,
}

/// Why a new connection could not be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// [`Limits::connections`](base::Limits::connections) are open, or descriptors or memory ran
    /// out.
    Full,
    /// [`Limits::connections_per_client`](base::Limits::connections_per_client) are open from the
    /// same client.
    FullForClient,
}
