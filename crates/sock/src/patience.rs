//! Whether to look for work a little longer before sleeping: [`Patience`]. Invariant: a shard with
//! nothing to do sleeps, and looking in vain becomes rarer each time.
//!
//! Waking a thread costs whoever wakes it: 5 to 60 µs on virtual machines, where the other processor
//! has to be interrupted through the hypervisor. Under load the peers pay that with every few
//! requests, on a processor that they need themselves. So a shard that was woken soon after it went to
//! sleep looks for work without sleeping the next time, for as long as it would have slept. Where
//! that is in vain, because the peers need this very processor to get anything done, it takes twice
//! as many short sleeps until it is tried again. (Hypervisors poll before they halt a processor for
//! the same reason and by much the same rule.)

use std::time::Duration;

use crate::time::now;

/// The longest that is looked for work before sleeping; about what waking costs.
const LONGEST: Duration = Duration::from_micros(50);
/// Most short sleeps in a row before it is tried again: then a look in vain costs less than one part
/// in a thousand of the time.
const RAREST: u32 = 1_024;

/// Whether it has been worth looking lately.
#[derive(Debug)]
pub(crate) struct Patience {
    /// Short sleeps since the last long one, or since looking was in vain.
    short_sleeps: u32,
    /// Short sleeps that it takes until looking is tried.
    needed: u32,
}

/// How to wait for work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// Look for it.
    Look,
    /// Sleep until it comes.
    Sleep,
}

impl Default for Patience {
    fn default() -> Self {
        Self { short_sleeps: 0, needed: 1 }
    }
}

impl Patience {
    /// Waits with `wait`, which says whether there is work now.
    pub fn wait<E>(&mut self, mut wait: impl FnMut(Wait) -> Result<bool, E>) -> Result<(), E> {
        if self.short_sleeps >= self.needed {
            let start = now();
            while now().since(start) < LONGEST {
                if wait(Wait::Look)? {
                    self.needed = (self.needed / 2).max(1);
                    return Ok(());
                }
            }
            self.short_sleeps = 0;
            self.needed = (self.needed * 2).min(RAREST);
        }
        let start = now();
        wait(Wait::Sleep)?;
        let was_short = now().since(start) < LONGEST;
        self.short_sleeps = if was_short { self.short_sleeps.saturating_add(1) } else { 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Patience, RAREST, Wait};

    /// Waits once; looking finds nothing, and sleep lasts long or not at all. Whether it looked.
    fn looks(patience: &mut Patience, sleeps_long: bool) -> bool {
        let mut looked = false;
        let waited = patience.wait(|wait| {
            looked |= wait == Wait::Look;
            if wait == Wait::Sleep && sleeps_long {
                std::thread::sleep(2 * LONGEST);
            }
            Ok::<_, ()>(wait == Wait::Sleep)
        });
        assert_eq!(waited, Ok(()));
        looked
    }

    #[test]
    fn who_sleeps_for_long_does_not_look() {
        let mut patience = Patience::default();
        for _ in 0..20 {
            assert!(!looks(&mut patience, true));
        }
    }

    #[test]
    fn looking_in_vain_becomes_rare_and_stays_possible() {
        let mut patience = Patience { short_sleeps: 1, needed: 1 };
        for _ in 0..12 {
            assert!(looks(&mut patience, true));
            patience.short_sleeps = patience.needed;
        }
        assert_eq!(patience.needed, RAREST);
        patience.short_sleeps = RAREST - 1;
        assert!(!looks(&mut patience, true));
    }

    #[test]
    fn work_that_is_found_by_looking_costs_no_sleep() {
        let mut patience = Patience { short_sleeps: 8, needed: 8 };
        let mut sleeps = 0;
        let waited = patience.wait(|wait| {
            sleeps += usize::from(wait == Wait::Sleep);
            Ok::<_, ()>(true)
        });
        assert_eq!((waited, sleeps, patience.needed), (Ok(()), 0, 4));
    }
}
