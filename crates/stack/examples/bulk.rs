//! What a megabyte costs the end that sends it: one connection between two stacks in one thread asks for
//! it again and again. `bulk 1000 tso` has 64 KB at a time cut by the port, `bulk 1000` none. Instructions
//! alone: `valgrind --tool=callgrind --toggle-collect='bulk::server_turn' target/quick/examples/bulk 100`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use app::{Counters, Cx, Dial, Engine, Handler, Source, Step};
use base::{Instant, Limits, SipKey};
use port::{Caps, MemPort};
use stack::{Config, Listener, Native, Route, Secrets};
use wire::ethernet::Mac;

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const BODY: &[u8] = &[b'b'; 1 << 20];
/// What a TAP device does for its user, and besides that it may cut.
const CAPS: Caps = Caps { checksums_verified: true, checksums_filled: true, ..Caps::ETHERNET };

/// Answers every byte with a megabyte.
struct Body;

impl Handler for Body {
    type Conn = u32;

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        let _ = cx.out.attach(Source::Static(BODY), 0, BODY.len() as u64);
        Step::idle(rx.len())
    }
}

/// Asks as often as it is to, each time when the last answer is whole.
struct Asker {
    dials: bool,
    left: u32,
    missing: usize,
}

impl Asker {
    fn ask(&mut self, cx: &mut Cx<'_, u32>, taken: usize) -> Step {
        if self.left > 0 && cx.out.put(b"x").is_ok() {
            self.left -= 1;
            self.missing = BODY.len();
        }
        Step::idle(taken)
    }
}

impl Handler for Asker {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        let dials = std::mem::take(&mut self.dials);
        dials.then(|| Dial::new(SocketAddr::new(SERVER, 80), 0))
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.ask(cx, 0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.missing -= rx.len();
        if self.missing == 0 { self.ask(cx, rx.len()) } else { Step::idle(rx.len()) }
    }
}

fn config(number: u8, own: IpAddr) -> Config {
    Config {
        shard: 0,
        mac: Mac([2, 0, 0, 0, 0, number]),
        addresses: vec![own],
        routes: vec![Route { prefix: SERVER, length: 24, gateway: None }],
        listeners: vec![Listener { address: None, port: 80 }],
        limits: Limits { connections: 16, ..Limits::default() },
        working: 16,
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

#[inline(never)]
fn server_turn(stack: &mut Native<MemPort, u32>, now: Instant) -> u32 {
    stack.turn(now, &mut Body).unwrap_or_default()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let uncut = arguments.next().map(|_| 65_300);
    let caps = Caps { tso: uncut, lro: uncut, ..CAPS };
    let (near, far) = MemPort::pair(1 << 20, caps).expect("a small wire");
    let stack = |port, config| {
        Native::new(port, &config, Arc::new(Counters::default()), Instant::ZERO)
            .expect("a few megabytes")
    };
    let (mut near, mut far) = (stack(near, config(2, CLIENT)), stack(far, config(1, SERVER)));
    let mut asker = Asker { dials: true, left: rounds, missing: 1 };
    let (start, mut busy) = (Clock::now(), Duration::ZERO);
    let mut now = Instant::ZERO;
    while asker.missing > 0 {
        // A turn lasts ten microseconds, whatever it takes here.
        now += Duration::from_micros(10);
        near.turn(now, &mut asker).unwrap_or_default();
        let before = Clock::now();
        server_turn(&mut far, now);
        busy += before.elapsed();
    }
    let each = |time: Duration| time.as_nanos() / u128::from(rounds) / 1_000;
    let packets = far.packets() / u64::from(rounds);
    println!("{} us a megabyte at the server, {} in all", each(busy), each(start.elapsed()));
    println!("{packets} frames a megabyte sent and received");
}
