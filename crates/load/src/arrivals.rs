//! When requests are due in open loop: [`Arrivals`]. Invariant: the times depend on the rate and
//! the start alone, never on how the server keeps up; that is what lets no stall hide.

use base::Instant;

use crate::Share;

/// The times at which the requests of one shard are due.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    start: Instant,
    /// Nanoseconds between two requests of all shards together.
    interval: f64,
    share: Share,
    /// How many are gone.
    gone: u64,
}

impl Arrivals {
    /// `rate` requests a second over all shards from `start` on, evenly spaced; the shards take
    /// turns.
    #[must_use]
    pub fn new(start: Instant, rate: f64, share: Share) -> Self {
        Self { start, interval: 1e9 / rate, share, gone: 0 }
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Instant {
        let place = self.gone * u64::from(self.share.count) + u64::from(self.share.index);
        // Exact to a nanosecond for some 50 days of them.
        let after = place as f64 * self.interval;
        Instant::from_nanos(self.start.as_nanos().saturating_add(after as u64))
    }

    /// Takes the next one, if it is due.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next();
        (due <= now).then(|| {
            self.gone += 1;
            due
        })
    }
}

#[cfg(test)]
mod tests {
    use base::Instant;

    use super::Arrivals;
    use crate::Share;

    #[test]
    fn shards_together_keep_the_rate_whatever_happens() {
        let start = Instant::from_millis(7);
        let mut due = Vec::new();
        for index in 0..3 {
            let mut arrivals = Arrivals::new(start, 300.0, Share { index, count: 3 });
            assert_eq!(arrivals.take(Instant::from_millis(6)), None);
            // A second during which nobody looked.
            while let Some(time) = arrivals.take(Instant::from_millis(1_006)) {
                due.push(time.as_nanos());
            }
        }
        due.sort_unstable();
        assert_eq!(due.len(), 300);
        let gaps = due.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.into_iter().all(|gap| (3_333_332..=3_333_334).contains(&gap)));
    }
}
