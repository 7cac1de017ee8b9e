//! Starts the shards of a server. Invariants: either all shards serve, or an error is returned and
//! none is left; and when one ends before it was told to, the others are told to end as well, so
//! that a server never goes on with a part of itself missing.

use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use app::{Clock, Counters, Engine, Handler, Wake};
use base::Limits;
use shard::cpu::{self, Cpu};
use shard::{Letterbox, Order, Shard, Wakes, time};
use sock::{Alarm, Config, Epoll, Kind, Listener, SetupError, Uring};

use crate::running::ShardThread;
use crate::server::Bound;
use crate::{Error, Net, Running, ShardContext, limits};

/// How long the other shards may go on finishing what they owe when one has failed.
const FAILURE_GRACE: Duration = Duration::from_secs(5);

/// The number of the next shard that is started in this process, modulo 65,536. Every server takes
/// numbers of its own, so that a [`ConnId`](base::ConnId) names one connection in the process.
static NEXT_SHARD: AtomicU32 = AtomicU32::new(0);

/// All that one shard's thread takes with it.
struct Seat {
    context: ShardContext,
    config: Config,
    listeners: Vec<Listener>,
    alarm: Alarm,
    letterbox: Arc<Letterbox>,
    cpu: Option<Cpu>,
    ready: Sender<(u16, Option<Cpu>)>,
}

/// Starts the shards of `bound`, each with the handler that `make` makes for it.
pub(crate) fn start<F, H>(bound: Bound, make: F) -> Result<Running, Error>
where
    F: Fn(&ShardContext) -> H + Send + Sync + 'static,
    H: Handler,
{
    let addresses = bound.addresses().cloned().collect();
    let (kind, why) = bound.choice.unwrap_or_else(|| choose(bound.net));
    let limits = bound.limits;
    let (seats, ready) = seats(bound.hands, &bound.ways, limits);
    let wakes = bound.ways.wakes;

    // From here on, leaving early drops `running`, which ends what has been started.
    let mut running = Running::new(addresses, (kind, why), limits, wakes.clone());
    let make = Arc::new(make);
    for seat in seats {
        let counters = seat.context.counters.clone();
        let (make, others) = (make.clone(), wakes.clone());
        let thread = thread::Builder::new()
            .name(format!("{}-{}", bound.name, seat.context.index))
            .spawn(move || supervise(seat, kind, &*make, &others))
            .map_err(|error| Error::System { what: "a thread for a shard", error })?;
        running.add(ShardThread::new(thread, counters));
    }
    // Ends when every shard has said that it is ready, or has ended without saying so.
    let ready: Vec<_> = ready.iter().collect();
    for &(index, cpu) in &ready {
        running.set_cpu(index, cpu);
    }
    if ready.len() == running.shards().len() {
        return Ok(running);
    }
    running.shut_down();
    let ended = || Error::System { what: "a shard", error: io::Error::other("it ended at once") };
    Err(running.wait().err().unwrap_or_else(ended))
}

pub(crate) fn choose(net: Net) -> (Kind, String) {
    let asked = || String::from("as asked for");
    match net {
        Net::Epoll => (Kind::Epoll, asked()),
        Net::Uring => (Kind::Uring, asked()),
        Net::Kernel => {
            let choice = sock::choose();
            (choice.kind, choice.why().to_owned())
        }
    }
}

type Ready = mpsc::Receiver<(u16, Option<Cpu>)>;

fn seats(hands: Vec<Vec<Listener>>, ways: &Ways, limits: Limits) -> (Vec<Seat>, Ready) {
    // At most 65,535: the number of shards is a u16.
    let shards = hands.len() as u16;
    let wake: Arc<dyn Wake> = Arc::new(ways.wakes.clone());
    let (ready, is_ready) = mpsc::channel();
    let seats =
        hands.into_iter().zip(&ways.doors).zip(cpu::assign(usize::from(shards))).zip(0..).map(
            |(((listeners, (alarm, letterbox)), cpu), index)| {
                let limits = limits::part(limits, index, shards);
                let context = ShardContext {
                    index,
                    shards,
                    limits,
                    clock: ways.clock.clone(),
                    wake: wake.clone(),
                    counters: Arc::default(),
                };
                let shard = ways.first.wrapping_add(index);
                let config = Config { shard, limits, ..Config::default() };
                let (alarm, letterbox) = (alarm.clone(), letterbox.clone());
                Seat { context, config, listeners, alarm, letterbox, cpu, ready: ready.clone() }
            },
        );
    (seats.collect(), is_ready)
}

/// The ways into the shards, and the clock they share. They are there before the shards are, so
/// that what a handler works with can be made before.
#[derive(Debug)]
pub(crate) struct Ways {
    /// The number of the first shard.
    first: u16,
    /// For each shard, what ends its sleep, and its letterbox.
    doors: Vec<(Alarm, Arc<Letterbox>)>,
    pub(crate) wakes: Wakes,
    pub(crate) clock: Arc<Clock>,
}

impl Ways {
    /// Ways into this many shards.
    pub(crate) fn new(shards: u16) -> Result<Self, Error> {
        let first = NEXT_SHARD.fetch_add(u32::from(shards), Ordering::Relaxed) as u16;
        let door = |_| -> io::Result<_> {
            let alarm = Alarm::new()?;
            let bell = alarm.clone();
            Ok((alarm, Arc::new(Letterbox::new(move || bell.ring()))))
        };
        let doors: io::Result<Vec<_>> = (0..shards).map(door).collect();
        let doors = doors.map_err(|error| Error::System { what: "a descriptor", error })?;
        let letterboxes = doors.iter().map(|(_, letterbox)| letterbox.clone()).collect();
        let wakes = Wakes::new(first, letterboxes);
        Ok(Self { first, doors, wakes, clock: Arc::new(time::clock()) })
    }
}

/// The body of a shard's thread: serves, and if that ends in an error or a panic, has the other
/// shards end too.
fn supervise<F, H>(seat: Seat, kind: Kind, make: &F, others: &Wakes) -> Result<(), Error>
where
    F: Fn(&ShardContext) -> H,
    H: Handler,
{
    let shard = seat.context.index;
    // Unwind safety: whatever the panic left behind is dropped here, with the engine and handler.
    let result = panic::catch_unwind(AssertUnwindSafe(|| match kind {
        Kind::Epoll => serve(seat, Epoll::<H::Conn>::new, make),
        Kind::Uring => serve(seat, Uring::<H::Conn>::new, make),
    }));
    let result = result.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(Error::Panicked { shard, message: text.unwrap_or_else(|| "no message".into()) })
    });
    if result.is_err() {
        others.order(Order::Drain { until: time::now() + FAILURE_GRACE });
    }
    result
}

fn serve<E, F, H>(
    seat: Seat,
    engine: impl FnOnce(Config, Vec<Listener>, Alarm, Arc<Counters>) -> Result<E, SetupError>,
    make: &F,
) -> Result<(), Error>
where
    E: Engine<H>,
    E::Error: fmt::Display,
    F: Fn(&ShardContext) -> H,
    H: Handler,
{
    let Seat { context, config, listeners, alarm, letterbox, cpu, ready } = seat;
    let index = context.index;
    // Before anything is allocated, so that the memory is near the CPU.
    let cpu = cpu.filter(|&cpu| cpu::pin(cpu));
    let counters = context.counters.clone();
    let clock: Arc<Clock> = context.clock.clone();
    let engine = engine(config, listeners, alarm, counters.clone())?;
    let mut handler = make(&context);
    // Nobody waits any more when another shard has failed; the order to end is on its way then.
    let _ = ready.send((index, cpu));
    drop((ready, context));
    let shard = Shard::new(engine, letterbox, clock, counters);
    shard
        .run(&mut handler)
        .map_err(|error| Error::Engine { shard: index, message: error.to_string() })
}
