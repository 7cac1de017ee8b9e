//! `/summary`: how many of the connections of our own stack are in which state of TCP, and how long
//! their round trips take, for each shard. Invariant: what is kept of a shard's connections does not
//! grow with their number.

use std::collections::BTreeMap;

use crore::Seen;
use crore::http::{HeaderBlock, Reply, Response};
use serde::Serialize;

use super::JSON_HEADERS;
use super::gathering::{Gatherings, Manner, Question};

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

/// Begins to add up.
pub fn begin(gatherings: &mut Gatherings, question: &Question<'_>) -> Reply {
    let see = |sum: &mut Sum, seen: &Seen| {
        sum.add(seen);
        true
    };
    gatherings.begin(question, Sum::default, Manner { see, write })
}

fn write(mut sums: Vec<Sum>) -> Response {
    for sum in &mut sums {
        (sum.rtt_p50_us, sum.rtt_p90_us, sum.rtt_p99_us) = (sum.at(50), sum.at(90), sum.at(99));
    }
    let text = serde_json::to_string(&sums).unwrap_or_default();
    Response { headers: HeaderBlock::Static(JSON_HEADERS), ..Response::text(200, text) }
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
