//! Keep-alive, RFC 9293 section 3.8.4. Invariant: probes are sent only while nothing is in flight,
//! and one that is not answered says nothing by itself.

use core::time::Duration;

use base::Instant;

use crate::retransmit::Probe;
use crate::segment::Events;
use crate::timer::Timers;
use crate::working::State;
use crate::{Config, Sleeping, Turn, Working};

impl Sleeping {
    /// When a keep-alive probe is due, in time from now; None when there are none. The caller then
    /// wakes the connection and calls [`Working::keep_alive`].
    #[must_use]
    pub fn keep_alive_in(&self, config: &Config, now: Instant) -> Option<Duration> {
        let idle = config.keep_alive?.idle;
        Some(idle.saturating_sub(Duration::from_millis(self.age_ms(now))))
    }
}

impl Timers {
    /// Something came from the peer: it is alive.
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        if self.keep_alive_probes > 0 {
            self.keep_alive_probes = 0;
            self.idle = Instant::NEVER;
        }
    }
}

impl Working {
    /// The connection has been silent for long: asks the peer whether it is still there.
    pub fn keep_alive(&mut self, turn: &Turn<'_>) {
        if let Some(settings) = turn.config.keep_alive
            && matches!(self.state, State::Established | State::CloseWait)
            && self.flight.is_empty()
        {
            //= specs/rfc9293.txt#section-3.8.4
            //# Keep-alive packets MUST only be sent when no sent data is outstanding, and no data
            //# or acknowledgment packets have been received for the connection within an interval
            //# (MUST-26).
            self.timers.keep_alive_probes = self.timers.keep_alive_probes.saturating_add(1);
            self.timers.idle = turn.now + settings.interval;
            self.send.probe = Probe::KeepAlive;
        }
    }

    pub(crate) fn keep_alive_expired(&mut self, turn: &Turn<'_>) -> Events {
        let Some(settings) = turn.config.keep_alive else { return Events::default() };
        //= specs/rfc9293.txt#section-3.8.4
        //# Consequently, if a keep-alive mechanism is
        //# implemented it MUST NOT interpret failure to respond to any specific
        //# probe as a dead connection (MUST-29).
        if self.timers.keep_alive_probes >= settings.probes {
            return self.time_out();
        }
        self.keep_alive(turn);
        Events::default()
    }
}
