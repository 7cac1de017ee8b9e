//! An engine with next to nothing on it: answers every request with the same kilobyte. For looking
//! at what an engine itself costs: `strace -c`, `perf`, a load generator.
//!
//! `cargo run --profile quick -p crore-sock --example bare -- epoll 127.0.0.1:8080`

use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Cx, Engine, Handler, Source, Step};
use base::Instant;
use sock::{Alarm, Config, Epoll, ListenOptions, Listener, Uring};

/// Takes whatever arrives for one request.
struct Bare {
    body: Arc<[u8]>,
}

impl Handler for Bare {
    type Conn = u64;

    fn data(&mut self, cx: &mut Cx<'_, u64>, rx: &[u8]) -> Step {
        if rx.is_empty() {
            return Step::close();
        }
        let closes = rx.windows(17).any(|part| part == b"Connection: close");
        let connection = if closes { &b"Connection: close\r\n\r\n"[..] } else { b"\r\n" };
        let attached = cx.out.put(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n").is_ok()
            && cx.out.put(connection).is_ok()
            && cx.out.attach(Source::Memory(self.body.clone()), 0, 1024).is_ok();
        if !attached || closes {
            return Step::close();
        }
        Step::idle(rx.len()).within(Duration::from_secs(60))
    }
}

fn run<E: Engine<Bare>>(mut engine: E) -> Result<(), E::Error> {
    let mut handler = Bare { body: vec![b'x'; 1024].into() };
    loop {
        let clock = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = clock.tv_sec as u64 * 1_000_000_000 + clock.tv_nsec as u64;
        if engine.turn(Instant::from_nanos(now), &mut handler)? == 0 {
            engine.park(engine.deadline())?;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| String::from("epoll"));
    let address = arguments.next().unwrap_or_else(|| String::from("127.0.0.1:8080"));
    let listener = Listener::tcp(address.parse()?, ListenOptions::default())?;
    println!("{kind} on {}", listener.local_addr());
    let mut config = Config::default();
    config.limits.connections = 18_000;
    let (alarm, counters) = (Alarm::new()?, Arc::new(Counters::default()));
    match kind.as_str() {
        "uring" => run(Uring::<u64>::new(config, vec![listener], alarm, counters)?)?,
        _ => run(Epoll::<u64>::new(config, vec![listener], alarm, counters)?)?,
    }
    Ok(())
}
