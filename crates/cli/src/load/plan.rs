//! From flags and script to a [`Plan`]. Invariant: what can be wrong with a request or a phase is
//! found here, before anything is sent.

use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use load::{Check, Phase, Plan, Request, Sources, Until};
use serde::Deserialize;

use crate::settings::{Document, Place, Problem};

use super::options::{Options, Traffic};
use super::target::Target;

/// What is done where nothing is said.
const CONNECTIONS: u32 = 50;
const DURATION: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest file taken as a body, or compared with one.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Most requests under way at once on a connection.
const MAX_PIPELINE: u32 = 1_024;

/// A script: phases, and what is the same in all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default)]
    all: Traffic,
    phase: Vec<Traffic>,
}

/// Makes the plan.
///
/// # Errors
/// What is wrong, and with which flag or key.
pub fn plan(options: &Options, target: &Target) -> Result<Plan, Problem> {
    let sources = Sources(options.sources.clone());
    if !sources.suit(target.address.ip()) {
        let problem = Problem::new(
            Place::Flag("--sources".into()),
            format!("{} cannot be reached from addresses of the other family", target.address),
        );
        return Err(problem.advise("give IPv4 sources for an IPv4 target, IPv6 for IPv6"));
    }
    let phases = match &options.script {
        None => vec![phase(&options.traffic, target, 0, &Where::Flags)?],
        Some(path) => script(path, &options.traffic, target)?,
    };
    Ok(Plan { target: target.address, sources, phases })
}

fn script(path: &Path, flags: &Traffic, target: &Target) -> Result<Vec<Phase>, Problem> {
    let document = Document::read(path)?;
    let script: Script = document.parse()?;
    if script.phase.is_empty() {
        return Err(Problem::unplaced(format!("{} has no phase", path.display()))
            .advise("write [[phase]] and below it what it is to do: connections = 100"));
    }
    let mut phases = Vec::with_capacity(script.phase.len());
    for (index, traffic) in script.phase.into_iter().enumerate() {
        let place = Where::Script(&document, index);
        let traffic = traffic.or(&script.all).or(flags);
        phases.push(phase(&traffic, target, index, &place)?);
    }
    Ok(phases)
}

/// Where a phase is described.
enum Where<'a> {
    Flags,
    Script(&'a Document, usize),
}

impl Where<'_> {
    /// What is wrong with the value called `name`.
    fn wrong(&self, name: &str, reason: impl Into<String>) -> Problem {
        let place = match self {
            Self::Flags => Place::Flag(format!("--{name}")),
            Self::Script(document, index) => {
                let index = index.to_string();
                let found = document.find(&["phase", &index, name]);
                let found = found.or_else(|| document.find(&["all", name]));
                found.unwrap_or_else(|| Place::Flag(format!("--{name}")))
            }
        };
        Problem::new(place, reason)
    }
}

fn phase(
    traffic: &Traffic,
    target: &Target,
    index: usize,
    place: &Where<'_>,
) -> Result<Phase, Problem> {
    let body = body(traffic, place)?;
    let default_method = if body.is_some() { "POST" } else { "GET" };
    let method = traffic.method.as_deref().unwrap_or(default_method);
    let path = traffic.path.as_deref().unwrap_or(&target.path);
    let request = Request {
        method,
        target: path,
        host: &target.host,
        headers: &traffic.header,
        body: body.as_deref(),
        close: traffic.connection_per_request,
    };
    let request = request.bytes().map_err(|reason| {
        let key = if reason.contains("method") || method == "CONNECT" {
            "method"
        } else if reason.contains("header") || reason.contains("Transfer-Encoding") {
            "header"
        } else {
            "path"
        };
        place.wrong(key, reason)
    })?;
    let until = match (traffic.requests, traffic.duration) {
        (Some(0), _) => return Err(place.wrong("requests", "at least one has to be sent")),
        (Some(count), _) => Until::Requests(count),
        (None, duration) => Until::Time(duration.map_or(DURATION, |span| span.0)),
    };
    let pipeline = traffic.pipeline.unwrap_or(NonZeroU32::MIN);
    if pipeline.get() > MAX_PIPELINE {
        return Err(place.wrong("pipeline", format!("at most {MAX_PIPELINE} can be under way")));
    }
    if pipeline.get() > 1 && traffic.connection_per_request {
        let reason = "one connection for each request leaves nothing to pipeline";
        return Err(place.wrong("pipeline", reason));
    }
    let all = traffic.connections.unwrap_or(CONNECTIONS);
    let (connections, slow) = match (traffic.slow, traffic.slow_connections) {
        (None, _) => (all, 0),
        (Some(_), None) => (0, all),
        (Some(_), Some(slow)) => (all, slow),
    };
    let idle = traffic.idle.unwrap_or(0);
    if connections == 0 && slow == 0 && (idle == 0 || matches!(until, Until::Requests(_))) {
        return Err(place.wrong("connections", "without a connection nothing is sent"));
    }
    let span = |value: Option<crate::settings::Span>, other| value.map_or(other, |span| span.0);
    let name = traffic.name.clone().unwrap_or_else(|| format!("phase {}", index + 1));
    Ok(Phase {
        name,
        request,
        head: method == "HEAD",
        check: check(traffic, place)?,
        connections,
        rate: traffic.rate.map(|rate| f64::from(rate.get())),
        until,
        warmup: span(traffic.warmup, Duration::ZERO),
        connection_per_request: traffic.connection_per_request,
        pipeline,
        idle,
        idle_rate: traffic.idle_rate,
        slow,
        pace: traffic.slow.and_then(|pace| NonZeroU64::new(pace.0)),
        timeout: span(traffic.timeout, TIMEOUT),
        connect_timeout: span(traffic.connect_timeout, TIMEOUT),
    })
}

fn body(traffic: &Traffic, place: &Where<'_>) -> Result<Option<Vec<u8>>, Problem> {
    match (&traffic.body, &traffic.body_file) {
        (Some(text), _) => Ok(Some(text.clone().into_bytes())),
        (None, Some(path)) => file(path, "body-file", place).map(Some),
        (None, None) => Ok(None),
    }
}

fn check(traffic: &Traffic, place: &Where<'_>) -> Result<Option<Check>, Problem> {
    if let Some(path) = &traffic.expect_file {
        let content: Arc<[u8]> = file(path, "expect-file", place)?.into();
        return Ok(Some(Check::Content(content)));
    }
    if let Some(hex) = &traffic.expect_sha256 {
        let hash = sha256(hex).ok_or_else(|| {
            let problem = place.wrong("expect-sha256", "a SHA-256 is 64 hexadecimal digits");
            problem.advise("`sha256sum FILE` prints it")
        })?;
        return Ok(Some(Check::Sha256(hash)));
    }
    Ok(traffic.expect_length.map(Check::Length))
}

fn sha256(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

fn file(path: &Path, key: &str, place: &Where<'_>) -> Result<Vec<u8>, Problem> {
    let cannot = |error| place.wrong(key, format!("{} cannot be read: {error}", path.display()));
    let length = fs::metadata(path).map_err(cannot)?.len();
    if length > MAX_FILE_BYTES {
        let reason = format!("{} is larger than 64 MiB", path.display());
        return Err(place.wrong(key, reason));
    }
    fs::read(path).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::{Args, FromArgMatches};
    use load::{Plan, Until};

    use super::super::options::Options;
    use super::super::target::Target;
    use super::plan;

    fn planned(flags: &[&str]) -> Result<Plan, String> {
        let command = Options::augment_args(clap::Command::new("load"));
        let arguments = [&["load", "http://127.0.0.1:1/x"], flags].concat();
        let matches = command.try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        let options = Options::from_arg_matches(&matches).unwrap();
        let target = Target::read(options.url.as_deref().unwrap()).unwrap();
        plan(&options, &target).map_err(|problem| problem.to_string())
    }

    fn script(text: &str) -> Result<Plan, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        planned(&["--connections", "7", "--script", file.path().to_str().unwrap()])
    }

    #[test]
    fn a_script_overrides_what_is_the_same_in_all_and_that_the_flags() {
        let plan = script(
            "[all]\nrate = 10\nheader = [\"A: b\"]\n\
             [[phase]]\nduration = \"2s\"\n\
             [[phase]]\nname = \"storm\"\nrequests = 5\nconnections = 9\nrate = 20\npath = \"/y\"\n\
             slow = 100\nslow-connections = 3\nidle = 4\nconnection-per-request = true\n",
        );
        let plan = plan.unwrap();
        let [first, second] = &plan.phases[..] else { panic!("{plan:?}") };
        assert_eq!((first.connections, first.rate), (7, Some(10.0)));
        assert_eq!(first.until, Until::Time(std::time::Duration::from_secs(2)));
        assert!(first.request.starts_with(b"GET /x HTTP/1.1\r\n"));
        assert_eq!((second.name.as_str(), second.connections, second.slow), ("storm", 9, 3));
        assert_eq!((second.until, second.rate, second.idle), (Until::Requests(5), Some(20.0), 4));
        let request = String::from_utf8_lossy(&second.request);
        assert!(request.starts_with("GET /y ") && request.contains("A: b\r\nConnection: close"));
    }

    #[test]
    fn what_is_wrong_in_a_script_is_told_with_its_place() {
        for (text, told) in [
            ("", "missing field `phase`"),
            ("phase = []", "has no phase"),
            ("[[phase]]\nconections = 5\n", ":2:1: unknown setting `conections`"),
            ("[[phase]]\nduration = 5\n", "the unit is missing; write 5s"),
            ("[[phase]]\n[[phase]]\nmethod = \"G T\"\n", ":3:10: `G T` is no method"),
            ("[[phase]]\nheader = [\"x\"]\n", ":2:10: `x` is no header"),
            ("[[phase]]\nexpect-sha256 = \"12\"\n", ":2:17: a SHA-256 is 64"),
            ("[[phase]]\nbody-file = \"/nowhere\"\n", ":2:13: /nowhere cannot be read"),
            ("[[phase]]\npipeline = 2000\n", ":2:12: at most 1024"),
        ] {
            let said = script(text).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
        }
    }

    #[test]
    fn flags_that_make_no_sense_together_are_refused() {
        for (flags, told) in [
            (&["--connections", "0"][..], "without a connection nothing is sent"),
            (&["-n", "0"], "at least one"),
            (&["--pipeline", "2", "--connection-per-request"], "nothing to pipeline"),
            (&["--sources", "::1"], "the other family"),
            (&["-n", "5", "-d", "1s"], "cannot be used with"),
            (&["--method", "CONNECT"], "--method: CONNECT"),
        ] {
            let said = planned(flags).unwrap_err();
            assert!(said.contains(told), "{flags:?}: {said}");
        }
        let slow = planned(&["--slow", "1KiB"]).unwrap();
        assert_eq!((slow.phases[0].connections, slow.phases[0].slow), (0, 50));
    }
}
