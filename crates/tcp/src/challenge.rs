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
