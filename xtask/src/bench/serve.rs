//! The comparison itself: which loads, in which order, and what is looked at beside the speed.

use std::thread;
use std::time::Duration;

use rig::client::Client;
use rig::tree::{Tree, pattern};

use super::contestant::{Contestant, Kind, Setting, picked};
use super::hold::Held;
use super::share::Share;
use super::table::{Results, Row};
use super::wrk::{Load, Wrk};
use super::{Effort, machine, memory};
use crate::metadata::Metadata;
use crate::{Outcome, build};

const SMALL: &str = "/1k.html";
const LARGE: &str = "/1m.bin";
const KILOBYTE: usize = 1 << 10;
const MEGABYTE: usize = 1 << 20;

/// Each load: its name in the table, the ratio to nginx that the project wants at least, itself.
const LOADS: &[(&str, f64, Load<'static>)] = &[
    ("1 KB, 64 connections", 1.2, small(64, false)),
    ("1 KB, 1,000 connections", 1.2, small(1_000, false)),
    ("1 KB, a connection for each request", 1.1, small(64, true)),
    (
        "1 MB, 64 connections",
        1.0,
        Load { path: LARGE, length: MEGABYTE, connections: 64, close: false },
    ),
];

const fn small(connections: u32, close: bool) -> Load<'static> {
    Load { path: SMALL, length: KILOBYTE, connections, close }
}

/// The loads that are measured also where the server has but half a processor. wrk alone is not able
/// to saturate a whole one, and what is not saturated cannot be told apart.
const HALVED: &[(&str, f64, Load<'static>)] = &[
    ("1 KB, 64 connections, half a processor", 1.2, small(64, false)),
    ("1 KB, 1,000 connections, half a processor", 1.2, small(1_000, false)),
];

/// How long a server gets to be rid of thousands of connections that were closed all at once.
const SETTLE: Duration = Duration::from_secs(1);

/// Runs everything and gives the report, in Markdown.
pub fn compare(effort: Effort) -> Outcome<String> {
    let program = build::crore(&Metadata::load()?)?;
    let tree = Tree::new()?;
    tree.file(&SMALL[1..], text(KILOBYTE))?;
    tree.file(&LARGE[1..], pattern(MEGABYTE))?;
    let setting = Setting { root: tree.root(), program: &program };

    let mut bench = Bench { wrk: Wrk::new()?, effort, servers: Vec::new() };
    for kind in Kind::ALL {
        bench.servers.push(Contestant::start(kind, setting)?);
    }
    for server in &bench.servers {
        verify(server)?;
    }
    let row = |(name, wanted, _): &(&str, f64, _)| Row::new(name, *wanted);
    let mut rows: Vec<Row> = LOADS.iter().map(row).collect();
    let mut halved: Vec<Row> = HALVED.iter().map(row).collect();
    let mut idle = Row::new("idle", 0.95);
    let mut bytes = Row::new("memory", 0.0);
    for round in 0..effort.rounds {
        println!("round {} of {}", round + 1, effort.rounds);
        bench.all(round, &mut rows, LOADS)?;
        {
            let _share = bench.share()?;
            bench.all(round, &mut halved, HALVED)?;
        }
        for index in order(round) {
            idle.add(index, bench.beside_idle(index)?);
        }
        for index in order(round) {
            let kind = Kind::ALL[index];
            let count = effort.measured;
            bytes.add(index, memory::per_idle_connection(kind, setting, count, SMALL)?);
        }
    }
    rows.splice(2..2, halved);
    let results = Results { rows, idle, bytes, effort, picked: picked(setting)? };
    Ok(format!("{}\n{}", machine::describe_servers(&program, effort)?, results))
}

struct Bench {
    wrk: Wrk,
    effort: Effort,
    servers: Vec<Contestant>,
}

impl Bench {
    /// One run of every server under every load.
    fn all(&self, round: usize, rows: &mut [Row], loads: &[(&str, f64, Load<'static>)]) -> Outcome {
        for (row, (_, _, load)) in rows.iter_mut().zip(loads) {
            for index in order(round) {
                row.add(index, self.speed(index, load)?);
            }
        }
        Ok(())
    }

    /// Leaves the servers half a processor for as long as the value lives.
    fn share(&self) -> Outcome<Share> {
        let processes: Outcome<Vec<u32>> = self.servers.iter().map(Contestant::process).collect();
        Share::of(&processes?)
    }

    fn speed(&self, index: usize, load: &Load<'_>) -> Outcome<f64> {
        let server = &self.servers[index];
        let rate = self.wrk.requests_per_second(server.address(), load, self.effort.seconds)?;
        verify(server)?;
        println!("{:>12.0}/s  {}, {}", rate, Kind::ALL[index].name(), describe(load));
        Ok(rate)
    }

    /// Requests a second beside many idle connections, divided by those without.
    fn beside_idle(&self, index: usize) -> Outcome<f64> {
        let load = small(64, false);
        let alone = self.speed(index, &load)?;
        let held = Held::open(self.servers[index].address(), self.effort.idle, SMALL)?;
        let beside = self.speed(index, &load)?;
        drop(held);
        thread::sleep(SETTLE);
        println!("{:>14.3}  beside {} idle connections", beside / alone, self.effort.idle);
        Ok(beside / alone)
    }
}

/// Which server comes when in a round: everyone is first in turn.
fn order(round: usize) -> impl Iterator<Item = usize> {
    let count = Kind::ALL.len();
    (0..count).map(move |place| (place + round) % count)
}

fn describe(load: &Load<'_>) -> String {
    let close = if load.close { ", a connection each" } else { "" };
    format!("{}, {} connections{close}", load.path, load.connections)
}

/// Looks at every byte of an answer for either file: speed with wrong answers is none.
fn verify(server: &Contestant) -> Outcome {
    let mut client = Client::connect(server.address())?;
    for (path, content) in [(SMALL, text(KILOBYTE).into_bytes()), (LARGE, pattern(MEGABYTE))] {
        let answer = client.get(path)?;
        if answer.status != 200 || answer.body != content {
            return Err(format!("{} answers {path} wrongly", server.address()).into());
        }
    }
    Ok(())
}

/// `length` bytes of text.
fn text(length: usize) -> String {
    "All work and no play makes a dull server.\n".chars().cycle().take(length).collect()
}
