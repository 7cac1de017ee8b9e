//! What the two engines differ in: [`Network`]. Invariant: no call waits for the network.

use std::os::fd::{BorrowedFd, OwnedFd};

use app::{Attachment, End};
use base::ConnId;
use rustix::io::Errno;

use crate::handle::Handle;
use crate::output::{Line, Progress, Sender};
use crate::record::Socket;

/// What an engine does for its connections' sockets.
pub(crate) trait Network {
    /// Where bytes that [`Network::read`] or a completion reported are, and where handlers write.
    fn buffers(&mut self, input: Input) -> (&[u8], &mut [u8]);

    /// Bytes of the connection's output that the kernel has not answered for.
    fn flying(&self, id: ConnId) -> u64;

    /// What sends, and where handlers write.
    fn output(&mut self) -> (&mut Sender, &mut [u8]);

    /// What a socket is called from now on. The socket itself when there is no room for it.
    fn adopt(&mut self, fd: OwnedFd) -> Result<Handle, OwnedFd> {
        Ok(Handle::descriptor(fd))
    }

    /// Makes system calls on a socket, with what sends and where handlers write. `None` when the
    /// socket has no descriptor and there is none for it now.
    fn with_descriptor<R>(
        &mut self,
        handle: &Handle,
        act: impl FnOnce(BorrowedFd<'_>, &mut Sender, &mut [u8]) -> R,
    ) -> Option<R> {
        let fd = handle.as_descriptor()?;
        let (sender, space) = self.output();
        Some(act(fd, sender, space))
    }

    /// Sends what a handler has put out.
    fn send(&mut self, socket: &mut Socket, id: ConnId, put: Put) -> Sending {
        let _ = id;
        self.send_now(socket, put)
    }

    /// Sends what a handler has put out with a system call of its own.
    fn send_now(&mut self, socket: &Socket, put: Put) -> Sending {
        let sent = self.with_descriptor(&socket.handle, |fd, sender, space| {
            let line = Line { socket: fd, last: put.last };
            sender.send(line, &space[..put.filled], put.attachment)
        });
        Sending::Done(sent.unwrap_or(Progress::NONE))
    }

    /// Reads at most `most` bytes if any are there, else sees to it that they are reported.
    fn read(&mut self, socket: &mut Socket, id: ConnId, most: usize) -> Reading;

    /// Whether [`Network::read`] is likely to give something at once.
    fn is_readable(&self, socket: &Socket) -> bool;

    /// The connection waits for something that is not input: sees to it that its end is noticed.
    fn rest(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest>;

    /// Sees to it that room for more output is reported.
    fn await_room(&mut self, socket: &mut Socket, id: ConnId) -> Result<(), NoRest>;

    /// Has everything in flight end. The record can be released when nothing is.
    fn abandon(&mut self, socket: &mut Socket, id: ConnId);

    /// Closes a socket with which nothing is in flight.
    fn close(&mut self, handle: Handle) {
        drop(handle);
    }
}

/// What a handler has put out.
pub(crate) struct Put {
    /// Bytes of the write space.
    pub filled: usize,
    /// What follows them.
    pub attachment: Option<Attachment>,
    /// Whether nothing follows that: see [`Line::last`].
    pub last: bool,
}

/// A place in a network's input buffers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Input {
    pub start: usize,
    pub len: usize,
}

/// What a read brought.
pub(crate) enum Reading {
    /// Nothing, and more will be reported.
    Nothing,
    Bytes {
        input: Input,
        ended: bool,
    },
    Failed(End),
    /// The kernel cannot report on one more socket.
    NoRest,
}

/// What became of output handed to the network.
pub(crate) enum Sending {
    /// Done at once.
    Done(Progress),
    /// The kernel will say.
    Flying,
}

/// The kernel has no memory to report on one more socket.
pub(crate) struct NoRest;

/// What an error of a connection that was established means.
pub(crate) const fn end_of(errno: Errno) -> End {
    match errno {
        Errno::TIMEDOUT => End::TimedOut,
        // The kernel says so, too, when the time is over, if that was the last it heard of the peer.
        Errno::HOSTUNREACH | Errno::NETUNREACH => End::Unreachable,
        _ => End::Reset,
    }
}

#[cfg(test)]
mod tests {
    use app::End;
    use rustix::io::Errno;

    use super::end_of;

    /// What a peer that vanished came to was once told as a reset.
    #[test]
    fn a_peer_that_vanished_is_told_from_one_that_resets() {
        assert_eq!(end_of(Errno::CONNRESET), End::Reset);
        assert_eq!(end_of(Errno::PIPE), End::Reset);
        assert_eq!(end_of(Errno::TIMEDOUT), End::TimedOut);
        assert_eq!(end_of(Errno::HOSTUNREACH), End::Unreachable);
        assert_eq!(end_of(Errno::NETUNREACH), End::Unreachable);
    }
}
