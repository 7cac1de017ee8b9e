//! What an idle connection costs in user space: measured, on both engines, as the growth of the
//! process over thousands of connections that have each had one exchange. Alone in its file,
//! because what other tests allocate would be counted, too.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use app::{Counters, Cx, Engine, Handler, Step};
use base::{Instant, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sock::{Alarm, Config, Epoll, ListenOptions, Listener, LocalAddress, Uring};

/// Most bytes of user-space memory for an idle connection.
const MOST: u64 = 128;
/// Connections, if the process may have as many descriptors; both ends are in it.
const CONNECTIONS: usize = 9_900;

struct Echo;

impl Handler for Echo {
    type Conn = [u64; 2];

    fn data(&mut self, cx: &mut Cx<'_, [u64; 2]>, rx: &[u8]) -> Step {
        if rx.is_empty() || cx.out.put(rx).is_err() {
            return Step::close();
        }
        Step::idle(rx.len()).within(std::time::Duration::from_secs(600))
    }
}

#[test]
fn an_idle_connection_costs_at_most_128_bytes() {
    let may_have = getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(may_have), maximum: Some(may_have) })
        .unwrap();
    let connections = CONNECTIONS.min((may_have as usize - 100) / 2);
    // Two bounds that cost memory are on: per client, and making way.
    let limits = Limits {
        connections: 10_000,
        connections_per_client: 10_000,
        evict_idle: true,
        ..Limits::default()
    };
    let config = Config { limits, ..Config::default() };
    check("epoll", connections, config, |listener, alarm, counters| {
        Epoll::new(config, vec![listener], alarm, counters).unwrap()
    });
    check("io_uring", connections, config, |listener, alarm, counters| {
        Uring::new(config, vec![listener], alarm, counters).unwrap()
    });
}

fn check<E: Engine<Echo, Error = sock::EngineError> + Send + 'static>(
    name: &str,
    connections: usize,
    config: Config,
    build: impl FnOnce(Listener, Alarm, Arc<Counters>) -> E,
) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any, ListenOptions::default()).unwrap();
    let LocalAddress::Inet(address) = *listener.local_addr() else { unreachable!() };
    let (alarm, counters) = (Alarm::new().unwrap(), Arc::new(Counters::default()));
    let mut engine = build(listener, alarm.clone(), counters.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let thread = std::thread::spawn(move || {
        while !stopping.load(Ordering::Acquire) {
            if engine.turn(monotonic(), &mut Echo).unwrap() == 0 {
                engine.park(engine.deadline()).unwrap();
            }
        }
    });
    let mut clients: Vec<TcpStream> = Vec::with_capacity(connections);
    let exchange = || {
        let mut client = TcpStream::connect(address).unwrap();
        let mut answer = [0; 1_000];
        client.write_all(&[7; 1_000]).unwrap();
        client.read_exact(&mut answer).unwrap();
        client
    };
    // What every shard has once, whatever it serves, is used before the measurement.
    for _ in 0..1_200 {
        drop(exchange());
    }
    let before = resident();
    clients.extend((0..connections).map(|_| exchange()));
    let grown = resident().saturating_sub(before);
    let each = grown / connections as u64;
    println!("{name}: {each} bytes of user-space memory for each of {connections} connections");
    assert!(each <= MOST, "{each} bytes each");
    assert_eq!(counters.connections.get(), connections as u64);
    assert!(grown > 0 && config.limits.connections > 0);
    stop.store(true, Ordering::Release);
    alarm.ring();
    thread.join().unwrap();
    drop(clients);
}

/// Bytes of memory the process has in use.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

fn monotonic() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}
