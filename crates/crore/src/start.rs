//! Starts the shards of a server. Invariants: either all shards serve, or an error is returned and
//! none is left; and when one ends before it was told to, the others are told to end as well, so
//! that a server never goes on with a part of itself missing.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
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
use sock::{Alarm, Config, Epoll, Kind, Listener, Uring};
use stack::port::{Port, Recorder, Tracer};
use stack::{Native, Vitals};

use crate::bound::{Bound, Ground};
use crate::capture::{Files, Writer};
use crate::native::{self, Queue};
use crate::running::ShardThread;
use crate::{Error, LinkError, Net, Park, Running, ShardContext, limits};

/// How long the other shards may go on finishing what they owe when one has failed.
const FAILURE_GRACE: Duration = Duration::from_secs(5);

/// The number of the next shard that is started in this process, modulo 65,536. Every server takes
/// numbers of its own, so that a [`ConnId`](base::ConnId) names one connection in the process.
static NEXT_SHARD: AtomicU32 = AtomicU32::new(0);

/// All that one shard's thread takes with it.
struct Seat {
    context: ShardContext,
    /// The shard's number in this process.
    number: u16,
    footing: Footing,
    letterbox: Arc<Letterbox>,
    cpu: Option<Cpu>,
    ready: Sender<Ready>,
}

/// What one shard's engine stands on.
enum Footing {
    Sockets { kind: Kind, listeners: Vec<Listener>, alarm: Alarm },
    Link { config: Box<stack::Config>, queue: Queue, recorder: Option<Recorder>, manner: Manner },
}

/// How a stack of our own goes about it.
#[derive(Clone, Debug)]
struct Manner {
    /// Ports that connections are opened from, over all shards.
    ports: RangeInclusive<u16>,
    park: Park,
}

/// What a shard says when it is ready.
pub(crate) struct Ready {
    pub(crate) index: u16,
    pub(crate) cpu: Option<Cpu>,
    pub(crate) vitals: Option<Arc<Vitals>>,
}

/// Starts the shards of `bound`, each with the handler that `make` makes for it.
pub(crate) fn start<F, H>(bound: Bound, make: F) -> Result<Running, Error>
where
    F: Fn(&ShardContext) -> H + Send + Sync + 'static,
    H: Handler,
{
    let addresses = bound.addresses().cloned().collect();
    let limits = bound.limits;
    let (engine, mut footings) = footings(bound.ground, bound.park);
    let writer = bound.capture.map(|files| record(files, &mut footings)).transpose()?;
    let (seats, ready) = seats(footings, &bound.ways, limits);
    let wakes = bound.ways.wakes;

    // From here on, leaving early drops `running`, which ends what has been started.
    let mut running = Running::new(addresses, engine, limits, wakes.clone());
    if let Some(writer) = writer {
        running.keep(writer);
    }
    let make = Arc::new(make);
    for seat in seats {
        let counters = seat.context.counters.clone();
        let (make, others) = (make.clone(), wakes.clone());
        let thread = thread::Builder::new()
            .name(format!("{}-{}", bound.name, seat.context.index))
            .spawn(move || supervise(seat, &*make, &others))
            .map_err(|error| Error::System { what: "a thread for a shard", error })?;
        running.add(ShardThread::new(thread, counters));
    }
    // Ends when every shard has said that it is ready, or has ended without saying so.
    let ready: Vec<_> = ready.iter().collect();
    for ready in &ready {
        running.set_ready(ready);
    }
    if ready.len() == running.shards().len() {
        return Ok(running);
    }
    running.shut_down();
    let ended = || Error::System { what: "a shard", error: io::Error::other("it ended at once") };
    Err(running.wait().err().unwrap_or_else(ended))
}

pub(crate) fn choose(net: &Net) -> (Kind, String) {
    let asked = || String::from("as asked for");
    match net {
        Net::Epoll => (Kind::Epoll, asked()),
        Net::Uring => (Kind::Uring, asked()),
        Net::Kernel | Net::Tap(_) | Net::Xdp(_) => {
            let choice = sock::choose();
            (choice.kind, choice.why().to_owned())
        }
    }
}

/// What each shard's engine stands on, and what that is called and why it was taken.
fn footings(ground: Ground, park: Park) -> ((&'static str, String), Vec<Footing>) {
    match ground {
        Ground::Sockets { net, choice, hands, alarms } => {
            let (kind, why) = choice.unwrap_or_else(|| choose(&net));
            let name = match kind {
                Kind::Epoll => "epoll",
                Kind::Uring => "io_uring",
            };
            let footing = |(listeners, alarm)| Footing::Sockets { kind, listeners, alarm };
            ((name, why), hands.into_iter().zip(alarms).map(footing).collect())
        }
        Ground::Link(link) => {
            let about = (link.kind, link.about.clone());
            let manner = Manner { ports: link.ports().clone(), park };
            let footing = |(config, queue)| Footing::Link {
                config: Box::new(config),
                queue,
                recorder: None,
                manner: manner.clone(),
            };
            (about, link.into_parts().map(footing).collect())
        }
    }
}

/// Has each shard's link recorded.
fn record(files: Files, footings: &mut [Footing]) -> Result<Writer, Error> {
    // At most 65,535.
    let (writer, recorders) = files.start(footings.len() as u32)?;
    for (footing, made) in footings.iter_mut().zip(recorders) {
        if let Footing::Link { recorder, .. } = footing {
            *recorder = Some(made);
        }
    }
    Ok(writer)
}

fn seats(
    footings: Vec<Footing>,
    ways: &Ways,
    limits: Limits,
) -> (Vec<Seat>, mpsc::Receiver<Ready>) {
    // At most 65,535: the number of shards is a u16.
    let shards = footings.len() as u16;
    let wake: Arc<dyn Wake> = Arc::new(ways.wakes.clone());
    let (ready, is_ready) = mpsc::channel();
    let cpus = cpu::assign(usize::from(shards));
    let parts = footings.into_iter().zip(&ways.letterboxes).zip(cpus).zip(0..);
    let seats = parts.map(|(((footing, letterbox), cpu), index)| {
        let context = ShardContext {
            index,
            shards,
            limits: limits::part(limits, index, shards),
            clock: ways.clock.clone(),
            wake: wake.clone(),
            counters: Arc::default(),
        };
        let number = ways.first.wrapping_add(index);
        let letterbox = letterbox.clone();
        Seat { context, number, footing, letterbox, cpu, ready: ready.clone() }
    });
    (seats.collect(), is_ready)
}

/// The ways into the shards, and the clock they share. They are there before the shards are, so
/// that what a handler works with can be made before.
#[derive(Debug)]
pub(crate) struct Ways {
    /// The number of the first shard.
    first: u16,
    letterboxes: Vec<Arc<Letterbox>>,
    pub(crate) wakes: Wakes,
    pub(crate) clock: Arc<Clock>,
}

impl Ways {
    /// Ways into as many shards as there are `rings`, each of which ends the sleep of one.
    pub(crate) fn new<R: Fn() + Send + Sync + 'static>(rings: Vec<R>) -> Self {
        let count = rings.len() as u32;
        let first = NEXT_SHARD.fetch_add(count, Ordering::Relaxed) as u16;
        let letterboxes: Vec<_> =
            rings.into_iter().map(|ring| Arc::new(Letterbox::new(ring))).collect();
        let wakes = Wakes::new(first, letterboxes.clone());
        Self { first, letterboxes, wakes, clock: Arc::new(time::clock()) }
    }
}

/// The body of a shard's thread: serves, and if that ends in an error or a panic, has the other
/// shards end too.
fn supervise<F, H>(seat: Seat, make: &F, others: &Wakes) -> Result<(), Error>
where
    F: Fn(&ShardContext) -> H,
    H: Handler,
{
    let shard = seat.context.index;
    // Unwind safety: whatever the panic left behind is dropped here, with the engine and handler.
    let result = panic::catch_unwind(AssertUnwindSafe(|| take_seat(seat, make)));
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

/// Serves with the engine that there is a footing for.
fn take_seat<F, H>(seat: Seat, make: &F) -> Result<(), Error>
where
    F: Fn(&ShardContext) -> H,
    H: Handler,
{
    let Seat { context, number, footing, letterbox, cpu, ready } = seat;
    let limits = context.limits;
    let place = Place { context, letterbox, cpu, ready };
    match footing {
        Footing::Sockets { kind, listeners, alarm } => {
            let config = Config { shard: number, limits, ..Config::default() };
            match kind {
                Kind::Epoll => serve(place, make, |counters| {
                    let engine = Epoll::<H::Conn>::new(config, listeners, alarm, counters)?;
                    Ok(Made { engine, vitals: None })
                }),
                Kind::Uring => serve(place, make, |counters| {
                    let engine = Uring::<H::Conn>::new(config, listeners, alarm, counters)?;
                    Ok(Made { engine, vitals: None })
                }),
            }
        }
        Footing::Link { config, queue, recorder, manner } => {
            let config = native::for_shard(*config, number, limits);
            let share = (place.context.index, place.context.shards);
            match queue {
                Queue::Tap(port) => {
                    let port = Tracer::new(*port, recorder);
                    serve(place, make, |counters| on(port, &config, (share, manner), counters))
                }
                Queue::Xdp(port) => {
                    let port = Tracer::new(*port, recorder);
                    serve(place, make, |counters| on(port, &config, (share, manner), counters))
                }
            }
        }
    }
}

/// Our own stack over a port, and what it counts besides.
fn on<P: Port, C: Copy + Default>(
    port: P,
    config: &stack::Config,
    ((index, shards), manner): ((u16, u16), Manner),
    counters: Arc<Counters>,
) -> Result<Made<Native<P, C>>, Error> {
    let mut engine = Native::new(port, config, counters, time::now()).map_err(LinkError::Memory)?;
    engine.share_ports(index, shards);
    engine.limit_ports(manner.ports);
    engine.set_park(manner.park);
    let vitals = Some(engine.vitals());
    Ok(Made { engine, vitals })
}

/// An engine, and what it counts beside what every engine does.
struct Made<E> {
    engine: E,
    vitals: Option<Arc<Vitals>>,
}

/// What a shard's thread needs beside an engine.
struct Place {
    context: ShardContext,
    letterbox: Arc<Letterbox>,
    cpu: Option<Cpu>,
    ready: Sender<Ready>,
}

fn serve<E, F, H>(
    place: Place,
    make: &F,
    engine: impl FnOnce(Arc<Counters>) -> Result<Made<E>, Error>,
) -> Result<(), Error>
where
    E: Engine<H>,
    E::Error: fmt::Display,
    F: Fn(&ShardContext) -> H,
    H: Handler,
{
    let Place { context, letterbox, cpu, ready } = place;
    let index = context.index;
    // Before anything is allocated, so that the memory is near the CPU.
    let cpu = cpu.filter(|&cpu| cpu::pin(cpu));
    let counters = context.counters.clone();
    let clock: Arc<Clock> = context.clock.clone();
    let Made { engine, vitals } = engine(counters.clone())?;
    let mut handler = make(&context);
    // Nobody waits any more when another shard has failed; the order to end is on its way then.
    let _ = ready.send(Ready { index, cpu, vitals });
    drop((ready, context));
    let shard = Shard::new(engine, letterbox, clock, counters);
    shard
        .run(&mut handler)
        .map_err(|error| Error::Engine { shard: index, message: error.to_string() })
}
