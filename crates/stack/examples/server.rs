//! What one server shard costs by itself, without any clients' work in the figures:
//! `cargo run --release -p crore-stack --example server -- [CONNECTIONS] [ROUNDS]`.
//!
//! Frames of clients that do nothing but count are written before the clock is started; then the
//! engine turns once with the HTTP handler, from the wire of memory and back to it, and only that is
//! timed. A round is as many requests over connections picked at random as a batch holds, with the
//! acknowledgments of the round before: three packets a request.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use app::{Counters, Engine};
use base::{Instant, Limits, Prng, Seq, SipKey};
use http::{Http, LiveSettings, Response, Service, service_fn};
use mem::{Batch, Pool};
use port::{Caps, MemPort, Port};
use stack::{Config, Listener, Native, Route, Secrets};
use wire::checksum::Sum;
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::tcp::{Flags, Options, Timestamps};
use wire::{arp, ipv4, tcp};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FIRST_CLIENT: u32 = u32::from_be_bytes([10, 1, 0, 0]);
const SERVER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const ROUTER_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// Ports used of each client address, and the first of them.
const PORTS: u32 = 50_000;
const FIRST_PORT: u32 = 10_000;
/// Clients that send a SYN and nothing more.
const FLOOD: u32 = 64 << 10;
/// Requests in a round.
const ROUND: usize = Batch::CAPACITY;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
const HEADERS: usize = ethernet::HEADER_LENGTH + ipv4::HEADER_LENGTH;

/// All that a client knows of its connection.
#[derive(Clone, Copy, Default)]
struct Client {
    next: Seq,
    expected: Seq,
    echo: u32,
}

/// A server and the far end of its wire.
struct Bench<H> {
    engine: Native<MemPort, http::Conn>,
    handler: H,
    far: MemPort,
    pool: Pool,
    batch: Batch,
    clients: Vec<Client>,
    /// Clients that the server has just sent something.
    answered: Vec<u32>,
    start: Clock,
    /// Time that the server took, and packets it received and sent in it.
    busy: Duration,
    packets: u64,
}

fn config(connections: u32) -> Config {
    let on_link = Route { prefix: IpAddr::V4(SERVER), length: 24, gateway: None };
    let clients =
        Route { prefix: IpAddr::V4(SERVER), length: 8, gateway: Some(IpAddr::V4(ROUTER)) };
    Config {
        shard: 0,
        mac: SERVER_MAC,
        addresses: vec![IpAddr::V4(SERVER)],
        routes: vec![on_link, clients],
        listeners: vec![Listener { address: None, port: 80 }],
        limits: Limits { connections, ..Limits::default() },
        working: 4_096,
        buffers: 4_096,
        frames: 512,
        tcp: ::tcp::Config::default(),
        secrets: Secrets {
            flows: SipKey::new([1, 2]),
            sequence: SipKey::new([3, 4]),
            cookies: SipKey::new([5, 6]),
        },
    }
}

impl<S: Service> Bench<Http<S>> {
    fn new(connections: u32, caps: Caps, service: S) -> Self {
        let (near, far) = MemPort::pair(256 << 10, caps).expect("a small wire");
        let counters = Arc::new(Counters::default());
        let engine = Native::new(near, &config(connections + 2_048), counters, Instant::ZERO)
            .expect("address space for the tables");
        let (reserved, pages) = engine.reserved();
        println!("{} MiB reserved on {pages}", reserved >> 20);
        let idle_time = Duration::from_secs(24 * 60 * 60);
        let settings = http::Settings { idle_time, ..http::Settings::default() };
        let live = Arc::new(LiveSettings::new(settings));
        let handler = Http::new(service, live, Arc::new(app::Clock::default()), Arc::default());
        Self {
            engine,
            handler,
            far,
            pool: Pool::new(2 * ROUND as u32, 1664).expect("a small pool"),
            batch: Batch::new(),
            clients: vec![Client::default(); connections as usize + ROUND + FLOOD as usize],
            answered: Vec::with_capacity(4 * ROUND),
            start: Clock::now(),
            busy: Duration::ZERO,
            packets: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(1_000) + self.start.elapsed()
    }

    /// Tells the server where the clients' router is, as the router would.
    fn introduce(&mut self) {
        let header = ethernet::Repr {
            destination: SERVER_MAC,
            source: ROUTER_MAC,
            service: None,
            tag: None,
            kind: EtherType::ARP,
        };
        let request = arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: ROUTER_MAC,
            sender: ROUTER,
            target_mac: Mac::default(),
            target: SERVER,
        };
        let mut frame = self.pool.take().expect("a frame");
        let buffer = self.pool.buffer_mut(&mut frame);
        header.emit(buffer).expect("room");
        request.emit(&mut buffer[ethernet::HEADER_LENGTH..]).expect("room");
        frame.set_range(0..ethernet::HEADER_LENGTH + arp::LENGTH);
        self.batch.push(frame).expect("room");
        self.turn();
        self.receive();
    }

    /// Writes a segment of a client's.
    fn send(&mut self, number: u32, flags: Flags, payload: &[u8]) {
        let now = self.now().as_millis() as u32;
        let client = &mut self.clients[number as usize];
        let syn = flags.any(Flags::SYN);
        let options = Options {
            timestamps: Some(Timestamps { value: now, echo: client.echo }),
            mss: syn.then_some(1_460),
            window_scale: syn.then_some(7),
            sack_permitted: syn,
            ..Options::default()
        };
        let header = tcp::Repr {
            source_port: (FIRST_PORT + number % PORTS) as u16,
            destination_port: 80,
            sequence: client.next,
            acknowledgment: client.expected,
            flags,
            window: 500,
            options,
            ..tcp::Repr::default()
        };
        client.next += payload.len() as u32 + u32::from(flags.any(Flags::SYN | Flags::FIN));
        let mut frame = self.pool.take().expect("a frame");
        let length = write_segment(number, &header, payload, self.pool.buffer_mut(&mut frame));
        frame.set_range(0..length);
        self.batch.push(frame).expect("room");
        if self.batch.is_full() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let Ok(()) = self.far.tx(Instant::ZERO, &mut self.pool, &mut self.batch);
        assert!(self.batch.is_empty(), "the wire is full");
    }

    /// Hands the segments over and lets the server work, which is timed.
    fn turn(&mut self) {
        self.hand_over();
        let packets = self.engine.packets();
        let now = self.now();
        let start = Clock::now();
        let Ok(_) = self.engine.turn(now, &mut self.handler);
        self.busy += start.elapsed();
        self.packets += self.engine.packets() - packets;
    }

    /// Takes what the server sent, and lists the clients that it was for.
    fn receive(&mut self) {
        self.answered.clear();
        loop {
            let Ok(()) = self.far.rx(Instant::ZERO, &mut self.pool, &mut self.batch);
            let Some(frame) = self.batch.pop() else { return };
            let bytes = self.pool.data(&frame);
            if bytes.len() > HEADERS && bytes[12..14] == [8, 0] {
                let segment = tcp::View::new(&bytes[HEADERS..]).expect("a segment");
                let header = segment.repr();
                assert!(!header.flags.any(Flags::RST), "reset: {header:?}");
                let host = u32::from_be_bytes([bytes[30], bytes[31], bytes[32], bytes[33]]);
                let port = u32::from(header.destination_port);
                let number = (host - FIRST_CLIENT) * PORTS + port - FIRST_PORT;
                let client = &mut self.clients[number as usize];
                let numbers = header.flags.any(Flags::SYN | Flags::FIN);
                client.expected =
                    header.sequence + segment.payload().len() as u32 + u32::from(numbers);
                client.echo = header.options.timestamps.map_or(0, |stamps| stamps.value);
                self.answered.push(number);
            }
            self.pool.give(frame);
        }
    }

    /// Opens connections, each with a request answered.
    fn open(&mut self, numbers: std::ops::Range<u32>) {
        let (mut from, end) = (numbers.start, numbers.end);
        self.acknowledge();
        while from < end {
            let to = end.min(from + ROUND as u32);
            self.handshake(from..to);
            self.acknowledge();
            from = to;
        }
    }

    fn handshake(&mut self, numbers: std::ops::Range<u32>) {
        let count = numbers.len();
        for number in numbers {
            self.clients[number as usize] = Client { next: Seq(number), ..Client::default() };
            self.send(number, Flags::SYN, &[]);
        }
        self.turn();
        self.receive();
        assert_eq!(self.answered.len(), count, "every SYN is answered");
        for number in std::mem::take(&mut self.answered) {
            self.send(number, Flags::ACK | Flags::PSH, REQUEST);
        }
        self.turn();
        self.receive();
        assert_eq!(self.answered.len(), count, "every request is answered");
    }

    /// Acknowledges what was received last.
    fn acknowledge(&mut self) {
        for number in std::mem::take(&mut self.answered) {
            self.send(number, Flags::ACK, &[]);
        }
    }

    /// A round of requests, and the acknowledgments of the one before.
    #[inline(never)]
    fn round(&mut self, prng: &mut Prng, connections: u32) {
        self.acknowledge();
        let mut picked = Vec::with_capacity(ROUND);
        while picked.len() < ROUND.min(connections as usize / 2) {
            let number = prng.below(connections);
            if !picked.contains(&number) {
                picked.push(number);
                self.send(number, Flags::ACK | Flags::PSH, REQUEST);
            }
        }
        self.turn();
        self.receive();
        assert_eq!(self.answered.len(), picked.len(), "every request is answered");
    }

    /// Opens, asks once over, and closes connections.
    #[inline(never)]
    fn churn(&mut self, first: u32, rounds: u32) {
        for _ in 0..rounds {
            self.handshake(first..first + ROUND as u32);
            for number in std::mem::take(&mut self.answered) {
                self.send(number, Flags::ACK | Flags::FIN, &[]);
            }
            self.turn();
            self.receive();
            assert_eq!(self.answered.len(), ROUND, "every FIN is answered");
            self.acknowledge();
            self.turn();
        }
    }

    /// Sends the SYNs of clients that do not go on; all but the first thousand are answered with cookies.
    #[inline(never)]
    fn flood(&mut self, numbers: std::ops::Range<u32>) {
        for first in numbers.step_by(ROUND) {
            for number in first..first + ROUND as u32 {
                self.clients[number as usize] = Client { next: Seq(number), ..Client::default() };
                self.send(number, Flags::SYN, &[]);
            }
            self.turn();
            self.receive();
            assert_eq!(self.answered.len(), ROUND, "every SYN is answered");
        }
    }

    /// Says what the server took since this was last called.
    fn tell(&mut self, what: &str, count: u64) {
        let nanos = std::mem::take(&mut self.busy).as_nanos() as f64;
        let packets = std::mem::take(&mut self.packets) as f64;
        let (each, packet) = (nanos / count as f64, nanos / packets);
        let rate = 1e3 / each;
        println!("{what:<12} {each:7.0} ns each, {packet:5.0} ns a packet, {rate:6.3} M a second");
    }
}

/// Writes a frame of a client's, and says how long it is.
fn write_segment(number: u32, header: &tcp::Repr, payload: &[u8], into: &mut [u8]) -> usize {
    let length = header.length() + payload.len();
    let ethernet = ethernet::Repr {
        destination: SERVER_MAC,
        source: ROUTER_MAC,
        service: None,
        tag: None,
        kind: EtherType::IPV4,
    };
    let source = Ipv4Addr::from_bits(FIRST_CLIENT + number / PORTS);
    let ip = ipv4::Repr {
        source,
        destination: SERVER,
        protocol: protocol::TCP,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: length as u16,
    };
    ethernet.emit(into).expect("room");
    ip.emit(&mut into[ethernet::HEADER_LENGTH..]).expect("room");
    let segment = &mut into[HEADERS..HEADERS + length];
    let head = header.emit(segment).expect("room");
    segment[head..].copy_from_slice(payload);
    tcp::fill_checksum(segment, Sum::pseudo_v4(source, SERVER, protocol::TCP, length as u16));
    HEADERS + length
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<u32>().ok());
    let connections = arguments.next().unwrap_or(100_000).max(2 * ROUND as u32);
    let rounds = arguments.next().unwrap_or(20_000);
    let service = service_fn(|_| Response::text(200, "One of ten million.\n"));
    let mut bench = Bench::new(connections, Caps::ETHERNET, service);
    let mut prng = Prng::new(1);
    bench.introduce();
    bench.tell("introduction", 1);
    let mut open = 0;
    for step in [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, connections] {
        if step > connections || step <= open {
            continue;
        }
        bench.open(open..step);
        open = step;
        println!("{open} open");
        bench.tell("opening", u64::from(open));
        (0..rounds / 10).for_each(|_| bench.round(&mut prng, open));
        (bench.busy, bench.packets) = (Duration::ZERO, 0);
        (0..rounds).for_each(|_| bench.round(&mut prng, open));
        bench.tell("request", u64::from(rounds) * ROUND as u64);
    }
    bench.acknowledge();
    bench.turn();
    bench.churn(connections, rounds / 4);
    bench.tell("churn", u64::from(rounds / 4) * ROUND as u64);
    // The first are kept for a while.
    let first = connections + ROUND as u32;
    bench.flood(first..first + FLOOD / 8);
    (bench.busy, bench.packets) = (Duration::ZERO, 0);
    bench.flood(first + FLOOD / 8..first + FLOOD);
    bench.tell("SYN, cookie", u64::from(FLOOD - FLOOD / 8));
}
