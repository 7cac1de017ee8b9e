//! A client on the kernel's stack, at the interface that all the others use by AF_XDP: asks for the
//! page over a connection of its own, again and again. Invariant: what it took down is what it
//! waited, from before it connected until the answer was whole.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use port_xdp::lab::Namespace;

use super::crowd::{ANSWER, Crowd};
use super::network::SERVER;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// After this long the page is taken for lost. A packet that is lost takes a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The client, and what it has taken down.
pub struct Bystander {
    thread: JoinHandle<Found>,
    asking: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
}

/// What it found.
#[derive(Clone, Debug)]
pub struct Found {
    /// From connecting to the answer, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Pages that did not come.
    pub lost: u64,
    /// Why the first of those did not.
    pub why: Option<String>,
}

impl Bystander {
    /// Starts it on a host, waiting to be told to ask.
    pub fn start(host: Arc<Namespace>) -> Self {
        let (asking, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (told, ends) = (Arc::clone(&asking), Arc::clone(&stop));
        let thread = thread::spawn(move || host.run(|| ask(&told, &ends)));
        Self { thread, asking, stop }
    }

    /// Has it ask from now on, or no more.
    pub fn set_asking(&self, asking: bool) {
        self.asking.store(asking, Ordering::Relaxed);
    }

    /// Ends it.
    pub fn end(self) -> Option<Found> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok()
    }
}

fn ask(asking: &AtomicBool, stop: &AtomicBool) -> Found {
    let mut found = Found { latencies: Crowd::histogram(), lost: 0, why: None };
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        if !asking.load(Ordering::Relaxed) {
            continue;
        }
        let start = Instant::now();
        match page() {
            Ok(()) => {
                let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                found.latencies.saturating_record(nanos);
            }
            // Told to stop meanwhile: its server may be gone.
            Err(_) if !asking.load(Ordering::Relaxed) => {}
            Err(error) => {
                found.lost += 1;
                found.why.get_or_insert_with(|| error.to_string());
            }
        }
    }
    found
}

/// Asks for the page, and makes sure that it is the right one.
fn page() -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&SERVER, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(ANSWER.as_bytes()) {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    Err(io::Error::other(format!("answered `{answer}`")))
}
