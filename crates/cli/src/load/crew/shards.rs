//! Shards in this process, on kernel sockets or our own stack on a link.

use std::num::NonZeroU64;
use std::sync::Arc;

use crore::{Client, Running, ShardContext};
use load::{Board, Generator, Orders, Place, Share};
use tls::{Reasons, Secure};

use crate::serve::{Failure, Signals};
use crate::settings::Problem;

use super::super::{net, progress};
use super::{Crew, Job, Look};

/// Connections of a shard's own stack beside those that are open: such as have been closed, and wait
/// out what may be under way to them.
const BESIDES: u64 = 4_096;

/// Shards as threads.
pub struct Shards {
    orders: Arc<Orders>,
    boards: Vec<Arc<Board>>,
    /// Until it has failed.
    running: Option<Running>,
    /// What carries the connections.
    engine: String,
    reasons: Arc<Reasons>,
}

impl Shards {
    /// A signal ends the wait for an address, where one is leased.
    pub fn start(job: Job, place: &net::Place, signals: &Arc<Signals>) -> Result<Self, Failure> {
        let Job { plan, first, shards, of, net, tls } = job;
        let orders = Arc::new(Orders::default());
        let boards: Vec<Arc<Board>> = (0..shards).map(|_| Arc::default()).collect();
        let own_stack = net.is_own_stack();
        let most = plan.phases.iter().map(load::Phase::all_connections).max().unwrap_or(0);
        let net = net.engine(place, &plan.sources);
        let (plan, told, telling) = (Arc::new(plan), Arc::clone(&orders), boards.clone());
        let mut client = Client::new().name("load").net(net).shards(shards);
        let signals = Arc::clone(signals);
        client = client.go_on_while(move || !signals.stopped());
        client = client.notices(|notice| progress::tell(&notice.to_string()));
        if own_stack {
            // Not bounded by descriptors, but by memory, which is reserved for as many as this.
            let most = most.saturating_add(BESIDES * u64::from(shards));
            client = client.max_connections(u32::try_from(most).unwrap_or(u32::MAX));
        }
        let generator = move |shard: &ShardContext| {
            // On the shard's own thread: the kernel else lets requests that are due wait for up to
            // 50 µs, so that more threads wake at once.
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
            let index = first + u32::from(shard.index);
            let place = Place {
                share: Share { index, count: of },
                orders: Arc::clone(&told),
                board: Arc::clone(&telling[usize::from(shard.index)]),
                wake: Arc::clone(&shard.wake),
            };
            Generator::new(Arc::clone(&plan), place)
        };
        let failed = |error: String| Failure::ended(Problem::unplaced(error));
        let reasons = Arc::new(Reasons::default());
        let running = match &tls {
            None => client.start(generator),
            Some(settings) => {
                let tls = tls::Client::new(settings).map_err(|error| failed(error.to_string()))?;
                let told = Arc::clone(&reasons);
                client.start(move |shard| {
                    Secure::new(generator(shard), tls.clone(), Arc::clone(&told))
                })
            }
        };
        let running = running.map_err(|error| failed(error.to_string()))?;
        let engine = named(&running, tls.is_some());
        Ok(Self { orders, boards, running: Some(running), engine, reasons })
    }
}

/// What carries the connections.
fn named(running: &Running, secure: bool) -> String {
    let with = if secure { " with TLS" } else { "" };
    match running.engine() {
        link @ ("tap" | "xdp") => format!("{link} ({}){with}", running.why()),
        engine => format!("{engine}{with}"),
    }
}

impl Crew for Shards {
    fn begin(&mut self) -> Result<(), Failure> {
        self.orders.begin_next();
        Ok(())
    }

    fn look(&mut self) -> Result<Look, Failure> {
        if let Some(ended) = self.running.take_if(|running| running.has_ended()) {
            let unknown = "a shard has stopped, which is a fault of crore's own".to_owned();
            let why = ended.wait().err().map_or(unknown, |error| error.to_string());
            return Err(Failure::ended(Problem::unplaced(why)));
        }
        Ok(Look { insecure: self.reasons.first(), ..look(&self.boards, &self.engine) })
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.orders.stop();
        Ok(())
    }

    fn engine(&self) -> String {
        self.engine.clone()
    }
}

/// What boards say.
pub fn look(boards: &[Arc<Board>], engine: &str) -> Look {
    // How many phases are over first: what belongs to them has been told before.
    let done = boards.iter().map(|board| board.done.get()).min().unwrap_or(0);
    let sum = |figure: fn(&Board) -> u64| boards.iter().map(|board| figure(board)).sum();
    Look {
        done,
        spans: boards.iter().flat_map(|board| board.take()).collect(),
        open: sum(|board| board.open.get()),
        idle: sum(|board| board.idle.get()),
        peak: sum(|board| board.peak.get()),
        time: boards.iter().map(|board| board.time.get()).max().unwrap_or(0),
        engine: engine.to_owned(),
        insecure: None,
    }
}
