//! One site over each engine (epoll, io_uring, our own stack) answers the same, byte for byte: whether
//! and how a request is answered must not depend on what carries it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Wall};

use app::{Clock, Counters, Cx, Dial, End, Engine, Handler, Step, Wake};
use base::{ConnId, Instant, Limits, SipKey};
use http::{Http, LiveSettings};
use site::{Config, Content, Environment, Site, SiteService};
use sock::{Alarm, Epoll, ListenOptions, Listener, LocalAddress, Uring};
use stack::port::{Caps, MemPort};
use stack::wire::ethernet::Mac;
use stack::{Native, Route, Secrets};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent over one connection each, until the server closes it.
const SCRIPTS: [&str; 22] = [
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /a.js HTTP/1.0\r\n\r\n",
    "GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=100000-1600000\r\n\r\n\
     GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9,700000-1400000,-5\r\nConnection: close\r\n\r\n",
    "GET /a.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n\
     GET /a.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nRange: bytes=5-20\r\n\r\n\
     GET /a.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0\r\nConnection: close\r\n\r\n",
    "GET /a.js HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n\
     GET /a.js HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\"\r\n\r\n\
     GET /a.js HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT\r\n\r\n\
     GET /a.js HTTP/1.1\r\nHost: a\r\nRange: bytes=9999999-\r\nConnection: close\r\n\r\n",
    "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /d HTTP/1.1\r\nHost: a\r\n\r\n\
     GET /d/ HTTP/1.1\r\nHost: a\r\n\r\nGET /old?q HTTP/1.1\r\nHost: a\r\n\r\n\
     GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\nGET /.git/config HTTP/1.1\r\nHost: a\r\n\r\n\
     GET /secret/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nTRACE / HTTP/1.1\r\nHost: a\r\n\r\n\
     POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
     PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: u\r\n\r\n\
     GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /large.bin HTTP/1.1\r\n",
    // What is refused, and closes.
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\n\n",
    "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n",
    "\x16\x03\x01",
];

/// A folder with something of every kind, and a site that serves it.
fn site(folder: &Path, wake: Arc<dyn Wake>) -> SiteService {
    let config = format!(
        "[[host]]\nroot = '{}'\nlisting = true\n\
         redirect = [{{ from = '/old', to = '/new#part' }}]\n\
         [[host.rule]]\npath = '/secret/**'\nauth = {{ users = {{ ada = '{HASH}' }} }}\n",
        folder.display()
    );
    let config: Config =
        toml::from_str(&config).unwrap_or_else(|error| panic!("{config}: {error}"));
    let content = Content::open(&config).unwrap_or_else(|errors| panic!("{errors}"));
    Site::start(content, Environment { wake, shards: 1, log: None }).unwrap().service()
}

/// `U*U`, from the test vectors that crypt_blowfish came with.
const HASH: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn fill(folder: &Path) {
    let large: Vec<u8> = (0..2_000_000_u32).map(|index| (index / 7) as u8).collect();
    let script = "let line = 'one of many that are alike';\n".repeat(400);
    for (name, content) in [
        ("index.html", b"<h1>index</h1>".as_slice()),
        ("large.bin", &large),
        ("a.js", script.as_bytes()),
        ("d/\u{fc} b.txt", b"listed"),
        ("secret/x", b"secret"),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    // Listings tell when a folder was changed, and a page made just now is made again.
    let past = std::time::SystemTime::now() - Duration::from_secs(1_000);
    std::fs::File::open(folder.join("d")).unwrap().set_modified(past).unwrap();
}

fn handler(folder: &Path, wake: Arc<dyn Wake>) -> Http<SiteService> {
    let clock = Arc::new(Clock::new(Duration::from_secs(1_800_000_000)));
    Http::new(site(folder, wake), Arc::new(LiveSettings::default()), clock, Arc::default())
}

/// Connections that are to be woken, and what ends the sleep of their engine.
struct Wakes {
    ids: Mutex<Vec<ConnId>>,
    alarm: Option<Alarm>,
}

impl Wake for Wakes {
    fn wake(&self, id: ConnId) {
        self.ids.lock().unwrap().push(id);
        if let Some(alarm) = &self.alarm {
            alarm.ring();
        }
    }
}

impl Wakes {
    fn new(alarm: Option<Alarm>) -> Arc<Self> {
        Arc::new(Self { ids: Mutex::default(), alarm })
    }

    fn deliver<H: Handler>(&self, now: Instant, engine: &mut impl Engine<H>, handler: &mut H) {
        let ids = std::mem::take(&mut *self.ids.lock().unwrap());
        ids.into_iter().for_each(|id| engine.wake(now, id, handler));
    }
}

fn monotonic() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// The bytes sent in pieces of so many: what is answered must not depend on that either.
fn pieces(script: &str, length: usize) -> Vec<&[u8]> {
    script.as_bytes().chunks(length).collect()
}

/// What every script is answered, over an engine on kernel sockets.
fn over_sockets<E, F>(folder: &Path, make: F) -> Vec<String>
where
    E: Engine<Http<SiteService>, Error = sock::EngineError>,
    F: FnOnce(Listener, Alarm) -> E + Send,
{
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), ListenOptions::default()).unwrap();
    let LocalAddress::Inet(address) = *listener.local_addr() else { unreachable!() };
    let alarm = Alarm::new().unwrap();
    let wakes = Wakes::new(Some(alarm.clone()));
    let stop = Arc::new(Mutex::new(false));
    std::thread::scope(|scope| {
        let (inner, over, bell) = (Arc::clone(&wakes), Arc::clone(&stop), alarm.clone());
        scope.spawn(move || {
            let mut handler = handler(folder, Arc::clone(&inner) as _);
            let mut engine = make(listener, bell);
            while !*over.lock().unwrap() {
                let now = monotonic();
                engine.turn(now, &mut handler).unwrap();
                inner.deliver(now, &mut engine, &mut handler);
                engine.park(engine.deadline()).unwrap();
            }
            engine.shut_down(monotonic(), &mut handler);
        });
        let answers = all(|script, length| {
            let mut client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.set_nodelay(true).unwrap();
            for piece in pieces(script, length) {
                // It may have been answered and closed before all was sent.
                if client.write_all(piece).is_err() {
                    break;
                }
            }
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            answer
        });
        *stop.lock().unwrap() = true;
        alarm.ring();
        answers
    })
}

/// Sends a script and keeps what comes.
struct Asker {
    dial: bool,
    script: Vec<Vec<u8>>,
    answer: Vec<u8>,
    ended: Option<End>,
}

impl Handler for Asker {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        std::mem::take(&mut self.dial).then(|| Dial::new(SocketAddr::new(SERVER, 80), 0))
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.room(cx)
    }

    fn room(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        let Some(piece) = self.script.get(*cx.conn as usize) else { return Step::read(0) };
        *cx.conn += 1;
        cx.out.put(piece).unwrap();
        Step::write(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.answer.extend_from_slice(rx);
        if cx.input_ended { Step::close() } else { Step::read(rx.len()) }
    }

    fn timer(&mut self, _: &mut Cx<'_, u32>) -> Step {
        Step::abort()
    }

    fn end(&mut self, _: &mut Cx<'_, u32>, why: End) {
        self.ended = Some(why);
    }
}

fn stack_config(own: IpAddr, number: u8) -> stack::Config {
    let key = |kind| SipKey::new([kind, u64::from(number)]);
    stack::Config {
        shard: 0,
        mac: Mac([2, 0, 0, 0, 0, number]),
        addresses: vec![own],
        routes: vec![Route { prefix: SERVER, length: 24, gateway: None }],
        listeners: vec![stack::Listener { address: None, port: 80 }],
        limits: Limits { connections: 1_000, ..Limits::default() },
        working: 128,
        buffers: 1_024,
        frames: 512,
        tcp: stack::tcp::Config::default(),
        secrets: Secrets { flows: key(1), sequence: key(2), cookies: key(3) },
    }
}

/// The same over our own stack, and a wire of memory.
fn over_our_own_stack(folder: &Path) -> Vec<String> {
    let wakes = Wakes::new(None);
    let mut handler = handler(folder, Arc::clone(&wakes) as _);
    let (near, far) = MemPort::pair(1 << 20, Caps::ETHERNET).unwrap();
    let counters = || Arc::new(Counters::default());
    let start = monotonic();
    let mut near = Native::new(near, &stack_config(CLIENT, 2), counters(), start).unwrap();
    let mut far = Native::new(far, &stack_config(SERVER, 1), counters(), start).unwrap();
    all(|script, length| {
        let script = pieces(script, length).into_iter().map(<[u8]>::to_vec).collect();
        let mut asker = Asker { dial: true, script, answer: Vec::new(), ended: None };
        let begun = Wall::now();
        while asker.ended.is_none() {
            let now = monotonic();
            let work = near.turn(now, &mut asker).unwrap() + far.turn(now, &mut handler).unwrap();
            wakes.deliver(now, &mut far, &mut handler);
            if work == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            assert!(begun.elapsed() < PATIENCE, "no end of {:?}", asker.script);
        }
        asker.answer
    })
}

/// Every script's answers, twice: from the disk and from memory; in one piece and in many.
fn all(mut ask: impl FnMut(&str, usize) -> Vec<u8>) -> Vec<String> {
    let mut answers = Vec::new();
    for length in [usize::MAX, 7] {
        for script in SCRIPTS {
            answers.push(masked(&ask(script, length)));
        }
    }
    answers
}

/// An answer as text, without the date and the boundary between parts, which are of its own.
fn masked(answer: &[u8]) -> String {
    let mut text: String = answer.iter().map(|&byte| char::from(byte)).collect();
    if let Some(place) = text.find("boundary=") {
        let boundary = text[place + 9..place + 41].to_owned();
        text = text.replace(&boundary, "BOUNDARY");
    }
    let mut lines: Vec<&str> = text.split("\r\n").collect();
    lines.iter_mut().filter(|line| line.starts_with("Date: ")).for_each(|line| *line = "Date: D");
    lines.join("\r\n")
}

#[test]
fn one_site_answers_alike_on_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let config = sock::Config::default();
    let expected = over_sockets(folder.path(), |listener, alarm| {
        Epoll::<http::Conn>::new(config, vec![listener], alarm, Arc::default()).unwrap()
    });
    // They are answers, and not all the same.
    assert!(expected.iter().all(|answer| answer.starts_with("HTTP/1.1 ")));
    let statuses: std::collections::BTreeSet<_> = expected
        .iter()
        .flat_map(|answer| answer.split("HTTP/1.1 ").skip(1))
        .map(|a| &a[..3])
        .collect();
    let wanted =
        ["200", "206", "301", "304", "400", "401", "404", "405", "406", "412", "413", "416"];
    assert!(wanted.iter().all(|status| statuses.contains(status)), "{statuses:?}");

    same("our own stack", &expected, &over_our_own_stack(folder.path()));
    // Some machines forbid it.
    let alarm = Alarm::new().unwrap();
    if Uring::<http::Conn>::new(config, Vec::new(), alarm, Arc::default()).is_ok() {
        let found = over_sockets(folder.path(), |listener, alarm| {
            Uring::<http::Conn>::new(config, vec![listener], alarm, Arc::default()).unwrap()
        });
        same("io_uring", &expected, &found);
    }
}

fn same(engine: &str, expected: &[String], found: &[String]) {
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        let script = SCRIPTS[index % SCRIPTS.len()];
        let short = |text: &str| text.chars().take(2_000).collect::<String>();
        let place = expected.bytes().zip(found.bytes()).position(|(left, right)| left != right);
        assert!(
            expected == found,
            "{engine}, {script:?}: {} and {} bytes, other from {place:?}:\n{}\nand\n{}",
            expected.len(),
            found.len(),
            short(expected),
            short(found)
        );
    }
    assert_eq!(expected.len(), found.len());
}
