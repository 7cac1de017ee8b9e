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
        self.after(0)
    }

    /// When the one after so many others is due.
    #[must_use]
    pub fn after(&self, others: u64) -> Instant {
        let number = self.gone + others;
        let place = number * u64::from(self.share.count) + u64::from(self.share.index);
        // Exact to a nanosecond for some 50 days of them.
        let after = place as f64 * self.interval;
        Instant::from_nanos(self.start.as_nanos().saturating_add(after as u64))
    }

    /// How many of those left are due before `end`.
    #[must_use]
    pub fn before(&self, end: Instant) -> u64 {
        let shards = f64::from(self.share.count) * self.interval;
        let about = end.since(self.next()).as_nanos() as f64 / shards;
        // Rounded either way; what is right is said by the times themselves.
        let mut count = (about as u64).saturating_sub(1);
        while self.after(count) < end {
            count += 1;
        }
        count
    }

    /// Leaves so many out.
    pub const fn skip(&mut self, count: u64) {
        self.gone += count;
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
    fn those_left_are_counted_as_they_would_be_one_by_one() {
        let (start, end) = (Instant::from_millis(3), Instant::from_millis(2_003));
        for rate in [0.4, 1.0, 3.0, 299.7, 12_345.0] {
            for index in 0..3 {
                let mut arrivals = Arrivals::new(start, rate, Share { index, count: 3 });
                arrivals.skip(arrivals.before(Instant::from_millis(700)));
                assert!(arrivals.next() >= Instant::from_millis(700));
                let count = arrivals.before(end);
                let last = Instant::from_nanos(end.as_nanos() - 1);
                let one_by_one = std::iter::from_fn(|| arrivals.take(last)).count() as u64;
                assert_eq!(count, one_by_one, "{rate} {index}");
            }
        }
        // So many that nobody could count them one by one.
        let all = Arrivals::new(start, 4e9, Share { index: 0, count: 1 });
        assert_eq!(all.before(Instant::from_millis(86_400_003)), 345_600_000_000_000);
    }

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
