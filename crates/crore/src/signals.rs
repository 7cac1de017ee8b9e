//! What [`Server::run`](crate::Server::run) does with the signals that a service manager or a
//! terminal sends: the first ends the server in order, the second at once. Invariant: they are
//! caught from before the server accepts anything until it has ended.

use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{Error, Running};

/// Starts a server, and waits until it has ended, by itself or because of signals.
pub(crate) fn run(
    start: impl FnOnce() -> Result<Running, Error>,
    drain_time: Duration,
) -> Result<(), Error> {
    let refused = |what| move |error| Error::System { what, error };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(refused("a signal handler"))?;
    let running = start()?;
    let (handle, control) = (signals.handle(), running.control());
    let thread = thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                if control.stopping() {
                    control.shut_down();
                } else {
                    control.drain(drain_time);
                }
            }
        })
        .map_err(refused("a thread for signals"))?;
    let result = running.wait();
    handle.close();
    // It only ends; a panic in it would have been printed, and changes nothing any more.
    let _ = thread.join();
    result
}
