//! Answers a second by wrk, on the kernel's stack: [`by_wrk`]; and by `crore load` on AF_XDP, which
//! takes less of the client's processor, so that the servers are what is saturated: [`by_load`]. Beside
//! them is how busy each end's processor was: whoever is at 100 % is what the figure is about. crore looks
//! for packets before it sleeps, so that its processor is busy before it is saturated.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rig::netns::INTERFACE;

use super::contestant::{Contestant, PORT, SOURCES, order};
use super::report;
use super::{LARGE, SMALL};
use crate::Outcome;
use crate::bench::Effort;
use crate::bench::busy::Busy;
use crate::bench::spread::Spread;
use crate::bench::table::ratio;
use crate::bench::wrk::{Load, Wrk};

/// What is asked for: its name in the tables, the ratio to nginx that is aimed at, itself.
type Wanted = (&'static str, f64, Load<'static>);

const LOADS: [Wanted; 4] = [
    ("1 KB, 64 connections", 2.0, small(64, false)),
    ("1 KB, 1,000 connections", 2.0, small(1_000, false)),
    ("1 KB, a connection for each request", 3.0, small(64, true)),
    (
        "1 MB, 16 connections",
        0.0,
        Load { path: "/large", length: LARGE, connections: 16, close: false },
    ),
];

/// How many of them `crore load` asks for, too.
const LOADS_OF_OURS: usize = 3;

/// How long `crore load` asks before it counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// The time in which it counts, less this on either side, is when processors are looked at.
const MARGIN: Duration = Duration::from_millis(200);

const fn small(connections: u32, close: bool) -> Load<'static> {
    Load { path: "/small", length: SMALL, connections, close }
}

/// One run: answers a second, and how busy the server's and the client's processors were.
#[derive(Clone, Copy, Debug)]
struct Run {
    rate: f64,
    busy: [f64; 2],
}

/// Runs of one load, by contestant.
type Row = Vec<Vec<Run>>;

/// All of them, asked by wrk.
pub(super) fn by_wrk(contestants: &[Contestant], effort: Effort) -> Outcome<String> {
    let mut clients = Vec::new();
    for contestant in contestants {
        clients.push(Wrk::within(contestant.clients())?);
    }
    let rows = rows(contestants, &LOADS, effort.rounds, |index, load| {
        let address = SocketAddr::new(contestants[index].address.parse()?, PORT);
        let before = Busy::now()?;
        let rate = clients[index].requests_per_second(address, load, effort.seconds)?;
        Ok(Run { rate, busy: since(&before)? })
    })?;
    Ok(table("requests a second, asked by wrk", contestants, &LOADS, &rows)?)
}

/// Those over a veth pair, asked by `crore load` on AF_XDP.
pub(super) fn by_load(
    contestants: &[Contestant],
    program: &str,
    effort: Effort,
) -> Outcome<String> {
    let loads = &LOADS[..LOADS_OF_OURS];
    let mut runs = 0;
    let rows = rows(contestants, loads, effort.rounds, |index, load| {
        // Each run has addresses of its own: those of the one before are in TIME-WAIT.
        runs += 1;
        ask(&contestants[index], program, load, (effort.seconds, runs))
    })?;
    Ok(table("requests a second, asked by crore load on AF_XDP", contestants, loads, &rows)?)
}

fn ask(
    contestant: &Contestant,
    program: &str,
    load: &Load<'static>,
    (seconds, run): (u32, u32),
) -> Outcome<Run> {
    let (url, net) = (contestant.url(load.path), format!("xdp:{INTERFACE}"));
    let (connections, duration) = (load.connections.to_string(), format!("{seconds}s"));
    let (length, sources) = (load.length.to_string(), format!("{SOURCES}.{run}.0/24"));
    let warm_up = format!("{}ms", WARM_UP.as_millis());
    let mut client = contestant
        .client()
        .arguments(&[program, "load", &url, "--json", "--shards", "1", "--net", &net])
        .arguments(&["--sources", &sources, "-c", &connections, "-d", &duration])
        .arguments(&["--warmup", &warm_up, "--expect-length", &length]);
    if load.close {
        client = client.arguments(&["--connection-per-request"]);
    }
    thread::scope(|scope| {
        let asking = scope.spawn(|| client.quietly());
        thread::sleep(WARM_UP + MARGIN);
        let before = Busy::now()?;
        thread::sleep(Duration::from_secs(seconds.into()).saturating_sub(MARGIN * 2));
        let busy = since(&before)?;
        let said = asking.join().map_err(|_| "the thread that ran crore load panicked")??;
        Ok(Run { rate: report::read(&said)?.rate, busy })
    })
}

fn since(before: &Busy) -> Outcome<[f64; 2]> {
    let after = Busy::now()?;
    Ok([0, 1].map(|processor| after.since(before, processor)))
}

/// Runs of everything, in turns. `run` is told which contestant and which load.
fn rows(
    contestants: &[Contestant],
    loads: &[Wanted],
    rounds: usize,
    mut run: impl FnMut(usize, &Load<'static>) -> Outcome<Run>,
) -> Outcome<Vec<Row>> {
    let mut rows: Vec<Row> = vec![vec![Vec::new(); contestants.len()]; loads.len()];
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for (row, (name, _, load)) in rows.iter_mut().zip(loads) {
            for index in order(round, contestants.len()) {
                let run = run(index, load)?;
                println!(
                    "{:>12.0}/s  {}, {name}; busy {:.0} and {:.0} %",
                    run.rate, contestants[index].name, run.busy[0], run.busy[1]
                );
                row[index].push(run);
            }
        }
    }
    Ok(rows)
}

fn table(
    title: &str,
    contestants: &[Contestant],
    loads: &[Wanted],
    rows: &[Row],
) -> Result<String, std::fmt::Error> {
    let mut text = format!("\n| {title} |");
    for (index, Contestant { name, .. }) in contestants.iter().enumerate() {
        write!(text, " {name} |{}", if index > 0 { " ÷ nginx |" } else { "" })?;
    }
    writeln!(text, " aim | processors of server and client busy, % |")?;
    writeln!(text, "| --- |{} --- |", " ---: |".repeat(2 * contestants.len()))?;
    for (row, (name, aim, _)) in rows.iter().zip(loads) {
        let rates = |runs: &[Run]| runs.iter().map(|run| run.rate).collect::<Vec<_>>();
        let (mut busy, mut cells) = (Vec::new(), String::new());
        for (index, runs) in row.iter().enumerate() {
            let rate = Spread::new(rates(runs)).median().round() as u64;
            write!(cells, " {} |", base::Grouped(rate))?;
            if index > 0 {
                write!(cells, " {} |", ratio(&Spread::of_ratios(&rates(runs), &rates(&row[0]))))?;
            }
            let of_end = |end: usize| Spread::new(runs.iter().map(|run| run.busy[end]).collect());
            busy.push(format!("{:.0}, {:.0}", of_end(0).median(), of_end(1).median()));
        }
        let aim = if *aim > 0.0 { format!("≥ {aim:.1}") } else { "none".into() };
        writeln!(text, "| {name} |{cells} {aim} | {} |", busy.join("; "))?;
    }
    Ok(text)
}
