//! One curve being measured: limits, the clock, and the samples taken. Invariant: a call that failed
//! leaves no sample; it leaves the reason why there are no more.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::sys::interrupt;

/// No curve takes longer.
pub const TIME_MAX: Duration = Duration::from_secs(30);

/// Nor do all curves of a run together: where they are so many that thirty seconds for each would be more,
/// each has its share of what is left.
pub const ALL_TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// Steps from one to the goal where each has to be measured many times: this many in a doubling.
const STEPS_A_DOUBLING: f64 = 2.0;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// How many there were, the measured one included.
    pub n: u64,
    /// Nanoseconds or bytes.
    pub value: f64,
}

/// Why there are no more samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Someone asked for it.
    Interrupted,
    /// The time that the curve had is over.
    TimeUp(Duration),
    /// The system refused a call.
    Refused {
        /// What was called.
        call: &'static str,
        /// What it said.
        errno: Errno,
    },
    /// It came to an end of another kind.
    Other(String),
}

impl Stop {
    /// For `map_err`: the system refused this call.
    pub(crate) fn at(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Refused { call, errno }
    }

    /// The same for errors of the standard library.
    pub(crate) fn io(call: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| match Errno::from_io_error(&error) {
            Some(errno) => Self::Refused { call, errno },
            None => Self::Other(format!("{call}: {error}")),
        }
    }
}

/// What a curve is measured with.
#[derive(Debug)]
pub struct Run<'a> {
    goal: u64,
    time: Duration,
    deadline: Instant,
    folder: &'a Path,
    server: Option<SocketAddr>,
    samples: Vec<Sample>,
    memory: Vec<Sample>,
    notes: Vec<String>,
    tried: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Times, in nanoseconds.
    pub samples: Vec<Sample>,
    /// Memory, in bytes for each.
    pub memory: Vec<Sample>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// The largest number that was tried.
    pub tried: u64,
}

impl<'a> Run<'a> {
    /// A run to `goal` for at most `time`, with files in `folder`, and requests to `server` if one is
    /// given.
    #[must_use]
    pub fn new(goal: u64, time: Duration, folder: &'a Path, server: Option<SocketAddr>) -> Self {
        Self {
            goal,
            time,
            deadline: Instant::now() + time,
            folder,
            server,
            samples: Vec::new(),
            memory: Vec::new(),
            notes: Vec::new(),
            tried: 0,
        }
    }

    /// How many to reach.
    #[must_use]
    pub fn goal(&self) -> u64 {
        self.goal
    }

    /// Where files may be made.
    #[must_use]
    pub fn folder(&self) -> &'a Path {
        self.folder
    }

    /// The server to ask in place of one of our own.
    #[must_use]
    pub fn server(&self) -> Option<SocketAddr> {
        self.server
    }

    /// Numbers from one to the goal, two in a doubling.
    pub(crate) fn ladder(&self) -> Vec<u64> {
        let steps = ((self.goal as f64).log2() * STEPS_A_DOUBLING).floor() as i32;
        let powers = (0..=steps).map(|step| (f64::from(step) / STEPS_A_DOUBLING).exp2() as u64);
        let mut ladder: Vec<u64> = powers.chain([self.goal]).collect();
        ladder.dedup();
        ladder
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// When someone asked to stop, or time is up.
    pub fn go_on(&self) -> Result<(), Stop> {
        if interrupt::requested() {
            return Err(Stop::Interrupted);
        }
        if Instant::now() >= self.deadline { Err(Stop::TimeUp(self.time)) } else { Ok(()) }
    }

    /// Times one call with `n` there. One that a signal interrupts does not count and is made again.
    ///
    /// # Errors
    /// When the call is refused, or the run is to stop.
    pub(crate) fn timed<T>(
        &mut self,
        n: u64,
        call: &'static str,
        mut operation: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Stop> {
        loop {
            self.tried = self.tried.max(n);
            self.go_on()?;
            let start = Instant::now();
            let result = operation();
            let time = start.elapsed();
            match result {
                Ok(value) => {
                    self.record(n, time.as_nanos() as f64);
                    return Ok(value);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Stop::Refused { call, errno }),
            }
        }
    }

    /// Keeps a time in nanoseconds that was measured elsewhere.
    pub(crate) fn record(&mut self, n: u64, value: f64) {
        self.tried = self.tried.max(n);
        self.samples.push(Sample { n, value });
    }

    /// Keeps how many bytes of memory each of `n` takes.
    pub(crate) fn record_memory(&mut self, n: u64, value: f64) {
        self.memory.push(Sample { n, value });
    }

    /// Says that `n` are tried now, where calls are not timed one by one.
    pub(crate) fn trying(&mut self, n: u64) -> Result<(), Stop> {
        self.tried = self.tried.max(n);
        self.go_on()
    }

    /// Something more to say below the graph.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// All that was found.
    #[must_use]
    pub fn found(self) -> Found {
        let Self { samples, memory, notes, tried, .. } = self;
        Found { samples, memory, notes, tried }
    }
}
