//! Answers a second by wrk, with how busy each end's processor was: whoever is at 100 % is what the
//! figure is about. crore looks for packets before it sleeps, so that its processor is busy before it
//! is saturated.

use std::fmt::Write as _;
use std::net::SocketAddr;

use rig::netns::SERVER;

use super::{LARGE, NAMES, PORTS, SMALL, Servers, order};
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::busy::Busy;
use crate::bench::share::Share;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::bench::wrk::{Load, Wrk};

/// Each load: its name in the table, the ratio to nginx that is aimed at, itself.
const LOADS: &[(&str, f64, Load<'static>)] = &[
    ("1 KB, 64 connections", 2.0, small(64, false)),
    ("1 KB, 1,000 connections", 2.0, small(1_000, false)),
    ("1 KB, a connection for each request", 3.0, small(64, true)),
    (
        "1 MB, 16 connections",
        0.0,
        Load { path: "/large", length: LARGE, connections: 16, close: false },
    ),
];

/// How many of them are also asked of servers that have half a processor.
const HALVED: usize = 3;

const fn small(connections: u32, close: bool) -> Load<'static> {
    Load { path: "/small", length: SMALL, connections, close }
}

/// One run: answers a second, and how busy the server's and the client's processors were.
#[derive(Clone, Copy, Debug)]
struct Run {
    rate: f64,
    busy: [f64; 2],
}

/// Runs of nginx and of crore, round by round.
type Row = [Vec<Run>; 2];

pub(super) fn compare(servers: &Servers<'_>, effort: Effort) -> Outcome<String> {
    let wrk = Wrk::within(servers.network.client_name())?;
    let whole = rows(&wrk, LOADS, effort)?;
    let half = {
        let _share = Share::of(&servers.processes()?)?;
        rows(&wrk, &LOADS[..HALVED], effort)?
    };
    Ok(format!(
        "\n{}\n{}",
        table("requests a second", LOADS, &whole)?,
        table("the same, servers with half a processor", &LOADS[..HALVED], &half)?
    ))
}

fn rows(wrk: &Wrk, loads: &[(&str, f64, Load<'static>)], effort: Effort) -> Outcome<Vec<Row>> {
    let mut rows: Vec<Row> = loads.iter().map(|_| Row::default()).collect();
    for round in 0..effort.rounds {
        println!("round {} of {}", round + 1, effort.rounds);
        for (row, (name, _, load)) in rows.iter_mut().zip(loads) {
            for index in order(round) {
                let address = SocketAddr::new(SERVER.parse()?, PORTS[index]);
                let before = Busy::now()?;
                let rate = wrk.requests_per_second(address, load, effort.seconds)?;
                let after = Busy::now()?;
                let busy = [0, 1].map(|processor| after.since(&before, processor));
                println!(
                    "{rate:>12.0}/s  {}, {name}; busy {:.0} and {:.0} %",
                    NAMES[index], busy[0], busy[1]
                );
                row[index].push(Run { rate, busy });
            }
        }
    }
    Ok(rows)
}

fn table(
    title: &str,
    loads: &[(&str, f64, Load<'static>)],
    rows: &[Row],
) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "| {title} | nginx | crore, xdp | ratio | server, client busy: nginx, % | crore, % | aim |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (row, (name, aim, _)) in rows.iter().zip(loads) {
        let rates = |of: &[Run]| of.iter().map(|run| run.rate).collect::<Vec<_>>();
        let rate =
            |of: &[Run]| base::Grouped(Spread::new(rates(of)).median().round() as u64).to_string();
        let busy = |of: &[Run]| {
            let of_end = |end: usize| Spread::new(of.iter().map(|run| run.busy[end]).collect());
            format!("{:.0}, {:.0}", of_end(0).median(), of_end(1).median())
        };
        let [nginx, crore] = row;
        let ratio = ratio(&Spread::of_ratios(&rates(crore), &rates(nginx)));
        let aim = if *aim > 0.0 { format!("≥ {aim:.1}") } else { "none".into() };
        writeln!(
            text,
            "| {name} | {} | {} | {ratio} | {} | {} | {aim} |",
            rate(nginx),
            rate(crore),
            busy(nginx),
            busy(crore)
        )?;
    }
    Ok(text)
}
