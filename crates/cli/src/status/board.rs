//! Where every shard's counters hang: [`Board`], and what it reads at one moment: [`Reading`].

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crore::http;
use crore::{Control, Counters, Running, Vitals};

use super::figures::{FIGURES, Figure};
use super::process::Process;

/// What there is to tell about a server. Made before the server starts, so that its handlers can
/// hang up their counters, and completed when it has started.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    process: Process,
    shards: Mutex<Vec<Shard>>,
    server: OnceLock<Server>,
}

/// The counters of one shard.
#[derive(Clone, Debug)]
pub struct Shard {
    index: u16,
    pub(super) engine: Arc<Counters>,
    pub(super) http: Arc<http::Counters>,
    pub(super) site: Arc<site::Counters>,
    /// Where our own stack is the engine; known once it has started.
    pub(super) stack: Option<Arc<Vitals>>,
}

/// What is known of a server once it serves.
#[derive(Debug)]
struct Server {
    facts: Facts,
    /// The CPU each shard is pinned to.
    cpus: Vec<Option<String>>,
    control: Control,
}

/// What does not change while a server runs.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// The engine's name.
    pub engine: &'static str,
    /// Why it was chosen.
    pub engine_reason: String,
    /// Where the server listens.
    pub addresses: Vec<String>,
    /// Connections it may hold.
    pub max_connections: u32,
    /// Memory that the engines held before there was a connection, in bytes: buffers that all
    /// connections share.
    pub base_bytes: u64,
}

/// What a server is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Its shards are being set up.
    Starting,
    /// It serves.
    Serving,
    /// It was told to stop, and finishes what it owes.
    Draining,
}

/// Everything on a board at one moment.
#[derive(Debug)]
pub struct Reading {
    /// What the server is doing.
    pub state: State,
    /// What does not change.
    pub facts: Facts,
    /// The time since the Unix epoch.
    pub time: Duration,
    /// The time since the start.
    pub uptime: Duration,
    /// CPU time the process has used.
    pub cpu_time: Duration,
    /// Memory of the process that is backed by pages, in bytes; `None` where the kernel does not
    /// say.
    pub resident: Option<u64>,
    /// Whether our own stack is the engine, so that there are figures of it.
    pub own_stack: bool,
    /// The shards in the order of their numbers.
    pub shards: Vec<ShardReading>,
}

/// One shard at one moment.
#[derive(Debug)]
pub struct ShardReading {
    /// Its number.
    pub index: u16,
    /// The CPU it is pinned to.
    pub cpu: Option<String>,
    /// A value for each of [`FIGURES`].
    pub values: Vec<u64>,
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            process: Process::new(),
            shards: Mutex::default(),
            server: OnceLock::new(),
        }
    }

    /// Hangs up the counters of a shard.
    pub fn add(
        &self,
        index: u16,
        engine: Arc<Counters>,
        http: Arc<http::Counters>,
        site: Arc<site::Counters>,
    ) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.push(Shard { index, engine, http, site, stack: None });
        shards.sort_by_key(|shard| shard.index);
    }

    /// Completes the board when the server has started. Only the first call counts.
    pub fn complete(&self, running: &Running) {
        let cpus = running.shards().iter().map(|shard| shard.cpu().map(|cpu| cpu.to_string()));
        let facts = Facts {
            engine: running.engine(),
            engine_reason: running.why().to_owned(),
            addresses: running.addresses().iter().map(ToString::to_string).collect(),
            max_connections: running.limits().connections,
            base_bytes: running.shards().iter().map(|shard| shard.counters().memory.get()).sum(),
        };
        let vitals = running.shards().iter().map(|shard| shard.vitals().cloned());
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        for (shard, vitals) in shards.iter_mut().zip(vitals) {
            shard.stack = vitals;
        }
        drop(shards);
        let server = Server { facts, cpus: cpus.collect(), control: running.control() };
        // A second server would have a board of its own.
        let _ = self.server.set(server);
    }

    /// Whether new connections are served.
    pub fn ready(&self) -> bool {
        self.state() == State::Serving
    }

    /// What controls the server, once it serves.
    pub fn control(&self) -> Option<&Control> {
        self.server.get().map(|server| &server.control)
    }

    fn state(&self) -> State {
        match self.server.get() {
            None => State::Starting,
            Some(server) if server.control.stopping() => State::Draining,
            Some(_) => State::Serving,
        }
    }

    /// Reads everything.
    pub fn read(&self) -> Reading {
        let server = self.server.get();
        let cpu = |index| server?.cpus.get(usize::from(index))?.clone();
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let own_stack = shards.iter().any(|shard| shard.stack.is_some());
        let shards = shards.iter().map(|shard| ShardReading {
            index: shard.index,
            cpu: cpu(shard.index),
            values: FIGURES.iter().map(|figure| figure.read(shard)).collect(),
        });
        Reading {
            state: self.state(),
            facts: server.map(|server| server.facts.clone()).unwrap_or_default(),
            time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            uptime: self.started.elapsed(),
            cpu_time: self.process.cpu_time(),
            resident: self.process.resident(),
            own_stack,
            shards: shards.collect(),
        }
    }
}

impl Reading {
    /// The sum of a figure over all shards. `place` is its place in [`FIGURES`].
    pub fn total(&self, place: usize) -> u64 {
        self.shards.iter().map(|shard| shard.values[place]).sum()
    }

    /// Memory held for each connection, in bytes, the shared buffers not counted; none without
    /// connections.
    pub fn bytes_per_connection(&self) -> Option<f64> {
        let connections = self.total_of("connections");
        let bytes = self.total_of("connection_bytes").saturating_sub(self.facts.base_bytes);
        (connections > 0).then(|| bytes as f64 / connections as f64)
    }

    /// The sum of the figure that has this key in JSON.
    fn total_of(&self, key: &str) -> u64 {
        FIGURES.iter().position(|f: &Figure| f.key() == key).map_or(0, |place| self.total(place))
    }
}
