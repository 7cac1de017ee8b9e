//! wrk, one thread on processor 1, and what it counted.

use std::net::SocketAddr;
use std::path::PathBuf;

use rig::tree::Tree;

use crate::Outcome;
use crate::run::Invocation;

/// The processor that wrk runs on.
const CLIENT_CORE: &str = "1";

/// Prints what the end of wrk's own report rounds off.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("counted %.0f %.0f %.0f %.0f %.0f %.0f\n", summary.requests, summary.duration,
    summary.bytes, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The path asked for.
    pub path: &'a str,
    /// Length of the body that has to come back, in bytes.
    pub length: usize,
    /// Connections at a time.
    pub connections: u32,
    /// Whether every request comes over a connection of its own.
    pub close: bool,
}

/// What wrk has measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    /// Answers a second.
    pub rate: f64,
    /// What half of the answers took at most, and 99 of 100, in microseconds.
    pub p50: f64,
    pub p99: f64,
}

/// wrk with its script.
pub struct Wrk {
    script: PathBuf,
    /// The network namespace it runs in, if not this one.
    namespace: Option<String>,
    _folder: Tree,
}

impl Wrk {
    /// Writes the script.
    pub fn new() -> Outcome<Self> {
        let folder = Tree::new()?;
        Ok(Self { script: folder.file("count.lua", SCRIPT)?, namespace: None, _folder: folder })
    }

    /// The same in a network namespace.
    pub fn within(namespace: &str) -> Outcome<Self> {
        Ok(Self { namespace: Some(namespace.to_owned()), ..Self::new()? })
    }

    /// Asks for some seconds and gives the answers per second. Any error is one.
    pub fn requests_per_second(
        &self,
        address: SocketAddr,
        load: &Load<'_>,
        seconds: u32,
    ) -> Outcome<f64> {
        Ok(self.measure(address, load, seconds)?.rate)
    }

    /// As [`Wrk::requests_per_second`], with how long they took.
    pub fn measure(&self, address: SocketAddr, load: &Load<'_>, seconds: u32) -> Outcome<Measured> {
        let script = self.script.to_string_lossy();
        let connections = format!("-c{}", load.connections);
        let duration = format!("-d{seconds}s");
        let url = format!("http://{address}{}", load.path);
        let mut arguments = vec!["-c", CLIENT_CORE, "wrk", "-t1", &connections, &duration];
        arguments.extend(["-s", &script]);
        if load.close {
            arguments.extend(["-H", "Connection: close"]);
        }
        arguments.push(&url);
        let wrk = match &self.namespace {
            None => Invocation::new("taskset"),
            Some(name) => Invocation::new("ip").arguments(&["netns", "exec", name, "taskset"]),
        };
        let text = wrk.arguments(&arguments).minutes(2).quietly()?;
        let measured = read(&text, load.length);
        Ok(measured.map_err(|error| format!("{error}, {load:?}, {address}:\n{text}"))?)
    }
}

/// Reads the line that [`SCRIPT`] prints.
fn read(text: &str, length: usize) -> Result<Measured, &'static str> {
    let line = text.lines().find_map(|line| line.strip_prefix("counted "));
    let numbers = line.ok_or("wrk printed no count")?.split(' ').map(str::parse::<f64>);
    let numbers: Result<Vec<f64>, _> = numbers.collect();
    let Ok([requests, microseconds, bytes, errors, p50, p99]) = numbers.as_deref() else {
        return Err("wrk printed something else");
    };
    if *errors > 0.0 {
        return Err("wrk met errors");
    }
    if *requests == 0.0 || bytes / requests < length as f64 {
        return Err("answers are missing bytes");
    }
    Ok(Measured { rate: requests / microseconds * 1e6, p50: *p50, p99: *p99 })
}

#[cfg(test)]
mod tests {
    use super::{Measured, read};

    #[test]
    fn only_whole_answers_without_errors_count() {
        let measured = Measured { rate: 500.0, p50: 60.0, p99: 70.0 };
        assert_eq!(read("Running\ncounted 1000 2000000 1100000 0 60 70\n", 1024), Ok(measured));
        assert!(read("counted 1000 2000000 1100000 1 60 70\n", 1024).is_err());
        assert!(read("counted 1000 2000000 900000 0 60 70\n", 1024).is_err());
        assert!(read("counted 0 2000000 0 0 0 0\n", 0).is_err());
        assert!(read("Requests/sec: 500\n", 1024).is_err());
    }
}
