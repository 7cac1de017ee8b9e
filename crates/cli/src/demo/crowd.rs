//! The clients: a handler in the client role, for all connections of one shard. It asks once when a
//! connection opens and again whenever the connection is woken. Invariant: a connection has at most
//! one request under way, and `under_way` counts those that have.

use app::{Cx, Dial, DialError, End, Handler, Step};
use base::{ConnId, Instant};
use hdrhistogram::Histogram;

use super::network::{Network, PORTS};
use super::undisturbed::Slices;

/// What the server answers with.
pub const ANSWER: &str = "One of ten million.\n";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
const GOOD: &[u8] = b"HTTP/1.1 200 ";

/// The longest latency told apart from longer ones.
pub const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// What a client remembers of its connection.
#[derive(Clone, Copy, Default, Debug)]
pub struct Call {
    /// When the request under way was due, in nanoseconds; zero while none is.
    due: u64,
    /// Whether the connection is closed when its request has been answered.
    brief: bool,
}

/// Connections being opened, or waiting for their first answer, at once.
const OPENING: u32 = 256;

/// All clients of one shard.
#[derive(Debug)]
pub struct Crowd {
    network: Network,
    /// Connections to have opened.
    pub target: u32,
    /// Whether to open connections, besides those, that are closed after one request.
    pub churning: bool,
    /// Such connections opened so far, those of them that are not over, and those that are.
    churned: u32,
    pub brief: u32,
    pub closed: u64,
    /// Connections dialled, whatever became of them.
    pub dialled: u32,
    /// Connections that are being opened now.
    pub opening: u32,
    /// Connections that have been open.
    pub ids: Vec<ConnId>,
    /// Requests without an answer yet.
    pub under_way: u32,
    /// Requests answered.
    pub answered: u64,
    /// Connections that could not be opened.
    pub failed: u32,
    /// Connections that broke, or were answered otherwise than they should have been.
    pub lost: u32,
    /// When the next request is due, in nanoseconds, and how much later each after it.
    pub due: u64,
    pub interval: u64,
    /// From when a request was due to its answer, in nanoseconds, while that is measured.
    pub latencies: Option<Latencies>,
}

/// How long answers take.
#[derive(Debug)]
pub struct Latencies {
    /// All of them.
    pub all: Histogram<u64>,
    /// Slice by slice; none where the kernel does not say who had the processors.
    pub slices: Option<Slices>,
}

impl Latencies {
    fn record(&mut self, nanos: u64) {
        self.all.saturating_record(nanos);
        if let Some(slices) = &mut self.slices {
            slices.record(nanos);
        }
    }
}

impl Crowd {
    /// Clients that will open the connections there are to be.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            target: 0,
            churning: false,
            churned: 0,
            brief: 0,
            closed: 0,
            dialled: 0,
            opening: 0,
            ids: Vec::with_capacity(network.connections as usize),
            under_way: 0,
            answered: 0,
            failed: 0,
            lost: 0,
            due: 0,
            interval: 0,
            latencies: None,
        }
    }

    /// Latencies, to within one in a thousand.
    pub fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are in order")
    }

    fn ask(&mut self, cx: &mut Cx<'_, Call>) -> Step {
        if cx.out.put(REQUEST).is_err() {
            return Step::stay();
        }
        cx.conn.due = self.due.max(1);
        self.due += self.interval;
        self.under_way += 1;
        Step::read(0)
    }
}

impl Handler for Crowd {
    type Conn = Call;

    fn dial(&mut self, _: Instant) -> Option<Dial<Call>> {
        let number = if self.churning && self.brief < OPENING {
            self.brief += 1;
            self.churned = (self.churned + 1) % PORTS;
            self.target + self.churned
        } else if self.dialled < self.target && self.opening + self.under_way < OPENING {
            self.dialled += 1;
            self.dialled - 1
        } else {
            return None;
        };
        let (client, server) = self.network.ends(number);
        self.opening += 1;
        let call = Call { due: 0, brief: self.churning };
        Some(Dial::new(server, call).from(client))
    }

    fn undialled(&mut self, _: Instant, call: Call, _: DialError) {
        self.opening -= 1;
        self.failed += 1;
        self.brief -= u32::from(call.brief);
    }

    fn open(&mut self, cx: &mut Cx<'_, Call>) -> Step {
        self.opening -= 1;
        if !cx.conn.brief {
            self.ids.push(cx.id);
        }
        self.ask(cx)
    }

    fn wake(&mut self, cx: &mut Cx<'_, Call>) -> Step {
        if cx.conn.due != 0 {
            return Step::stay();
        }
        self.ask(cx)
    }

    fn data(&mut self, cx: &mut Cx<'_, Call>, rx: &[u8]) -> Step {
        let length = GOOD.len().min(rx.len());
        if rx[..length] != GOOD[..length] || cx.conn.due == 0 {
            return Step::abort();
        }
        if !rx.ends_with(ANSWER.as_bytes()) {
            return Step::read(0);
        }
        if let Some(latencies) = &mut self.latencies {
            // Not the time of the turn: what waits in a batch waits.
            let taken = shard::time::now().since(Instant::from_nanos(cx.conn.due));
            let nanos = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
            latencies.record(nanos);
        }
        cx.conn.due = 0;
        self.under_way -= 1;
        self.answered += 1;
        if cx.conn.brief { Step::close() } else { Step::idle(rx.len()) }
    }

    fn end(&mut self, cx: &mut Cx<'_, Call>, why: End) {
        self.brief -= u32::from(cx.conn.brief);
        if cx.conn.brief && cx.conn.due == 0 && why == End::Closed {
            self.closed += 1;
        } else {
            self.lost += 1;
        }
        if cx.conn.due != 0 {
            self.under_way -= 1;
        }
    }
}
