//! `crore demo`: a server and its clients in one process, each on a stack of its own, joined by a
//! wire of memory that carries real frames. Shows what ten million connections cost, on any machine
//! and without being root.
//!
//! - [`network`] is who is where, [`server`] the one end, [`client`] and [`crowd`] the other.
//!   Each shard polls ([`polling`]).
//! - [`veth`] is a wire of the kernel's in place of that of memory, and [`bystander`] a client of the
//!   kernel's there.
//! - [`processor`] says whether others had the processors meanwhile, [`undisturbed`] what latencies were while
//!   nobody had.
//! - [`memory`] says beforehand whether it fits, [`progress`] where things are, [`report`] what
//!   was found.
//!
//! Invariant: both ends pass through everything a real one does: Ethernet, ARP, IP, TCP with its
//! options and checksums, the HTTP handler of `crore serve`.

mod bystander;
mod client;
mod crowd;
pub mod memory;
mod network;
mod polling;
mod processor;
mod progress;
pub mod report;
mod server;
mod undisturbed;
mod veth;

use std::fmt::Display;
use std::num::NonZeroU32;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use port_xdp::XdpPort;
use stack::ReserveError;
use stack::port::{MemPort, Port};

use crate::output;
use crate::serve::Failure;
use crate::settings::{self, Problem};

use bystander::Bystander;
use client::{Board, CHURNING, Client, Findings, Plan, Stalled};
pub use network::Network;
pub use polling::Polling;
use progress::{Progress, State};
use report::Report;
pub use server::{Server, Watch};
use veth::Veth;

/// Numbers of connections at which the cost of a packet is measured, besides all of them.
const STEPS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Between two looks at how far things are.
const LOOK: Duration = Duration::from_millis(100);

/// The arguments of `crore demo`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Connections to open
    #[arg(short, long, value_name = "COUNT", default_value = "10000000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3_000_000_000))]
    connections: u32,

    /// Requests a second at the end, in place of as many as are answered
    #[arg(short, long, value_name = "RATE", value_parser = settings::whole::<NonZeroU32>)]
    rate: Option<NonZeroU32>,

    /// Server shards, each with a client shard of its own
    #[arg(long, value_name = "COUNT", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    server_shards: u32,

    /// How long requests are sent over random connections at the end
    #[arg(short, long, value_name = "SECONDS", default_value = "10")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,

    /// What joins both ends: memory, or a veth pair between two network namespaces, by AF_XDP (root)
    #[arg(long, value_enum, default_value = "mem")]
    net: Wire,

    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// What joins both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Wire {
    /// A wire of memory, in this process
    Mem,
    /// Two hosts of the kernel's on one wire, each shared with our stack; gone with this process
    Xdp,
}

/// A server shard and its clients.
struct Pair<P: Port> {
    server: Server<P>,
    client: Client<P>,
    plan: Plan,
    board: Arc<Board>,
}

/// Shows it, and prints the results on standard output.
///
/// # Errors
/// When memory does not suffice, or something broke.
pub fn demo(options: &Options) -> Result<(), Failure> {
    let connections = options.connections;
    let shards = options.server_shards.min(connections);
    memory::check(connections, shards)?;
    let (findings, bystander) = match options.net {
        Wire::Mem => {
            let pairs = each(options, shards, |_, plan| Pair::over_memory(plan))?;
            (show(options, pairs, None)?, None)
        }
        Wire::Xdp => {
            let veth = Veth::new(shards.try_into().unwrap_or(u16::MAX))?;
            let mut ports = veth.ports.into_iter();
            let pairs = each(options, shards, |shard, plan| {
                let ports = ports.next().expect("there are as many as shards");
                Pair::over_veth(plan, shard, ports)
            })?;
            let bystander = Bystander::start(veth.clients);
            let findings = show(options, pairs, Some(&bystander));
            let found = bystander.end();
            (findings?, found)
        }
    };
    let steps: Vec<u64> = steps(connections).into_iter().map(u64::from).collect();
    let report = Report::new(&steps, &findings, bystander.as_ref());
    if options.json {
        let json = serde_json::to_string_pretty(&report);
        output::line(json.map_err(|error| broken(&error.to_string()))?)?;
    } else {
        output::print(report.to_string().as_bytes())?;
    }
    match findings.iter().map(|found| found.lost).sum() {
        0 => Ok(()),
        lost => Err(broken(&format!("{lost} connections broke, which is a fault of crore's own"))),
    }
}

/// The numbers of connections at which the cost of a packet is measured.
fn steps(connections: u32) -> Vec<u32> {
    STEPS.into_iter().filter(|&step| step < connections).chain([connections]).collect()
}

/// Runs both ends, telling how far they are.
fn show<P>(
    options: &Options,
    pairs: Vec<Pair<P>>,
    bystander: Option<&Bystander>,
) -> Result<Vec<Findings>, Failure>
where
    P: Port<Error: Display + Send> + Send,
{
    let boards: Vec<_> = pairs.iter().map(|pair| Arc::clone(&pair.board)).collect();
    // At full load, and at a part of it where no rate is given.
    let parts = if options.rate.is_none() { 2 } else { 1 };
    let time = Duration::from_secs(parts * u64::from(options.seconds)) + CHURNING;
    let mut progress = Progress::new(u64::from(options.connections), time);
    let findings = run(pairs, |at_work| {
        let state = state(&boards);
        if let Some(bystander) = bystander {
            bystander.set_asking(at_work && state.asking);
        }
        progress.tell(state);
    });
    progress.end();
    findings.map_err(|stalled| broken(&stalled.to_string()))
}

/// Makes all shards with `make`, which reserves their memory.
fn each<P: Port>(
    options: &Options,
    shards: u32,
    mut make: impl FnMut(u32, Plan) -> Result<Pair<P>, ReserveError>,
) -> Result<Vec<Pair<P>>, Failure> {
    // The first ones take one more each where it does not come out even.
    let share =
        |count: u32, shard: u32| (count / shards + u32::from(shard < count % shards)).max(1);
    let all = options.connections;
    let rate = options.rate.map(|rate| f64::from(rate.get()) / f64::from(shards));
    let pair = |shard| {
        let connections = share(all, shard);
        let plan = Plan {
            connections,
            steps: steps(all).into_iter().map(|step| share(step, shard)).collect(),
            time: Duration::from_secs(u64::from(options.seconds)),
            rate,
        };
        make(shard, plan).map_err(|error| broken(&error.to_string()))
    };
    (0..shards).map(pair).collect()
}

impl Pair<MemPort> {
    fn over_memory(plan: Plan) -> Result<Self, ReserveError> {
        let network = Network::new(plan.connections);
        let (near, far) = Network::wire()?;
        let board = Arc::new(Board::default());
        let server = Server::new(far, &network)?;
        let client = Client::new(near, &network, server.watch(), Arc::clone(&board))?;
        Ok(Self { server, client, plan, board })
    }
}

impl Pair<XdpPort> {
    /// The pair of shards with this number, at queues of their own.
    fn over_veth(
        plan: Plan,
        shard: u32,
        (near, far): (XdpPort, XdpPort),
    ) -> Result<Self, ReserveError> {
        let network = Network::new(plan.connections).beside(shard);
        let board = Arc::new(Board::default());
        let alarm = far.alarm();
        // What the port takes is in the stack's pools.
        let server = Server::at(far, &network, move || alarm.ring(), 0)?;
        let client = Client::new(near, &network, server.watch(), Arc::clone(&board))?;
        Ok(Self { server, client, plan, board })
    }
}

/// Runs all shards to the end of the clients' plans, calling `look` now and then, and once before the
/// servers end, with whether clients are at work.
fn run<P>(pairs: Vec<Pair<P>>, mut look: impl FnMut(bool)) -> Result<Vec<Findings>, Stalled>
where
    P: Port<Error: Display + Send> + Send,
{
    let together = Barrier::new(pairs.len());
    let servers: Vec<_> = pairs.iter().map(|pair| pair.server.watch()).collect();
    let mut cpus = shard::cpu::assign(2 * pairs.len()).into_iter();
    let mut pin = move || {
        let cpu = cpus.next().flatten();
        // Where the kernel refuses, the scheduler places the thread.
        move || cpu.is_some_and(shard::cpu::pin)
    };
    thread::scope(|scope| {
        let together = &together;
        let mut clients = Vec::new();
        for Pair { server, client, plan, .. } in pairs {
            let (pin_server, pin_client) = (pin(), pin());
            scope.spawn(move || {
                pin_server();
                // When it fails, its clients get no answer, and say so.
                let _ = server.run();
            });
            clients.push(scope.spawn(move || {
                pin_client();
                client.run(&plan, together)
            }));
        }
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            look(true);
            thread::sleep(LOOK);
        }
        look(false);
        servers.iter().for_each(Watch::stop);
        let join =
            |client: thread::ScopedJoinHandle<'_, _>| client.join().expect("it does not panic");
        clients.into_iter().map(join).collect()
    })
}

fn state(boards: &[Arc<Board>]) -> State {
    State {
        opened: boards.iter().map(|board| board.opened.get()).sum(),
        answered: boards.iter().map(|board| board.answered.get()).sum(),
        asking: boards.iter().all(|board| board.asking.get() > 0),
    }
}

fn broken(what: &str) -> Failure {
    Failure::ended(Problem::unplaced(what))
}
