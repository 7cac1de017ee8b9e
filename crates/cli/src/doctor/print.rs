//! What `crore doctor` prints: for a person, or as JSON.

use base::Grouped;
use doctor::{Finding, Holding, Mend, Report, Verdict};
use serde::Serialize;
use sock::Measurement;

/// The findings for a program: the crate's own form, and what was measured.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    suffices: bool,
    /// Nanoseconds of processor time for a request and its answer over loopback, by engine.
    exchange_ns: Option<Exchange>,
}

#[derive(Serialize)]
struct Exchange {
    epoll: u64,
    io_uring: u64,
}

/// Prints everything as JSON.
pub fn json(report: &Report, speed: Option<&Measurement>) {
    let exchange_ns = speed.map(|speed| Exchange {
        epoll: speed.epoll.as_nanos() as u64,
        io_uring: speed.uring.as_nanos() as u64,
    });
    let document = Document { report, suffices: report.suffices(), exchange_ns };
    let text = serde_json::to_string_pretty(&document);
    println!("{}", text.expect("numbers and text can be written as JSON"));
}

/// Prints everything for a person: first the answer, then the reasons, what is wrong before what
/// is not.
pub fn text(report: &Report, speed: Option<&Measurement>) {
    println!("Can this machine hold {} connections?\n", Grouped(report.connections));
    for capacity in &report.capacity {
        let holding = match capacity.holding {
            Holding::KernelSockets => "kernel sockets",
            Holding::OwnStack => "crore's own stack",
        };
        let answer = if capacity.connections >= report.connections { "yes" } else { "no" };
        println!("  {holding:<18} {answer:<4} at most {}", capacity.text);
    }
    if let Some(speed) = speed {
        let (name, time) = match speed.uring < speed.epoll {
            true => ("io_uring", speed.uring),
            false => ("epoll", speed.epoll),
        };
        let rate = Grouped((1.0 / time.as_secs_f64()) as u64);
        println!(
            "\nHow fast: about {rate} requests a second for each processor on kernel sockets ({name}, \
             measured just now\nover loopback); `crore demo` measures crore's own stack."
        );
    }
    println!();
    let rank = |finding: &&Finding| match finding.verdict {
        Verdict::Lacking { .. } => 0,
        Verdict::Slower { .. } => 1,
        Verdict::Unknown { .. } => 2,
        Verdict::Ok => 3,
    };
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(rank);
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0);
    for finding in findings {
        line(finding, width);
    }
}

fn line(finding: &Finding, width: usize) {
    let Finding { topic, reading, verdict } = finding;
    let (word, cost, mend) = match verdict {
        Verdict::Ok => ("ok", None, None),
        Verdict::Slower { cost, mend } => ("slower", Some(cost), mend.as_ref()),
        Verdict::Lacking { cost, mend } => ("LACKING", Some(cost), mend.as_ref()),
        Verdict::Unknown { why } => {
            println!("{:<8} {topic:<width$}  {why}", "unknown");
            return;
        }
    };
    println!("{word:<8} {topic:<width$}  {reading}");
    let indent = " ".repeat(width + 11);
    if let Some(cost) = cost {
        println!("{indent}{cost}");
    }
    if let Some(Mend { now, lasting, .. }) = mend {
        println!("{indent}now       {now}");
        let lines = lasting
            .iter()
            .flat_map(|lasting| lasting.line.lines().map(|line| (&lasting.file, line)));
        for (file, line) in lines {
            println!("{indent}for good  {file}: {line}");
        }
    }
}
