//! The table for people.

use std::fmt::Write as _;

use base::{Bytes, Grouped};
use load::{ErrorKind, Times};

use super::super::figures::Figures;
use super::time;

/// The percentiles shown.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// The figures of all phases, and what carried the connections.
pub fn table(engine: &str, phases: &[Figures]) -> String {
    let mut text = format!("{:<12} {engine}\n", "over");
    if phases.len() > 1 {
        text.push('\n');
    }
    for figures in phases {
        if phases.len() > 1 {
            let _ = writeln!(text, "{}", figures.name);
        }
        let _ = phase(&mut text, figures);
        if phases.len() > 1 {
            text.push('\n');
        }
    }
    text
}

fn phase(text: &mut String, figures: &Figures) -> std::fmt::Result {
    let tally = &figures.tally;
    let interrupted = if figures.interrupted { ", interrupted" } else { "" };
    writeln!(
        text,
        "{:<12} {}/s, {} answered in {:.2} s{interrupted}",
        "requests",
        Grouped(figures.requests_per_second().round() as u64),
        Grouped(tally.answers),
        figures.seconds,
    )?;
    writeln!(
        text,
        "{:<12} {}/s in, {} in all",
        "transfer",
        Bytes(figures.bytes_per_second() as u64),
        Bytes(tally.bytes_in),
    )?;
    let idle = if figures.idle > 0 {
        format!(", {} of them idle", Grouped(figures.idle))
    } else {
        String::new()
    };
    writeln!(
        text,
        "{:<12} {} at most{idle}; {} opened",
        "connections",
        Grouped(figures.connections),
        Grouped(tally.opened),
    )?;
    writeln!(text, "{:<12} {}", "loop", mode(figures))?;
    writeln!(text)?;
    let rows = [
        ("latency", &tally.latency),
        ("first byte", &tally.first_byte),
        ("connect", &tally.connect),
    ];
    times(text, &rows)?;
    counts(text, figures)
}

/// Which loop it was, and what latencies count from.
fn mode(figures: &Figures) -> String {
    match figures.rate {
        None => {
            "closed: latency from when a request was sent; a stall meets one a connection".into()
        }
        Some(rate) => format!(
            "open at {} requests/s: latency from when a request was due",
            Grouped(rate as u64)
        ),
    }
}

fn times(text: &mut String, rows: &[(&str, &Times)]) -> std::fmt::Result {
    if rows.iter().all(|(_, times)| times.count() == 0) {
        return Ok(());
    }
    write!(text, "{:<12}", "")?;
    for (name, _) in QUANTILES {
        write!(text, "{name:>10}")?;
    }
    writeln!(text)?;
    for (name, times) in rows.iter().filter(|(_, times)| times.count() > 0) {
        write!(text, "{name:<12}")?;
        for (_, quantile) in QUANTILES {
            write!(text, "{:>10}", time(times.at(quantile)))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn counts(text: &mut String, figures: &Figures) -> std::fmt::Result {
    let tally = &figures.tally;
    let status: Vec<String> = tally
        .status
        .iter()
        .map(|(status, count)| format!("{status} × {}", Grouped(*count)))
        .collect();
    let status = if status.is_empty() { "no answers".to_owned() } else { status.join(", ") };
    writeln!(text, "{:<12} {status}", "status")?;
    for (name, count, note) in [
        ("slow", tally.slow_answers, "answers on slow connections"),
        ("reopened", tally.reopened, "connections that the server closed between two requests"),
        ("idle lost", tally.idle_lost, "idle connections that the server closed"),
        ("ports taken", tally.ports_taken, "ports of --sources that were in use, left out"),
        ("unanswered", tally.unanswered, unanswered(figures)),
        ("unsent", tally.unsent, "of those, because no connection was free"),
    ] {
        if count > 0 {
            writeln!(text, "{name:<12} {} {note}", Grouped(count))?;
        }
    }
    let errors = tally.all_errors();
    if errors == 0 {
        return writeln!(text, "{:<12} none", "errors");
    }
    let share = figures.error_share() * 100.0;
    writeln!(text, "{:<12} {}, {share:.3}% of requests", "errors", Grouped(errors))?;
    for kind in ErrorKind::ALL {
        let count = tally.errors(*kind);
        if count > 0 {
            writeln!(text, "  {:<16} {:>10}  {}", kind.name(), Grouped(count), kind.hint())?;
        }
    }
    if let Some(reason) = &figures.insecure {
        writeln!(text, "  the first of TLS: {reason}")?;
    }
    Ok(())
}

fn unanswered(figures: &Figures) -> &'static str {
    match figures.rate {
        Some(_) => "at the end; in the latencies with the time they had waited",
        None => "at the end, in no other figure",
    }
}
