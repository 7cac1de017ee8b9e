//! The limit on acknowledgments that a stranger can provoke, RFC 5961 section 7. Invariant: not
//! more than the budget in any second, over all connections of a shard; what the budget is, nobody
//! outside can tell (it is drawn anew every second, against CVE-2016-5696).

use base::{Instant, Prng};

/// A budget of challenge ACKs, renewed every second. One per shard.
#[derive(Clone, Debug)]
pub struct ChallengeLimit {
    prng: Prng,
    per_second: u32,
    second: u64,
    left: u32,
}

impl ChallengeLimit {
    /// Between half of `per_second` and one and a half of it are let go in a second.
    #[must_use]
    pub const fn new(per_second: u32, prng: Prng) -> Self {
        Self { prng, per_second, second: u64::MAX, left: 0 }
    }

    /// Whether one more may be sent now.
    pub fn allow(&mut self, now: Instant) -> bool {
        let second = now.as_millis() / 1_000;
        if second != self.second {
            self.second = second;
            self.left = self.per_second / 2 + self.prng.below(self.per_second.saturating_add(1));
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use base::{Instant, Prng};
    use std::vec::Vec;

    use super::ChallengeLimit;

    #[test]
    fn a_second_has_one_budget_of_half_to_one_and_a_half_times_what_is_usual() {
        let mut limit = ChallengeLimit::new(100, Prng::new(3));
        let mut budget = |second: u64| {
            let asked = (0..1_000).map(|milli| Instant::from_millis(second * 1_000 + milli));
            asked.filter(|now| limit.allow(*now)).count()
        };
        let budgets: Vec<usize> = (0..200).map(&mut budget).collect();
        assert!(budgets.iter().all(|budget| (50..=150).contains(budget)), "{budgets:?}");
        assert!(budgets.iter().any(|budget| *budget < 60), "{budgets:?}");
        assert!(budgets.iter().any(|budget| *budget > 140), "{budgets:?}");
    }
}
