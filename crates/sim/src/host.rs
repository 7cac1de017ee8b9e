//! One stack with its handler, its clock and its moods. Invariant: nothing is asked of the stack at
//! a time before the last one it was given.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Engine};
use base::{ConnId, Instant, Limits, Prng, SipKey};
use stack::{Config, Listener, Native, Reason, Route, Secrets};
use wire::ethernet::Mac;

use crate::network::{Line, Network, StationPort};
use crate::talk::{App, Contents, Plan};

/// The port that servers listen on.
pub(crate) const SERVER_PORT: u16 = 80;
/// The shortest time from one turn to the next: what a turn's work takes.
const TURN: Duration = Duration::from_micros(5);
/// The longest, while there is something to do that cannot be done.
const TURN_MAX: Duration = Duration::from_millis(1);

/// An end that waits for a peer whose reset was lost has to notice some time.
const KEEP_ALIVE: tcp::KeepAlive =
    tcp::KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 5 };

/// The Ethernet address of the station with this number.
pub(crate) const fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

/// Its IP address.
pub(crate) fn address(number: u8, ipv6: bool) -> IpAddr {
    if ipv6 {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
    }
}

/// The number of the station at this address.
pub(crate) const fn number(address: SocketAddr) -> u8 {
    match address {
        SocketAddr::V4(address) => address.ip().octets()[3],
        SocketAddr::V6(address) => address.ip().octets()[15],
    }
}

/// The configuration of a host with room for everything, to be changed.
pub(crate) fn config(number: u8, prng: &mut Prng) -> Config {
    let on_link = |ipv6, length| Route { prefix: address(0, ipv6), length, gateway: None };
    let mut words = || [prng.next_u64(), prng.next_u64()];
    let secrets = Secrets {
        flows: SipKey::new(words()),
        sequence: SipKey::new(words()),
        cookies: SipKey::new(words()),
    };
    Config {
        shard: u16::from(number),
        mac: mac(number),
        addresses: vec![address(number, false), address(number, true)],
        routes: vec![on_link(false, 24), on_link(true, 64)],
        listeners: vec![Listener { address: None, port: SERVER_PORT }],
        limits: Limits { connections: 64, ..Limits::default() },
        working: 48,
        buffers: 256,
        frames: 128,
        tcp: tcp::Config { keep_alive: Some(KEEP_ALIVE), ..tcp::Config::default() },
        secrets,
    }
}

pub(crate) struct Host {
    pub(crate) engine: Native<StationPort, u32>,
    pub(crate) app: App,
    pub(crate) number: u8,
    station: usize,
    network: Rc<RefCell<Network>>,
    /// How far its clock is ahead of the world's.
    ahead: Duration,
    /// When it can have its next turn.
    free_at: Instant,
    gap: Duration,
    /// Chance, in parts per million of turns, that one takes long.
    pub(crate) slow: u32,
    prng: Prng,
    port: u16,
    ports: u16,
}

impl Host {
    /// A host on the network. `ahead`: of the world's clock. `ports`: how many of its ports it uses.
    pub(crate) fn new(
        network: &Rc<RefCell<Network>>,
        number: u8,
        line: Line,
        config: &Config,
        (ahead, ports): (Duration, u16),
    ) -> Self {
        let station = network.borrow_mut().add(mac(number), line);
        let port = StationPort { network: Rc::clone(network), station };
        let start = Instant::ZERO + ahead;
        let engine = Native::new(port, config, Arc::new(Counters::default()), start)
            .expect("a host takes a few megabytes");
        Self {
            engine,
            app: App::new(Contents::new()),
            number,
            station,
            network: Rc::clone(network),
            ahead,
            free_at: Instant::ZERO,
            gap: TURN,
            slow: 0,
            prng: Prng::new(u64::from(number) << 32 | u64::from(line.weather.loss)),
            port: 0,
            ports,
        }
    }

    /// When its next turn is due, if anything is to be done.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let due = if self.network.borrow().has_arrived(self.station) || self.app.dials() {
            Some(now)
        } else {
            let deadline = Engine::<App>::deadline(&self.engine);
            deadline.map(|at| Instant::ZERO + (at - (Instant::ZERO + self.ahead)))
        };
        due.map(|at| at.max(self.free_at).max(now))
    }

    /// One turn.
    pub(crate) fn turn(&mut self, now: Instant) -> Result<(), String> {
        let before = self.network.borrow().frames;
        let Ok(done) = self.engine.turn(now + self.ahead, &mut self.app);
        let idle = done == 0 || before == self.network.borrow().frames;
        self.gap = if idle { (self.gap * 2).min(TURN_MAX) } else { TURN };
        self.free_at = now + self.gap;
        if self.prng.chance(self.slow) {
            self.free_at += Duration::from_micros(u64::from(self.prng.below(300_000)));
        }
        self.check()
    }

    /// The oracles of one host.
    fn check(&mut self) -> Result<(), String> {
        let number = self.number;
        self.engine.audit().map_err(|wrong| format!("host {number}: {wrong}"))?;
        match self.app.wrong.take() {
            Some(wrong) => Err(format!("host {number}: {wrong}")),
            None => Ok(()),
        }
    }

    /// The clock jumps ahead.
    pub(crate) fn jump(&mut self, span: Duration) {
        self.ahead += span;
    }

    /// Has a connection to another host opened in the next turn.
    pub(crate) fn connect(&mut self, server: u8, ipv6: bool, plan: Plan) {
        let port = 1_024 + self.port % self.ports;
        self.port = self.port.wrapping_add(1);
        let local = SocketAddr::new(address(self.number, ipv6), port);
        let remote = SocketAddr::new(address(server, ipv6), SERVER_PORT);
        self.app.begin(local, remote, plan);
    }

    /// Asks every connection that rests to close.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.app.finishing = true;
        let open = self.app.talks.iter().filter(|talk| talk.end.is_none());
        let ids: Vec<ConnId> = open.filter_map(|talk| talk.id).collect();
        for id in ids {
            self.engine.wake(now + self.ahead, id, &mut self.app);
        }
    }

    /// Packets it dropped for a reason.
    pub(crate) fn dropped(&self, reason: Reason) -> u64 {
        self.engine.drops().get(reason)
    }

    /// What is left of its connections: records, and buffers in use.
    pub(crate) fn left_over(&self) -> (u32, u32) {
        self.engine.left_over()
    }
}
