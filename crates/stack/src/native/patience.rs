//! Whether to look for packets a little longer before sleeping: [`Patience`]. Invariant: an engine
//! with nothing to do sleeps, and looking in vain becomes rarer each time.
//!
//! The rule is that of the engines on kernel sockets: one that was woken soon after it went to sleep
//! looks for as long as it would have slept, because waking it costs its peers more than that. A look
//! is a whole turn, so that a port is asked for packets and for nothing else.
//!
//! While a transfer is under way, it looks for longer: what it waits for is the answer to a window of
//! data, a round trip away, and a path that short is not to be made longer by as much again for waking
//! up. On a longer path the looks are in vain, and so become rare.

use core::time::Duration;

use base::Instant;

/// The longest that is looked for work before sleeping; about what waking costs.
const LONGEST: Duration = Duration::from_micros(50);
/// The same while a transfer is under way: a round trip within a machine or a rack, both ends busy.
const LONGEST_IN_TRANSFER: Duration = Duration::from_micros(250);
/// How long a transfer counts as under way after it has moved anything.
const TRANSFER: Duration = Duration::from_millis(1);
/// Most short sleeps in a row before it is tried again: then a look in vain costs less than one part
/// in a thousand of the time.
const RAREST: u32 = 1_024;

/// What an engine with nothing to do does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Park {
    /// Sleeps, but looks for 50 µs before where sleeps have been shorter than that lately, for 250 µs
    /// while a transfer is under way.
    #[default]
    Adapt,
    /// Never sleeps: all of a processor is its own.
    Poll,
    /// Sleeps at once.
    Sleep,
}

/// Whether it has been worth looking lately.
#[derive(Debug)]
pub(super) struct Patience {
    park: Park,
    /// Short sleeps since the last long one, or since looking was in vain.
    short_sleeps: u32,
    /// Short sleeps that it takes until looking is tried.
    needed: u32,
    /// Until then a transfer is under way.
    transfer_until: Instant,
    state: State,
}

/// What the engine has been doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The last turn found work.
    Working,
    /// There has been nothing to do since then, and it looks.
    Looking { since: Instant },
    /// It may have slept since then.
    Slept { since: Instant },
}

impl Patience {
    pub(super) const fn new(now: Instant) -> Self {
        let state = State::Slept { since: now };
        Self { park: Park::Adapt, short_sleeps: 0, needed: 1, transfer_until: now, state }
    }

    pub(super) const fn set(&mut self, park: Park) {
        self.park = park;
    }

    /// A turn has moved several segments of one connection's.
    pub(super) fn transferred(&mut self, now: Instant) {
        self.transfer_until = now + TRANSFER;
    }

    /// How long to look, and how long a sleep is short.
    fn longest(&self, now: Instant) -> Duration {
        if now < self.transfer_until { LONGEST_IN_TRANSFER } else { LONGEST }
    }

    /// After a turn at `now` that found this many events.
    pub(super) fn after_turn(&mut self, now: Instant, events: u32) {
        let longest = self.longest(now);
        self.state = match self.state {
            State::Slept { since } => {
                let short = now - since < longest;
                self.short_sleeps = if short { self.short_sleeps.saturating_add(1) } else { 0 };
                self.without_work(now, events)
            }
            State::Looking { .. } if events > 0 => {
                self.needed = (self.needed / 2).max(1);
                State::Working
            }
            State::Looking { since } if now - since >= longest => {
                self.short_sleeps = 0;
                self.needed = (self.needed * 2).min(RAREST);
                State::Slept { since: now }
            }
            State::Looking { since } => State::Looking { since },
            State::Working => self.without_work(now, events),
        };
    }

    const fn without_work(&self, now: Instant, events: u32) -> State {
        if events > 0 {
            State::Working
        } else if self.short_sleeps >= self.needed {
            State::Looking { since: now }
        } else {
            State::Slept { since: now }
        }
    }

    /// Whether the engine may sleep now. Another turn comes first otherwise.
    pub(super) fn may_sleep(&self) -> bool {
        match self.park {
            Park::Adapt => matches!(self.state, State::Slept { .. }),
            Park::Poll => false,
            Park::Sleep => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use base::Instant;

    use super::{LONGEST, LONGEST_IN_TRANSFER, Park, Patience};

    /// Turns every microsecond, and a sleep of this length whenever it may; gives how many turns
    /// were looks in vain out of `turns`, and how many sleeps there were.
    fn live(sleep: Duration, turns: u32) -> (u32, u32) {
        live_with(sleep, turns, false)
    }

    /// The same, in the middle of a transfer if `transfers`.
    fn live_with(sleep: Duration, turns: u32, transfers: bool) -> (u32, u32) {
        let mut now = Instant::from_millis(1_000);
        let mut patience = Patience::new(now);
        let (mut looks, mut sleeps) = (0, 0);
        for _ in 0..turns {
            if transfers {
                patience.transferred(now);
            }
            if patience.may_sleep() {
                sleeps += 1;
                now += sleep;
            } else {
                looks += 1;
            }
            now += Duration::from_micros(1);
            patience.after_turn(now, 0);
        }
        (looks, sleeps)
    }

    #[test]
    fn who_sleeps_for_long_does_not_look() {
        assert_eq!(live(2 * LONGEST, 1_000), (0, 1_000));
    }

    #[test]
    fn in_a_transfer_longer_sleeps_are_worth_a_look() {
        let sleep = 2 * LONGEST;
        assert_eq!(live_with(sleep, 1_000, false).0, 0);
        let (looks, sleeps) = live_with(sleep, 1_000_000, true);
        assert!(looks > 0 && looks * 3 < sleeps, "{looks} looks, {sleeps} sleeps");
        assert_eq!(live_with(LONGEST_IN_TRANSFER, 1_000, true).0, 0);
    }

    #[test]
    fn looking_in_vain_becomes_rare() {
        let (looks, sleeps) = live(LONGEST / 10, 200_000);
        assert!(looks > 0 && looks * 10 < sleeps, "{looks} looks, {sleeps} sleeps");
    }

    #[test]
    fn who_is_told_what_to_do_does_that() {
        let mut patience = Patience::new(Instant::from_millis(1_000));
        patience.set(Park::Poll);
        assert!(!patience.may_sleep());
        patience.set(Park::Sleep);
        patience.after_turn(Instant::from_millis(1_000), 5);
        assert!(patience.may_sleep());
    }

    #[test]
    fn nobody_sleeps_between_turns_that_find_work() {
        let mut now = Instant::from_millis(1_000);
        let mut patience = Patience::new(now);
        now += LONGEST;
        for _ in 0..100 {
            now += Duration::from_micros(1);
            patience.after_turn(now, 3);
            assert!(!patience.may_sleep());
        }
        patience.after_turn(now, 0);
        assert!(patience.may_sleep(), "there were no short sleeps yet");
    }
}
