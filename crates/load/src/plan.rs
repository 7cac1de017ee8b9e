//! What is to be done: [`Plan`], made of [`Phase`]s. Invariant: plain data, the same for all shards
//! and processes; which part of it is whose follows from [`Share`] alone.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Check, Sources};

/// All that is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Whom to ask.
    pub target: SocketAddr,
    /// Where from.
    pub sources: Sources,
    /// Phases, one after the other.
    pub phases: Vec<Phase>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name in the report.
    pub name: String,
    /// The request, as it goes over the wire.
    pub request: Arc<[u8]>,
    /// Whether it is HEAD, whose answers have no body.
    pub head: bool,
    /// What the bodies of answers have to be.
    pub check: Option<Check>,
    /// Connections over which requests go.
    pub connections: u32,
    /// Requests a second over all of them, each due at its time; `None`: as many as are answered.
    pub rate: Option<f64>,
    /// When it is over.
    pub until: Until,
    /// How long it runs before anything is counted.
    pub warmup: Duration,
    /// Whether each request has a connection of its own.
    pub connection_per_request: bool,
    /// Requests under way at once on a connection.
    pub pipeline: NonZeroU32,
    /// Connections that rest after one request.
    pub idle: u32,
    /// Idle connections opened a second; `None`: as fast as they open.
    pub idle_rate: Option<NonZeroU32>,
    /// Connections that send their request and read its answer slowly.
    pub slow: u32,
    /// How slowly: bytes a second.
    pub pace: Option<NonZeroU64>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a connection may take to be established.
    pub connect_timeout: Duration,
}

/// When a phase is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Until {
    /// After this much measured time.
    Time(Duration),
    /// When this many requests were answered or have failed, those of the warm-up not counted.
    Requests(u64),
}

/// Which shard of how many, over all processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Share {
    /// Which.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl Share {
    /// This shard's part of a number of things: all shards' parts add up to it.
    #[must_use]
    pub fn of(self, all: u64) -> u64 {
        let (index, count) = (u64::from(self.index), u64::from(self.count.max(1)));
        all / count + u64::from(index < all % count)
    }

    /// This shard's place among those that have any of so many connections: what these send is theirs
    /// alone to divide. `None` for one that has none.
    #[must_use]
    pub fn among(self, connections: u32) -> Option<Self> {
        let count = self.count.min(connections);
        (self.index < count).then_some(Self { count, ..self })
    }

    /// [`Share::of`] for what is counted in 32 bits.
    #[must_use]
    pub fn of_few(self, all: u32) -> u32 {
        // A part is not more than the whole.
        self.of(u64::from(all)) as u32
    }
}

impl Phase {
    /// The span of time that figures are collected for: fine enough for a plot, coarse enough not
    /// to disturb.
    #[must_use]
    pub fn span(&self) -> Duration {
        match self.until {
            Until::Time(time) => {
                (time / 50).clamp(Duration::from_millis(100), Duration::from_secs(1))
            }
            Until::Requests(_) => Duration::from_millis(250),
        }
    }

    /// Connections of all kinds.
    #[must_use]
    pub fn all_connections(&self) -> u64 {
        u64::from(self.connections) + u64::from(self.idle) + u64::from(self.slow)
    }

    /// The most requests that it will count, where that is known beforehand.
    #[must_use]
    pub fn requests(&self) -> Option<u64> {
        match (self.until, self.rate) {
            (Until::Requests(count), _) => Some(count),
            (Until::Time(time), Some(rate)) => Some((time.as_secs_f64() * rate).ceil() as u64),
            (Until::Time(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn only_shards_with_a_connection_have_a_part_of_what_is_sent() {
        for (connections, count) in [(1, 4), (3, 4), (9, 4)] {
            let shares = (0..count).map(|index| Share { index, count });
            let sent: u64 = shares
                .map(|share| {
                    let sends = share.among(connections).map_or(0, |among| among.of(1_000));
                    assert_eq!(sends > 0, share.of_few(connections) > 0, "{share:?}");
                    sends
                })
                .sum();
            assert_eq!(sent, 1_000);
        }
    }

    #[test]
    fn shares_add_up() {
        for (all, count) in [(10, 3), (2, 5), (0, 1), (1_000_003, 7)] {
            let parts: Vec<u64> = (0..count).map(|index| Share { index, count }.of(all)).collect();
            assert_eq!(parts.iter().sum::<u64>(), all);
            assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }
}
