//! The contract between an application (a [`Handler`]) and what drives it (an [`Engine`]).
//!
//! A handler is a state machine for one kind of connection: it maps its state, the bytes that came
//! in and the room there is for bytes to go out to a [`Step`]. It never sees a socket, a frame or a
//! clock, so the same handler runs on kernel sockets, on crore's own TCP stack and with no
//! operating system at all.
//!
//! # The calls
//!
//! | call | when |
//! | --- | --- |
//! | [`Handler::open`] | the connection is established, in either role |
//! | [`Handler::data`] | bytes are there that were not consumed yet, or the peer has said that no more will come |
//! | [`Handler::room`] | all that was put out before has been taken and the last step was [`Next::Write`] |
//! | [`Handler::wake`] | somebody sent this connection's [`ConnId`](base::ConnId) a [`Wake`] |
//! | [`Handler::timer`] | the time set by [`Step::within`] has passed |
//! | [`Handler::drain`] | the engine is closing down and this connection is not idle |
//! | [`Handler::end`] | the connection is over; its identifier is dead. Once for every `open` |
//! | [`Handler::refuse`] | a connection arrived that cannot be held |
//! | [`Handler::dial`] | in every turn: is there a connection to open? |
//! | [`Handler::undialled`] | a connection that was to be opened was not made |
//!
//! # Sending is pull
//!
//! Each call may put bytes into [`Cx::out`], as many as there is room for, and after them at most
//! one reference to bytes kept elsewhere ([`Out::attach`]). When more is to come, the step says
//! [`Next::Write`] and the engine calls [`Handler::room`] once what was put out has been taken. A
//! slow reader therefore holds the handler's state and never a queue of data.
//!
//! # Opening connections is pull, too
//!
//! A handler does not call the engine. The engine asks [`Handler::dial`] in each turn, and
//! [`Handler::dial_at`] for how long it may sleep. Each [`Dial`] it takes is answered by `open`
//! with [`Role::Opened`], and then `end` like for any other connection, or by
//! [`Handler::undialled`], and then nothing.
//!
//! # Order
//!
//! Calls for one connection never overlap and all come from one thread. While output is still
//! leaving, only `wake`, `timer`, `drain` and `end` can be called, with no room in `out`.
//! Bytes left unconsumed are offered again, in order, with what arrived since: after a `data` step
//! when more has arrived, after any other step that says [`Next::Read`] or [`Next::Idle`] at once.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod counters;
mod cx;
mod dial;
mod engine;
mod handler;
mod out;
mod seen;
mod step;

pub use clock::Clock;
pub use counters::{Counter, Counters};
pub use cx::{Cx, Origin, Peer, Role};
pub use dial::{Dial, DialError, Remote};
pub use engine::{Engine, Wake};
pub use handler::{End, Handler, Refusal};
pub use out::{Attachment, FileSource, NoRoom, Out, Prepared, ShortSource, Source};
pub use seen::Seen;
pub use step::{Next, Step, Timeout};

#[cfg(test)]
mod tests;
