//! Which engine is faster here: [`measure`] has both answer the same exchanges over loopback and
//! compares the processor time they take; [`choose`] says which to take.
//!
//! Time on the processor, not on the wall: it is what limits a busy server, and it does not depend
//! on how fast the measuring side is. Short rounds take turns, so that a machine that changes its
//! speed meanwhile changes it for both. Whatever else runs there only ever adds time, so that it is
//! the good rounds that are compared (the lower quartile), and io_uring has to win clearly, because
//! epoll is the one with fewer surprises.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use app::{Counters, Cx, Engine, Handler, Source, Step};
use base::{Instant, Limits};

use crate::{Alarm, Config, Epoll, ListenOptions, Listener, LocalAddress, SetupError, Uring};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;
/// Questions each asks in a round.
const QUESTIONS: usize = 24;
/// Rounds of each engine that count, after one that does not.
const ROUNDS: usize = 7;
/// By how much io_uring has to be ahead, and in how many of the rounds.
const AHEAD: f64 = 1.03;
const ROUNDS_AHEAD: usize = 5;
/// What a question and its answer look like: a small request and a page of a kilobyte.
const QUESTION: [u8; 80] = [b'q'; 80];
const HEAD: [u8; 160] = [b'h'; 160];
const BODY: &[u8] = &[b'b'; 1_024];
/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// One of the two engines on kernel sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// [`Epoll`]
    Epoll,
    /// [`Uring`]
    Uring,
}

/// Which engine to take, and why: its `Display` is a sentence for the start line.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The engine.
    pub kind: Kind,
    why: String,
}

/// What [`measure`] found.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    /// Processor time of one exchange with epoll, in the lower quartile of the rounds.
    pub epoll: Duration,
    /// The same with io_uring.
    pub uring: Duration,
    /// Rounds in which io_uring took less, of seven.
    pub rounds_to_uring: usize,
}

/// Why there is nothing to compare.
#[derive(Debug)]
pub enum MeasureError {
    /// An engine could not be made.
    Setup(SetupError),
    /// The exchanges over loopback failed.
    Exchange(io::Error),
}

/// Picks the engine that is faster on this machine: epoll unless io_uring is clearly ahead. Takes
/// about a tenth of a second.
#[must_use]
pub fn choose() -> Choice {
    Choice::from(measure())
}

/// Measures both engines.
///
/// # Errors
/// [`MeasureError`], most often because io_uring is not to be had.
pub fn measure() -> Result<Measurement, MeasureError> {
    // io_uring first: where it is not to be had, nothing else is done.
    let mut uring = Candidate::start(Kind::Uring)?;
    let mut epoll = Candidate::start(Kind::Epoll)?;
    let (mut of_epoll, mut of_uring) = ([Duration::ZERO; ROUNDS], [Duration::ZERO; ROUNDS]);
    epoll.round()?;
    uring.round()?;
    for round in 0..ROUNDS {
        of_epoll[round] = epoll.round()?;
        of_uring[round] = uring.round()?;
    }
    let rounds_to_uring = of_epoll.iter().zip(&of_uring).filter(|(e, u)| u < e).count();
    Ok(Measurement {
        epoll: lower_quartile(of_epoll),
        uring: lower_quartile(of_uring),
        rounds_to_uring,
    })
}

/// Measures epoll alone, for where io_uring is not to be had: processor time of one exchange, in the lower
/// quartile of the rounds.
///
/// # Errors
/// [`MeasureError`].
pub fn measure_epoll() -> Result<Duration, MeasureError> {
    let mut epoll = Candidate::start(Kind::Epoll)?;
    let mut rounds = [Duration::ZERO; ROUNDS];
    epoll.round()?;
    for round in &mut rounds {
        *round = epoll.round()?;
    }
    Ok(lower_quartile(rounds))
}

impl Measurement {
    /// How much more io_uring does in the same time.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.epoll.as_secs_f64() / self.uring.as_secs_f64().max(1e-12)
    }

    fn uring_is_ahead(&self) -> bool {
        self.ratio() >= AHEAD && self.rounds_to_uring >= ROUNDS_AHEAD
    }
}

fn lower_quartile(mut rounds: [Duration; ROUNDS]) -> Duration {
    rounds.sort_unstable();
    rounds[ROUNDS / 4]
}

/// An engine at work in a thread of its own, and its clients.
struct Candidate {
    clients: Vec<TcpStream>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    alarm: Alarm,
}

impl Candidate {
    fn start(kind: Kind) -> Result<Self, MeasureError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::tcp(any, ListenOptions::default())
            .map_err(|error| MeasureError::Exchange(io::Error::other(error)))?;
        let LocalAddress::Inet(address) = *listener.local_addr() else { unreachable!("TCP") };
        let limits = Limits { connections: CONNECTIONS as u32, ..Limits::default() };
        let config = Config { limits, ..Config::default() };
        let alarm = Alarm::new().map_err(MeasureError::Exchange)?;
        let counters = Arc::new(Counters::default());
        let listeners = vec![listener];
        let stop = Arc::new(AtomicBool::new(false));
        let thread = match kind {
            Kind::Epoll => {
                let engine = Epoll::<()>::new(config, listeners, alarm.clone(), counters);
                spawn(engine.map_err(MeasureError::Setup)?, stop.clone())
            }
            Kind::Uring => {
                let engine = Uring::<()>::new(config, listeners, alarm.clone(), counters);
                spawn(engine.map_err(MeasureError::Setup)?, stop.clone())
            }
        };
        let thread = Some(thread.map_err(MeasureError::Exchange)?);
        let mut candidate = Self { clients: Vec::new(), thread, stop, alarm };
        for _ in 0..CONNECTIONS {
            let client = connect(address).map_err(MeasureError::Exchange)?;
            candidate.clients.push(client);
        }
        Ok(candidate)
    }

    /// Has all clients ask their questions. Says how much processor time an exchange took.
    fn round(&mut self) -> Result<Duration, MeasureError> {
        let before = self.processor_time();
        for _ in 0..QUESTIONS {
            self.exchange().map_err(MeasureError::Exchange)?;
        }
        let spent = self.processor_time().saturating_sub(before);
        Ok(spent / (QUESTIONS * CONNECTIONS) as u32)
    }

    fn exchange(&mut self) -> io::Result<()> {
        for client in &mut self.clients {
            client.write_all(&QUESTION)?;
        }
        let mut answer = [0; HEAD.len() + BODY.len()];
        for client in &mut self.clients {
            client.read_exact(&mut answer)?;
        }
        Ok(())
    }

    /// What the engine's thread has used of the processor so far.
    fn processor_time(&self) -> Duration {
        let Some(thread) = &self.thread else { return Duration::ZERO };
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the thread has not been joined, so its handle is valid; both results go to
        // variables of the right type.
        unsafe {
            if libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) != 0
                || libc::clock_gettime(clock, &raw mut time) != 0
            {
                return Duration::ZERO;
            }
        }
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.alarm.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of the engine's has been reported by itself already.
            let _ = thread.join();
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let client = TcpStream::connect_timeout(&address, PATIENCE)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    client.set_nodelay(true)?;
    Ok(client)
}

fn spawn<E>(mut engine: E, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>>
where
    E: Engine<Page> + Send + 'static,
{
    std::thread::Builder::new().name(String::from("calibrate")).spawn(move || {
        let start = std::time::Instant::now();
        while !stop.load(Ordering::Acquire) {
            let now = Instant::ZERO + start.elapsed();
            match engine.turn(now, &mut Page) {
                Ok(0) => {}
                Ok(_) => continue,
                Err(_) => return,
            }
            if engine.park(None).is_err() {
                return;
            }
        }
    })
}

/// Answers every question with a page.
struct Page;

impl Handler for Page {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if rx.is_empty() {
            return Step::close();
        }
        let answered = cx.out.put(&HEAD).is_ok()
            && cx.out.attach(Source::Static(BODY), 0, BODY.len() as u64).is_ok();
        if answered { Step::idle(rx.len()) } else { Step::abort() }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epoll => "epoll",
            Self::Uring => "io_uring",
        })
    }
}

impl From<Result<Measurement, MeasureError>> for Choice {
    fn from(result: Result<Measurement, MeasureError>) -> Self {
        let (kind, why) = match result {
            Ok(measured) if measured.uring_is_ahead() => (Kind::Uring, measured.to_string()),
            Ok(measured) => (Kind::Epoll, measured.to_string()),
            Err(MeasureError::Setup(SetupError::NoUring(why))) => {
                (Kind::Epoll, format!("no io_uring, because {why}"))
            }
            Err(error) => (Kind::Epoll, format!("not measured, because {error}")),
        };
        Self { kind, why }
    }
}

impl Choice {
    /// Why it was this engine.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.why)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        write!(
            f,
            "io_uring does {:.2} times as much as epoll here in the same processor time ({:.1} \
             against {:.1} µs an exchange)",
            self.ratio(),
            micros(self.uring),
            micros(self.epoll)
        )
    }
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Exchange(error) => write!(f, "exchanges over loopback failed: {error}"),
        }
    }
}

impl std::error::Error for MeasureError {}

#[cfg(test)]
mod tests {
    use super::{Choice, MeasureError, Measurement, choose};
    use crate::SetupError;
    use std::time::Duration;

    fn measured(epoll: u64, uring: u64, rounds_to_uring: usize) -> Measurement {
        let nanos = Duration::from_nanos;
        Measurement { epoll: nanos(epoll), uring: nanos(uring), rounds_to_uring }
    }

    #[test]
    fn io_uring_has_to_be_clearly_ahead() {
        assert!(measured(1_100, 1_000, 7).uring_is_ahead());
        assert!(!measured(1_020, 1_000, 7).uring_is_ahead());
        assert!(!measured(1_100, 1_000, 4).uring_is_ahead());
    }

    #[test]
    fn a_choice_says_why() {
        let said = choose().to_string();
        assert!(said.contains("io_uring"), "{said}");
        let none = MeasureError::Setup(SetupError::NoUring("it is forbidden here"));
        let said = Choice::from(Err(none)).to_string();
        assert_eq!(said, "epoll: no io_uring, because it is forbidden here");
    }
}
