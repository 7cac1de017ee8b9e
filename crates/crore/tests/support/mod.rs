//! What the tests share: a server on each engine, sockets to it, folders that go away again.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crore::{Error, Handler, LocalAddress, Net, Running, Server, ShardContext};

/// How long anything may take before a test gives up. Far longer than it should: this is not about
/// speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on each engine that this machine has.
pub fn on_each_engine(test: impl Fn(Net)) {
    test(Net::Epoll);
    let probe = Server::new().listen("127.0.0.1:0").net(Net::Uring).shards(1).start(|_| Probe);
    match probe {
        Ok(_) => test(Net::Uring),
        Err(Error::Setup(why)) => eprintln!("not tested on io_uring: {why}"),
        Err(error) => panic!("{error}"),
    }
}

struct Probe;

impl Handler for Probe {
    type Conn = ();

    fn data(&mut self, _: &mut crore::Cx<'_, ()>, rx: &[u8]) -> crore::Step {
        crore::Step::read(rx.len())
    }
}

/// Starts a server on a free port of 127.0.0.1.
pub fn start<F, H>(net: Net, shards: u16, handler: F) -> Running
where
    F: Fn(&ShardContext) -> H + Send + Sync + 'static,
    H: Handler,
{
    Server::new().listen("127.0.0.1:0").net(net).shards(shards).start(handler).unwrap()
}

/// The TCP address that a server listens on first.
pub fn address(running: &Running) -> SocketAddr {
    match &running.addresses()[0] {
        LocalAddress::Inet(address) => *address,
        LocalAddress::Unix(path) => panic!("listens on {path:?}"),
    }
}

/// A connection to a server.
pub fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(address(running)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `text` and expects `answer`.
pub fn say(stream: &mut (impl Read + Write), text: &[u8], answer: &[u8]) {
    stream.write_all(text).unwrap();
    let mut came = vec![0; answer.len()];
    stream.read_exact(&mut came).unwrap();
    assert_eq!(came, answer);
}

/// Waits until something is so: a shard counts after it has sent.
pub fn eventually(so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "it never came to be so");
        std::thread::yield_now();
    }
}

/// A folder of a test's own, removed when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder; `name` tells it from those of other tests.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("crore-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An address of a Unix socket, as it is written.
pub fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}
