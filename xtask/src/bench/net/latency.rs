//! How long answers take at a rate that both servers can keep up with: `crore load` in open loop, on
//! the kernel's stack, where the time counts from when a request was due.

use std::fmt::Write as _;

use base::Grouped;
use rig::netns::SERVER;
use serde_json::Value;

use super::{NAMES, PORTS, SMALL, Servers, order};
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::run::Invocation;

/// Requests a second, over 64 connections.
const RATES: [u32; 2] = [10_000, 40_000];

/// The median and the 99th percentile, in microseconds.
type Said = [f64; 2];

pub(super) fn compare(servers: &Servers<'_>, effort: Effort) -> Outcome<String> {
    let mut text = String::from(
        "\n| at a set rate, 64 connections: µs | nginx p50 | crore p50 | nginx p99 | crore p99 | \
         p99 ÷ nginx's |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for rate in RATES {
        let mut said: [Vec<Said>; 2] = Default::default();
        for round in 0..effort.rounds {
            for index in order(round) {
                let one = ask(servers, PORTS[index], rate, effort.seconds)?;
                println!("p50 {:>8.0}, p99 {:>8.0} µs  {}, {rate}/s", one[0], one[1], NAMES[index]);
                said[index].push(one);
            }
        }
        let of = |index: usize, which: usize| -> Vec<f64> {
            said[index].iter().map(|one| one[which]).collect()
        };
        let median = |index, which| Spread::new(of(index, which)).median();
        writeln!(
            text,
            "| {} a second | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
            Grouped(u64::from(rate)),
            median(0, 0),
            median(1, 0),
            median(0, 1),
            median(1, 1),
            ratio(&Spread::of_ratios(&of(1, 1), &of(0, 1)))
        )?;
    }
    Ok(text)
}

fn ask(servers: &Servers<'_>, port: u16, rate: u32, seconds: u32) -> Outcome<Said> {
    let program = servers.program.to_string_lossy();
    let url = format!("http://{SERVER}:{port}/small");
    let (rate, duration) = (rate.to_string(), format!("{seconds}s"));
    let length = SMALL.to_string();
    let report = Invocation::new("ip")
        .arguments(&["netns", "exec", servers.network.client_name(), "taskset", "-c", "1"])
        .arguments(&[&program, "load", &url, "--json", "--shards", "1", "--net", "epoll"])
        .arguments(&["-c", "64", "--rate", &rate, "-d", &duration, "--warmup", "500ms"])
        .arguments(&["--expect-length", &length])
        .minutes(2)
        .quietly()?;
    Ok(read(&report)?)
}

fn read(report: &str) -> Result<Said, String> {
    let report: Value = serde_json::from_str(report).map_err(|error| error.to_string())?;
    let clean = report["errors"].as_object().is_some_and(serde_json::Map::is_empty);
    let latency = &report["latency_us"];
    match (latency["p50"].as_f64(), latency["p99"].as_f64()) {
        (Some(p50), Some(p99)) if clean => Ok([p50, p99]),
        _ => Err(format!("crore load met errors: {}", report["errors"])),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_reports_without_errors_count() {
        let good = r#"{"latency_us": {"p50": 20.5, "p99": 90}, "errors": {}}"#;
        assert_eq!(read(good), Ok([20.5, 90.0]));
        let bad = r#"{"latency_us": {"p50": 20.5, "p99": 90}, "errors": {"reset": 1}}"#;
        assert!(read(bad).is_err());
        assert!(read(r#"{"errors": {}}"#).is_err());
    }
}
