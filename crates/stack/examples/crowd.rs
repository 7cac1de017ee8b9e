//! Opens many connections between two stacks in one thread, over a wire of memory, and says what
//! each costs: `cargo run --release -p crore-stack --example crowd -- 1000000`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use app::{Counters, Cx, Dial, DialError, Engine, Handler, Step};
use base::{ConnId, Instant, Limits, Prng, SipKey};
use port::{Caps, MemPort};
use stack::{Config, Listener, Native, Route, Secrets};
use wire::ethernet::Mac;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// Ports used of each client address.
const PORTS: u32 = 50_000;
/// Connections being opened, or requests under way, at once.
const AT_ONCE: u32 = 256;

/// Answers every byte with one, and lets a connection rest for an hour at most.
struct Echo;

const REST: Duration = Duration::from_secs(3_600);

impl Handler for Echo {
    type Conn = u32;

    fn open(&mut self, _: &mut Cx<'_, u32>) -> Step {
        Step::idle(0).within(REST)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        let _ = cx.out.put_some(rx);
        Step::idle(rx.len()).within(REST)
    }
}

/// Says a byte when it is woken, and counts answers.
#[derive(Default)]
struct Asker {
    /// Connections to have opened, and those that were dialled.
    wanted: u32,
    dialled: u32,
    opened: u32,
    answers: u32,
    ids: Vec<ConnId>,
}

impl Handler for Asker {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        if self.dialled == self.wanted || self.dialled - self.opened == AT_ONCE {
            return None;
        }
        self.dialled += 1;
        Some(Dial::new(SocketAddr::new(SERVER, 80), 0))
    }

    fn undialled(&mut self, _: Instant, _: u32, why: DialError) {
        println!("a connection was not made: {why}");
        self.dialled -= 1;
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.opened += 1;
        self.ids.push(cx.id);
        Step::idle(0)
    }

    fn data(&mut self, _: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.answers += rx.len() as u32;
        Step::idle(rx.len())
    }

    fn wake(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        let _ = cx.out.put(b"x");
        Step::idle(0)
    }
}

fn config(number: u8, connections: u32, addresses: Vec<IpAddr>, routes: Vec<Route>) -> Config {
    Config {
        shard: 0,
        mac: Mac([2, 0, 0, 0, 0, number]),
        addresses,
        routes,
        listeners: vec![Listener { address: None, port: 80 }],
        limits: Limits { connections, ..Limits::default() },
        working: 4_096,
        buffers: 4_096,
        frames: 1_024,
        tcp: tcp::Config::default(),
        secrets: Secrets {
            flows: SipKey::new([1, u64::from(number)]),
            sequence: SipKey::new([2, u64::from(number)]),
            cookies: SipKey::new([3, u64::from(number)]),
        },
    }
}

struct Crowd {
    start: Clock,
    /// Time that did not really pass.
    skipped: Duration,
    near: Native<MemPort, u32>,
    far: Native<MemPort, u32>,
    asker: Asker,
}

impl Crowd {
    fn new(connections: u32) -> Self {
        let clients = connections.div_ceil(PORTS);
        let addresses = (0..clients)
            .map(|number| {
                IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes([10, 1, 0, 0]) + number))
            })
            .chain([ROUTER])
            .collect();
        let on_link = Route { prefix: SERVER, length: 24, gateway: None };
        let through = Route { prefix: SERVER, length: 8, gateway: Some(ROUTER) };
        let (near, far) = MemPort::pair(256 << 10, Caps::ETHERNET).expect("a small wire");
        let (near_config, far_config) = (
            config(2, connections, addresses, vec![on_link]),
            config(1, connections, vec![SERVER], vec![on_link, through]),
        );
        let reserve = |port, config| {
            Native::new(port, config, Arc::new(Counters::default()), Instant::ZERO)
                .expect("address space for the tables")
        };
        let (near, far) = (reserve(near, &near_config), reserve(far, &far_config));
        Self { start: Clock::now(), skipped: Duration::ZERO, near, far, asker: Asker::default() }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed() + self.skipped
    }

    /// One turn of each stack. The wire does not fail.
    fn turn(&mut self) {
        let now = self.now();
        let _ = self.near.turn(now, &mut self.asker);
        let _ = self.far.turn(now, &mut Echo);
    }

    fn open(&mut self, connections: u32) {
        self.asker.wanted = connections;
        while self.asker.opened < connections {
            self.turn();
        }
    }

    /// Lets a minute pass in which nothing arrives, turning the server whenever it asks for that;
    /// gives the share of a core that its turns took, which is what all the time limits cost.
    fn rest(&mut self) -> f64 {
        let start = self.now();
        let (mut now, mut busy) = (start, Duration::ZERO);
        let until = start + Duration::from_secs(60);
        while now < until {
            let next = Engine::<Echo>::deadline(&self.far).unwrap_or(until);
            now = next.max(now + Duration::from_micros(1));
            let turn = Clock::now();
            let _ = self.far.turn(now, &mut Echo);
            busy += turn.elapsed();
            // What was under way is acknowledged, or the server waits for its wire.
            let _ = self.near.turn(now, &mut self.asker);
        }
        let span = now - start;
        self.skipped += span;
        busy.as_secs_f64() / span.as_secs_f64()
    }

    /// Asks over connections picked at random; gives the nanoseconds each request took in all.
    fn ask(&mut self, requests: u32) -> f64 {
        let mut prng = Prng::new(1);
        let start = Clock::now();
        let before = self.asker.answers;
        let mut sent = 0;
        while self.asker.answers - before < requests {
            while sent < requests && sent - (self.asker.answers - before) < AT_ONCE {
                let pick = prng.below(self.asker.ids.len() as u32);
                let (id, now) = (self.asker.ids[pick as usize], self.now());
                self.near.wake(now, id, &mut self.asker);
                sent += 1;
            }
            self.turn();
        }
        start.elapsed().as_nanos() as f64 / f64::from(requests)
    }
}

fn main() {
    let connections = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let mut crowd = Crowd::new(connections);
    let (reserved, pages) = crowd.far.reserved();
    println!("{} MiB reserved for the server, on {pages}", reserved >> 20);
    crowd.open(connections);
    let seconds = crowd.start.elapsed().as_secs_f64();
    println!("{connections} connections in {seconds:.2} s, both ends on this core");
    for _ in 0..3 {
        let nanos = crowd.ask(400_000);
        println!("{nanos:.0} ns for a request and its answer, both ends");
    }
    for _ in 0..3 {
        let share = crowd.rest() * 100.0;
        println!("{share:.3} % of a core for a time limit on each that rests");
    }
    let bytes = crowd.far.bytes_touched();
    println!(
        "{:.1} bytes for each at the server ({bytes} in all)",
        bytes as f64 / f64::from(connections)
    );
    println!("working blocks: {} and {}", crowd.near.working(), crowd.far.working());
}
