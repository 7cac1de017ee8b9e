//! One shard on crore's own stack, joined by a wire of memory to a server in this process: no
//! descriptors, no kernel, and so no limit but memory. Server and wire are those of `crore demo`.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use app::{Counter, Counters, Engine, Wake};
use base::{ConnId, Grouped};
use load::{Board, Conn, Generator, Orders, Place, Plan, Range, Share, Sources};
use stack::Native;
use stack::port::MemPort;

use crate::demo::{Network, Polling, Server, Watch};
use crate::serve::Failure;
use crate::settings::Problem;

use super::shards::look;
use super::{Crew, Job, Look};

/// What the in-memory server is called and where it is.
pub const URL: &str = "http://10.0.0.1/";

/// A server and a client shard.
pub struct Memory {
    orders: Arc<Orders>,
    board: Arc<Board>,
    stop: Arc<AtomicBool>,
    server: Watch,
    /// Bytes that the client's stack holds, and the most connections there were then.
    held: Arc<Held>,
    threads: Vec<JoinHandle<Result<(), Infallible>>>,
}

#[derive(Default)]
struct Held {
    bytes: Counter,
    connections: Counter,
}

/// Wakes that are delivered after the turn.
#[derive(Default)]
struct Wakes(Mutex<Vec<ConnId>>);

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }
}

impl Memory {
    pub fn start(job: Job) -> Result<Self, Failure> {
        let failed =
            |error: stack::ReserveError| Failure::ended(Problem::unplaced(error.to_string()));
        let all = job.plan.phases.iter().map(load::Phase::all_connections).max().unwrap_or(0);
        let network = Network::new(u32::try_from(all).unwrap_or(u32::MAX));
        let (first, count) = network.clients();
        let sources = Sources(vec![Range::run(first, u64::from(count.max(1)))]);
        let (near, far) = Network::wire().map_err(failed)?;
        let server = Server::new(far, &network).map_err(failed)?;
        let counters = Arc::new(Counters::default());
        let engine: Native<MemPort, Conn> =
            Native::new(near, &network.client(), counters, shard::time::now()).map_err(failed)?;
        let (orders, board, held) =
            (Arc::new(Orders::default()), Arc::new(Board::default()), Arc::new(Held::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let wakes = Arc::new(Wakes::default());
        let place = Place {
            share: Share { index: 0, count: 1 },
            orders: Arc::clone(&orders),
            board: Arc::clone(&board),
            wake: wakes.clone(),
        };
        let plan = Arc::new(Plan { sources, ..job.plan });
        let generator = Generator::new(plan, place);
        let mut cpus = shard::cpu::assign(2).into_iter();
        let (server_cpu, client_cpu) = (cpus.next().flatten(), cpus.next().flatten());
        let (watch, stop_client) = (server.watch(), Arc::clone(&stop));
        let told = Arc::clone(&held);
        let threads = vec![
            thread::spawn(move || {
                let _ = server_cpu.is_some_and(shard::cpu::pin);
                server.run()
            }),
            thread::spawn(move || {
                let _ = client_cpu.is_some_and(shard::cpu::pin);
                run(engine, generator, &wakes, &told, &stop_client)
            }),
        ];
        Ok(Self { orders, board, stop, server: watch, held, threads })
    }
}

/// The client's loop: it looks again when there is nothing to do, as a data plane does.
fn run(
    mut engine: Native<MemPort, Conn>,
    mut generator: Generator,
    wakes: &Wakes,
    held: &Held,
    stop: &AtomicBool,
) -> Result<(), Infallible> {
    let mut polling = Polling::default();
    let mut woken = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let now = shard::time::now();
        let events = engine.turn(now, &mut generator)?;
        std::mem::swap(&mut woken, &mut wakes.0.lock().unwrap_or_else(PoisonError::into_inner));
        for id in woken.drain(..) {
            engine.wake(now, id, &mut generator);
        }
        let connections = u64::from(<Native<_, _> as Engine<Generator>>::connections(&engine));
        if connections >= held.connections.get() {
            held.connections.set(connections);
            held.bytes.set(engine.bytes_touched() as u64);
        }
        polling.after(events);
    }
    Ok(())
}

impl Crew for Memory {
    fn begin(&mut self) -> Result<(), Failure> {
        self.orders.begin_next();
        Ok(())
    }

    fn look(&mut self) -> Result<Look, Failure> {
        if self.threads.iter().any(JoinHandle::is_finished) {
            let problem = Problem::unplaced("a shard has stopped, which is a fault of crore's own");
            return Err(Failure::ended(problem));
        }
        Ok(look(std::slice::from_ref(&self.board), "crore's own stack over memory"))
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.orders.stop();
        Ok(())
    }

    fn engine(&self) -> String {
        let (bytes, connections) = (self.held.bytes.get(), self.held.connections.get().max(1));
        format!(
            "crore's own stack over memory, {:.1} bytes a connection at {} at this end",
            bytes as f64 / connections as f64,
            Grouped(connections),
        )
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
