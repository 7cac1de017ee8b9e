//! What `crore doctor` prints: for a person, or as JSON.

use std::fmt::{self, Write};

use base::{Bytes, Grouped};
use doctor::{Capacity, Finding, Holding, Mend, Report, Verdict};
use serde::Serialize;

use super::speed::Speed;

/// The findings for a program: the crate's own form, and what was measured.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    suffices: bool,
    /// Nanoseconds of processor time at the server for a request and its answer.
    exchange_ns: &'a Speed,
}

/// Everything as JSON.
pub fn json(report: &Report, speed: &Speed) -> String {
    let document = Document { report, suffices: report.suffices(), exchange_ns: speed };
    let text = serde_json::to_string_pretty(&document);
    text.expect("numbers and text can be written as JSON") + "\n"
}

/// Everything for a person: first the answer, then the reasons, what is wrong before what is not.
pub fn text(report: &Report, speed: &Speed) -> String {
    let mut text = String::new();
    write(&mut text, report, speed).expect("a String takes all that is written to it");
    text
}

fn write(out: &mut String, report: &Report, speed: &Speed) -> fmt::Result {
    writeln!(out, "Can this machine hold {} connections?\n", Grouped(report.connections))?;
    for capacity in &report.capacity {
        let Capacity { connections, bytes_needed, text, .. } = capacity;
        let answer = if *connections >= report.connections { "yes" } else { "no" };
        let (holding, needed) = (name(capacity.holding), Bytes(*bytes_needed));
        writeln!(out, "  {holding:<18} {answer:<4} they take {needed:>8}; at most {text}")?;
    }
    let on_sockets = speed.fastest_on_sockets();
    if on_sockets.is_some() || speed.own_stack.is_some() {
        writeln!(out, "\nHow fast, measured just now, on each processor?\n")?;
    }
    if let Some((engine, time)) = on_sockets {
        fast(out, Holding::KernelSockets, time, &format!("over loopback, with {engine}"))?;
    }
    if let Some(time) = speed.own_stack {
        let how = "over memory: what a network card takes comes on top";
        fast(out, Holding::OwnStack, time, how)?;
    }
    writeln!(out)?;
    let rank = |finding: &&Finding| match finding.verdict {
        Verdict::Lacking { .. } => 0,
        Verdict::Slower { .. } => 1,
        Verdict::Unknown { .. } => 2,
        Verdict::Ok => 3,
    };
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(rank);
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0);
    findings.into_iter().try_for_each(|finding| line(out, finding, width))
}

const fn name(holding: Holding) -> &'static str {
    match holding {
        Holding::KernelSockets => "kernel sockets",
        Holding::OwnStack => "crore's own stack",
    }
}

fn fast(out: &mut String, holding: Holding, nanoseconds: u64, how: &str) -> fmt::Result {
    let rate = Grouped(1_000_000_000 / nanoseconds.max(1)).to_string();
    writeln!(out, "  {:<18} {rate:>9} requests a second {how}", name(holding))
}

fn line(out: &mut String, finding: &Finding, width: usize) -> fmt::Result {
    let Finding { topic, reading, verdict } = finding;
    let (word, cost, mend) = match verdict {
        Verdict::Ok => ("ok", None, None),
        Verdict::Slower { cost, mend } => ("slower", Some(cost), mend.as_ref()),
        Verdict::Lacking { cost, mend } => ("LACKING", Some(cost), mend.as_ref()),
        Verdict::Unknown { why } => {
            return writeln!(out, "{:<8} {topic:<width$}  {why}", "unknown");
        }
    };
    writeln!(out, "{word:<8} {topic:<width$}  {reading}")?;
    let indent = " ".repeat(width + 11);
    if let Some(cost) = cost {
        writeln!(out, "{indent}{cost}")?;
    }
    if let Some(Mend { now, lasting, .. }) = mend {
        writeln!(out, "{indent}now       {now}")?;
        let lines = lasting
            .iter()
            .flat_map(|lasting| lasting.line.lines().map(|line| (&lasting.file, line)));
        for (file, line) in lines {
            writeln!(out, "{indent}for good  {file}: {line}")?;
        }
    }
    Ok(())
}
