//! What was found in a phase: [`Figures`]. Invariant: rates are over measured time only.

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Packed, Phase, Span, Tally};

/// What was found in a phase.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Its name.
    pub name: String,
    /// The rate asked for, in open loop.
    pub rate: Option<f64>,
    /// Measured time, in seconds.
    pub seconds: f64,
    /// The most connections open at once.
    pub connections: u64,
    /// Idle connections open at the end.
    pub idle: u64,
    /// All that was counted.
    pub tally: Tally,
    /// The latencies of each span of time, by its number.
    pub spans: BTreeMap<u32, Packed>,
    /// How long a span is.
    pub span: Duration,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether it had connections that requests go over as fast as they may.
    pub asked: bool,
    /// Why the first connection that could not be made secure could not.
    pub insecure: Option<String>,
}

impl Figures {
    /// Nothing yet of a phase.
    pub fn of(phase: &Phase) -> Self {
        Self {
            name: phase.name.clone(),
            rate: phase.rate,
            span: phase.span(),
            asked: phase.connections > 0,
            ..Self::default()
        }
    }

    /// Takes in what a shard has counted.
    pub fn add(&mut self, span: &Span) {
        match span.index {
            Some(index) => {
                self.tally.add_packed(&span.tally);
                self.spans.entry(index).or_default().add(&span.tally.latency);
            }
            // Of the warm-up, how connections were opened is of interest.
            None => self.tally.add_connections(&span.tally),
        }
    }

    /// Answers a second.
    pub fn requests_per_second(&self) -> f64 {
        self.per_second(self.tally.answers)
    }

    /// Bytes received a second.
    pub fn bytes_per_second(&self) -> f64 {
        self.per_second(self.tally.bytes_in)
    }

    fn per_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }

    /// Requests sent a second, answered or not, in open loop where some were never sent: then the rate
    /// was not met.
    pub fn rate_instead(&self) -> Option<f64> {
        let sent = || (self.tally.latency.count() - self.tally.unsent) as f64;
        (self.rate.is_some() && self.tally.unsent > 0 && self.seconds > 0.0)
            .then(|| sent() / self.seconds)
    }

    /// Errors for each request that came to something, whatever that was.
    pub fn error_share(&self) -> f64 {
        use load::ErrorKind::{Status, WrongBody};
        let errors = self.tally.all_errors();
        // Those that were answered and are errors all the same are not counted twice.
        let answered = self.tally.errors(Status) + self.tally.errors(WrongBody);
        let all = self.tally.answers + errors.saturating_sub(answered);
        if all == 0 { 0.0 } else { errors as f64 / all as f64 }
    }

    /// All phases as one.
    pub fn of_all(phases: &[Self]) -> Self {
        let mut all = Self::default();
        for phase in phases {
            all.tally.add(&phase.tally);
            all.seconds += phase.seconds;
            all.connections = all.connections.max(phase.connections);
            all.idle = phase.idle;
            all.interrupted |= phase.interrupted;
            all.insecure = all.insecure.or_else(|| phase.insecure.clone());
        }
        if let [only] = phases {
            all.rate = only.rate;
        }
        all
    }
}
