//! What was found, as a table for people and as JSON for programs. Invariant: the names in the JSON
//! do not change, and every number in it was measured in this run.

use std::fmt;
use std::time::Duration;

use base::{Bytes, Grouped};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::serve::capacity::KERNEL_BYTES;

use super::bystander::Found;
use super::client::{Asked, Findings, Measured, Waited};
use super::crowd::Crowd;
use super::undisturbed::Undisturbed;

/// What a demonstration found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connections open at once at the end, as the server counts them.
    pub connections: u64,
    /// Connections opened a second, a request on each of them answered.
    pub established_per_second: u64,
    /// Requests answered a second, over connections picked at random.
    pub requests_per_second: u64,
    /// Packets that the server took and sent a second meanwhile.
    pub packets_per_second: u64,
    /// All memory the server holds, in bytes, divided by its connections.
    pub server_bytes_per_connection: f64,
    /// Resident memory of the whole process, both ends, in bytes.
    pub rss_bytes: u64,
    /// The parts of their time that server and clients were busy meanwhile.
    pub busy: Busy,
    /// From when a request was due to its answer, in microseconds.
    pub latency_us: Latency,
    /// Parts of that time in which others had the processors of server and clients.
    pub kept_waiting: KeptWaiting,
    /// The latency in those parts of the time in which nobody had; missing where the kernel does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undisturbed: Option<Calm>,
    /// The same at 70 % of that rate; missing where a rate was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_at_70_percent_us: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_waiting_at_70_percent: Option<KeptWaiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undisturbed_at_70_percent: Option<Calm>,
    /// Connections opened, used for one request and closed a second, beside those that stay open.
    pub churn_per_second: u64,
    /// The part of its time that the server needed for that.
    pub churn_server_busy: f64,
    /// What a packet costs the server at full load, by connections open.
    pub packet_cost_ns: Vec<PacketCost>,
    /// What a client of the kernel's stack saw meanwhile, that got the page over a connection of its
    /// own each time; missing where there is no kernel between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_client: Option<KernelClient>,
}

/// Pages that a client of the kernel's stack asked for, and how long it waited for them in
/// milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct KernelClient {
    pages: u64,
    lost: u64,
    /// Why the first of those was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_lost: Option<String>,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Parts of a processor's time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Busy {
    server: f64,
    clients: f64,
}

/// Parts of the time in which server and clients were ready to run and others had their processors;
/// missing where the kernel does not say.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeptWaiting {
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<f64>,
}

/// What latencies were while both ends had their processors.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Calm {
    /// The part of the time that this is of.
    part_of_time: f64,
    /// Missing where that is none of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    p50: f64,
    p99: f64,
    p999: f64,
}

/// Nanoseconds that the server spends on a packet, its handler's work included.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PacketCost {
    connections: u64,
    ns: f64,
}

impl Report {
    /// Adds up what each client shard found. `steps`: how many connections were open in all when
    /// the cost of a packet was measured.
    /// `bystander`: what a client of the kernel's saw, if there was one.
    pub fn new(steps: &[u64], findings: &[Findings], bystander: Option<&Found>) -> Self {
        let opening = findings.iter().map(|found| found.opening).max().unwrap_or_default();
        let connections = findings.iter().map(|found| found.held.connections).sum::<u64>();
        let memory = findings.iter().map(|found| found.held.memory).sum::<u64>();
        let relaxed: Vec<_> = findings.iter().filter_map(|found| found.relaxed.as_ref()).collect();
        let shards = findings.len() as f64;
        let cost = |(index, connections): (usize, &u64)| PacketCost {
            connections: *connections,
            ns: tenths(
                findings.iter().filter_map(|found| found.costs.get(index)).sum::<f64>() / shards,
            ),
        };
        let rate = |found: &Findings, count: u64| count as f64 / found.asked.time.as_secs_f64();
        let requests: f64 = findings.iter().map(|found| rate(found, found.asked.requests)).sum();
        let packets: f64 = findings.iter().map(|found| rate(found, found.asked.packets)).sum();
        let busy = |nanos: fn(&Asked) -> u64| {
            let share =
                |found: &Findings| nanos(&found.asked) as f64 / found.asked.time.as_nanos() as f64;
            hundredths(findings.iter().map(share).sum::<f64>() / shards)
        };
        let churn_busy: f64 = findings.iter().map(|found| found.churn.1).sum();
        Self {
            connections,
            established_per_second: (connections as f64 / opening.as_secs_f64()) as u64,
            requests_per_second: requests as u64,
            packets_per_second: packets as u64,
            server_bytes_per_connection: tenths(memory as f64 / connections.max(1) as f64),
            rss_bytes: findings.iter().map(|found| found.resident).max().unwrap_or(0),
            busy: Busy {
                server: busy(|asked| asked.busy),
                clients: busy(|asked| asked.client_busy),
            },
            latency_us: Latency::of(findings.iter().map(|found| &found.latencies)),
            kept_waiting: KeptWaiting::of(findings.iter().map(|found| &found.asked)),
            undisturbed: Calm::of(findings.iter().map(|found| &found.latencies)),
            latency_at_70_percent_us: (!relaxed.is_empty())
                .then(|| Latency::of(relaxed.iter().map(|(_, latencies)| latencies))),
            undisturbed_at_70_percent: Calm::of(relaxed.iter().map(|(_, latencies)| latencies)),
            kept_waiting_at_70_percent: (!relaxed.is_empty())
                .then(|| KeptWaiting::of(relaxed.iter().map(|(asked, _)| asked))),
            churn_per_second: findings.iter().map(|found| found.churn.0).sum::<f64>() as u64,
            churn_server_busy: hundredths(churn_busy / shards),
            packet_cost_ns: steps.iter().enumerate().map(cost).collect(),
            kernel_client: bystander.map(KernelClient::of),
        }
    }
}

impl KernelClient {
    fn of(found: &Found) -> Self {
        let at = |quantile| hundredths(found.latencies.value_at_quantile(quantile) as f64 / 1e6);
        Self {
            pages: found.latencies.len(),
            lost: found.lost,
            why_lost: found.why.clone(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: hundredths(found.latencies.max() as f64 / 1e6),
        }
    }
}

impl Calm {
    /// None unless it is known of all.
    fn of<'a>(found: impl Iterator<Item = &'a Measured>) -> Option<Self> {
        let found: Vec<&Undisturbed> =
            found.map(|measured| measured.undisturbed.as_ref()).collect::<Option<_>>()?;
        let share = found.iter().map(|one| one.share).sum::<f64>() / found.len() as f64;
        let latencies = found.iter().map(|one| &one.latencies);
        let any = latencies.clone().any(|latencies| !latencies.is_empty());
        let latency = any.then(|| Latency::sum(Undisturbed::histogram(), latencies));
        (!found.is_empty()).then(|| Self { part_of_time: thousandths(share), latency_us: latency })
    }

    fn row(self) -> (&'static str, String, String) {
        let Some(Latency { p50, p99, p999 }) = self.latency_us else {
            let note = "others had the processors all the time".to_owned();
            return ("", "-".to_owned(), note);
        };
        let share = self.part_of_time * 100.0;
        let note = format!(
            "or less for 99 % in the {share:.1} % of the time in which both ends had their processors; \
             half: {p50:.1} µs, 99.9 %: {p999:.1} µs"
        );
        ("", format!("{p99:.1} µs"), note)
    }
}

impl KeptWaiting {
    fn of<'a>(asked: impl Iterator<Item = &'a Asked> + Clone) -> Self {
        let share = |waited: fn(&Waited) -> Option<Duration>| {
            let shares = asked
                .clone()
                .map(|asked| Some(waited(&asked.waited)?.as_secs_f64() / asked.time.as_secs_f64()));
            let shares: Vec<f64> = shares.collect::<Option<_>>()?;
            Some(thousandths(shares.iter().sum::<f64>() / shares.len() as f64))
        };
        Self { server: share(|waited| waited.server), clients: share(|waited| waited.client) }
    }

    /// What there is to say of it beside a percentile.
    fn note(self) -> String {
        let of = |who, share: Option<f64>| Some(format!("{who} {:.1} %", share? * 100.0));
        match (of("server", self.server), of("clients", self.clients)) {
            (Some(server), Some(clients)) => {
                format!("; others had the processors: {server}, {clients} of the time")
            }
            _ => String::new(),
        }
    }
}

impl Latency {
    fn of<'a>(found: impl Iterator<Item = &'a Measured>) -> Self {
        Self::sum(Crowd::histogram(), found.map(|measured| &measured.all))
    }

    /// Of all of these together, which have the bounds of the empty one given.
    fn sum<'a>(
        mut latencies: Histogram<u64>,
        found: impl Iterator<Item = &'a Histogram<u64>>,
    ) -> Self {
        for one in found {
            // The same bounds, so nothing is out of them.
            let _ = latencies.add(one);
        }
        let at = |quantile| tenths(latencies.value_at_quantile(quantile) as f64 / 1e3);
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

impl Report {
    /// Name, value and what it is, line by line.
    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let (server, clients) = (percent(self.busy.server), percent(self.busy.clients));
        let busy = format!("a second meanwhile, at the server; busy: {server}, clients {clients}");
        let row = |name, value, note: &str| (name, Grouped(value).to_string(), note.to_owned());
        let mut rows = vec![
            row("connections", self.connections, "open at once, each used at least once"),
            row("opened", self.established_per_second, "a second, each with a request"),
            row("requests", self.requests_per_second, "a second, over random connections"),
            row("packets", self.packets_per_second, &busy),
        ];
        let full = self.latency_at_70_percent_us.is_some();
        let when = if full { "at full load" } else { "at that rate" };
        rows.extend(self.latency_us.rows(when, self.kept_waiting));
        rows.extend(self.undisturbed.map(Calm::row));
        if let (Some(latency), Some(kept_waiting)) =
            (self.latency_at_70_percent_us, self.kept_waiting_at_70_percent)
        {
            rows.extend(latency.rows("at 70 % of it", kept_waiting));
            rows.extend(self.undisturbed_at_70_percent.map(Calm::row));
        }
        rows.push((
            "churn",
            Grouped(self.churn_per_second).to_string(),
            format!(
                "opened, used once and closed a second besides; server busy: {}",
                percent(self.churn_server_busy)
            ),
        ));
        let kernel = Grouped(KERNEL_BYTES);
        rows.push((
            "server memory",
            format!("{:.1} B", self.server_bytes_per_connection),
            format!("a connection, all that the server holds; Linux takes {kernel} B"),
        ));
        let kernel = Bytes(self.connections * KERNEL_BYTES);
        rows.push((
            "process memory",
            Bytes(self.rss_bytes).to_string(),
            format!("with all clients; in Linux the server's end alone takes {kernel}"),
        ));
        for (index, cost) in self.packet_cost_ns.iter().enumerate() {
            let name = if index == 0 { "cost of a packet" } else { "" };
            let note = format!("at {} connections", Grouped(cost.connections));
            rows.push((name, format!("{:.1} ns", cost.ns), note));
        }
        if let Some(client) = &self.kernel_client {
            let KernelClient { pages, lost, why_lost, p50_ms, p99_ms, max_ms } = client;
            let why = why_lost.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let note = format!(
                "or less for 99 % of {pages} pages, {p50_ms} ms for half, {max_ms} ms at most; {lost} lost{why}"
            );
            rows.push(("kernel's client", format!("{p99_ms} ms"), note));
        }
        rows
    }
}

impl Latency {
    fn rows(self, when: &str, kept: KeptWaiting) -> [(&'static str, String, String); 3] {
        let Self { p50, p99, p999 } = self;
        [
            ("latency", format!("{p50:.1} µs"), format!("or less for half of the requests {when}")),
            ("", format!("{p99:.1} µs"), format!("or less for 99 %{}", kept.note())),
            ("", format!("{p999:.1} µs"), "or less for 99.9 %".to_owned()),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, note) in self.rows() {
            writeln!(f, "{name:<17}{value:>12}  {note}")?;
        }
        Ok(())
    }
}

/// To one decimal.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// To three decimals.
fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// To two decimals.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
