//! What the handler remembers of a connection in the connection's own record: [`Conn`].
//!
//! Invariant: 16 bytes. An exchange that does not finish within one call is in the handler's slab;
//! only its index is here.

use core::time::Duration;

use app::Step;
use base::Instant;

/// What [`Http`](crate::Http) remembers of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conn {
    pub(crate) state: State,
    /// When the timer that is running runs out.
    armed: Armed,
}

const _: () = assert!(size_of::<Conn>() <= 16);

/// What a connection is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Between requests, or before the first.
    Resting { since: Millis },
    /// A part of a head is there and was looked at as far as `scanned`. No output is leaving.
    Reading { since: Millis, scanned: u32 },
    /// Between requests, and when last looked at this many bytes of answers were still to leave.
    Leaving { unsent: u32 },
    /// To be closed when this many bytes, or what is left of them by now, have left.
    Closing { unsent: u32 },
    /// An exchange is under way; this is its place in the slab.
    Exchange(u32),
}

impl Default for State {
    fn default() -> Self {
        Self::Resting { since: Millis(0) }
    }
}

impl State {
    /// How far a head that is partly there was looked at.
    pub const fn scanned(self) -> usize {
        match self {
            Self::Reading { scanned, .. } => scanned as usize,
            _ => 0,
        }
    }
}

/// A point in time in milliseconds, modulo 2^32 (49 days): for spans of less than half of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Millis(u32);

impl Millis {
    pub const fn of(now: Instant) -> Self {
        Self(now.as_millis() as u32)
    }

    /// How long ago this was.
    pub const fn elapsed(self, now: Instant) -> Duration {
        Duration::from_millis(Self::of(now).0.wrapping_sub(self.0) as u64)
    }
}

/// When the timer runs out: milliseconds modulo 2^32, zero for one that is not running.
#[derive(Clone, Copy, Debug, Default)]
struct Armed(u32);

impl Armed {
    fn at(now: Instant, span: Duration) -> Self {
        let span = u32::try_from(span.as_millis()).unwrap_or(u32::MAX / 4).min(u32::MAX / 4);
        Self(Millis::of(now).0.wrapping_add(span).max(1))
    }

    /// Whether this timer is running and runs out no later than `other`.
    const fn is_no_later_than(self, other: Self) -> bool {
        self.0 != 0 && (other.0.wrapping_sub(self.0) as i32) >= 0
    }
}

impl Conn {
    /// `step`, with the timer running out after `span` at the latest. A timer that runs out before
    /// is left alone: whoever it calls looks at what is due and starts it again. So a busy
    /// connection does not move its timer with every request.
    pub(crate) fn due_within(&mut self, now: Instant, span: Duration, step: Step) -> Step {
        let wanted = Armed::at(now, span);
        if self.armed.is_no_later_than(wanted) {
            return step;
        }
        self.armed = wanted;
        step.within(span)
    }

    /// `step`, with the timer running out after exactly `span`.
    pub(crate) fn due_after(&mut self, now: Instant, span: Duration, step: Step) -> Step {
        self.armed = Armed::at(now, span);
        step.within(span)
    }

    /// The timer has run out.
    pub(crate) const fn timer_ran_out(&mut self) {
        self.armed = Armed(0);
    }
}
