//! Which connection is opened next, and what happens when it cannot be. Invariant: a connection that
//! failed is counted, and not tried again before others have had time to go.

use std::time::Duration;

use app::DialError;
use base::Instant;

use super::run::Run;
use super::{Conn, Kind};

/// Connections being opened at once by a shard: fewer than the backlog of most servers.
pub(super) const DIALLING: u32 = 512;
/// The longest pause after attempts that failed.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Run {
    /// The next connection to open, if one is to be opened now.
    pub fn next_dial(&mut self, now: Instant) -> Option<Conn> {
        if self.dialling >= DIALLING || now < self.pause {
            return None;
        }
        if let Some(conn) = self.redial.pop() {
            self.dialling += 1;
            return Some(conn);
        }
        let (seat, kind, began) = self
            .dial_active(now)
            .or_else(|| self.vacant.slow.pop().map(|seat| (seat, Kind::Slow, now)))
            .or_else(|| self.dial_idle(now))?;
        self.dialling += 1;
        Some(Conn { began, seat, phase: self.number, kind })
    }

    fn dial_active(&mut self, now: Instant) -> Option<(u32, Kind, Instant)> {
        let seat = *self.vacant.active.last()?;
        if self.phase.connection_per_request {
            let due = match &self.arrivals {
                None => now,
                Some(arrivals) => Some(arrivals.next()).filter(|due| *due <= now)?,
            };
            if !self.begin_request(due) {
                return None;
            }
            if let Some(arrivals) = &mut self.arrivals {
                arrivals.take(now);
            }
            self.seats.push(seat, due);
        } else if self.budget == Some(0) {
            return None;
        }
        self.vacant.active.pop();
        Some((seat, Kind::Active, now))
    }

    fn dial_idle(&mut self, now: Instant) -> Option<(u32, Kind, Instant)> {
        if self.idle_missing == 0 {
            return None;
        }
        let seat = *self.vacant.idle.last()?;
        if let Some(arrivals) = &mut self.idle_arrivals {
            arrivals.take(now)?;
        }
        self.idle_missing -= 1;
        self.vacant.idle.pop();
        Some((seat, Kind::Idle, now))
    }

    /// When the next connection is to be opened, as far as that is known.
    pub fn dial_time(&self, now: Instant) -> Option<Instant> {
        if self.dialling >= DIALLING {
            return None;
        }
        let at_once = now.max(self.pause);
        if !self.redial.is_empty() {
            return Some(at_once);
        }
        let active =
            (!self.vacant.active.is_empty() && self.budget != Some(0)).then(|| {
                match &self.arrivals {
                    Some(arrivals) if self.phase.connection_per_request => {
                        arrivals.next().max(at_once)
                    }
                    _ => at_once,
                }
            });
        let slow = (!self.vacant.slow.is_empty()).then_some(at_once);
        let idle = (self.idle_missing > 0 && !self.vacant.idle.is_empty()).then(|| {
            self.idle_arrivals.as_ref().map_or(at_once, |arrivals| arrivals.next().max(at_once))
        });
        [active, slow, idle].into_iter().flatten().min()
    }

    /// A connection was not made. `ports` is how many this shard has to deal out.
    pub fn undialled(&mut self, now: Instant, conn: Conn, why: DialError, ports: u64) {
        self.dialling = self.dialling.saturating_sub(1);
        self.failures = self.failures.saturating_add(1);
        // The next port may be free; when none is, it is an error.
        if why == DialError::InUse && u64::from(self.failures) < ports {
            self.tally.ports_taken += 1;
            self.redial.push(conn);
            return;
        }
        let pause = Duration::from_millis(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.pause = now + pause;
        let under_way = self.seats.get(conn.seat).map_or(0, |seat| seat.in_flight);
        if under_way > 0 {
            self.fail(&conn, why.into(), now);
        } else {
            self.tally.fail(why.into());
            // One that was to be sent over it is lost with it; or a phase of so many requests
            // would go on for ever where nobody listens.
            if conn.kind == Kind::Active && self.begin_request(now) {
                self.under_way -= 1;
            }
        }
        self.seats.vacate(conn.seat);
        self.give_back(conn);
    }

    /// The seat of a connection that is over is free again.
    pub fn give_back(&mut self, conn: Conn) {
        match conn.kind {
            Kind::Active => self.vacant.active.push(conn.seat),
            Kind::Slow => self.vacant.slow.push(conn.seat),
            Kind::Idle => self.vacant.idle.push(conn.seat),
        }
    }
}
