//! What one client shard costs by itself, without any server's work in the figures:
//! `cargo run --release -p crore-stack --example client -- [CONNECTIONS] [ROUNDS]`.
//!
//! The server at the far end of the wire of memory is a script that keeps nothing: each segment is
//! answered from what is in it. Only the client's wakes and turns are timed. A round is as many
//! requests over connections picked at random as a batch holds: three packets a request, as in
//! `server`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use app::{Counters, Cx, Dial, DialError, End, Handler, Step};
use base::{ConnId, Instant, Limits, Prng, Seq, SipKey};
use mem::{Batch, Pool};
use port::{Caps, MemPort, Port};
use stack::{Config, Native, Route, Secrets};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::tcp::{Flags, Options, Timestamps};
use wire::{arp, ipv4, tcp};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FIRST_CLIENT: u32 = u32::from_be_bytes([10, 1, 0, 0]);
const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// Ports used of each client address, and the first of them.
const PORTS: u32 = 50_000;
const FIRST_PORT: u32 = 10_000;
/// Requests in a round.
const ROUND: usize = Batch::CAPACITY;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOne of ten million.\n";
const HEADERS: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;

/// Asks when it is opened or woken, and closes after the answer if told to.
#[derive(Default)]
struct Clients {
    /// The next connection to be opened, and the one where that ends.
    next: u32,
    end: u32,
    closes: bool,
    ids: Vec<ConnId>,
    answered: u64,
    closed: u64,
}

impl Clients {
    fn ask(cx: &mut Cx<'_, u32>) -> Step {
        assert!(cx.out.put(REQUEST).is_ok());
        Step::read(0)
    }
}

impl Handler for Clients {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        let number = (self.next < self.end).then_some(self.next)?;
        self.next += 1;
        let address = Ipv4Addr::from_bits(FIRST_CLIENT + number / PORTS);
        let port = (FIRST_PORT + number % PORTS) as u16;
        let to = SocketAddr::new(IpAddr::V4(SERVER), 80);
        Some(Dial::new(to, number).from(SocketAddr::new(IpAddr::V4(address), port)))
    }

    fn undialled(&mut self, _: Instant, number: u32, why: DialError) {
        panic!("{number} was not opened: {why:?}");
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        if !self.closes {
            self.ids.push(cx.id);
        }
        Self::ask(cx)
    }

    fn wake(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        Self::ask(cx)
    }

    fn data(&mut self, _: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        assert_eq!(rx, ANSWER);
        self.answered += 1;
        if self.closes { Step::close() } else { Step::idle(rx.len()) }
    }

    fn end(&mut self, _: &mut Cx<'_, u32>, why: End) {
        assert!(self.closes && why == End::Closed, "{why:?}");
        self.closed += 1;
    }
}

/// A client and the far end of its wire.
struct Bench {
    engine: Native<MemPort, u32>,
    handler: Clients,
    far: MemPort,
    pool: Pool,
    arrived: Batch,
    batch: Batch,
    picked: Vec<ConnId>,
    start: Clock,
    /// Time that the client took, and packets it received and sent in it.
    busy: Duration,
    packets: u64,
}

fn config(connections: u32) -> Config {
    let clients = FIRST_CLIENT..=FIRST_CLIENT + connections / PORTS;
    let mut tcp = ::tcp::Config::default();
    tcp.receiving.ack_delay = Duration::ZERO;
    Config {
        shard: 0,
        mac: CLIENT_MAC,
        addresses: clients.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).collect(),
        routes: vec![Route { prefix: IpAddr::V4(SERVER), length: 24, gateway: None }],
        listeners: Vec::new(),
        limits: Limits { connections, ..Limits::default() },
        working: 1_024,
        buffers: 1_024,
        frames: 512,
        tcp,
        secrets: Secrets {
            flows: SipKey::new([1, 2]),
            sequence: SipKey::new([3, 4]),
            cookies: SipKey::new([5, 6]),
        },
    }
}

impl Bench {
    fn new(connections: u32) -> Self {
        let (near, far) = MemPort::pair(256 << 10, Caps::ETHERNET).expect("a small wire");
        let counters = Arc::new(Counters::default());
        let engine = Native::new(near, &config(connections), counters, Instant::ZERO)
            .expect("address space for the tables");
        let (reserved, pages) = engine.reserved();
        println!("{} MiB reserved on {pages}", reserved >> 20);
        Self {
            engine,
            handler: Clients::default(),
            far,
            pool: Pool::new(4 * ROUND as u32, 1664).expect("a small pool"),
            arrived: Batch::new(),
            batch: Batch::new(),
            picked: Vec::with_capacity(ROUND),
            start: Clock::now(),
            busy: Duration::ZERO,
            packets: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(1_000) + self.start.elapsed()
    }

    /// Lets the client work, which is timed: wakes those that were picked, then turns once.
    #[inline(never)]
    fn turn(&mut self) {
        let packets = self.engine.packets();
        let now = self.now();
        let start = Clock::now();
        self.engine.wake_all(now, &self.picked, &mut self.handler);
        let Ok(_) = app::Engine::turn(&mut self.engine, now, &mut self.handler);
        self.busy += start.elapsed();
        self.packets += self.engine.packets() - packets;
        self.picked.clear();
    }

    /// Answers what the client sent.
    fn answer(&mut self) {
        let now = self.now().as_millis() as u32;
        loop {
            let Ok(()) = self.far.rx(Instant::ZERO, &mut self.pool, &mut self.arrived);
            if self.arrived.is_empty() {
                break;
            }
            while let Some(frame) = self.arrived.pop() {
                let mut answer = self.pool.take().expect("a frame");
                let bytes = self.pool.data(&frame).to_vec();
                let length = answer_to(&bytes, now, self.pool.buffer_mut(&mut answer));
                self.pool.give(frame);
                answer.set_range(0..length);
                match length {
                    0 => self.pool.give(answer),
                    _ => self.batch.push(answer).expect("no more answers than segments"),
                }
            }
            let Ok(()) = self.far.tx(Instant::ZERO, &mut self.pool, &mut self.batch);
            assert!(self.batch.is_empty(), "the wire is full");
        }
    }

    /// Opens connections, each with a request answered.
    fn open(&mut self, end: u32) {
        while self.handler.next < end {
            self.handler.end = end.min(self.handler.next + ROUND as u32);
            self.exchange(3);
        }
        assert_eq!(self.handler.ids.len(), end as usize, "every connection is open");
    }

    /// So many times the client's turn and the server's, the client's last.
    fn exchange(&mut self, times: u32) {
        for _ in 0..times {
            self.turn();
            self.answer();
        }
        self.turn();
    }

    /// A round of requests.
    #[inline(never)]
    fn round(&mut self, prng: &mut Prng, connections: u32) {
        let answered = self.handler.answered;
        let most = ROUND.min(connections as usize / 2);
        while self.picked.len() < most {
            let id = self.handler.ids[prng.below(connections) as usize];
            if !self.picked.contains(&id) {
                self.picked.push(id);
            }
        }
        self.turn();
        self.answer();
        self.turn();
        assert_eq!(self.handler.answered - answered, most as u64, "every request is answered");
    }

    /// Opens, asks once over, and closes connections.
    #[inline(never)]
    fn churn(&mut self, rounds: u32) {
        self.handler.closes = true;
        let closed = self.handler.closed;
        for _ in 0..rounds {
            self.handler.end = self.handler.next + ROUND as u32;
            self.exchange(4);
        }
        let count = u64::from(rounds) * ROUND as u64;
        assert_eq!(self.handler.closed - closed, count, "every connection is over");
    }

    /// Says what the client took since this was last called.
    fn tell(&mut self, what: &str, count: u64) {
        let nanos = std::mem::take(&mut self.busy).as_nanos() as f64;
        let packets = std::mem::take(&mut self.packets) as f64;
        let (each, packet) = (nanos / count as f64, nanos / packets);
        let (rate, of_one) = (1e3 / each, packets / count as f64);
        println!(
            "{what:<12} {each:7.0} ns each, {packet:5.0} ns a packet, {of_one:.2} packets, \
             {rate:6.3} M a second"
        );
    }
}

/// Writes the answer to a frame, and says how long it is: 0 when there is none.
fn answer_to(bytes: &[u8], now: u32, into: &mut [u8]) -> usize {
    let frame = ethernet::View::new(bytes).expect("a frame");
    let ethernet = ethernet::Repr {
        destination: CLIENT_MAC,
        source: SERVER_MAC,
        service: None,
        tag: None,
        kind: frame.repr().kind,
    };
    if frame.repr().kind == EtherType::ARP {
        let asked = arp::Repr::parse(frame.payload()).expect("ARP");
        let reply = arp::Repr {
            operation: arp::Operation::Reply,
            sender_mac: SERVER_MAC,
            sender: SERVER,
            target_mac: asked.sender_mac,
            target: asked.sender,
        };
        ethernet.emit(into).expect("room");
        reply.emit(&mut into[ethernet::HEADER_LENGTH..]).expect("room");
        return ethernet::HEADER_LENGTH + arp::LENGTH;
    }
    let packet = ipv4::View::new(frame.payload()).expect("a packet");
    let segment = tcp::View::new(packet.payload()).expect("a segment");
    let Some((header, payload)) = answer_of(&segment.repr(), segment.payload().len(), now) else {
        return 0;
    };
    ethernet.emit(into).expect("room");
    emit(packet.repr().source, &header, payload, into)
}

/// What a server that answers everything at once says to a segment.
fn answer_of(asked: &tcp::Repr, length: usize, now: u32) -> Option<(tcp::Repr, &'static [u8])> {
    assert!(!asked.flags.any(Flags::RST), "reset: {asked:?}");
    let syn = asked.flags.any(Flags::SYN);
    let fin = asked.flags.any(Flags::FIN);
    if length == 0 && !syn && !fin {
        return None;
    }
    let stamps = asked.options.timestamps;
    let header = tcp::Repr {
        source_port: 80,
        destination_port: asked.source_port,
        sequence: if syn { Seq(7) } else { asked.acknowledgment },
        acknowledgment: asked.sequence + length as u32 + u32::from(syn || fin),
        flags: Flags::ACK.with_if(syn, Flags::SYN).with_if(fin, Flags::FIN),
        window: 500,
        options: Options {
            timestamps: stamps.map(|stamps| Timestamps { value: now, echo: stamps.value }),
            mss: syn.then_some(1_460),
            window_scale: syn.then_some(7),
            sack_permitted: syn,
            ..Options::default()
        },
        ..tcp::Repr::default()
    };
    Some((header, if length > 0 { ANSWER } else { &[] }))
}

/// Writes the packet of a frame of the server's, and says how long the frame is.
fn emit(client: Ipv4Addr, header: &tcp::Repr, payload: &[u8], into: &mut [u8]) -> usize {
    let length = header.length() + payload.len();
    let ip = ipv4::Repr {
        source: SERVER,
        destination: client,
        protocol: protocol::TCP,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: length as u16,
    };
    ip.emit(&mut into[ethernet::HEADER_LENGTH..]).expect("room");
    let segment = &mut into[HEADERS..HEADERS + length];
    let head = header.emit(segment).expect("room");
    segment[head..].copy_from_slice(payload);
    tcp::fill_checksum(segment, Sum::pseudo_v4(SERVER, client, protocol::TCP, length as u16));
    HEADERS + length
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u32>().ok());
    let connections = arguments.next().unwrap_or(100_000).max(2 * ROUND as u32);
    let rounds = arguments.next().unwrap_or(20_000);
    // Connections that are closed wait out their TIME-WAIT.
    let churned = rounds / 4 * ROUND as u32;
    let mut bench = Bench::new(connections + churned);
    let mut prng = Prng::new(1);
    // One by itself, for which it asks who its neighbour is.
    bench.handler.end = 1;
    bench.exchange(4);
    bench.tell("introduction", 1);
    for step in [1_000, 10_000, 100_000, 1_000_000, 10_000_000, connections] {
        let open = bench.handler.ids.len() as u32;
        if step > connections || step <= open {
            continue;
        }
        bench.open(step);
        println!("{step} open");
        bench.tell("opening", u64::from(step - open));
        (0..rounds / 10).for_each(|_| bench.round(&mut prng, step));
        (bench.busy, bench.packets) = (Duration::ZERO, 0);
        (0..rounds).for_each(|_| bench.round(&mut prng, step));
        bench.tell("request", u64::from(rounds) * ROUND as u64);
    }
    bench.churn(rounds / 4);
    bench.tell("churn", u64::from(churned));
}
