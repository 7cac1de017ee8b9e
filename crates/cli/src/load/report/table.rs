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
        Some(rate) => {
            let instead = figures.rate_instead().map_or_else(String::new, |rate| {
                format!(", NOT MET, {} were sent", Grouped(rate as u64))
            });
            let rate = Grouped(rate as u64);
            format!("open at {rate} requests/s{instead}: latency from when a request was due")
        }
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
            let is_known = suffices(times.count(), quantile);
            let cell = if is_known { time(times.at(quantile)) } else { "-".to_owned() };
            write!(text, "{cell:>10}")?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

/// Whether so many times tell this percentile from the greatest: of 99 none is beyond the 99th.
fn suffices(count: u64, quantile: f64) -> bool {
    quantile >= 1.0 || count as f64 >= (1.0 / (1.0 - quantile)).round()
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
        ("unsent", tally.unsent, "of those: no connection was free; more --connections may help"),
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

#[cfg(test)]
mod tests {
    use load::Tally;

    use super::super::super::figures::Figures;
    use super::{suffices, table};

    #[test]
    fn a_percentile_needs_so_many_times_that_one_lies_beyond_it() {
        for (quantile, least) in
            [(0.5, 2), (0.9, 10), (0.99, 100), (0.999, 1_000), (0.9999, 10_000)]
        {
            assert!(suffices(least, quantile) && !suffices(least - 1, quantile), "{quantile}");
        }
        assert!(suffices(1, 1.0));
    }

    #[test]
    fn a_rate_that_was_not_met_is_said_so() {
        let said = |unsent| {
            let mut tally = Tally::default();
            tally.unsent = unsent;
            tally.latency.record_many(1_000, 500 + unsent);
            table(
                "epoll",
                &[Figures { tally, rate: Some(250.0), seconds: 2.0, ..Figures::default() }],
            )
        };
        assert!(
            said(7).contains("open at 250 requests/s, NOT MET, 250 were sent: latency"),
            "{}",
            said(7)
        );
        assert!(said(0).contains("open at 250 requests/s: latency"), "{}", said(0));
    }
}
