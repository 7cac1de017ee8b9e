//! What the clients do: open connections, ask over some of them, and measure. Invariant: between
//! two steps nothing is under way.

use std::fmt;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use app::{Counter, Counters, Engine};
use base::{ConnId, Instant, Prng};
use hdrhistogram::Histogram;
use stack::port::Port;
use stack::{Native, ReserveError};

use super::crowd::{Call, Crowd, Latencies};
use super::memory;
use super::network::Network;
use super::polling::Polling;
use super::processor::Thread;
use super::server::Watch;
use super::undisturbed::{Slices, Undisturbed};

/// Requests under way at once at full load: as few as keep both ends busy.
const ASKING: u32 = 128;
/// Requests under way at once at a given rate, at most: fewer than the client has working blocks.
const ASKING_MOST: u32 = 192;
/// The part of the peak rate at which latency is measured besides.
const PART_OF_PEAK: f64 = 0.7;
/// How long connections are opened, used once and closed.
pub const CHURNING: Duration = Duration::from_secs(2);
/// Requests begun between two turns, at most.
const ASKED_A_TURN: u32 = 32;
/// How long the cost of a packet is measured for, and what passes unmeasured before.
const MEASURED: Duration = Duration::from_millis(500);
const WARM_UP: Duration = Duration::from_millis(100);
/// After this long without an answer something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client shard has to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections to open.
    pub connections: u32,
    /// Numbers of connections, ascending, at which the cost of a packet is measured, the last
    /// being all of them.
    pub steps: Vec<u32>,
    /// How long requests are sent at the end.
    pub time: Duration,
    /// Requests a second then; none: as many as are answered.
    pub rate: Option<f64>,
}

/// What a client shard does now, for the display.
#[derive(Debug, Default)]
pub struct Board {
    /// Connections opened.
    pub opened: Counter,
    /// Requests answered.
    pub answered: Counter,
    /// 1 once all connections are open and requests are sent over them.
    pub asking: Counter,
}

/// What a client shard found.
#[derive(Debug)]
pub struct Findings {
    /// Time it took to open all connections and have a request answered on each.
    pub opening: Duration,
    /// What each step said.
    pub costs: Vec<f64>,
    /// The requests at the end.
    pub asked: Asked,
    /// How long their answers took.
    pub latencies: Measured,
    /// The same at a part of that rate, unless a rate was given.
    pub relaxed: Option<(Asked, Measured)>,
    /// Connections opened, used once and closed a second, and the share of its time that the server
    /// needed for that.
    pub churn: (f64, f64),
    /// What the server said of itself while everything was open.
    pub held: Held,
    /// Connections that could not be opened or broke.
    pub lost: u32,
    /// Bytes of memory resident while everything was open, of the whole process.
    pub resident: u64,
}

/// Latencies from when a request was due to its answer.
#[derive(Debug)]
pub struct Measured {
    /// In nanoseconds.
    pub all: Histogram<u64>,
    /// Those of the time in which both ends had their processors; none where the kernel does not say.
    pub undisturbed: Option<Undisturbed>,
}

/// A time of asking, as counted at both ends.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// How long it was.
    pub time: Duration,
    /// Requests answered.
    pub requests: u64,
    /// Packets that the server took and sent.
    pub packets: u64,
    /// Nanoseconds that the server spent on that.
    pub busy: u64,
    /// Nanoseconds that the client spent on that.
    pub client_busy: u64,
    /// How long the server's and the client's threads waited for a processor.
    pub waited: Waited,
}

/// How long the threads of both ends have waited, ready to run, while others had their processors;
/// none where the kernel does not say.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    pub server: Option<Duration>,
    pub client: Option<Duration>,
}

impl Waited {
    fn since(self, before: Self) -> Self {
        let since = |now: Option<Duration>, before| Some(now?.saturating_sub(before?));
        Self {
            server: since(self.server, before.server),
            client: since(self.client, before.client),
        }
    }
}

/// What the server holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Connections open.
    pub connections: u64,
    /// Bytes.
    pub memory: u64,
}

/// Why the clients could not go on.
#[derive(Clone, Debug)]
pub enum Stalled {
    /// They got no answer for a long time.
    Silence { opened: u32, waiting: u32 },
    /// The link failed.
    Link(String),
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence { opened, waiting } => write!(
                f,
                "with {opened} connections open, {waiting} got no answer for {} s, which is a fault \
                 of crore's own",
                PATIENCE.as_secs()
            ),
            Self::Link(error) => write!(f, "the link failed: {error}"),
        }
    }
}

/// A client shard.
pub struct Client<P: Port> {
    engine: Native<P, Call>,
    crowd: Crowd,
    server: Watch,
    board: Arc<Board>,
    thread: Thread,
    polling: Polling,
    prng: Prng,
    picked: Vec<ConnId>,
    /// When the last answer came, and how many there were then.
    progress: (Instant, u64),
    /// Nanoseconds spent in turns that found work, or that requests were made in.
    busy: u64,
}

impl<P: Port<Error: fmt::Display>> Client<P> {
    pub fn new(
        port: P,
        network: &Network,
        server: Watch,
        board: Arc<Board>,
    ) -> Result<Self, ReserveError> {
        let now = shard::time::now();
        let counters = Arc::new(Counters::default());
        Ok(Self {
            engine: Native::new(port, &network.client(), counters, now)?,
            crowd: Crowd::new(*network),
            server,
            board,
            thread: Thread::default(),
            polling: Polling::default(),
            prng: Prng::new(1),
            picked: Vec::with_capacity(ASKED_A_TURN as usize),
            progress: (now, 0),
            busy: 0,
        })
    }

    /// Does all of the plan, on the calling thread. `together` is where the shards wait for each other before the last
    /// part.
    pub fn run(mut self, plan: &Plan, together: &Barrier) -> Result<Findings, Stalled> {
        self.thread.is_this();
        let found = self.open_and_measure(plan);
        together.wait();
        let (opening, costs) = found?;
        self.board.asking.set(1);
        let (asked, latencies) = self.ask_and_time(plan.time, plan.rate)?;
        let relaxed = match plan.rate {
            None => {
                let peak = asked.requests as f64 / asked.time.as_secs_f64();
                Some(self.ask_and_time(plan.time, Some(PART_OF_PEAK * peak))?)
            }
            Some(_) => None,
        };
        let held = Held { connections: self.server.connections(), memory: self.server.memory() };
        let resident = memory::resident();
        let churn = self.churn()?;
        let lost = self.crowd.failed + self.crowd.lost;
        Ok(Findings { opening, costs, asked, latencies, relaxed, churn, held, lost, resident })
    }

    /// Asks, and takes down how long answers take.
    fn ask_and_time(
        &mut self,
        time: Duration,
        rate: Option<f64>,
    ) -> Result<(Asked, Measured), Stalled> {
        let ends = [self.server.thread(), &self.thread];
        let slices = Slices::begin(shard::time::now(), ends);
        self.crowd.latencies = Some(Latencies { all: Crowd::histogram(), slices });
        let asked = self.ask(time, rate)?;
        let (all, slices) = match self.crowd.latencies.take() {
            Some(Latencies { all, slices }) => (all, slices),
            None => (Crowd::histogram(), None),
        };
        let undisturbed = slices.map(|slices| slices.end(shard::time::now()));
        Ok((asked, Measured { all, undisturbed }))
    }

    /// Opens connections besides those that are open, asks once over each, and closes it.
    fn churn(&mut self) -> Result<(f64, f64), Stalled> {
        let start = shard::time::now();
        let (busy, closed) = (self.server.busy(), self.crowd.closed);
        self.crowd.churning = true;
        self.crowd.interval = 0;
        let mut now = start;
        while now.since(start) < CHURNING || self.crowd.brief > 0 {
            self.crowd.churning = now.since(start) < CHURNING;
            self.crowd.due = now.as_nanos();
            self.turn(now)?;
            now = shard::time::now();
        }
        let time = now.since(start);
        let closed = (self.crowd.closed - closed) as f64;
        let busy = (self.server.busy() - busy) as f64;
        Ok((closed / time.as_secs_f64(), busy / time.as_nanos() as f64))
    }

    fn open_and_measure(&mut self, plan: &Plan) -> Result<(Duration, Vec<f64>), Stalled> {
        // One by itself, for which each end asks who its neighbour is: packets beyond what may wait
        // for the answer would be lost.
        self.open(1)?;
        let (mut opening, mut costs) = (Duration::ZERO, Vec::new());
        for step in &plan.steps {
            let start = shard::time::now();
            self.open(*step)?;
            opening += shard::time::now().since(start);
            self.ask(WARM_UP, None)?;
            let asked = self.ask(MEASURED, None)?;
            costs.push(asked.busy as f64 / asked.packets.max(1) as f64);
        }
        Ok((opening, costs))
    }

    /// Opens connections until there are `target`, and has a request answered on each.
    fn open(&mut self, target: u32) -> Result<(), Stalled> {
        self.crowd.interval = 0;
        self.crowd.target = target;
        while self.crowd.dialled < target || self.waiting() > 0 {
            let now = shard::time::now();
            self.crowd.due = now.as_nanos();
            self.turn(now)?;
        }
        Ok(())
    }

    /// Connections that are being opened or wait for an answer.
    const fn waiting(&self) -> u32 {
        self.crowd.opening + self.crowd.under_way + self.crowd.brief
    }

    /// Asks over connections picked at random for a time, and waits for the answers.
    fn ask(&mut self, time: Duration, rate: Option<f64>) -> Result<Asked, Stalled> {
        let start = shard::time::now();
        let before = self.figures();
        self.crowd.due = start.as_nanos();
        self.crowd.interval = rate.map_or(0, |rate| (1e9 / rate) as u64);
        let end = start + time;
        let mut now = start;
        self.busy = 0;
        while now < end {
            let count = match rate {
                None => ASKING.saturating_sub(self.crowd.under_way),
                Some(_) => self.due(now),
            };
            self.pick(count.min(ASKED_A_TURN));
            if rate.is_none() {
                self.crowd.due = now.as_nanos();
            }
            self.engine.wake_all(now, &self.picked, &mut self.crowd);
            let events = self.turn(now)?;
            let over = shard::time::now();
            if events > 0 || !self.picked.is_empty() {
                // A turn does not last for centuries.
                self.busy += over.since(now).as_nanos() as u64;
            }
            now = over;
            if let Some(slices) = self.crowd.latencies.as_mut().and_then(|all| all.slices.as_mut())
            {
                slices.tick(now, Instant::from_nanos(self.crowd.due));
            }
        }
        while self.crowd.under_way > 0 {
            now = shard::time::now();
            self.turn(now)?;
        }
        let after = self.figures();
        Ok(Asked {
            time: now.since(start),
            requests: after.requests - before.requests,
            packets: after.packets - before.packets,
            busy: after.busy - before.busy,
            client_busy: self.busy,
            waited: after.waited.since(before.waited),
        })
    }

    /// Requests that are due at a given rate.
    fn due(&self, now: Instant) -> u32 {
        let late = (now.as_nanos() + self.crowd.interval).saturating_sub(self.crowd.due);
        let due = late / self.crowd.interval.max(1);
        let most = ASKING_MOST.saturating_sub(self.crowd.under_way);
        u32::try_from(due).unwrap_or(u32::MAX).min(most)
    }

    fn pick(&mut self, count: u32) {
        let ids = &self.crowd.ids;
        self.picked.clear();
        for _ in 0..count {
            // No more than fit a u32.
            let place = self.prng.below(ids.len() as u32);
            self.picked.extend(ids.get(place as usize));
        }
    }

    /// One turn of the engine; gives how many events it found.
    fn turn(&mut self, now: Instant) -> Result<u32, Stalled> {
        let turned = self.engine.turn(now, &mut self.crowd);
        let events = turned.map_err(|error| Stalled::Link(error.to_string()))?;
        self.polling.after(events);
        let (last, answered) = self.progress;
        if self.crowd.answered != answered || self.waiting() == 0 {
            self.progress = (now, self.crowd.answered);
            self.board.opened.set(self.crowd.ids.len() as u64);
            self.board.answered.set(self.crowd.answered);
        } else if now.since(last) > PATIENCE {
            let opened = self.crowd.ids.len() as u32;
            return Err(Stalled::Silence { opened, waiting: self.waiting() });
        }
        Ok(events)
    }

    fn figures(&self) -> Asked {
        Asked {
            time: Duration::ZERO,
            requests: self.crowd.answered,
            packets: self.server.packets(),
            busy: self.server.busy(),
            client_busy: 0,
            waited: Waited { server: self.server.thread().waited(), client: self.thread.waited() },
        }
    }
}
