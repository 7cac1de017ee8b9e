//! `cargo xtask bench load`: `crore load` against wrk, in turns, from one thread each. Against nginx,
//! which is what is saturated; held to half a processor, where it is the client; against a server
//! that answers at once; and what they take of memory.

use std::fmt::Write as _;
use std::net::SocketAddr;

use base::Grouped;
use rig::tree::Tree;

use super::clients::{Clients, Kind, LENGTH, PATH, Said};
use super::contestant::{self, Contestant, Setting};
use super::share::Share;
use super::spread::Spread;
use super::table::ratio;
use super::wrk::Wrk;
use super::{Effort, machine};
use crate::metadata::Metadata;
use crate::{Outcome, build};

/// Connections that requests go over.
const CONNECTIONS: [u32; 2] = [64, 1_000];
/// Rounds in which the least latency is looked for, and requests a second where that is at a rate.
const FLOOR_ROUNDS: usize = 3;
const FLOOR_RATE: u32 = 1_000;

/// Measures, and gives the report in Markdown.
pub fn compare(effort: Effort) -> Outcome<String> {
    // A program that is said is taken; else the release is built.
    let program = match rig::crore::program() {
        Ok(program) => program,
        Err(_) => build::crore(&Metadata::load()?)?,
    };
    let tree = Tree::new()?;
    tree.file(&PATH[1..], "x".repeat(LENGTH))?;
    let setting = Setting { root: tree.root(), program: &program };
    let bench = Bench { clients: Clients { wrk: Wrk::new()?, program: &program }, effort };

    let mut text = machine::describe_servers(&program, effort)?;
    {
        let nginx = Contestant::start(contestant::Kind::Nginx, setting)?;
        bench.speed(&mut text, nginx.address())?;
        bench.memory(&mut text, nginx.address())?;
    }
    let crore = Contestant::start(contestant::Kind::Epoll, setting)?;
    bench.floor(&mut text, crore.address())?;
    Ok(text)
}

struct Bench<'a> {
    clients: Clients<'a>,
    effort: Effort,
}

impl Bench<'_> {
    /// Requests a second against nginx, with a whole processor and with half of one.
    fn speed(&self, text: &mut String, nginx: SocketAddr) -> Outcome {
        write!(text, "\n| against nginx, requests a second |")?;
        for kind in Kind::ALL {
            write!(text, " {} |", kind.name())?;
            if kind != Kind::Wrk {
                write!(text, " ÷ wrk |")?;
            }
        }
        writeln!(text, " processor time for a request, µs |\n| --- |{}", " ---: |".repeat(6))?;
        for halved in [false, true] {
            for connections in CONNECTIONS {
                // Clients come to be in the group that this process is in.
                let group = halved.then(|| Share::of(&[std::process::id()])).transpose()?;
                let said = self.rounds(nginx, connections)?;
                drop(group);
                let part = if halved { ", client with half a processor" } else { "" };
                write!(text, "| {} connections{part} |", Grouped(u64::from(connections)))?;
                row(text, &said)?;
            }
        }
        Ok(())
    }

    /// All clients in turns, each first in turn.
    fn rounds(&self, address: SocketAddr, connections: u32) -> Outcome<[Vec<Said>; 3]> {
        let mut said: [Vec<Said>; 3] = Default::default();
        for round in 0..self.effort.rounds {
            for place in 0..Kind::ALL.len() {
                let index = (place + round) % Kind::ALL.len();
                let time = (self.effort.seconds, None);
                said[index].push(self.clients.ask(Kind::ALL[index], address, connections, time)?);
            }
        }
        Ok(said)
    }

    /// What clients take of memory.
    fn memory(&self, text: &mut String, nginx: SocketAddr) -> Outcome {
        let count = self.effort.measured as u32;
        writeln!(
            text,
            "\n| memory of the client's own | at 100 connections | at {} | bytes for each more |",
            Grouped(u64::from(count))
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: |")?;
        for kind in Kind::ALL {
            let few = self.clients.memory(kind, nginx, 100)?;
            let many = self.clients.memory(kind, nginx, count)?;
            let each = many.saturating_sub(few) / u64::from(count - 100);
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            writeln!(
                text,
                "| {} | {:.1} MB | {:.1} MB | {} |",
                kind.name(),
                megabytes(few),
                megabytes(many),
                Grouped(each)
            )?;
        }
        Ok(())
    }

    /// The least latency that clients see: one connection to a server that has the answer at hand.
    fn floor(&self, text: &mut String, server: SocketAddr) -> Outcome {
        writeln!(text, "\n| one connection to `crore serve`, µs | p50 | p99 |")?;
        writeln!(text, "| --- | ---: | ---: |")?;
        for rate in [None, Some(FLOOR_RATE)] {
            for kind in Kind::ALL {
                // wrk has no rate.
                if rate.is_some() && kind == Kind::Wrk {
                    continue;
                }
                let time = (self.effort.seconds, rate);
                let said: Outcome<Vec<Said>> =
                    (0..FLOOR_ROUNDS).map(|_| self.clients.ask(kind, server, 1, time)).collect();
                let said = said?;
                let median = |of: fn(&Said) -> f64| Spread::new(said.iter().map(of).collect());
                let (p50, p99) = (median(|said| said.p50), median(|said| said.p99));
                let at = rate.map_or(String::new(), |rate| {
                    format!(", {} a second, from when due", Grouped(u64::from(rate)))
                });
                writeln!(
                    text,
                    "| {}{at} | {:.1} | {:.1} |",
                    kind.name(),
                    p50.median(),
                    p99.median()
                )?;
            }
        }
        Ok(())
    }
}

/// The rest of a line: medians, ratios to wrk, and what each client's processor time was.
fn row(text: &mut String, said: &[Vec<Said>; 3]) -> Outcome {
    let of = |index: usize, figure: fn(&Said) -> f64| -> Vec<f64> {
        said[index].iter().map(figure).collect()
    };
    for index in 0..Kind::ALL.len() {
        let rates = of(index, |said| said.rate);
        write!(text, " {} |", Grouped(Spread::new(rates.clone()).median() as u64))?;
        if index > 0 {
            let wrk = of(0, |said| said.rate);
            write!(text, " {} |", ratio(&Spread::of_ratios(&rates, &wrk)))?;
        }
    }
    let busy = |index| Spread::new(of(index, |said| said.busy)).median();
    writeln!(text, " {:.1}, {:.1}, {:.1} |", busy(0), busy(1), busy(2))?;
    Ok(())
}
