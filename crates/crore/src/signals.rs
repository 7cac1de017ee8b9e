//! What [`Server::run`](crate::Server::run) does with the signals that a service manager or a
//! terminal sends: the first ends the server in order, the second at once. Invariant: they are
//! caught from before the server accepts anything until it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{SigId, flag, low_level};

use crate::{Error, LinkError, Running};

/// Says whether no signal has come.
pub(crate) type GoOn = Box<dyn Fn() -> bool + Send + Sync>;

/// A flag that signals raise, until this is dropped.
struct Flag {
    raised: Arc<AtomicBool>,
    raisers: Vec<SigId>,
}

impl Flag {
    fn new() -> std::io::Result<Self> {
        let mut new = Self { raised: Arc::default(), raisers: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            new.raisers.push(flag::register(signal, Arc::clone(&new.raised))?);
        }
        Ok(new)
    }
}

impl Drop for Flag {
    fn drop(&mut self) {
        for raiser in self.raisers.drain(..) {
            low_level::unregister(raiser);
        }
    }
}

/// Starts a server, and waits until it has ended, by itself or because of signals. What starts it is told
/// how to find out that it need not any more.
pub(crate) fn run(
    start: impl FnOnce(GoOn) -> Result<Running, Error>,
    drain_time: Duration,
) -> Result<(), Error> {
    let refused = |what| move |error| Error::System { what, error };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(refused("a signal handler"))?;
    let flag = Flag::new().map_err(refused("a signal handler"))?;
    let raised = Arc::clone(&flag.raised);
    let running = match start(Box::new(move || !raised.load(Ordering::Relaxed))) {
        Err(Error::Link(LinkError::Stopped)) => return Ok(()),
        started => started?,
    };
    drop(flag);
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
