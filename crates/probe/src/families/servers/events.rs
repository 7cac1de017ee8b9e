//! Servers of one loop that waits for all clients at once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::{ANSWER, REQUEST_BYTES, REQUEST_END};
use crate::sys::uring_server;

/// Events that one wait gives at most.
const EVENTS: usize = 256;

/// Reads once and answers if that was the end of a request; false when the client is gone.
fn attend(connection: &TcpStream) -> bool {
    let (mut from, mut to) = (connection, connection);
    let mut request = [0; REQUEST_BYTES];
    match from.read(&mut request) {
        Ok(0) | Err(_) => false,
        Ok(length) if request[..length].ends_with(REQUEST_END) => to.write_all(ANSWER).is_ok(),
        Ok(_) => true,
    }
}

fn accept(listener: &TcpListener) -> Result<TcpStream, Errno> {
    let accepted = listener.accept();
    let (connection, _) =
        accepted.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let _ = connection.set_nodelay(true);
    Ok(connection)
}

pub(super) fn poll_loop(listener: TcpListener) -> Result<(), Errno> {
    // Kept until the process ends, so that the array for poll need not be made anew for each call.
    let listener: &'static TcpListener = Box::leak(Box::new(listener));
    let mut connections: Vec<&'static TcpStream> = Vec::new();
    let mut watched = vec![PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    loop {
        match poll(&mut watched, None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for index in (1..watched.len()).rev() {
            if !watched[index].revents().is_empty() && !attend(connections[index - 1]) {
                let _ = connections[index - 1].shutdown(std::net::Shutdown::Both);
                connections.swap_remove(index - 1);
                watched.swap_remove(index);
            }
        }
        if !watched[0].revents().is_empty() {
            let connection: &'static TcpStream = Box::leak(Box::new(accept(listener)?));
            connections.push(connection);
            watched.push(PollFd::from_borrowed_fd(connection.as_fd(), PollFlags::IN));
        }
    }
}

/// The mark of the listener among events; connections have their indices.
const LISTENER: u64 = u64::MAX;

pub(super) fn epoll_loop(listener: TcpListener) -> Result<(), Errno> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            let mark = event.data.u64();
            if mark == LISTENER {
                let connection = accept(&listener)?;
                let mark = EventData::new_u64(connections.len() as u64);
                epoll::add(&epoll, &connection, mark, EventFlags::IN)?;
                connections.push(Some(connection));
            } else if let Some(slot) = connections.get_mut(mark as usize) {
                // Closing it takes it out of the epoll.
                slot.take_if(|connection| !attend(connection));
            }
        }
    }
}

pub(super) fn uring_loop(listener: TcpListener) -> Result<(), Errno> {
    uring_server::serve(listener.as_fd(), REQUEST_BYTES, REQUEST_END, ANSWER)
}
