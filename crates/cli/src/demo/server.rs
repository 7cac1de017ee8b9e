//! The server: the HTTP handler of `crore serve` with one answer in memory, on a stack of its own.
//! Invariant: what it says of itself it has counted itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app::{Counter, Counters, Engine};
use http::{Http, LiveSettings, Response, service_fn};
use stack::port::MemPort;
use stack::{Native, ReserveError};

use super::crowd::ANSWER;
use super::network::{Network, WIRE_BYTES};
use super::polling::Polling;

/// How long a connection may rest. Longer than any demonstration.
const IDLE_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What a server shard says of itself.
#[derive(Debug, Default)]
pub struct Figures {
    /// Nanoseconds spent in turns that found work.
    pub busy: Counter,
    /// Packets that arrived and packets sent.
    pub packets: Counter,
    /// Connections open.
    pub connections: Counter,
    /// Bytes of memory held: records, table, working blocks, buffers, packets, both rings.
    pub memory: Counter,
}

/// A server shard.
pub struct Server {
    engine: Native<MemPort, http::Conn>,
    counters: Arc<Counters>,
    figures: Arc<Figures>,
}

impl Server {
    pub fn new(
        port: MemPort,
        network: &Network,
        figures: Arc<Figures>,
    ) -> Result<Self, ReserveError> {
        let counters = Arc::new(Counters::default());
        let engine =
            Native::new(port, &network.server(), Arc::clone(&counters), shard::time::now())?;
        Ok(Self { engine, counters, figures })
    }

    /// Serves until told to stop.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), Infallible> {
        let settings = http::Settings { idle_time: IDLE_TIME, ..http::Settings::default() };
        let mut handler = Http::new(
            service_fn(|_| Response::text(200, ANSWER)),
            Arc::new(LiveSettings::new(settings)),
            Arc::new(shard::time::clock()),
            Arc::new(http::Counters::default()),
        );
        let mut polling = Polling::default();
        let mut now = shard::time::now();
        while !stop.load(Ordering::Relaxed) {
            let events = self.engine.turn(now, &mut handler)?;
            let end = shard::time::now();
            if events > 0 {
                self.tell(end.since(now), self.counters.connections.get());
            }
            polling.after(events);
            now = end;
        }
        Ok(())
    }

    fn tell(&self, busy: Duration, connections: u64) {
        let figures = &self.figures;
        // A turn does not last for centuries.
        figures.busy.add(busy.as_nanos() as u64);
        figures.packets.set(self.engine.packets());
        figures.connections.set(connections);
        figures.memory.set((self.engine.bytes_touched() + 2 * WIRE_BYTES) as u64);
    }
}
