//! After the start nothing is allocated: connections open, talk, sleep, wake and close without a
//! single call of the allocator, by either stack.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Cx, Dial, Engine, Handler, Source, Step};
use base::{ConnId, Instant, Limits, SipKey};
use port::{Caps, MemPort};
use stack::{Config, Listener, Native, Route, Secrets};
use wire::ethernet::Mac;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const CONNECTIONS: u16 = 500;
static BODY: [u8; 20_000] = [7; 20_000];

/// Answers the first bytes with a body, and closes on those after.
struct Server;

impl Handler for Server {
    type Conn = bool;

    fn data(&mut self, cx: &mut Cx<'_, bool>, rx: &[u8]) -> Step {
        if cx.input_ended || core::mem::replace(cx.conn, true) {
            return Step::close();
        }
        assert!(cx.out.put(b"head").is_ok());
        assert!(cx.out.attach(Source::Static(&BODY), 0, 20_000).is_ok());
        Step::idle(rx.len())
    }
}

/// Asks when it is opened and when it is woken.
#[derive(Default)]
struct Client {
    dial: Option<Dial<u32>>,
    opened: Vec<ConnId>,
    bytes: usize,
    ended: usize,
}

impl Handler for Client {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        self.dial.take()
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.opened.push(cx.id);
        self.wake(cx)
    }

    fn data(&mut self, _: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.bytes += rx.len();
        Step::idle(rx.len())
    }

    fn wake(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        assert!(cx.out.put(b"request").is_ok());
        Step::idle(0)
    }

    fn end(&mut self, _: &mut Cx<'_, u32>, _: app::End) {
        self.ended += 1;
    }
}

fn config(own: IpAddr, number: u8) -> Config {
    Config {
        shard: 0,
        mac: Mac([2, 0, 0, 0, 0, number]),
        addresses: vec![own],
        routes: vec![Route { prefix: SERVER, length: 24, gateway: None }],
        listeners: vec![Listener { address: None, port: 80 }],
        limits: Limits { connections: 1_000, ..Limits::default() },
        working: 128,
        buffers: 256,
        frames: 128,
        tcp: tcp::Config::default(),
        secrets: Secrets {
            flows: SipKey::new([1, u64::from(number)]),
            sequence: SipKey::new([2, u64::from(number)]),
            cookies: SipKey::new([3, u64::from(number)]),
        },
    }
}

#[test]
fn nothing_is_allocated_after_the_start() {
    let now = Instant::from_millis(1_000_000);
    let (near, far) = MemPort::pair(1 << 18, Caps::ETHERNET).unwrap();
    let counters = || Arc::new(Counters::default());
    let mut bench = Bench {
        now,
        near: Native::new(near, &config(CLIENT, 2), counters(), now).unwrap(),
        far: Native::new(far, &config(SERVER, 1), counters(), now).unwrap(),
        client: Client { opened: Vec::with_capacity(CONNECTIONS.into()), ..Client::default() },
    };
    let counted = allocation_counter::measure(|| bench.talk());
    let connections = usize::from(CONNECTIONS);
    assert_eq!(bench.client.opened.len(), connections);
    assert_eq!((bench.client.bytes, bench.client.ended), (connections * 20_004, connections));
    assert_eq!(counted.count_total, 0);
}

/// Two stacks and their clock.
struct Bench {
    now: Instant,
    near: Native<MemPort, u32>,
    far: Native<MemPort, bool>,
    client: Client,
}

impl Bench {
    /// Opens every connection, has it answered and put to sleep, wakes it, has it closed.
    fn talk(&mut self) {
        for port in 0..CONNECTIONS {
            // Every second one with a local port of the stack's choice.
            let local = SocketAddr::new(CLIENT, if port % 2 == 0 { 1_000 + port } else { 0 });
            self.client.dial = Some(Dial::new(SocketAddr::new(SERVER, 80), 0).from(local));
            self.run(3);
        }
        self.run(5_000);
        assert_eq!((self.near.working(), self.far.working()), (0, 0));
        for index in 0..self.client.opened.len() {
            self.near.wake(self.now, self.client.opened[index], &mut self.client);
            self.run(3);
        }
        self.run(5_000);
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            loop {
                let near = self.near.turn(self.now, &mut self.client).unwrap();
                if near + self.far.turn(self.now, &mut Server).unwrap() == 0 {
                    break;
                }
            }
        }
    }
}
