//! Where many connections are to send requests as fast as they may, they gather first. Else those that
//! are open would keep the server from accepting the others, whose attempts it drops once its queue is
//! full, and the kernel repeats only after a second: that would be in the figures, and be no
//! doing of the server's. The time that is measured begins when they begin. Invariant: nobody waits for
//! longer than [`LONGEST`], or for those who cannot come.

use std::time::Duration;

use base::Instant;

use super::Place;
use super::dialling::DIALLING;
use super::run::Run;
use crate::Phase;

/// The longest that connections wait for each other.
const LONGEST: Duration = Duration::from_secs(1);

/// Connections that gather.
#[derive(Debug)]
pub(super) struct Gathering {
    missing: u32,
    until: Instant,
}

impl Gathering {
    /// Of so many connections; `None` where they need not gather.
    pub fn of(phase: &Phase, active: u32, now: Instant) -> Option<Self> {
        let paced = phase.rate.is_some() || phase.connection_per_request;
        (active > DIALLING && !paced).then(|| Self { missing: active, until: now + LONGEST })
    }

    /// One has come.
    pub fn add(&mut self) {
        self.missing = self.missing.saturating_sub(1);
    }

    /// When they begin whoever is missing.
    pub const fn until(&self) -> Instant {
        self.until
    }
}

impl Run {
    /// Has the requests begin, once all have come or need not be waited for.
    pub fn gather(&mut self, now: Instant, place: &Place) {
        let Some(gathering) = &self.gathering else { return };
        if gathering.missing > 0 && self.failures == 0 && now < gathering.until {
            return;
        }
        self.gathering = None;
        self.measure_from(now);
        for id in self.seats.iter().filter_map(|seat| seat.id) {
            place.wake.wake(id);
        }
    }
}
