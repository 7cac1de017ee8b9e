//! How fast the engines are here: [`Speed`], measured in a fraction of a second. Invariant: an engine
//! that cannot be had, or was not asked for, has no figure.

use std::time::Duration;

use doctor::Net;
use serde::Serialize;

/// Nanoseconds of processor time that a request and its answer take at the server, by engine.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Speed {
    /// On kernel sockets, over loopback.
    pub epoll: Option<u64>,
    /// The same.
    pub io_uring: Option<u64>,
    /// On crore's own stack, over a wire of memory.
    pub own_stack: Option<u64>,
}

impl Speed {
    /// Measures the engines that are asked about.
    pub fn measured(net: Option<&Net>) -> Self {
        let mut speed = Self::default();
        if !matches!(net, Some(Net::Stack { .. })) {
            match sock::measure() {
                Ok(both) => {
                    speed.epoll = nanoseconds(both.epoll);
                    speed.io_uring = nanoseconds(both.uring);
                }
                // Where io_uring is not to be had, there is epoll.
                Err(_) => speed.epoll = sock::measure_epoll().ok().and_then(nanoseconds),
            }
        }
        if net != Some(&Net::Kernel) {
            speed.own_stack = probe::own_stack_exchange().ok().and_then(nanoseconds);
        }
        speed
    }

    /// The faster one of those on kernel sockets, and its time.
    pub fn fastest_on_sockets(&self) -> Option<(&'static str, u64)> {
        let epoll = self.epoll.map(|time| ("epoll", time));
        let io_uring = self.io_uring.map(|time| ("io_uring", time));
        epoll.into_iter().chain(io_uring).min_by_key(|(_, time)| *time)
    }
}

/// None where the clock says that it took nothing, which means that there is no such clock.
fn nanoseconds(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos()).ok().filter(|time| *time > 0)
}
