//! Starts an engine with a closure as its handler, and checks after the test that nothing is left.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use app::{Counters, Cx, Dial, DialError, End, Engine, Handler, Out, Refusal, Role, Step};
use base::{ConnId, Instant};
use sock::{Alarm, Config, Epoll, ListenOptions, Listener, LocalAddress, SetupError, Uring};

/// What the closure handler keeps of a connection.
pub type Conn = [u64; 2];

/// Which of the handler's methods was called.
#[derive(Debug)]
pub enum On<'a> {
    Open,
    Data(&'a [u8]),
    Room,
    Wake,
    Timer,
    Drain,
}

type Script = Box<dyn FnMut(On<'_>, &mut Cx<'_, Conn>) -> Step + Send>;

/// A handler that is a closure.
pub struct Scripted {
    script: Script,
    /// Open connections, to see that each ends once.
    open: HashMap<ConnId, ()>,
    ends: Sender<End>,
    farewell: &'static [u8],
    /// Connections to be opened.
    dials: Receiver<Dial<Conn>>,
    /// How many of them the engine took and has not answered for.
    opening: usize,
    undialled: Sender<(Conn, DialError)>,
}

impl Handler for Scripted {
    type Conn = Conn;

    fn dial(&mut self, _: Instant) -> Option<Dial<Conn>> {
        let dial = self.dials.try_recv().ok()?;
        self.opening += 1;
        Some(dial)
    }

    fn undialled(&mut self, _: Instant, conn: Conn, why: DialError) {
        self.opening = self.opening.checked_sub(1).expect("answered twice");
        let _ = self.undialled.send((conn, why));
    }

    fn open(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        if cx.origin.role == Role::Opened {
            self.opening = self.opening.checked_sub(1).expect("answered twice");
        }
        assert!(self.open.insert(cx.id, ()).is_none(), "opened twice");
        (self.script)(On::Open, cx)
    }

    fn data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        assert!(self.open.contains_key(&cx.id), "data without open");
        assert!(!rx.is_empty() || cx.input_ended, "nothing to offer");
        assert_eq!(cx.unsent, 0, "data while output is leaving");
        (self.script)(On::Data(rx), cx)
    }

    fn room(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        assert!(self.open.contains_key(&cx.id), "room without open");
        assert_eq!(cx.unsent, 0, "room while output is leaving");
        (self.script)(On::Room, cx)
    }

    fn wake(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        assert!(self.open.contains_key(&cx.id), "wake without open");
        (self.script)(On::Wake, cx)
    }

    fn timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        assert!(self.open.contains_key(&cx.id), "timer without open");
        (self.script)(On::Timer, cx)
    }

    fn drain(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        assert!(self.open.contains_key(&cx.id), "drain without open");
        (self.script)(On::Drain, cx)
    }

    fn end(&mut self, cx: &mut Cx<'_, Conn>, why: End) {
        assert!(self.open.remove(&cx.id).is_some(), "ended twice");
        assert!(cx.out.room() == 0 && !cx.out.can_attach());
        let _ = self.ends.send(why);
    }

    fn refuse(&mut self, _: Instant, _: Refusal, out: &mut Out<'_>) {
        out.put(self.farewell).unwrap();
    }
}

/// An engine that the tests can build.
pub trait TestEngine: Engine<Scripted, Error = sock::EngineError> + Sized + Send {
    fn build(
        config: Config,
        listeners: Vec<Listener>,
        alarm: Alarm,
        counters: Arc<Counters>,
    ) -> Result<Self, SetupError>;
}

impl TestEngine for Epoll<Conn> {
    fn build(
        config: Config,
        listeners: Vec<Listener>,
        alarm: Alarm,
        counters: Arc<Counters>,
    ) -> Result<Self, SetupError> {
        Self::new(config, listeners, alarm, counters)
    }
}

impl TestEngine for Uring<Conn> {
    fn build(
        config: Config,
        listeners: Vec<Listener>,
        alarm: Alarm,
        counters: Arc<Counters>,
    ) -> Result<Self, SetupError> {
        Self::new(config, listeners, alarm, counters)
    }
}

/// Makes a test of each generic function, for either engine.
macro_rules! on_both_engines {
    ($($test:ident)*) => {
        mod epoll {
            $(#[test] fn $test() { super::$test::<sock::Epoll<crate::harness::Conn>>(); })*
        }
        mod uring {
            $(#[test] fn $test() { super::$test::<sock::Uring<crate::harness::Conn>>(); })*
        }
    };
}
pub(crate) use on_both_engines;

enum Command {
    Wake(ConnId),
    Drain,
    ShutDown,
    Stop,
}

/// A running engine.
pub struct Server {
    pub counters: Arc<Counters>,
    pub ends: Receiver<End>,
    pub undialled: Receiver<(Conn, DialError)>,
    dials: Sender<Dial<Conn>>,
    addresses: Vec<LocalAddress>,
    control: Control,
}

/// Reaches the engine's thread from any other.
#[derive(Clone)]
pub struct Control {
    commands: Sender<Command>,
    alarm: Alarm,
}

impl Control {
    fn order(&self, command: Command) {
        let _ = self.commands.send(command);
        self.alarm.ring();
    }

    pub fn wake(&self, id: ConnId) {
        self.order(Command::Wake(id));
    }

    pub fn drain(&self) {
        self.order(Command::Drain);
    }

    pub fn shut_down(&self) {
        self.order(Command::ShutDown);
    }
}

impl Server {
    /// A client connected to the first listener.
    pub fn connect(&self) -> TcpStream {
        let LocalAddress::Inet(address) = &self.addresses[0] else { panic!("not TCP") };
        client(*address)
    }

    pub fn address(&self) -> SocketAddr {
        let LocalAddress::Inet(address) = &self.addresses[0] else { panic!("not TCP") };
        *address
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Has the engine open a connection.
    pub fn dial(&self, dial: Dial<Conn>) {
        self.dials.send(dial).unwrap();
        self.control.alarm.ring();
    }

    /// Waits for the next connection that is not made and says why, and which it was.
    pub fn next_undialled(&self) -> (u64, DialError) {
        let (conn, why) = self.undialled.recv_timeout(PATIENCE).expect("every one was made");
        (conn[0], why)
    }

    /// Waits for the next connection to end and says why.
    pub fn next_end(&self) -> End {
        self.ends.recv_timeout(PATIENCE).expect("no connection ended")
    }
}

/// Far longer than anything takes; only a test that fails waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Sends and reads an answer of a known length.
pub fn ask(client: &mut (impl Read + Write), question: &[u8], answer_len: usize) -> Vec<u8> {
    client.write_all(question).unwrap();
    let mut answer = vec![0; answer_len];
    client.read_exact(&mut answer).unwrap();
    answer
}

/// Closes this side and reads what is left.
pub fn finish(client: &mut TcpStream) -> Vec<u8> {
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    rest
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How a server is made.
pub struct Setup {
    pub config: Config,
    pub listeners: Vec<Listener>,
    pub farewell: &'static [u8],
}

impl Default for Setup {
    fn default() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::tcp(any, ListenOptions::default()).unwrap();
        Self { config: Config::default(), listeners: vec![listener], farewell: b"" }
    }
}

/// One test at a time, so that descriptors can be counted.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The sockets and such that are open.
pub fn descriptors() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let is_ours = |target: &PathBuf| {
        let target = target.to_string_lossy();
        target.starts_with("socket:") || target.starts_with("anon_inode:")
    };
    targets.filter(is_ours).collect()
}

/// Runs a server with the default setup, the test against it, and the checks.
pub fn serve<E: TestEngine>(
    script: impl FnMut(On<'_>, &mut Cx<'_, Conn>) -> Step + Send + 'static,
    test: impl FnOnce(&Server),
) {
    serve_with::<E>(Setup::default, script, test);
}

/// Runs a server, the test against it, and the checks.
pub fn serve_with<E: TestEngine>(
    setup: impl FnOnce() -> Setup,
    script: impl FnMut(On<'_>, &mut Cx<'_, Conn>) -> Step + Send + 'static,
    test: impl FnOnce(&Server),
) {
    let _alone = alone();
    let before = descriptors();
    let (server, thread) = start::<E>(setup(), Box::new(script));
    test(&server);
    server.control.order(Command::Stop);
    let left_open = thread.join().expect("the engine's thread panicked");
    assert_eq!(left_open, 0, "connections that were opened and not ended");
    drop(server);
    // The kernel closes an io_uring's descriptors some time after the ring itself.
    let left_over = || descriptors().len() > before.len();
    for _ in 0..1_000 {
        if !left_over() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("descriptors left: {:?}, before: {before:?}", descriptors());
}

fn start<E: TestEngine>(setup: Setup, script: Script) -> (Server, JoinHandle<usize>) {
    let addresses = setup.listeners.iter().map(|l| l.local_addr().clone()).collect();
    let alarm = Alarm::new().unwrap();
    let counters = Arc::new(Counters::default());
    let (commands, orders) = channel();
    let (ends_tx, ends) = channel();
    let (dials, dials_rx) = channel();
    let (undialled_tx, undialled) = channel();
    let handler = Scripted {
        script,
        open: HashMap::new(),
        ends: ends_tx,
        farewell: setup.farewell,
        dials: dials_rx,
        opening: 0,
        undialled: undialled_tx,
    };
    let server = Server {
        counters: counters.clone(),
        ends,
        undialled,
        dials,
        addresses,
        control: Control { commands, alarm: alarm.clone() },
    };
    let thread = std::thread::spawn(move || {
        // Made here, because a ring belongs to the thread that uses it.
        let engine = E::build(setup.config, setup.listeners, alarm, counters.clone());
        run(engine.unwrap(), handler, &orders, &counters)
    });
    (server, thread)
}

fn run<E: TestEngine>(
    mut engine: E,
    mut handler: Scripted,
    orders: &Receiver<Command>,
    counters: &Counters,
) -> usize {
    loop {
        let now = monotonic();
        let work = engine.turn(now, &mut handler).unwrap();
        while let Ok(order) = orders.try_recv() {
            match order {
                Command::Wake(id) => engine.wake(now, id, &mut handler),
                Command::Drain => engine.drain(now, &mut handler),
                Command::ShutDown => engine.shut_down(now, &mut handler),
                Command::Stop => {
                    engine.shut_down(now, &mut handler);
                    assert_eq!(engine.connections(), 0);
                    assert_eq!(counters.connections.get(), 0);
                    return handler.open.len() + handler.opening;
                }
            }
        }
        assert_eq!(engine.connections() as usize, handler.open.len() + handler.opening);
        if work == 0 {
            engine.park(engine.deadline()).unwrap();
        }
    }
}

pub fn monotonic() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// A handler that sends back what comes in.
pub fn echo(on: On<'_>, cx: &mut Cx<'_, Conn>) -> Step {
    match on {
        On::Data(rx) => {
            let put = cx.out.put_some(rx);
            match () {
                () if put < rx.len() => Step::write(put),
                () if cx.input_ended => Step::close(),
                () => Step::idle(put),
            }
        }
        _ => Step::read(0),
    }
}
