//! More connections than the process may have descriptors, on io_uring: those beyond live in the
//! ring's own table, and everything works on them as on the others. The engine runs in a process of
//! its own whose limit is low, its peer in this one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use app::{Counters, Cx, Dial, DialError, End, Engine, Handler, Source, Step};
use base::Instant;
use rustix::process::{Resource, Rlimit, setrlimit};
use sock::{Alarm, Config, ListenOptions, Listener, LocalAddress, Uring};

/// Set in the child process: the address at which this one waits.
const PARENT: &str = "CRORE_BEYOND_PARENT";
const DESCRIPTORS: u64 = 400;
/// The ring's table has as many places as the process may have descriptors.
const CONNECTIONS: usize = 550;
const PATIENCE: Duration = Duration::from_secs(60);
/// More than a socket buffers.
static LARGE: [u8; 20_000_000] = [7; 20_000_000];

#[test]
fn a_server_holds_more_connections_than_descriptors() {
    let test = "a_server_holds_more_connections_than_descriptors";
    let Some((child, mut control)) = parent_or(test, serve) else { return };
    let mut address = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&control), &mut address).unwrap();
    let Ok(address) = address.trim().parse::<SocketAddr>() else { return skipped(child) };
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            let text = format!("{number} in round {round}");
            client.write_all(text.as_bytes()).unwrap();
            let mut echo = vec![0; text.len()];
            client.read_exact(&mut echo).unwrap();
            assert_eq!(echo, text.as_bytes());
        }
    }
    // In order, by us and by the server; with a reset by either; a large answer.
    let mut last = clients.split_off(CONNECTIONS - 4).into_iter();
    drop(last.next());
    let mut closed = last.next().unwrap();
    closed.write_all(b"close").unwrap();
    assert_eq!(closed.read(&mut [0; 9]).unwrap(), 0);
    let mut aborted = last.next().unwrap();
    aborted.write_all(b"abort").unwrap();
    assert_eq!(aborted.read(&mut [0; 9]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let mut large = last.next().unwrap();
    large.write_all(b"large").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut answer = vec![0; LARGE.len()];
    large.read_exact(&mut answer).unwrap();
    assert!(answer == LARGE);
    // Places are used again.
    drop(clients);
    for _ in 0..2 * CONNECTIONS {
        let mut client = connect(address);
        client.write_all(b"again").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    control.write_all(b"end").unwrap();
    succeeded(child);
}

#[test]
fn a_client_opens_more_connections_than_descriptors() {
    let test = "a_client_opens_more_connections_than_descriptors";
    let Some((child, mut control)) = parent_or(test, dial) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    writeln!(control, "{}", listener.local_addr().unwrap()).unwrap();
    let mut answer = [0; 1];
    control.read_exact(&mut answer).unwrap();
    if answer == *b"n" {
        return skipped(child);
    }
    let mut servers: Vec<TcpStream> = (0..CONNECTIONS).map(|_| accept(&listener)).collect();
    for server in &mut servers {
        let mut greeting = [0; 5];
        server.read_exact(&mut greeting).unwrap();
        server.write_all(b"hello").unwrap();
    }
    // All have to be open at once before any goes on.
    control.read_exact(&mut answer).unwrap();
    let mut last = servers.split_off(CONNECTIONS - 2).into_iter();
    let mut large = last.next().unwrap();
    large.write_all(b"large").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut sent = vec![0; LARGE.len()];
    large.read_exact(&mut sent).unwrap();
    assert!(sent == LARGE);
    let mut closed = last.next().unwrap();
    closed.write_all(b"close").unwrap();
    assert_eq!(closed.read(&mut [0; 9]).unwrap(), 0);
    drop((servers, large, closed));
    succeeded(child);
}

/// In the child: runs `scenario`. In the parent: starts the child and gives the connection to it.
fn parent_or(test: &str, scenario: impl FnOnce(TcpStream)) -> Option<(Child, TcpStream)> {
    if let Ok(parent) = std::env::var(PARENT) {
        let limit = Some(DESCRIPTORS);
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
        scenario(connect(parent.parse().unwrap()));
        return None;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PARENT, listener.local_addr().unwrap().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Some((child, accept(&listener)))
}

fn succeeded(child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn skipped(child: Child) {
    succeeded(child);
    eprintln!("not tested: io_uring is not to be had here");
}

fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

/// Not for ever: the child may be gone.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let start = std::time::Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return patient(stream);
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(start.elapsed() < PATIENCE, "nobody came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Echoes, or does what it is told to. Opens connections, and says so when all are.
#[derive(Default)]
struct Peer {
    dials: Option<(SocketAddr, usize)>,
    greeted: usize,
    ended: usize,
    undialled: Vec<DialError>,
}

impl Handler for Peer {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        let (to, left) = self.dials.as_mut()?;
        *left = left.checked_sub(1)?;
        Some(Dial::new(*to, 0))
    }

    fn undialled(&mut self, _: Instant, _: u32, why: DialError) {
        self.undialled.push(why);
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        if cx.origin.role == app::Role::Opened {
            cx.out.put(b"hello").unwrap();
        }
        Step::idle(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        match rx {
            b"" | b"close" => return Step::close(),
            b"abort" => return Step::abort(),
            b"large" => {
                cx.out.attach(Source::Static(&LARGE), 0, LARGE.len() as u64).unwrap();
            }
            b"hello" => self.greeted += 1,
            other => cx.out.put(other).unwrap(),
        }
        Step::idle(rx.len())
    }

    fn end(&mut self, _: &mut Cx<'_, u32>, _: End) {
        self.ended += 1;
    }
}

fn engine(listeners: Vec<Listener>, alarm: Alarm) -> Option<(Uring<u32>, Arc<Counters>)> {
    let counters = Arc::new(Counters::default());
    Some((Uring::new(Config::default(), listeners, alarm, counters.clone()).ok()?, counters))
}

/// Turns the engine until something is so.
fn run(engine: &mut Uring<u32>, peer: &mut Peer, so: impl Fn(&Peer) -> bool) {
    let start = std::time::Instant::now();
    while !so(peer) {
        assert!(start.elapsed() < PATIENCE, "{:?}, {} greeted", peer.undialled, peer.greeted);
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64);
        if engine.turn(now, peer).unwrap() == 0 {
            Engine::<Peer>::park(engine, Engine::<Peer>::deadline(engine)).unwrap();
        }
    }
}

fn serve(mut control: TcpStream) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any, ListenOptions::default()).unwrap();
    let LocalAddress::Inet(address) = *listener.local_addr() else { unreachable!() };
    let alarm = Alarm::new().unwrap();
    let Some((mut engine, counters)) = engine(vec![listener], alarm.clone()) else {
        return control.write_all(b"none\n").unwrap();
    };
    writeln!(control, "{address}").unwrap();
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = ended.clone();
    std::thread::spawn(move || {
        control.read_exact(&mut [0; 3]).unwrap();
        told.store(true, std::sync::atomic::Ordering::Release);
        alarm.ring();
    });
    let mut peer = Peer::default();
    run(&mut engine, &mut peer, |_| ended.load(std::sync::atomic::Ordering::Acquire));
    assert_eq!(counters.accepted.get(), 3 * CONNECTIONS as u64);
    assert_eq!((counters.accept_failures.get(), counters.refused_full.get()), (0, 0));
}

fn dial(mut control: TcpStream) {
    let mut address = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&control), &mut address).unwrap();
    let Some((mut engine, counters)) = engine(Vec::new(), Alarm::new().unwrap()) else {
        return control.write_all(b"n").unwrap();
    };
    control.write_all(b"y").unwrap();
    let dials = Some((address.trim().parse().unwrap(), CONNECTIONS));
    let mut peer = Peer { dials, ..Peer::default() };
    run(&mut engine, &mut peer, |peer| peer.greeted + peer.undialled.len() == CONNECTIONS);
    assert_eq!(peer.undialled, []);
    assert_eq!(counters.connections.get(), CONNECTIONS as u64);
    control.write_all(b"y").unwrap();
    run(&mut engine, &mut peer, |peer| peer.ended == CONNECTIONS);
}
