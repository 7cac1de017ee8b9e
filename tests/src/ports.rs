//! Free TCP ports on this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::process::Process;

/// How long a server may take to listen. Generous: the machine may be busy building.
const START_MAX: Duration = Duration::from_secs(30);

/// An address on 127.0.0.1 that nobody listens on. Somebody may before it is used; then the server
/// that was to use it fails to start, and says so.
///
/// # Errors
/// When there is none.
pub fn free() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until `process` listens on `address`.
///
/// # Errors
/// When it ends or does not listen in time; the message has what the process printed.
pub fn wait_for(process: &mut Process, address: SocketAddr) -> Outcome {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = process.ended()? {
            return Err(format!("ended at its start, {status}:\n{}", process.printed()?).into());
        }
        if start.elapsed() > START_MAX {
            return Err(format!("does not listen on {address}:\n{}", process.printed()?).into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
