//! The clients that `bench load` compares, one thread each on processor 1, and what a run of one says.
//! Invariant: an error, or an answer of the wrong length, ends the comparison.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rig::process::Process;
use serde_json::Value;

use super::wrk::{Load, Wrk};
use crate::Outcome;
use crate::run::Invocation;

/// The processor that load comes from.
const CORE: &str = "1";
/// What is asked for, and how long it is.
pub const PATH: &str = "/1k.html";
pub const LENGTH: usize = 1 << 10;

/// Which client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Wrk,
    /// `crore load` with this engine.
    Crore(&'static str),
}

impl Kind {
    /// All, wrk first.
    pub const ALL: [Self; 3] = [Self::Wrk, Self::Crore("epoll"), Self::Crore("uring")];

    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Crore("uring") => "crore load, io_uring",
            Self::Crore(_) => "crore load, epoll",
        }
    }
}

/// What a run says.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// Answers a second.
    pub rate: f64,
    /// Microseconds that half of the answers took at most, and 99 of 100.
    pub p50: f64,
    pub p99: f64,
    /// Microseconds of processor time that the client took for an answer, its start included.
    pub busy: f64,
}

/// Clients of one server.
pub struct Clients<'a> {
    pub wrk: Wrk,
    pub program: &'a Path,
}

impl Clients<'_> {
    /// Asks for some seconds; at a rate, if one is given, which wrk does not know.
    pub fn ask(
        &self,
        kind: Kind,
        address: SocketAddr,
        connections: u32,
        (seconds, rate): (u32, Option<u32>),
    ) -> Outcome<Said> {
        let before = processor_time()?;
        let (requests, p50, p99) = match kind {
            Kind::Wrk => {
                let load = Load { path: PATH, length: LENGTH, connections, close: false };
                let measured = self.wrk.measure(address, &load, seconds)?;
                (measured.rate, measured.p50, measured.p99)
            }
            Kind::Crore(engine) => {
                let mut words = self.words(engine, address, connections, seconds);
                words.extend(rate.iter().flat_map(|rate| ["-r".to_owned(), rate.to_string()]));
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                read(&Invocation::new("taskset").arguments(&words).minutes(2).quietly()?)?
            }
        };
        let busy = processor_time()?.saturating_sub(before).as_secs_f64() * 1e6;
        let said = Said { rate: requests, p50, p99, busy: busy / (requests * f64::from(seconds)) };
        println!(
            "{:>12.0}/s  {:>6.1} µs of processor each  {}, {connections} connections",
            said.rate,
            said.busy,
            kind.name()
        );
        Ok(said)
    }

    /// Bytes of memory of a client while it keeps so many connections busy.
    pub fn memory(&self, kind: Kind, address: SocketAddr, connections: u32) -> Outcome<u64> {
        let mut command = Command::new("taskset");
        match kind {
            Kind::Wrk => {
                let (count, url) = (format!("-c{connections}"), format!("http://{address}{PATH}"));
                command.args(["-c", CORE, "wrk", "-t1", "-d5s", &count, &url]);
            }
            Kind::Crore(engine) => {
                command.args(self.words(engine, address, connections, 5));
            }
        }
        let mut process = Process::start(command)?;
        thread::sleep(Duration::from_secs(4));
        let memory = process.own_memory()?;
        process.wait(Duration::from_secs(30))?;
        // wrk does not say how many of its connections came to be.
        let all = format!("\"connections\": {connections},");
        if kind != Kind::Wrk && !process.printed()?.contains(&all) {
            return Err(format!("{} did not open {connections} connections", kind.name()).into());
        }
        Ok(memory)
    }

    /// The arguments of taskset that run `crore load`.
    fn words(
        &self,
        engine: &str,
        address: SocketAddr,
        connections: u32,
        seconds: u32,
    ) -> Vec<String> {
        let program = self.program.to_string_lossy();
        let url = format!("http://{address}{PATH}");
        let (connections, duration) = (connections.to_string(), format!("{seconds}s"));
        let length = LENGTH.to_string();
        ["-c", CORE, &program, "load", &url, "--json", "--shards", "1", "--net", engine]
            .into_iter()
            .chain(["--expect-length", &length, "-c", &connections, "-d", &duration])
            .map(str::to_owned)
            .collect()
    }
}

/// Processor time of all processes that were waited for.
fn processor_time() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may hold anything; fields 16 and 17 are the children's.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// Requests a second, and two percentiles, from a report without errors.
fn read(report: &str) -> Outcome<(f64, f64, f64)> {
    let report: Value = serde_json::from_str(report)?;
    let clean = report["errors"].as_object().is_some_and(serde_json::Map::is_empty);
    let latency = &report["latency_us"];
    let figures = [&report["requests_per_second"], &latency["p50"], &latency["p99"]];
    match figures.map(Value::as_f64) {
        [Some(rate), Some(p50), Some(p99)] if clean && rate > 0.0 => Ok((rate, p50, p99)),
        _ => Err(format!("crore load met errors: {}", report["errors"]).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn only_reports_without_errors_count() {
        let report = |rate: &str, errors: &str| {
            read(&format!(
                r#"{{"requests_per_second": {rate}, "latency_us": {{"p50": 1.5, "p99": 2}},
                "errors": {{{errors}}}}}"#
            ))
        };
        assert_eq!(report("5.5", "").unwrap(), (5.5, 1.5, 2.0));
        assert!(report("5.5", r#""reset": 1"#).is_err());
        assert!(report("0.0", "").is_err());
        assert!(read("{}").is_err());
    }
}
