//! `crore stat`: what a running server's shards do, as a table; `crore ss`: their connections, one by
//! one. Both are read from the server's admin listener.
//! Invariant: it prints what the server counts and computes nothing but differences over time.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use clap::Args;
use crore::Address;
use serde_json::{Map, Value};

use crate::output;
use crate::serve::Failure;
use crate::settings::Problem;

/// How long the server may take to answer. A thread of its own does.
const PATIENCE: Duration = Duration::from_secs(10);

/// The columns: what each is called, and the figures that it shows, the second one as "of so many".
const COLUMNS: [(&str, &str, Option<&str>); 11] = [
    ("connections", "connections", None),
    ("at work", "stack_working", Some("stack_working_most")),
    ("TIME-WAIT", "stack_time_wait", None),
    ("packets in", "stack_packets_in", None),
    ("packets out", "stack_packets_out", None),
    ("sent again", "stack_retransmitted", None),
    ("buffers", "stack_buffers", Some("stack_buffers_most")),
    ("frames", "stack_frames", Some("stack_frames_most")),
    ("accepted", "accepted", None),
    ("reset", "reset", None),
    ("requests", "http_requests", None),
];

/// What a drop by reason is called in the server's document.
const DROPPED: &str = "stack_dropped_";

/// What is said where crore's own stack is not used.
const OF_THE_KERNEL: &str =
    "the kernel's stack carries the connections: ss -ti shows them one by one";

/// Where the admin listener has the document.
const STATUS: &str = "/status.json";

/// Where it adds up connections.
const SUMMARY: &str = "/summary";

/// The arguments of `crore ss`.
#[derive(Args, Clone, Debug)]
pub struct Connections {
    /// The admin address of the server, as given to crore serve --admin
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: Address,

    /// Only connections in this state: ESTABLISHED, TIME-WAIT and so on; or sleeping, or working
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,

    /// Only connections with this address at either end
    #[arg(long, value_name = "ADDR")]
    host: Option<IpAddr>,

    /// Only connections with this port at either end
    #[arg(short, long)]
    port: Option<u16>,

    /// Connections to list, at most
    #[arg(short, long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists a server's connections.
///
/// # Errors
/// When there is no server at that address, or it answers otherwise than crore does.
pub fn connections(options: &Connections) -> Result<(), Failure> {
    let mut path = format!("/connections?limit={}", options.limit);
    if let Some(state) = &options.state {
        let known = state.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !known {
            let problem = Problem::unplaced(format!("`{state}` is no state of a connection"));
            return Err(problem
                .advise("ESTABLISHED, TIME-WAIT and so on; sleeping; working")
                .into());
        }
        path.push_str(&format!("&state={state}"));
    }
    if let Some(host) = options.host {
        path.push_str(&format!("&host={host}"));
    }
    if let Some(port) = options.port {
        path.push_str(&format!("&port={port}"));
    }
    let list =
        ask(&options.admin, &path).map_err(|error| unreachable_at(&options.admin, &error))?;
    let head = "State        Not-read   Unsent Local Remote\n";
    output::print(format!("{head}{list}").as_bytes())?;
    if list.is_empty() {
        let status = ask(&options.admin, STATUS);
        let status = read(&status.map_err(|error| unreachable_at(&options.admin, &error))?)?;
        if !rows(&status).iter().any(|shard| is_own_stack(shard)) {
            output::tell(format!("crore: {OF_THE_KERNEL}"));
        }
    }
    if list.lines().count() >= options.limit as usize {
        let limit = options.limit;
        output::tell(format!(
            "crore: {limit} are listed, as many as were asked for; there may be more: --limit, or choose by \
             --state, --host, --port"
        ));
    }
    Ok(())
}

/// The arguments of `crore stat`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The admin address of the server, as given to crore serve --admin
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: Address,

    /// Show what is added in each interval of so many seconds, until interrupted
    #[arg(short, long, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    interval: Option<u32>,

    /// Print the server's own document (JSON)
    #[arg(long, conflicts_with = "interval")]
    json: bool,
}

/// Prints it.
///
/// # Errors
/// When there is no server at that address, or it answers otherwise than crore does.
pub fn stat(options: &Options) -> Result<(), Failure> {
    let text =
        ask(&options.admin, STATUS).map_err(|error| unreachable_at(&options.admin, &error))?;
    if options.json {
        return output::line(text);
    }
    let mut status = read(&text)?;
    let summary = summary(options)?;
    let is_read = output::is_read(format!("{}{summary}", table(&status, None)).as_bytes())?;
    let Some(seconds) = options.interval.filter(|_| is_read) else { return Ok(()) };
    loop {
        thread::sleep(Duration::from_secs(seconds.into()));
        let text =
            ask(&options.admin, STATUS).map_err(|error| unreachable_at(&options.admin, &error))?;
        let next = read(&text)?;
        let is_read = output::is_read(format!("\n{}", table(&next, Some(&status))).as_bytes())?;
        if !is_read {
            return Ok(());
        }
        status = next;
    }
}

/// How many connections are in which state, and how long their round trips take: a line for each,
/// the shards beside one another. Empty where the kernel's stack carries them.
fn summary(options: &Options) -> Result<String, Failure> {
    let text =
        ask(&options.admin, SUMMARY).map_err(|error| unreachable_at(&options.admin, &error))?;
    let sums: Vec<Map<String, Value>> = serde_json::from_str(&text).map_err(|_| {
        Failure::ended(Problem::unplaced("the server's summary is no document of crore's"))
    })?;
    Ok(summarized(&sums))
}

fn summarized(sums: &[Map<String, Value>]) -> String {
    let states = |sum: &Map<String, Value>| sum.get("states").and_then(Value::as_object).cloned();
    let all: Vec<_> = sums.iter().map(|sum| states(sum).unwrap_or_default()).collect();
    let names: BTreeSet<&String> = all.iter().flat_map(|states| states.keys()).collect();
    if names.is_empty() {
        return String::new();
    }
    let line = |name: String, values: Vec<String>| {
        let cells = values.iter().enumerate().map(|(shard, v)| format!("{v} (shard {shard})"));
        [vec![name], cells.collect()].concat()
    };
    let mut lines = Vec::new();
    for name in names {
        let values = all.iter().map(|states| figure(states, name).to_string());
        lines.push(line(format!("state: {name}"), values.collect()));
    }
    let sleeping = sums.iter().map(|sum| figure(sum, "sleeping").to_string());
    lines.push(line("of these sleeping".into(), sleeping.collect()));
    let times = |sum: &Map<String, Value>| {
        let [p50, p90, p99] =
            ["rtt_p50_us", "rtt_p90_us", "rtt_p99_us"].map(|name| figure(sum, name));
        format!("≤{p50}/{p90}/{p99} µs")
    };
    lines.push(line("round trip, 50/90/99 %".into(), sums.iter().map(times).collect()));
    aligned(&lines)
}

/// Asks the admin listener for the document.
fn ask(admin: &Address, path: &str) -> io::Result<String> {
    let mut answer = Vec::new();
    match admin {
        Address::Tcp(at) => {
            let stream = TcpStream::connect_timeout(at, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, path, &mut answer)?;
        }
        Address::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, path, &mut answer)?;
        }
    }
    let other = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let answer = String::from_utf8(answer).map_err(|_| other("what answers there is not crore"))?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| other("the answer is cut off"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(other(head.lines().next().unwrap_or_default()));
    }
    Ok(body.to_owned())
}

fn exchange(mut stream: impl Read + Write, path: &str, answer: &mut Vec<u8>) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: crore\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.read_to_end(answer).map(|_| ())
}

fn read(text: &str) -> Result<Map<String, Value>, Failure> {
    let document = serde_json::from_str(text).map_err(|_| {
        Failure::ended(Problem::unplaced("the server's status is no document of crore's"))
    })?;
    Ok(document)
}

/// The table of a status; with an earlier one, of what was added since.
fn table(status: &Map<String, Value>, before: Option<&Map<String, Value>>) -> String {
    let shards = rows(status);
    let earlier = before.map(rows).unwrap_or_default();
    let mut lines = vec![vec!["shard".to_owned()]];
    let shown: Vec<_> = COLUMNS
        .iter()
        .filter(|(_, key, _)| shards.first().is_some_and(|shard| shard.contains_key(*key)))
        .collect();
    lines[0].extend(shown.iter().map(|(name, ..)| (*name).to_owned()));
    for (place, shard) in shards.iter().enumerate() {
        let cells = shown.iter().map(|(_, key, most)| {
            let value = added(shard, earlier.get(place).copied(), key);
            most.map_or_else(
                || value.to_string(),
                |most| format!("{value}/{}", figure(shard, most)),
            )
        });
        let mut line = vec![figure(shard, "shard").to_string()];
        line.extend(cells);
        lines.push(line);
    }
    let mut text = aligned(&lines);
    if !shards.iter().any(|shard| is_own_stack(shard)) {
        text.push_str(OF_THE_KERNEL);
        text.push('\n');
    }
    text.push_str(&drops(&shards, &earlier));
    text
}

/// Packets dropped, by reason: a line for each that there were any for.
fn drops(shards: &[&Map<String, Value>], earlier: &[&Map<String, Value>]) -> String {
    let mut lines = Vec::new();
    for key in shards.first().into_iter().flat_map(|shard| shard.keys()) {
        let Some(reason) = key.strip_prefix(DROPPED) else { continue };
        let values = shards.iter().enumerate();
        let values: Vec<u64> =
            values.map(|(place, shard)| added(shard, earlier.get(place).copied(), key)).collect();
        if values.iter().any(|&value| value > 0) {
            let name = format!("dropped: {}", reason.replace('_', " "));
            let cells = values.iter().enumerate().map(|(place, v)| format!("{v} (shard {place})"));
            lines.push([vec![name], cells.collect()].concat());
        }
    }
    aligned(&lines)
}

fn rows(status: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    let shards = status.get("shards").and_then(Value::as_array);
    shards.into_iter().flatten().filter_map(Value::as_object).collect()
}

/// Whether a shard's connections are carried by crore's own stack, which has figures of its own.
fn is_own_stack(shard: &Map<String, Value>) -> bool {
    shard.keys().any(|key| key.starts_with("stack_"))
}

fn figure(shard: &Map<String, Value>, key: &str) -> u64 {
    shard.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// A figure, or for a sum what was added since.
fn added(shard: &Map<String, Value>, earlier: Option<&Map<String, Value>>, key: &str) -> u64 {
    const LEVELS: [&str; 5] =
        ["connections", "stack_working", "stack_time_wait", "stack_buffers", "stack_frames"];
    let earlier = earlier.filter(|_| !LEVELS.contains(&key));
    figure(shard, key).saturating_sub(earlier.map_or(0, |shard| figure(shard, key)))
}

/// Lines with their cells under one another, numbers to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        lines.iter().filter_map(|line: &Vec<String>| line.get(column)).map(String::len).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(place, (cell, width))| match place {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn unreachable_at(admin: &Address, error: &io::Error) -> Failure {
    let problem =
        Problem::unplaced(format!("no answer from an admin listener at {admin}: {error}"))
            .advise("start the server with --admin ADDR, and say the same address here");
    Failure::ended(problem)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{read, summarized, table};

    fn status(packets: u64, checksum: u64) -> String {
        json!({ "shards": [
            { "shard": 0, "connections": 7, "stack_working": 2, "stack_working_most": 64,
              "stack_packets_in": packets, "stack_dropped_checksum": checksum,
              "stack_dropped_no_route": 0 },
            { "shard": 1, "connections": 8, "stack_working": 0, "stack_working_most": 64,
              "stack_packets_in": 5, "stack_dropped_checksum": 0, "stack_dropped_no_route": 0 },
        ]})
        .to_string()
    }

    #[test]
    fn shards_stand_under_one_another_and_drops_below() {
        let status = read(&status(1000, 3)).unwrap();
        let said = table(&status, None);
        assert!(said.starts_with("shard  connections  at work"), "{said}");
        assert!(said.contains("\n0                7     2/64"), "{said}");
        assert!(said.contains("dropped: checksum  3 (shard 0)  0 (shard 1)\n"), "{said}");
        assert!(!said.contains("no route"), "{said}");
    }

    #[test]
    fn an_interval_shows_sums_as_differences_and_levels_as_they_are() {
        let (before, after) = (read(&status(1000, 3)).unwrap(), read(&status(1600, 3)).unwrap());
        let said = table(&after, Some(&before));
        assert!(said.contains(" 600") && said.contains("2/64"), "{said}");
        assert!(!said.contains("dropped"), "{said}");
    }

    #[test]
    fn states_and_round_trips_stand_side_by_side() {
        let sums = json!([
            { "states": { "ESTABLISHED": 7, "TIME-WAIT": 2 }, "sleeping": 6, "rtt_p50_us": 64,
              "rtt_p90_us": 128, "rtt_p99_us": 1024 },
            { "states": { "ESTABLISHED": 9 }, "sleeping": 9, "rtt_p50_us": 32 },
        ]);
        let sums = sums.as_array().unwrap().iter();
        let sums: Vec<_> = sums.map(|sum| sum.as_object().unwrap().clone()).collect();
        let said = summarized(&sums);
        let lines: Vec<Vec<&str>> = said
            .lines()
            .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect())
            .collect();
        let cells: Vec<Vec<&str>> =
            lines.iter().map(|line| line.iter().map(|cell| cell.trim()).collect()).collect();
        assert_eq!(cells[0], ["state: ESTABLISHED", "7 (shard 0)", "9 (shard 1)"], "{said}");
        assert_eq!(cells[1], ["state: TIME-WAIT", "2 (shard 0)", "0 (shard 1)"], "{said}");
        assert_eq!(cells[2], ["of these sleeping", "6 (shard 0)", "9 (shard 1)"], "{said}");
        assert!(said.contains("≤64/128/1024 µs (shard 0)"), "{said}");
        assert_eq!(summarized(&[serde_json::Map::new()]), "");
    }

    #[test]
    fn on_the_kernels_stack_it_says_who_knows_more() {
        let text = json!({ "shards": [{ "shard": 0, "connections": 1, "accepted": 2 }] });
        let said = table(&read(&text.to_string()).unwrap(), None);
        assert!(said.contains("ss -ti"), "{said}");
    }
}
