//! `cargo xtask bench load`: `crore load` against wrk, one thread each on processor 1, asking the same
//! nginx on processor 0 in turns. Invariant: an error, or an answer of the wrong length, ends it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rig::process::Process;
use rig::tree::Tree;
use serde_json::Value;

use super::contestant::{Contestant, Kind, Setting};
use super::spread::Spread;
use super::wrk::{Load, Wrk};
use super::{Effort, machine};
use crate::metadata::Metadata;
use crate::run::Invocation;
use crate::{Outcome, build};

/// The processor that load comes from.
const CLIENT_CORE: &str = "1";
const PATH: &str = "/1k.html";
const LENGTH: usize = 1 << 10;
/// The engines of `crore load`.
const ENGINES: [&str; 2] = ["epoll", "uring"];

/// Measures, and gives the report in Markdown.
pub fn compare(effort: Effort) -> Outcome<String> {
    // A program that is said is taken; else the release is built.
    let program = match rig::crore::program() {
        Ok(program) => program,
        Err(_) => build::crore(&Metadata::load()?)?,
    };
    let tree = Tree::new()?;
    tree.file(&PATH[1..], "x".repeat(LENGTH))?;
    let setting = Setting { root: tree.root(), program: &program };
    let nginx = Contestant::start(Kind::Nginx, setting)?;
    let bench = Bench { wrk: Wrk::new()?, program: &program, address: nginx.address(), effort };

    let mut text = machine::describe_servers(&program, effort)?;
    writeln!(text, "\n| requests a second | wrk | crore load, epoll | ÷ wrk | io_uring | ÷ wrk |")?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for connections in [64, 1_000] {
        let mut figures: [Vec<f64>; 3] = Default::default();
        for round in 0..effort.rounds {
            for place in 0..3 {
                let index = (place + round) % 3;
                figures[index].push(bench.speed(index, connections)?);
            }
        }
        let median = |figures: &Vec<f64>| Spread::new(figures.clone()).median();
        write!(text, "| {connections} connections | {:.0} |", median(&figures[0]))?;
        for of_engine in &figures[1..] {
            let ratio = Spread::of_ratios(of_engine, &figures[0]);
            write!(
                text,
                " {:.0} | **{:.2}** ({:.2}–{:.2}) |",
                median(of_engine),
                ratio.median(),
                ratio.least(),
                ratio.greatest()
            )?;
        }
        writeln!(text)?;
    }
    let count = effort.measured as u32;
    writeln!(
        text,
        "\n| memory of its own at {count} connections, less that at 100 | bytes each |"
    )?;
    writeln!(text, "| --- | ---: |")?;
    for (index, name) in ["wrk", "crore load, epoll", "crore load, io_uring"].iter().enumerate() {
        let (few, many) = (bench.memory(index, 100)?, bench.memory(index, count)?);
        let each = many.saturating_sub(few) / u64::from(count - 100);
        writeln!(text, "| {name} | {each} |")?;
    }
    Ok(text)
}

struct Bench<'a> {
    wrk: Wrk,
    program: &'a Path,
    address: SocketAddr,
    effort: Effort,
}

impl Bench<'_> {
    /// Requests a second by wrk (0) or by an engine of crore's (1, 2).
    fn speed(&self, index: usize, connections: u32) -> Outcome<f64> {
        let rate = match index.checked_sub(1) {
            None => {
                let load = Load { path: PATH, length: LENGTH, connections, close: false };
                self.wrk.requests_per_second(self.address, &load, self.effort.seconds)?
            }
            Some(engine) => {
                let words = self.words(ENGINES[engine], connections, self.effort.seconds);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let report = Invocation::new("taskset").arguments(&words).minutes(2).quietly()?;
                rate(&report)?
            }
        };
        println!("{rate:>12.0}/s  {}, {connections} connections", ["wrk", "epoll", "uring"][index]);
        Ok(rate)
    }

    /// The arguments of taskset that run `crore load`.
    fn words(&self, engine: &str, connections: u32, seconds: u32) -> Vec<String> {
        let program = self.program.to_string_lossy();
        let url = format!("http://{}{PATH}", self.address);
        let (connections, duration) = (connections.to_string(), format!("{seconds}s"));
        let length = LENGTH.to_string();
        ["-c", CLIENT_CORE, &program, "load", &url, "--json", "--shards", "1", "--net", engine]
            .into_iter()
            .chain(["--expect-length", &length, "-c", &connections, "-d", &duration])
            .map(str::to_owned)
            .collect()
    }

    /// Bytes of memory of a client while it keeps so many connections busy.
    fn memory(&self, index: usize, connections: u32) -> Outcome<u64> {
        let mut command = Command::new("taskset");
        match index.checked_sub(1) {
            None => {
                let (count, url) =
                    (format!("-c{connections}"), format!("http://{}{PATH}", self.address));
                command.args(["-c", CLIENT_CORE, "wrk", "-t1", "-d5s", &count, &url]);
            }
            Some(engine) => {
                command.args(self.words(ENGINES[engine], connections, 5));
            }
        }
        let mut process = Process::start(command)?;
        thread::sleep(Duration::from_secs(4));
        let memory = process.own_memory()?;
        process.wait(Duration::from_secs(30))?;
        Ok(memory)
    }
}

/// Requests a second, from a report without errors.
fn rate(report: &str) -> Outcome<f64> {
    let report: Value = serde_json::from_str(report)?;
    let clean = report["errors"].as_object().is_some_and(serde_json::Map::is_empty);
    match report["requests_per_second"].as_f64() {
        Some(rate) if clean && rate > 0.0 => Ok(rate),
        _ => Err(format!("crore load met errors: {}", report["errors"]).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn only_reports_without_errors_count() {
        assert_eq!(rate(r#"{"requests_per_second": 5.5, "errors": {}}"#).unwrap(), 5.5);
        assert!(rate(r#"{"requests_per_second": 5.5, "errors": {"reset": 1}}"#).is_err());
        assert!(rate(r#"{"requests_per_second": 0.0, "errors": {}}"#).is_err());
        assert!(rate("{}").is_err());
    }
}
