//! crore's own stack on AF_XDP against nginx on the kernel's, over the same wire: a veth pair between
//! two network namespaces, at the same address of the same host. One worker each, on processor 0; wrk
//! asks from the other host, on processor 1. Needs root.
//!
//! What the wire does to a packet, up to the client's own TCP, is done by the processor that sends it,
//! for both alike.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use base::Grouped;
use rig::netns::{INTERFACE, Network, SERVER};
use rig::nginx::{self, Nginx};
use rig::process::Process;
use rig::tree::{Tree, pattern};

use super::contestant::NGINX_HTTP;
use super::spread::Spread;
use super::table::ratio;
use super::wrk::{Load, Measured, Wrk};
use super::{Effort, machine};
use crate::metadata::Metadata;
use crate::{Outcome, build};

const SMALL: usize = 1 << 10;
const LARGE: usize = 1 << 20;
const NGINX_PORT: u16 = 81;
const CRORE_PORT: u16 = 80;

/// The large file goes as nginx sends it best.
const NGINX_SERVER: &str = "location = /large { sendfile on; tcp_nopush on; }";

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

const fn small(connections: u32, close: bool) -> Load<'static> {
    Load { path: "/small", length: SMALL, connections, close }
}

/// What was measured under one load, round by round: nginx, crore.
type Row = [Vec<Measured>; 2];

/// Runs everything and gives the report, in Markdown.
pub fn compare(effort: Effort) -> Outcome<String> {
    // The one that `CRORE_PROGRAM` names, if it names one.
    let program = rig::crore::program().or_else(|_| build::crore(&Metadata::load()?))?;
    let tree = Tree::new()?;
    tree.file("small", pattern(SMALL))?;
    tree.file("large", pattern(LARGE))?;
    let network = Network::new(1, 1500)?;
    let settings = nginx::Settings {
        root: tree.root(),
        http: NGINX_HTTP,
        server: NGINX_SERVER,
        core: Some(0),
    };
    let _nginx = Nginx::start_on(&network, &settings, NGINX_PORT)?;
    let _crore = crore(&network, &program, tree.root())?;
    let wrk = Wrk::within(network.client_name())?;
    let mut rows: Vec<Row> = LOADS.iter().map(|_| Row::default()).collect();
    for round in 0..effort.rounds {
        println!("round {} of {}", round + 1, effort.rounds);
        for (row, (name, _, load)) in rows.iter_mut().zip(LOADS) {
            for place in [0, 1] {
                // Each is first in turn.
                let index = (place + round) % 2;
                let address = SocketAddr::new(SERVER.parse()?, [NGINX_PORT, CRORE_PORT][index]);
                let measured = wrk.measure(address, load, effort.seconds)?;
                println!("{:>12.0}/s  {}, {name}", measured.rate, ["nginx", "crore"][index]);
                row[index].push(measured);
            }
        }
    }
    Ok(format!("{}\n{}", machine::describe_servers(&program, effort)?, table(&rows)))
}

/// crore with one shard, pinned before it starts: the shard stays where it may run.
fn crore(network: &Network, program: &Path, root: &Path) -> Outcome<Process> {
    let mut command: Command = network.on_server("taskset");
    command.args(["-c", "0"]).arg(program).arg("serve").arg(root);
    command.args(["--net", &format!("xdp:{INTERFACE}"), "--shards", "1", "--log", "none"]);
    command.args(["--listen", &format!("{SERVER}:{CRORE_PORT}"), "--idle-time", "1h"]);
    network.started(command, CRORE_PORT)
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| requests a second | nginx | crore, xdp | ratio | p99 nginx, ms | p99 crore, ms | aim |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (row, (name, aim, _)) in rows.iter().zip(LOADS) {
        let [nginx, crore] = row;
        let rates = |of: &[Measured]| of.iter().map(|one| one.rate).collect::<Vec<_>>();
        let slow =
            |of: &[Measured]| Spread::new(of.iter().map(|one| one.p99 / 1e3).collect()).median();
        let rate = |of: &[Measured]| Grouped(Spread::new(rates(of)).median().round() as u64);
        let ratio = ratio(&Spread::of_ratios(&rates(crore), &rates(nginx)));
        let aim = if *aim > 0.0 { format!("≥ {aim:.1}") } else { "none".into() };
        text += &format!(
            "| {name} | {} | {} | {ratio} | {:.2} | {:.2} | {aim} |\n",
            rate(nginx),
            rate(crore),
            slow(nginx),
            slow(crore)
        );
    }
    text
}
