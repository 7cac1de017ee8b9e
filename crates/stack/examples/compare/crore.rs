//! Our own stack.

use std::sync::Arc;
use std::time::Instant as Clock;

use app::{Counters, Cx, Engine, Handler, Step};
use base::{Instant, Limits, SipKey};
use port::{Caps, MemPort};
use stack::{Config, Listener, Native, Route, Secrets};

use crate::peer::{SERVER, SERVER_MAC, SERVER_PORT};
use crate::{Cost, Server, measure};

/// Answers every question with itself.
struct Echo;

impl Handler for Echo {
    type Conn = u32;

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        if cx.input_ended {
            return Step::close();
        }
        let taken = cx.out.put_some(rx);
        if taken < rx.len() { Step::write(taken) } else { Step::idle(taken) }
    }
}

struct Crore {
    engine: Native<MemPort, u32>,
    start: Clock,
}

impl Server for Crore {
    fn turn(&mut self, _: &[u32]) {
        let now = Instant::from_nanos(self.start.elapsed().as_nanos() as u64);
        while self.engine.turn(now, &mut Echo) != Ok(0) {}
    }

    fn bytes(&self) -> usize {
        self.engine.bytes_touched()
    }
}

pub fn cost(connections: u32) -> Result<Cost, String> {
    let (here, there) =
        MemPort::pair(256 << 10, Caps::ETHERNET).map_err(|error| error.to_string())?;
    let config = Config {
        shard: 0,
        mac: SERVER_MAC,
        addresses: vec![SERVER.into()],
        routes: vec![Route { prefix: SERVER.into(), length: 24, gateway: None }],
        listeners: vec![Listener { address: None, port: SERVER_PORT }],
        limits: Limits { connections, ..Limits::default() },
        working: 1_024,
        buffers: 1_024,
        frames: 256,
        tcp: tcp::Config::default(),
        secrets: Secrets {
            flows: SipKey::new([1, 2]),
            sequence: SipKey::new([3, 4]),
            cookies: SipKey::new([5, 6]),
        },
    };
    let engine = Native::new(here, &config, Arc::new(Counters::default()), Instant::ZERO)
        .map_err(|error| error.to_string())?;
    measure(Crore { engine, start: Clock::now() }, there, connections)
}
