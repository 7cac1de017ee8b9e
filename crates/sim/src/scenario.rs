//! What a seed stands for: which hosts there are, how tight their limits, how bad the weather, who
//! says how much to whom. Invariant: the seed and nothing else decides.

use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, Prng};
use stack::Config;
use tcp::{Algorithm, Tuple, initial_sequence_number};

use crate::host::{SERVER_PORT, address, config};
use crate::network::{Line, Weather};
use crate::odd_peer::Oddity;
use crate::talk::{Closer, Plan, Round};

/// How long faults happen, at most.
const STORM_MS: u32 = 12_000;

/// A connection to be begun.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    /// Index of the client among the hosts.
    pub(crate) client: usize,
    /// Number of the server.
    pub(crate) server: u8,
    pub(crate) ipv6: bool,
    pub(crate) plan: Plan,
}

/// One host before it exists.
pub(crate) struct HostPlan {
    pub(crate) number: u8,
    pub(crate) config: Config,
    pub(crate) line: Line,
    pub(crate) ahead: Duration,
    pub(crate) ports: u16,
    pub(crate) slow: u32,
}

pub(crate) struct Scenario {
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) calls: Vec<Call>,
    /// When the faults stop.
    pub(crate) calm_at: Instant,
    /// When a host's clock jumps, and how far.
    pub(crate) jumps: Vec<(Instant, usize, Duration)>,
    /// Peers that are not ours, and the bytes that they ask for.
    pub(crate) odd_peers: Vec<(Oddity, u32)>,
    /// Whether hosts are so small that they have to refuse connections or end idle ones.
    pub(crate) tight: bool,
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut prng = Prng::new(seed);
        let servers = 1 + prng.below(2) as u8;
        let clients = 1 + prng.below(3) as u8;
        let weather = weather(&mut prng);
        let tight = prng.chance(300_000);
        let slow = if prng.chance(300_000) { prng.below(5_000) } else { 0 };
        // Apart from the rest, which would be another world for every seed with one draw more.
        let mut offload = Prng::new(!seed);
        let hosts = (1..=servers + clients)
            .map(|number| HostPlan {
                number,
                config: limited(config(number, &mut prng), tight, &mut prng),
                line: Line { uncut: offload.chance(500_000), ..line(weather, &mut prng) },
                ahead: Duration::from_micros(prng.next_u64() >> 30),
                ports: if prng.chance(200_000) { 4 } else { 1_000 },
                slow,
            })
            .collect();
        let calm_at = Instant::from_millis(u64::from(1_000 + prng.below(STORM_MS)));
        let mut scenario = Self {
            hosts,
            calls: Vec::new(),
            calm_at,
            jumps: Vec::new(),
            odd_peers: Vec::new(),
            tight,
        };
        scenario.add_calls(usize::from(servers), &mut prng);
        scenario.add_trouble(&mut prng);
        scenario
    }

    fn add_calls(&mut self, servers: usize, prng: &mut Prng) {
        let most = if prng.chance(100_000) { 40 } else { 10 };
        let count = 1 + prng.below(most);
        let clients = (self.hosts.len() - servers) as u32;
        for _ in 0..count {
            self.calls.push(Call {
                at: Instant::from_micros(u64::from(prng.below(3_000_000))),
                client: servers + prng.below(clients) as usize,
                server: 1 + prng.below(servers as u32) as u8,
                ipv6: prng.chance(300_000),
                plan: plan(prng),
            });
        }
        self.calls.sort_by_key(|call| call.at);
    }

    fn add_trouble(&mut self, prng: &mut Prng) {
        if prng.chance(250_000) {
            self.wrap_numbers(prng);
        }
        if prng.chance(250_000) {
            for _ in 0..=prng.below(2) {
                let at = Instant::from_millis(u64::from(prng.below(8_000)));
                let host = prng.below(self.hosts.len() as u32) as usize;
                let span = Duration::from_millis(u64::from(prng.below(10_000)));
                self.jumps.push((at, host, span));
            }
        }
        if prng.chance(250_000) {
            let kinds = [Oddity::Silent, Oddity::Optimistic, Oddity::Shrinking, Oddity::Gapped];
            for kind in kinds.into_iter().take(1 + prng.below(4) as usize) {
                self.odd_peers.push((kind, 1 + prng.below(120_000)));
            }
        }
    }

    /// Sets clocks so that the sequence numbers and timestamps of the first connection pass zero.
    fn wrap_numbers(&mut self, prng: &mut Prng) {
        let Some(first) = self.calls.first() else { return };
        let (server, client) = (usize::from(first.server) - 1, first.client);
        let number = self.hosts[client].number;
        let ends = (address(number, first.ipv6), address(first.server, first.ipv6));
        let tuple = |local: IpAddr, local_port, remote, remote_port| Tuple {
            local,
            local_port,
            remote,
            remote_port,
        };
        let at = first.at;
        let near = tuple(ends.0, 1_024, ends.1, SERVER_PORT);
        let far = tuple(ends.1, SERVER_PORT, ends.0, 1_024);
        for (host, ends) in [(client, near), (server, far)] {
            let host = &mut self.hosts[host];
            let isn = initial_sequence_number(host.config.secrets.sequence, &ends, at);
            let below = 30_000 + prng.below(30_000);
            // The number grows by one every 4 microseconds.
            let micros = u64::from(0_u32.wrapping_sub(below).wrapping_sub(isn.0)) * 4;
            host.ahead = Duration::from_micros(micros);
            let millis = (micros / 1_000) as u32;
            host.config.tcp.extensions.timestamp_offset =
                0_u32.wrapping_sub(millis).wrapping_sub(prng.below(5_000));
        }
    }
}

fn weather(prng: &mut Prng) -> Weather {
    let mut up_to = |often: u32, most: u32| if prng.chance(often) { prng.below(most) } else { 0 };
    Weather {
        loss: up_to(700_000, 120_000),
        duplication: up_to(500_000, 80_000),
        corruption: up_to(500_000, 60_000),
        reordering: up_to(500_000, 200_000),
        late: Duration::from_micros(u64::from(up_to(1_000_000, 60_000))),
        forgery: up_to(400_000, 300_000),
        full_ring: up_to(300_000, 50_000),
    }
}

fn line(weather: Weather, prng: &mut Prng) -> Line {
    let most = if prng.chance(500_000) { 500 } else { 50_000 };
    let delay = Duration::from_micros(u64::from(prng.below(most)));
    Line {
        delay,
        // From about a gigabit a second down to one megabit.
        nanos_per_byte: [0, 8, 80, 800, 8_000][prng.below(5) as usize],
        queue: if prng.chance(300_000) { 20 } else { 500 },
        uncut: false,
        weather,
    }
}

/// A host's settings: usual ones, or some that are scarce.
fn limited(mut config: Config, tight: bool, prng: &mut Prng) -> Config {
    let settings = &mut config.tcp;
    settings.extensions.timestamp_offset = prng.next_u32();
    settings.extensions.sack = !prng.chance(150_000);
    settings.extensions.timestamps = !prng.chance(150_000);
    settings.extensions.ecn = !prng.chance(300_000);
    settings.sending.nagle = prng.chance(200_000);
    if prng.chance(300_000) {
        settings.sending.congestion = Algorithm::NewReno;
    }
    if prng.chance(300_000) {
        settings.receiving.window = 3_000 + prng.below(60_000);
    }
    if prng.chance(250_000) {
        config.working = 8 + prng.below(8);
    }
    if prng.chance(250_000) {
        config.buffers = 8 + prng.below(24);
    }
    if prng.chance(250_000) {
        config.frames = 4 + prng.below(16);
    }
    if tight {
        config.limits.connections = 3 + prng.below(4);
        config.limits.evict_idle = prng.chance(500_000);
    }
    config
}

fn plan(prng: &mut Prng) -> Plan {
    let closer = match prng.below(10) {
        0..4 => Closer::Client,
        4..7 => Closer::Server,
        7 => Closer::Abort,
        _ => Closer::Stay,
    };
    let count = 1 + prng.below(4);
    let size = |prng: &mut Prng| match prng.below(8) {
        0 => 0,
        1..5 => prng.below(3_000),
        5..7 => prng.below(20_000),
        _ => prng.below(90_000),
    };
    let rounds = (1..=count)
        .map(|number| Round {
            salt: prng.next_u32(),
            up: size(prng),
            down: 1 + size(prng),
            sip: if prng.chance(150_000) { 500 + prng.below(6_000) as u16 } else { 0 },
            pause: prng.below(100) as u8,
            last: number == count && closer == Closer::Server,
        })
        .collect();
    let rest = if prng.chance(300_000) { prng.below(9_000) } else { prng.below(50) };
    Plan { rounds, rest, closer }
}
