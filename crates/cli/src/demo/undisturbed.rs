//! What latencies are while both ends have their processors. Time is cut into slices, and one counts unless
//! the kernel kept either end's thread off its processor in it or in the one before, and from then on until
//! what piled up is caught up on. Invariant: an answer is in the slice that it came in, however long ago it was
//! due, and only the kernel's word begins what does not count. What an end is slow at by itself stays in.

use std::time::Duration;

use base::Instant;
use hdrhistogram::Histogram;

use super::crowd::LATENCY_MAX_NS;
use super::processor::{Schedule, Thread};

/// How long a slice is at least: looking at both threads after each is a few microseconds' work.
const SLICE: Duration = Duration::from_millis(10);
/// A thread that waited no longer than this in a slice was not kept off its processor: a fifth of the
/// latency that is wanted.
const NOTICED: Duration = Duration::from_micros(20);
/// Requests that are to be sent later than this after they were due have piled up. A turn at full load takes a
/// tenth of it.
const BEHIND: Duration = Duration::from_millis(1);
/// Latencies in a slice are told apart in steps of this, and of one in a hundred: few enough to be added up
/// between two turns.
const STEP_NS: u64 = 500;

/// Latencies slice by slice.
#[derive(Debug)]
pub struct Slices {
    ends: [Schedule; 2],
    /// How long each end's thread had waited when the slice began.
    waited: [Duration; 2],
    start: Instant,
    /// Whether somebody was kept waiting in the slice before, or what piled up then has not been caught up on.
    recovering: bool,
    slice: Histogram<u64>,
    found: Undisturbed,
    /// The time of all slices, and of those that count.
    time: Duration,
    counted: Duration,
}

/// What was found in the slices that count.
#[derive(Clone, Debug)]
pub struct Undisturbed {
    /// From when a request was due to its answer, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// The part of the time that they are of.
    pub share: f64,
}

impl Undisturbed {
    pub fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(STEP_NS, LATENCY_MAX_NS, 2).expect("the bounds are in order")
    }
}

impl Slices {
    /// The first slice begins. None where the kernel does not say how long a thread waits.
    pub fn begin(now: Instant, ends: [&Thread; 2]) -> Option<Self> {
        let [one, other] = ends;
        let ends = [one.schedule()?, other.schedule()?];
        Some(Self {
            waited: [ends[0].waited()?, ends[1].waited()?],
            ends,
            start: now,
            recovering: false,
            slice: Undisturbed::histogram(),
            found: Undisturbed { latencies: Undisturbed::histogram(), share: 0.0 },
            time: Duration::ZERO,
            counted: Duration::ZERO,
        })
    }

    /// An answer came.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.slice.saturating_record(nanos);
    }

    /// The time is `now`, and the next request was or will be due at `due`: begins the next slice if this one has
    /// been long enough.
    #[inline]
    pub fn tick(&mut self, now: Instant, due: Instant) {
        if now.since(self.start) >= SLICE {
            let kept_waiting = self.kept_waiting();
            self.end_slice(now, kept_waiting, now.since(due) > BEHIND);
        }
    }

    /// All of them are over.
    pub fn end(mut self, now: Instant) -> Undisturbed {
        let kept_waiting = self.kept_waiting();
        self.end_slice(now, kept_waiting, false);
        self.found.share = self.counted.as_secs_f64() / self.time.as_secs_f64().max(1e-9);
        self.found
    }

    /// Whether either end's thread was kept waiting since this was last asked.
    fn kept_waiting(&mut self) -> bool {
        let mut kept_waiting = false;
        for (end, waited) in self.ends.iter().zip(&mut self.waited) {
            // What cannot be read any more may be anything.
            let total = end.waited().unwrap_or(Duration::MAX);
            kept_waiting |= total.saturating_sub(*waited) > NOTICED;
            *waited = total;
        }
        kept_waiting
    }

    fn end_slice(&mut self, now: Instant, kept_waiting: bool, behind: bool) {
        let length = now.since(self.start);
        self.time += length;
        if !kept_waiting && !self.recovering {
            self.counted += length;
            // The same bounds, so nothing is out of them.
            let _ = self.found.latencies.add(&self.slice);
        }
        self.slice.reset();
        self.recovering = kept_waiting || self.recovering && behind;
        self.start = now;
    }
}

#[cfg(test)]
mod tests {
    use base::Instant;

    use super::{SLICE, Slices, Thread};

    /// The numbers, from 1 on, of the slices that count, of some of which it is said whether somebody was kept
    /// waiting, and whether requests have piled up at their ends. None where the kernel does not say.
    fn counted(slices: &[(bool, bool)]) -> Option<Vec<u64>> {
        let thread = Thread::default();
        thread.is_this();
        let mut now = Instant::from_millis(1_000);
        let mut found = Slices::begin(now, [&thread, &thread])?;
        for (number, (kept_waiting, behind)) in (1..).zip(slices) {
            found.record(number * 1_000_000);
            now += SLICE;
            found.end_slice(now, *kept_waiting, *behind);
        }
        let latencies = &found.found.latencies;
        let counts = |number: &u64| latencies.count_between(number * 1_000_000, number * 1_000_000);
        let counted: Vec<_> =
            (1..=slices.len() as u64).filter(|number| counts(number) > 0).collect();
        assert_eq!(latencies.len(), counted.len() as u64);
        assert_eq!(found.counted, SLICE * counted.len() as u32);
        assert_eq!(found.time, SLICE * slices.len() as u32);
        Some(counted)
    }

    #[test]
    fn a_slice_after_one_that_does_not_count_does_not_count_either() {
        let waits = [false, true, false, false, false, true, true, false];
        if let Some(counted) = counted(&waits.map(|kept_waiting| (kept_waiting, false))) {
            assert_eq!(counted, [1, 4, 5]);
        }
    }

    #[test]
    fn what_piled_up_does_not_count_until_it_is_caught_up_on_and_what_an_end_is_slow_at_does() {
        let (calm, slow, kept) = ((false, false), (false, true), (true, true));
        if let Some(counted) = counted(&[slow, slow, kept, slow, slow, calm, calm, slow]) {
            assert_eq!(counted, [1, 2, 7, 8]);
        }
    }

    #[test]
    fn a_thread_that_has_not_said_which_it_is_has_no_slices() {
        let (thread, other) = (Thread::default(), Thread::default());
        thread.is_this();
        assert!(Slices::begin(Instant::ZERO, [&thread, &other]).is_none());
    }
}
