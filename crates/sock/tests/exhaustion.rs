//! Running out of descriptors: clients who cannot be held are told so, those who are in notice
//! nothing, nothing spins, and it passes. Each engine in a process of its own whose limit is low.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use app::{Counters, Cx, Dial, DialError, Engine, Handler, Out, Refusal, Step};
use base::{Instant, Limits};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Resource, Rlimit, setrlimit};
use sock::{Alarm, Config, Epoll, ListenOptions, Listener, LocalAddress, Uring};

/// Set in the child process: which test it is to run.
const CHILD: &str = "CRORE_EXHAUSTION_CHILD";
const FAREWELL: &[u8] = b"503 full";
/// Has the server close.
const CLOSE: &[u8] = b"close";
const DESCRIPTORS: u64 = 100;

struct Echo;

impl Handler for Echo {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if rx.is_empty() || rx == CLOSE || cx.out.put(rx).is_err() {
            return Step::close();
        }
        Step::idle(rx.len())
    }

    fn refuse(&mut self, _: Instant, why: Refusal, out: &mut Out<'_>) {
        assert_eq!(why, Refusal::Full);
        out.put(FAREWELL).unwrap();
    }
}

#[test]
fn epoll_outlives_running_out_of_descriptors() {
    in_child("epoll_outlives_running_out_of_descriptors", || {
        let server = Server::start(false, |config, listener, alarm, counters| {
            Epoll::new(config, vec![listener], alarm, counters).unwrap()
        });
        run_out(&server);
    });
}

#[test]
fn uring_outlives_running_out_of_descriptors() {
    in_child("uring_outlives_running_out_of_descriptors", || {
        let server = Server::start(false, |config, listener, alarm, counters| {
            Uring::new(config, vec![listener], alarm, counters).unwrap()
        });
        run_out(&server);
    });
}

#[test]
fn epoll_lets_the_idle_make_way() {
    in_child("epoll_lets_the_idle_make_way", || {
        let server = Server::start(true, |config, listener, alarm, counters| {
            Epoll::new(config, vec![listener], alarm, counters).unwrap()
        });
        make_way(&server);
    });
}

#[test]
fn uring_lets_the_idle_make_way() {
    in_child("uring_lets_the_idle_make_way", || {
        let server = Server::start(true, |config, listener, alarm, counters| {
            Uring::new(config, vec![listener], alarm, counters).unwrap()
        });
        make_way(&server);
    });
}

#[test]
fn epoll_lets_what_lingers_make_way() {
    in_child("epoll_lets_what_lingers_make_way", || {
        let server = Server::start(false, |config, listener, alarm, counters| {
            Epoll::new(config, vec![listener], alarm, counters).unwrap()
        });
        let_linger(&server);
    });
}

#[test]
fn uring_lets_what_lingers_make_way() {
    in_child("uring_lets_what_lingers_make_way", || {
        let server = Server::start(false, |config, listener, alarm, counters| {
            Uring::new(config, vec![listener], alarm, counters).unwrap()
        });
        let_linger(&server);
    });
}

#[test]
fn epoll_cannot_dial_without_a_descriptor_and_can_again() {
    in_child("epoll_cannot_dial_without_a_descriptor_and_can_again", || {
        dial(|config, alarm| Epoll::new(config, vec![], alarm, Arc::default()).unwrap());
    });
}

#[test]
fn uring_cannot_dial_without_a_descriptor_and_can_again() {
    in_child("uring_cannot_dial_without_a_descriptor_and_can_again", || {
        dial(|config, alarm| Uring::new(config, vec![], alarm, Arc::default()).unwrap());
    });
}

/// Dials once, and notes what came of it.
struct Caller {
    to: Option<SocketAddr>,
    outcome: Option<Result<(), DialError>>,
}

impl Handler for Caller {
    type Conn = ();

    fn dial(&mut self, _: Instant) -> Option<Dial<()>> {
        Some(Dial::new(self.to.take()?, ()))
    }

    fn undialled(&mut self, _: Instant, (): (), why: DialError) {
        self.outcome = Some(Err(why));
    }

    fn open(&mut self, _: &mut Cx<'_, ()>) -> Step {
        self.outcome = Some(Ok(()));
        Step::idle(0)
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::idle(rx.len())
    }
}

fn dial<E>(build: impl FnOnce(Config, Alarm) -> E)
where
    E: Engine<Caller, Error = sock::EngineError>,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let mut engine = build(Config::default(), Alarm::new().unwrap());
    let mut outcome = || {
        let mut caller = Caller { to: Some(to), outcome: None };
        loop {
            engine.turn(monotonic(), &mut caller).unwrap();
            match caller.outcome {
                Some(outcome) => return outcome,
                None => engine.park(engine.deadline()).unwrap(),
            }
        }
    };
    let hoard = take_all_descriptors();
    assert_eq!(outcome(), Err(DialError::Exhausted));
    drop(hoard);
    assert_eq!(outcome(), Ok(()));
}

/// Runs the scenario in a process of its own, with few descriptors.
fn in_child(test: &str, scenario: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        let limit = Some(DESCRIPTORS);
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
        scenario();
        return;
    }
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this);
    let output = child.args(["--exact", test, "--nocapture"]).env(CHILD, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn run_out(server: &Server) {
    let mut clients: Vec<TcpStream> = (0..10).map(|_| server.client()).collect();
    clients.iter_mut().for_each(ask);
    let waiting: Vec<OwnedFd> = (0..20).map(|_| unconnected()).collect();
    let hoard = take_all_descriptors();
    let spent = server.processor_time();
    let late: Vec<TcpStream> = waiting.into_iter().map(|socket| server.connect(socket)).collect();
    for mut client in late {
        client.write_all(b"GET /").unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, FAREWELL);
        // Its descriptor is not to become free for the next one.
        std::mem::forget(client);
    }
    assert_eq!(server.counters.refused_full.get(), 20);
    assert!(server.counters.accept_failures.get() >= 20);
    clients.iter_mut().for_each(ask);
    std::thread::sleep(Duration::from_millis(300));
    let spent = server.processor_time() - spent;
    assert!(spent < Duration::from_millis(70), "{spent:?} of processor time: it spins");
    drop(hoard);
    ask(&mut server.client());
    clients.iter_mut().for_each(ask);
}

fn make_way(server: &Server) {
    let mut clients: Vec<TcpStream> = (0..10).map(|_| server.client()).collect();
    clients.iter_mut().for_each(ask);
    let late = unconnected();
    let _hoard = take_all_descriptors();
    ask(&mut server.connect(late));
    assert_eq!(clients[0].read(&mut [0; 1]).unwrap(), 0, "the longest idle is still there");
    clients[2..].iter_mut().for_each(ask);
    assert_eq!(server.counters.refused_full.get(), 0);
}

/// Connections that are over but for peers that do not close are the first to go.
fn let_linger(server: &Server) {
    let lingering: Vec<TcpStream> = (0..5).map(|_| server.client()).collect();
    for mut client in &lingering {
        client.write_all(CLOSE).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
    let mut idle = server.client();
    ask(&mut idle);
    let late: Vec<OwnedFd> = (0..6).map(|_| unconnected()).collect();
    let _hoard = take_all_descriptors();
    let mut late = late.into_iter().map(|socket| server.connect(socket));
    let mut held: Vec<TcpStream> = late.by_ref().take(5).collect();
    held.iter_mut().for_each(ask);
    assert_eq!(server.counters.refused_full.get(), 0);
    // Nothing lingers any more.
    let mut refused = late.next().unwrap();
    let mut answer = Vec::new();
    refused.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, FAREWELL);
    ask(&mut idle);
}

fn ask(client: &mut TcpStream) {
    client.write_all(b"question").unwrap();
    let mut answer = [0; 8];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
}

/// Opens files until no descriptor is left.
fn take_all_descriptors() -> Vec<File> {
    let mut hoard = Vec::with_capacity(DESCRIPTORS as usize);
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    hoard
}

fn unconnected() -> OwnedFd {
    rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()
}

struct Server {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    alarm: Alarm,
    thread: Option<JoinHandle<()>>,
    clock: libc::clockid_t,
}

impl Server {
    fn start<E: Engine<Echo, Error = sock::EngineError> + Send + 'static>(
        evict_idle: bool,
        build: impl FnOnce(Config, Listener, Alarm, Arc<Counters>) -> E,
    ) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::tcp(any, ListenOptions::default()).unwrap();
        let LocalAddress::Inet(address) = *listener.local_addr() else { unreachable!() };
        let config =
            Config { limits: Limits { evict_idle, ..Limits::default() }, ..Config::default() };
        let (alarm, counters) = (Alarm::new().unwrap(), Arc::new(Counters::default()));
        let mut engine = build(config, listener, alarm.clone(), counters.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Acquire) {
                if engine.turn(monotonic(), &mut Echo).unwrap() == 0 {
                    engine.park(engine.deadline()).unwrap();
                }
            }
        });
        let clock = clock_of(&thread);
        Self { address, counters, stop, alarm, thread: Some(thread), clock }
    }

    fn client(&self) -> TcpStream {
        self.connect(unconnected())
    }

    fn connect(&self, socket: OwnedFd) -> TcpStream {
        rustix::net::connect(&socket, &self.address).unwrap();
        let client = TcpStream::from(socket);
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    /// What the engine's thread has used of the processor.
    fn processor_time(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is of the right type; the clock is that of a thread that still runs.
        assert_eq!(unsafe { libc::clock_gettime(self.clock, &raw mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.alarm.ring();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn clock_of(thread: &JoinHandle<()>) -> libc::clockid_t {
    use std::os::unix::thread::JoinHandleExt;
    let mut clock = 0;
    // SAFETY: the thread has not been joined, and `clock` is of the right type.
    assert_eq!(unsafe { libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) }, 0);
    clock
}

fn monotonic() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}
