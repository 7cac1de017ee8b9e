//! Servers that wait for one client at a time, in as many processes or threads as there are clients, or in
//! a fixed number of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::Builder;

use rustix::io::Errno;

use super::{ANSWER, REQUEST_BYTES, REQUEST_END};
use crate::sys::process::{Children, sleep_forever};

/// Processes or threads where their number is fixed.
const WORKERS: usize = 64;

/// A thread's stack: enough for a connection.
const STACK_BYTES: usize = 64 * 1024;

/// Answers on one connection until the client goes.
fn attend(mut connection: TcpStream) {
    let mut request = [0; REQUEST_BYTES];
    loop {
        match connection.read(&mut request) {
            Ok(0) => return,
            Ok(length) => {
                let ends = request[..length].ends_with(REQUEST_END);
                if ends && connection.write_all(ANSWER).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn accept(listener: &TcpListener) -> Result<TcpStream, Errno> {
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                // An answer is one small write.
                let _ = connection.set_nodelay(true);
                return Ok(connection);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
}

/// One after the other.
fn attend_all(listener: &TcpListener) {
    while let Ok(connection) = accept(listener) {
        attend(connection);
    }
}

pub(super) fn process_per_connection(listener: TcpListener) -> Result<(), Errno> {
    let mut children = Children::new();
    loop {
        let connection = accept(&listener)?;
        // The parent's end of it closes when this is dropped here.
        children.fork(|| attend_copy(&connection))?;
    }
}

fn attend_copy(connection: &TcpStream) {
    if let Ok(connection) = connection.try_clone() {
        attend(connection);
    }
}

pub(super) fn prefork(listener: TcpListener) -> Result<(), Errno> {
    let mut children = Children::new();
    for _ in 0..WORKERS {
        children.fork(|| attend_all(&listener))?;
    }
    sleep_forever()
}

fn spawn(body: impl FnOnce() + Send + 'static) -> Result<(), Errno> {
    let spawned = Builder::new().stack_size(STACK_BYTES).spawn(body);
    spawned.map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
}

pub(super) fn thread_per_connection(listener: TcpListener) -> Result<(), Errno> {
    loop {
        let connection = accept(&listener)?;
        spawn(move || attend(connection))?;
    }
}

pub(super) fn pool(listener: TcpListener) -> Result<(), Errno> {
    let listener = Arc::new(listener);
    for _ in 0..WORKERS {
        let listener = Arc::clone(&listener);
        spawn(move || attend_all(&listener))?;
    }
    sleep_forever()
}
