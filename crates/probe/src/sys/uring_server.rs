//! A server on io_uring: one multishot accept, and on each connection a receive or a send under way.
//!
//! Invariant: a connection's buffer is used by at most one operation, and stays where it is until the
//! process ends or the connection's last operation has completed.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use io_uring::squeue::Entry;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode};
use rustix::io::Errno;

use super::uring::errno;

const ENTRIES: u32 = 1024;
const COMPLETIONS: u32 = 8192;

/// The mark of the accept; connections have their index, times two, plus one for a send.
const ACCEPT: u64 = u64::MAX;

struct Connection {
    socket: OwnedFd,
    request: Box<[u8]>,
}

struct Server<'a> {
    ring: IoUring,
    listener: BorrowedFd<'a>,
    connections: Vec<Option<Connection>>,
    request_bytes: usize,
    end: &'static [u8],
    answer: &'static [u8],
}

/// Answers everything that ends with `end` with `answer`, until something fails.
///
/// # Errors
/// What the system refused.
pub fn serve(
    listener: BorrowedFd<'_>,
    request_bytes: usize,
    end: &'static [u8],
    answer: &'static [u8],
) -> Result<(), Errno> {
    let ring = IoUring::builder().setup_cqsize(COMPLETIONS).build(ENTRIES);
    let ring = ring.map_err(|error| errno(&error))?;
    let mut server = Server { ring, listener, connections: Vec::new(), request_bytes, end, answer };
    let result = server.run();
    // Operations may still be under way in these buffers.
    std::mem::forget(server);
    result
}

impl Server<'_> {
    fn run(&mut self) -> Result<(), Errno> {
        self.accept()?;
        let mut completions: Vec<cqueue::Entry> = Vec::with_capacity(COMPLETIONS as usize);
        loop {
            match self.ring.submit_and_wait(1) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(errno(&error));
                }
                _ => {}
            }
            completions.clear();
            completions.extend(self.ring.completion());
            for completion in &completions {
                self.complete(completion)?;
            }
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry) -> Result<(), Errno> {
        let (mark, result) = (completion.user_data(), completion.result());
        if mark == ACCEPT {
            let socket = u32::try_from(result).map_err(|_| Errno::from_raw_os_error(-result))?;
            if !cqueue::more(completion.flags()) {
                self.accept()?;
            }
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
            let socket = unsafe { OwnedFd::from_raw_fd(socket.cast_signed()) };
            let request = vec![0; self.request_bytes].into_boxed_slice();
            self.connections.push(Some(Connection { socket, request }));
            return self.receive(self.connections.len() - 1);
        }
        let index = (mark / 2) as usize;
        let was_send = mark % 2 == 1;
        let Some(connection) = self.connections[index].as_ref().filter(|_| result > 0) else {
            // Its only operation has completed.
            self.connections[index] = None;
            return Ok(());
        };
        let received = result as usize;
        if !was_send && connection.request[..received].ends_with(self.end) {
            return self.send(index);
        }
        self.receive(index)
    }

    fn accept(&mut self) -> Result<(), Errno> {
        let accept = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd())).build();
        self.push(&accept.user_data(ACCEPT))
    }

    fn receive(&mut self, index: usize) -> Result<(), Errno> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let (buffer, length) = (connection.request.as_mut_ptr(), connection.request.len() as u32);
        let receive = opcode::Recv::new(Fd(connection.socket.as_raw_fd()), buffer, length).build();
        self.push(&receive.user_data(index as u64 * 2))
    }

    fn send(&mut self, index: usize) -> Result<(), Errno> {
        let Some(connection) = &self.connections[index] else { return Ok(()) };
        let (bytes, length) = (self.answer.as_ptr(), self.answer.len() as u32);
        let send = opcode::Send::new(Fd(connection.socket.as_raw_fd()), bytes, length).build();
        self.push(&send.user_data(index as u64 * 2 + 1))
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Errno> {
        loop {
            // SAFETY: the listener is borrowed for longer than the server lives. A connection's socket and
            // its buffer, which is boxed, stay until its one operation has completed; the answer is
            // static; and `serve` never frees a server that may have operations under way.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit().map_err(|error| errno(&error))?;
        }
    }
}
