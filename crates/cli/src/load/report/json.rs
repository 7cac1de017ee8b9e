//! The report as JSON; docs/load.md is its schema. Invariant: names do not change, and a figure that
//! was not measured is null, not zero.

use std::collections::BTreeMap;
use std::time::Duration;

use load::{ErrorKind, Times};
use serde::Serialize;

use super::super::figures::Figures;

/// The whole report.
#[derive(Debug, Serialize)]
struct Report {
    /// The version of the schema.
    schema: u32,
    url: String,
    engine: String,
    #[serde(flatten)]
    all: Phase,
    phases: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    figures: Phase,
}

#[derive(Debug, Serialize)]
struct Phase {
    r#loop: &'static str,
    rate: Option<f64>,
    seconds: f64,
    interrupted: bool,
    requests: u64,
    requests_per_second: f64,
    bytes_per_second: f64,
    bytes_received: u64,
    bytes_sent: u64,
    connections: u64,
    connections_opened: u64,
    connections_reopened: u64,
    idle_connections: u64,
    idle_lost: u64,
    ports_taken: u64,
    slow_answers: u64,
    unanswered: u64,
    unsent: u64,
    latency_us: Option<Percentiles>,
    first_byte_us: Option<Percentiles>,
    connect_us: Option<Percentiles>,
    status: BTreeMap<String, u64>,
    errors: BTreeMap<&'static str, u64>,
    tls_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    count: u64,
    min: f64,
    mean: f64,
    p50: f64,
    p75: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    p999: f64,
    p9999: f64,
    max: f64,
}

/// The report as text.
///
/// # Errors
/// None that can happen.
pub fn json(url: &str, engine: &str, phases: &[Figures]) -> Result<String, serde_json::Error> {
    let name = |figures: &Figures| Named { name: figures.name.clone(), figures: phase(figures) };
    let open = phases.iter().filter(|figures| figures.rate.is_some()).count();
    let r#loop = match open {
        0 => "closed",
        _ if open == phases.len() => "open",
        _ => "mixed",
    };
    serde_json::to_string_pretty(&Report {
        schema: 1,
        url: url.to_owned(),
        engine: engine.to_owned(),
        all: Phase { r#loop, ..phase(&Figures::of_all(phases)) },
        phases: phases.iter().map(name).collect(),
    })
}

fn phase(figures: &Figures) -> Phase {
    let tally = &figures.tally;
    let errors = ErrorKind::ALL.iter().map(|kind| (kind.name(), tally.errors(*kind)));
    Phase {
        r#loop: if figures.rate.is_some() { "open" } else { "closed" },
        rate: figures.rate,
        seconds: figures.seconds,
        interrupted: figures.interrupted,
        requests: tally.answers,
        requests_per_second: tenths(figures.requests_per_second()),
        bytes_per_second: tenths(figures.bytes_per_second()),
        bytes_received: tally.bytes_in,
        bytes_sent: tally.bytes_out,
        connections: figures.connections,
        connections_opened: tally.opened,
        connections_reopened: tally.reopened,
        idle_connections: figures.idle,
        idle_lost: tally.idle_lost,
        ports_taken: tally.ports_taken,
        slow_answers: tally.slow_answers,
        unanswered: tally.unanswered,
        unsent: tally.unsent,
        latency_us: percentiles(&tally.latency),
        first_byte_us: percentiles(&tally.first_byte),
        connect_us: percentiles(&tally.connect),
        status: tally.status.iter().map(|(status, count)| (status.to_string(), *count)).collect(),
        errors: errors.filter(|(_, count)| *count > 0).collect(),
        tls_error: figures.insecure.clone(),
    }
}

fn percentiles(times: &Times) -> Option<Percentiles> {
    let us = |time: Duration| tenths(time.as_nanos() as f64 / 1e3);
    (times.count() > 0).then(|| Percentiles {
        count: times.count(),
        min: us(times.min()),
        mean: us(times.mean()),
        p50: us(times.at(0.5)),
        p75: us(times.at(0.75)),
        p90: us(times.at(0.9)),
        p95: us(times.at(0.95)),
        p99: us(times.at(0.99)),
        p999: us(times.at(0.999)),
        p9999: us(times.at(0.9999)),
        max: us(times.max()),
    })
}

/// To one decimal.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::super::figures::Figures;
    use super::json;

    #[test]
    fn phases_in_open_loop_are_an_open_loop_together_whatever_their_rates() {
        let of = |rates: &[Option<f64>]| {
            let phases: Vec<_> =
                rates.iter().map(|rate| Figures { rate: *rate, ..Figures::default() }).collect();
            let report: Value = serde_json::from_str(&json("", "", &phases).unwrap()).unwrap();
            report["loop"].as_str().unwrap().to_owned()
        };
        assert_eq!(of(&[Some(1.0), Some(2.0)]), "open");
        assert_eq!(of(&[None, None]), "closed");
        assert_eq!(of(&[None, Some(2.0)]), "mixed");
    }
}
