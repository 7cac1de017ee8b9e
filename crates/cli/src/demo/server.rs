//! The server: the HTTP handler of `crore serve` with one answer in memory, on a stack of its own, in
//! the loop that every shard runs. Invariant: what is said of it, it has counted itself.

use std::sync::Arc;
use std::time::Duration;

use app::Counters;
use http::{Http, LiveSettings, Response, service_fn};
use shard::{Letterbox, Order, Shard, Wakes};
use stack::port::{MemPort, Port};
use stack::{Native, ReserveError, Vitals};

use super::crowd::ANSWER;
use super::network::{Network, WIRE_BYTES};
use super::processor::Thread;

/// How long a connection may rest. Longer than any demonstration.
const IDLE_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A server shard.
pub struct Server<P: Port> {
    shard: Shard<Native<P, http::Conn>>,
    watch: Watch,
}

/// Watches a server shard from other threads, and stops it.
#[derive(Clone, Debug)]
pub struct Watch {
    counters: Arc<Counters>,
    vitals: Arc<Vitals>,
    wakes: Wakes,
    thread: Arc<Thread>,
    link_bytes: u64,
}

impl Server<MemPort> {
    /// At a wire of memory.
    pub fn new(port: MemPort, network: &Network) -> Result<Self, ReserveError> {
        let bell = port.bell();
        Self::at(port, network, move || bell.ring(), 2 * WIRE_BYTES)
    }
}

impl<P: Port> Server<P> {
    /// At a port that is woken by `ring` and takes so many bytes itself.
    pub fn at(
        port: P,
        network: &Network,
        ring: impl Fn() + Send + Sync + 'static,
        bytes: usize,
    ) -> Result<Self, ReserveError> {
        let counters = Arc::new(Counters::default());
        let letterbox = Arc::new(Letterbox::new(ring));
        let config = network.server();
        let engine = Native::new(port, &config, Arc::clone(&counters), shard::time::now())?;
        let watch = Watch {
            counters: Arc::clone(&counters),
            vitals: engine.vitals(),
            wakes: Wakes::new(config.shard, vec![Arc::clone(&letterbox)]),
            thread: Arc::default(),
            link_bytes: bytes as u64,
        };
        let clock = Arc::new(shard::time::clock());
        Ok(Self { shard: Shard::new(engine, letterbox, clock, counters), watch })
    }

    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Serves until told to stop, on the calling thread.
    ///
    /// # Errors
    /// When the port fails.
    pub fn run(self) -> Result<(), P::Error> {
        self.watch.thread.is_this();
        let settings = http::Settings { idle_time: IDLE_TIME, ..http::Settings::default() };
        let mut handler = Http::new(
            service_fn(|_| Response::text(200, ANSWER)),
            Arc::new(LiveSettings::new(settings)),
            Arc::new(shard::time::clock()),
            Arc::new(http::Counters::default()),
        );
        self.shard.run(&mut handler)
    }
}

impl Watch {
    /// Nanoseconds spent in turns that found work.
    pub fn busy(&self) -> u64 {
        self.counters.busy.get()
    }

    /// Packets that arrived and packets sent.
    pub fn packets(&self) -> u64 {
        self.vitals.packets_in.get() + self.vitals.packets_out.get()
    }

    /// Connections open.
    pub fn connections(&self) -> u64 {
        self.counters.connections.get()
    }

    /// Bytes of memory held: records, table, working blocks, buffers, packets, and the link's.
    pub fn memory(&self) -> u64 {
        self.counters.memory.get() + self.link_bytes
    }

    /// Its thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Ends the server, with all of its connections.
    pub fn stop(&self) {
        self.wakes.order(Order::ShutDown);
    }
}
