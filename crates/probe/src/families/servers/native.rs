//! crore's own stack with its HTTP handler: a server and a client engine joined by a wire of memory, both
//! driven by this thread, so that a request's time is the work of both ends and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{Counters, Cx, Dial, DialError, End, Engine, Handler, Step};
use base::{ConnId, Limits, SipKey};
use http::{Http, LiveSettings, Response, Settings, service_fn};
use stack::port::{Caps, MemPort};
use stack::tcp;
use stack::wire::ethernet::Mac;
use stack::{Config, Listener, Native, Route, Secrets};

use super::REQUESTS;
use crate::run::{Run, Stop};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// The first client; each connects from so many ports, starting with this one.
const FIRST_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
const PORTS: u32 = 50_000;
const FIRST_PORT: u16 = 10_000;

/// Bytes that the wire holds in each direction, working blocks and packet buffers of each end.
const WIRE_BYTES: usize = 256 << 10;
const WORKING: u32 = 1_024;
const FRAMES: u32 = 512;

/// More than this many connections are for `crore demo`.
const CONNECTIONS_MAX: u64 = 10_000_000;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
const BODY: &str = "ok\n";

/// For [`exchange`]: connections open, how many of them ask at once, how often in a round, and rounds that
/// count after one that does not.
const OPEN: u32 = 1_024;
const ASKING: usize = 32;
const QUESTIONS: usize = 100;
const ROUNDS: usize = 8;

/// Turns without an answer after which something is broken: each is a look at an empty wire.
const TURNS_MAX: u32 = 10_000_000;

/// The clients: each connection asks when it opens and when it is woken.
#[derive(Default)]
struct Clients {
    ids: Vec<ConnId>,
    /// Connections to open, and begun.
    target: u32,
    dialled: u32,
    answered: u64,
    broken: u32,
}

impl Clients {
    fn ask(cx: &mut Cx<'_, ()>) -> Step {
        if cx.out.put(REQUEST).is_err() { Step::stay() } else { Step::read(0) }
    }
}

impl Handler for Clients {
    type Conn = ();

    fn dial(&mut self, _: base::Instant) -> Option<Dial<()>> {
        // One at a time: the next when the last has been answered.
        if self.dialled == self.target || u64::from(self.dialled) > self.answered {
            return None;
        }
        let client = Ipv4Addr::from_bits(FIRST_CLIENT.to_bits() + self.dialled / PORTS);
        // Below 10,000 + 50,000.
        let port = FIRST_PORT + (self.dialled % PORTS) as u16;
        self.dialled += 1;
        Some(Dial::new(SERVER, ()).from(SocketAddr::new(IpAddr::V4(client), port)))
    }

    fn undialled(&mut self, _: base::Instant, (): (), _: DialError) {
        self.broken += 1;
    }

    fn open(&mut self, cx: &mut Cx<'_, ()>) -> Step {
        self.ids.push(cx.id);
        Self::ask(cx)
    }

    fn wake(&mut self, cx: &mut Cx<'_, ()>) -> Step {
        Self::ask(cx)
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if !rx.ends_with(BODY.as_bytes()) {
            return Step::read(0);
        }
        self.answered += 1;
        Step::idle(rx.len())
    }

    fn end(&mut self, _: &mut Cx<'_, ()>, _: End) {
        self.broken += 1;
    }
}

/// Both ends.
struct Pair<H: Handler> {
    server: Native<MemPort, H::Conn>,
    handler: H,
    client: Native<MemPort, ()>,
    clients: Clients,
    /// What the server has spent in its turns.
    spent: Duration,
}

/// Both ends with the HTTP handler, for so many connections.
fn pair(connections: u32) -> Result<Pair<impl Handler>, Stop> {
    let refused = |error: stack::ReserveError| Stop::Other(error.to_string());
    let (near, far) = MemPort::pair(WIRE_BYTES, Caps::ETHERNET).map_err(refused)?;
    let settings = Settings { idle_time: Duration::from_secs(24 * 60 * 60), ..Settings::default() };
    let handler = Http::new(
        service_fn(|_| Response::text(200, BODY)),
        Arc::new(LiveSettings::new(settings)),
        Arc::new(shard::time::clock()),
        Arc::new(http::Counters::default()),
    );
    let now = shard::time::now();
    let counters = || Arc::new(Counters::default());
    let server = Native::new(far, &server(connections), counters(), now).map_err(refused)?;
    let client = Native::new(near, &client(connections), counters(), now).map_err(refused)?;
    Ok(Pair { server, handler, client, clients: Clients::default(), spent: Duration::ZERO })
}

impl<H: Handler> Pair<H> {
    /// Opens connections until there are so many, one after the other.
    fn open(&mut self, connections: u32) -> Result<(), Stop> {
        while self.clients.dialled < connections {
            self.clients.target += 1;
            self.until(self.clients.answered + 1)?;
        }
        Ok(())
    }

    /// Has these connections ask at once, and waits for all answers.
    fn ask(&mut self, ids: &[ConnId]) -> Result<(), Stop> {
        self.client.wake_all(shard::time::now(), ids, &mut self.clients);
        self.until(self.clients.answered + ids.len() as u64)
    }

    /// Turns both until `answered` requests have been.
    fn until(&mut self, answered: u64) -> Result<(), Stop> {
        for _ in 0..TURNS_MAX {
            if self.clients.answered >= answered {
                return Ok(());
            }
            let Ok(_) = self.client.turn(shard::time::now(), &mut self.clients);
            let start = Instant::now();
            let Ok(_) = self.server.turn(shard::time::now(), &mut self.handler);
            self.spent += start.elapsed();
            if self.clients.broken > 0 {
                break;
            }
        }
        Err(Stop::Other("a request got no answer, which is a fault of crore's own".to_owned()))
    }
}

/// Measures it as the others are.
pub(super) fn measure(run: &mut Run<'_>) -> Result<(), Stop> {
    let mut pair = pair(run.goal().min(CONNECTIONS_MAX) as u32)?;
    for step in run.ladder() {
        while u64::from(pair.clients.dialled) < step {
            run.trying(u64::from(pair.clients.dialled) + 1)?;
            pair.open(pair.clients.dialled + 1)?;
        }
        for request in 0..REQUESTS {
            run.go_on()?;
            let index = (request * 7919 + step / 2) % step;
            let id = pair.clients.ids[index as usize];
            let start = Instant::now();
            pair.ask(&[id])?;
            run.record(step, start.elapsed().as_nanos() as f64);
        }
        run.record_memory(step, pair.server.bytes_touched() as f64 / step as f64);
    }
    Ok(())
}

/// What a request and its answer take of the server's processor: the time of its turns while some of a
/// thousand connections ask at once, in the lower quartile of a few rounds. Takes a fraction of a second.
///
/// # Errors
/// When there is no memory for it.
pub fn exchange() -> Result<Duration, Stop> {
    let mut pair = pair(OPEN)?;
    pair.open(OPEN)?;
    let ids = std::mem::take(&mut pair.clients.ids);
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        pair.spent = Duration::ZERO;
        for asking in ids.chunks_exact(ASKING).cycle().take(QUESTIONS) {
            pair.ask(asking)?;
        }
        rounds.push(pair.spent / (QUESTIONS * ASKING) as u32);
    }
    let counted = &mut rounds[1..];
    counted.sort_unstable();
    Ok(counted[ROUNDS / 4])
}

fn server(connections: u32) -> Config {
    let on_link = Route { prefix: SERVER.ip(), length: 24, gateway: None };
    let clients = Route { prefix: IpAddr::V4(FIRST_CLIENT), length: 8, gateway: Some(ROUTER) };
    Config {
        mac: Mac([2, 0, 0, 0, 0, 1]),
        addresses: vec![SERVER.ip()],
        routes: vec![on_link, clients],
        listeners: vec![Listener { address: None, port: SERVER.port() }],
        ..common(connections)
    }
}

fn client(connections: u32) -> Config {
    let first = FIRST_CLIENT.to_bits();
    let clients = first..first + connections.div_ceil(PORTS);
    let addresses = clients.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    Config {
        mac: Mac([2, 0, 0, 0, 0, 2]),
        addresses: addresses.chain([ROUTER]).collect(),
        routes: vec![Route { prefix: SERVER.ip(), length: 24, gateway: None }],
        ..common(connections)
    }
}

fn common(connections: u32) -> Config {
    Config {
        shard: 0,
        mac: Mac([0; 6]),
        addresses: Vec::new(),
        routes: Vec::new(),
        listeners: Vec::new(),
        limits: Limits { connections, ..Limits::default() },
        working: WORKING,
        buffers: WORKING,
        frames: FRAMES,
        tcp: tcp::Config::default(),
        // Nobody else is on this wire, so there is nobody to keep secrets from.
        secrets: Secrets {
            flows: SipKey::new([1, 2]),
            sequence: SipKey::new([3, 4]),
            cookies: SipKey::new([5, 6]),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn an_exchange_on_our_own_stack_is_measured() {
        let time = super::exchange().unwrap();
        // No machine answers a request in a nanosecond, and none takes a second.
        assert!((Duration::from_nanos(2)..Duration::from_secs(1)).contains(&time), "{time:?}");
    }
}
