//! The application's side of the contract: [`Handler`], and the reasons it is told.

use crate::{Cx, Out, Step};

/// An application: what it does when something happens on one of its connections.
///
/// One value serves all connections of one shard; what belongs to a single connection is
/// [`Handler::Conn`], which the engine keeps for it.
pub trait Handler {
    /// What the handler remembers of a connection: plain data, at most 16 bytes, because it lives
    /// in the connection's own record. What does not fit goes into a table of the handler's, with
    /// the index here.
    type Conn: Copy + Default + 'static;

    /// The connection is established. [`Cx::origin`] says in which role and with whom.
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
    fn refuse(&mut self, why: Refusal, out: &mut Out<'_>) {
        let _ = (why, out);
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Both sides closed in order, or the handler closed.
    Closed,
    /// The peer reset the connection, or vanished with something in flight.
    Reset,
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
    /// A connection that was being opened could not be.
    Unreachable,
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
