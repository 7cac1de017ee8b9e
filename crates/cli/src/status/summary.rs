//! `/summary`: how many of the connections of our own stack are in which state of TCP, and how long
//! their round trips take, for each shard. Invariant: a shard shows a bounded number of connections
//! between two turns, and is never waited for by a thread.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crore::http::{Reply, Response, Token};
use crore::{ConnId, Control, Seen, Wake};
use serde::Serialize;

/// One shard's connections, added up.
#[derive(Clone, Default, Debug, Serialize)]
struct Sum {
    /// By state.
    states: BTreeMap<&'static str, u64>,
    /// Established with nothing under way, of which there is nothing but a record.
    sleeping: u64,
    /// Connections whose round trip is known.
    measured: u64,
    /// Microseconds that of these half, nine of ten and 99 of a hundred need at most, to the next
    /// power of two.
    rtt_p50_us: u64,
    rtt_p90_us: u64,
    rtt_p99_us: u64,
    /// How many need at most 1, 2, 4, 8 … microseconds and more than half of that.
    #[serde(skip)]
    rtts: [u64; 32],
}

/// What is said of all shards.
#[derive(Debug, Default)]
struct Shards {
    sums: Vec<Sum>,
    /// Shards that have not shown all yet.
    missing: usize,
}

/// Summaries that are being made.
#[derive(Debug, Default)]
pub struct Summaries {
    next: u32,
    made: HashMap<u32, Arc<Mutex<Shards>>>,
}

/// One shard's part, which is told when it is dropped.
struct Part {
    sum: Sum,
    shard: usize,
    shards: Arc<Mutex<Shards>>,
    wake: Arc<dyn Wake>,
    id: ConnId,
}

impl Summaries {
    /// Tells its tokens from those of lists.
    pub const TOKENS: u32 = 1 << 31;

    /// Begins to add up for the connection `id`.
    pub fn begin(&mut self, control: &Control, id: ConnId, wake: &Arc<dyn Wake>) -> Reply {
        let count = control.shards();
        let sums = vec![Sum::default(); count];
        let shards = Arc::new(Mutex::new(Shards { sums, missing: count }));
        self.next = self.next.wrapping_add(1) | Self::TOKENS;
        self.made.insert(self.next, Arc::clone(&shards));
        let mut numbers = 0..count;
        control.survey(|| {
            let (shards, wake) = (Arc::clone(&shards), Arc::clone(wake));
            let shard = numbers.next().unwrap_or(0);
            let mut part = Part { sum: Sum::default(), shard, shards, wake, id };
            Box::new(move |seen: &Seen| {
                part.sum.add(seen);
                true
            })
        });
        Reply::Later(Token(self.next))
    }

    /// The summary, if it is complete.
    pub fn resume(&mut self, token: Token) -> Reply {
        let Some(shards) = self.made.get(&token.0) else { return Reply::Now(Response::new(500)) };
        let held = shards.lock().unwrap_or_else(PoisonError::into_inner);
        if held.missing > 0 {
            return Reply::Later(token);
        }
        let text = serde_json::to_string(&held.sums).unwrap_or_default();
        drop(held);
        self.made.remove(&token.0);
        Reply::Now(Response::text(200, text))
    }

    /// Nobody waits for it any more.
    pub fn forget(&mut self, token: Token) {
        self.made.remove(&token.0);
    }
}

impl Sum {
    fn add(&mut self, seen: &Seen) {
        *self.states.entry(seen.state).or_default() += 1;
        self.sleeping += u64::from(seen.sleeps && seen.state == "ESTABLISHED");
        if let Some(rtt) = seen.rtt_us {
            self.measured += 1;
            // That of a sleeping connection is such a power itself.
            let place = (u32::BITS - rtt.saturating_sub(1).leading_zeros()) as usize;
            self.rtts[place.min(self.rtts.len() - 1)] += 1;
        }
    }

    /// What so many of a hundred need at most.
    fn at(&self, percent: u64) -> u64 {
        let wanted = (self.measured * percent).div_ceil(100).max(1);
        let mut below = 0;
        let place = self.rtts.iter().position(|count| {
            below += count;
            below >= wanted
        });
        place.map_or(0, |place| 1 << place)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut sum = std::mem::take(&mut self.sum);
        (sum.rtt_p50_us, sum.rtt_p90_us, sum.rtt_p99_us) = (sum.at(50), sum.at(90), sum.at(99));
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = shards.sums.get_mut(self.shard) {
            *place = sum;
        }
        shards.missing -= 1;
        if shards.missing == 0 {
            drop(shards);
            self.wake.wake(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crore::Seen;

    use super::Sum;

    #[test]
    fn connections_are_added_up_by_state_and_round_trip() {
        let seen = |state, sleeps, rtt_us| Seen {
            local: "10.0.0.1:80".parse().unwrap(),
            remote: "10.0.0.9:40000".parse().unwrap(),
            state,
            sleeps,
            rtt_us,
            rtt_variation_us: None,
            congestion_window: None,
            mss: 1448,
            in_flight: 0,
            unsent: 0,
            unread: 0,
        };
        let mut sum = Sum::default();
        for rtt in 0..100 {
            sum.add(&seen("ESTABLISHED", rtt % 2 == 0, Some(if rtt < 90 { 128 } else { 5_000 })));
        }
        sum.add(&seen("TIME-WAIT", true, None));
        assert_eq!((sum.states["ESTABLISHED"], sum.states["TIME-WAIT"]), (100, 1));
        assert_eq!((sum.sleeping, sum.measured), (50, 100));
        assert_eq!([50, 90, 91, 99].map(|percent| sum.at(percent)), [128, 128, 8192, 8192]);
        assert_eq!(Sum::default().at(50), 0);
    }
}
