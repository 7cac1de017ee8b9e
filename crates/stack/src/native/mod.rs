//! The engine on our own stack: [`Native`]. Invariant: whatever happens to one connection, what it
//! held (record, block, buffers, timer, source) is given back when it is over, and its handler hears
//! of its end exactly once if it heard of its beginning.

mod audit;
mod dial;
mod handshake;
mod input;
mod listen;
mod look;
mod output;
mod patience;
mod reply;
mod rest;
mod resume;
mod retire;
mod serve;
pub(crate) mod sleep_timer;
mod sweep;
#[cfg(test)]
mod tests;
mod timers;
mod waiting;

pub use audit::Inconsistency;
pub use patience::Park;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use app::{Counters, Engine, Handler, Seen};
use base::{ConnId, Instant, Prng, SipKey};
use mem::{Arena, Batch, Pages, Pool, ReserveError, TimerWheel, Touch};
use port::{Caps, Pools, Port};
use tcp::{ChallengeLimit, Cookies, Reset, Tuple};

use crate::blocks::Blocks;
use crate::clients::Clients;
use crate::flows::Flows;
use crate::link::{DatagramTaker, Link};
use crate::ports::Ports;
use crate::read_ahead::ReadAhead;
use crate::receive_store::{PAGE, ReceiveStore};
use crate::replies::Replies;
use crate::{Config, Drops, Listener, Reason, Vitals};
use patience::Patience;
use waiting::Lists;

/// Batches of packets taken in one turn at most.
const BATCHES_A_TURN: u32 = 4;
/// Bytes of a buffer: those that are used, and a cache line more. Were it a power of two, the starts of
/// all buffers, which is all that most answers need, would share the same few places of a cache.
const BUFFER_BYTES: usize = PAGE + 64;
/// No window grows beyond this share of the buffers, and of those that are free.
const WINDOWS: u32 = 4;
/// Bytes of IP and TCP headers at most.
const HEADERS_MOST: u16 = (wire::ipv6::HEADER_LENGTH + wire::tcp::HEADER_LENGTH_MAX) as u16;
/// Challenge ACKs a second and shard: the order of magnitude RFC 5961 section 7 suggests.
const CHALLENGES_PER_SECOND: u32 = 100;

/// The engine that drives a handler over our own TCP/IP stack and one port. `C` is the handler's
/// [`Handler::Conn`]; larger than 16 bytes does not compile.
pub struct Native<P: Port, C> {
    core: Core<P, C>,
    /// Packets that arrived, until the turn is over.
    arrivals: Pool,
    batch: Batch,
    pages: Pages,
    reserved: usize,
    patience: Patience,
}

/// Everything but the packets that are being looked at.
struct Core<P: Port, C> {
    link: Link<P>,
    flows: Flows<C>,
    clients: Clients,
    blocks: Blocks,
    replies: Replies,
    buffers: Pool,
    ahead: ReadAhead,
    /// Timers by block.
    wheel: TimerWheel,
    /// Blocks in SYN-RECEIVED.
    half_open: u32,
    /// Until then half-open connections are given up early: there were too many lately.
    flooded_until: Instant,
    /// Connections in TIME-WAIT, the one that ends first in front.
    time_waits: VecDeque<u32>,
    /// Records in TIME-WAIT. `time_waits` may hold some slots that are no more.
    in_time_wait: u32,
    /// Blocks that could not do all they had to.
    lists: Lists,
    /// Wakes for sleeping connections that found no block.
    wakes: VecDeque<ConnId>,
    /// Where bytes in several buffers are put behind one another for a handler.
    scratch: Vec<u8>,
    sweep: sweep::Sweep,
    retiring: retire::Retiring,
    listeners: Vec<Listener>,
    ports: Ports,
    settings: Settings,
    challenges: ChallengeLimit,
    cookies: Cookies,
    /// The packets of a batch between the passes; none at any other time.
    parsed: Vec<input::Parsed>,
    /// The segment being looked at, if it is nobody's here.
    stray: Option<Stray>,
    /// Shards that have passed on the segment being looked at: it is none of theirs.
    passed: u16,
    /// Bytes of payload sent and received in this turn by connections with a block.
    moved: usize,
    counters: Arc<Counters>,
    drops: Arc<Drops>,
    vitals: Arc<Vitals>,
    now: Instant,
    draining: bool,
}

/// A segment that is nobody's.
struct Stray {
    /// Whose it would be.
    ends: Tuple,
    /// What it is answered with if it is nobody's anywhere.
    reset: Option<Reset>,
    reason: Reason,
}

/// What does not change.
struct Settings {
    tcp: tcp::Config,
    connections: u32,
    held_bytes: usize,
    evict_idle: bool,
    sequence_key: SipKey,
    /// Bytes of payload that a segment on the link has at most.
    payload_most: usize,
    /// Buffers that must be free for payload to be taken: for what the handler answers, and for
    /// all of a segment in case that it consumes nothing.
    buffers_for_payload: u32,
}

impl Settings {
    /// For a link that can do this.
    fn new(config: &Config, caps: &Caps) -> Self {
        let limits = &config.limits;
        let window = config.tcp.receiving.window.min(ReceiveStore::WINDOW);
        let mut tcp = config.tcp.clone();
        tcp.receiving.window = window;
        tcp.receiving.window_max = (config.buffers / WINDOWS)
            .saturating_mul(PAGE as u32)
            .clamp(window, ReceiveStore::WINDOW_WIDE);
        tcp.sending.uncut = caps.tso.map_or(0, |bytes| bytes.saturating_sub(HEADERS_MOST));
        let payload_most = usize::from(caps.mtu);
        Self {
            tcp,
            payload_most,
            connections: limits.connections,
            held_bytes: (limits.held_bytes as usize).min(window as usize),
            evict_idle: limits.evict_idle,
            sequence_key: config.secrets.sequence,
            buffers_for_payload: buffers_for(payload_most),
        }
    }
}

/// Buffers that must be free for so many bytes of payload to be taken.
const fn buffers_for(bytes: usize) -> u32 {
    1 + ReceiveStore::buffers_for(bytes)
}

/// The parts of a connection's surroundings that every call of TCP wants.
macro_rules! tcp_turn {
    ($core:expr) => {
        tcp::Turn { config: &$core.settings.tcp, now: $core.now, challenges: &mut $core.challenges }
    };
}
use tcp_turn;

impl<P: Port, C: Copy + Default> Native<P, C> {
    /// An engine over a port. Reserves all memory it will ever use.
    ///
    /// # Errors
    /// [`ReserveError`] when the limits are larger than what can be reserved.
    pub fn new(
        mut port: P,
        config: &Config,
        counters: Arc<Counters>,
        now: Instant,
    ) -> Result<Self, ReserveError> {
        let vitals = Arc::new(Vitals::default());
        let drops = Arc::clone(&vitals.drops);
        let limits = &config.limits;
        let caps = port.caps();
        let brought = port.pools();
        let mut reserved = match brought {
            Some(_) => Self::bytes_for_tables(config),
            None => Self::bytes_for(config, &caps),
        };
        let mut arena = Arena::new(reserved, Touch::Later)?;
        let Pools { arrivals, departures } = match brought {
            Some(pools) => {
                reserved += pools.bytes_reserved();
                pools
            }
            None => Link::<P>::pools_in(&mut arena, config, &caps)?,
        };
        // Not a secret worth much, and different in every process: the budget must only be hard to
        // tell from outside.
        let seed = config.secrets.flows.secret_hash([u64::from(config.shard)]);
        let core = Core {
            link: Link::new(port, departures, config, Arc::clone(&drops))?,
            flows: Flows::new_in(
                &mut arena,
                limits.connections,
                config.secrets.flows,
                config.shard,
            )?,
            clients: Clients::new_in(
                &mut arena,
                limits.connections,
                limits.connections_per_client,
                config.secrets.flows,
            )?,
            blocks: Blocks::new(config.working, config.buffers),
            replies: Replies::new(config.working),
            buffers: Pool::new_in(&mut arena, config.buffers, BUFFER_BYTES)?,
            ahead: ReadAhead::new(),
            wheel: TimerWheel::new_in(&mut arena, config.working, now)?,
            half_open: 0,
            flooded_until: now,
            time_waits: VecDeque::with_capacity(limits.connections as usize),
            in_time_wait: 0,
            lists: Lists::new(config.working),
            wakes: VecDeque::with_capacity(limits.connections as usize),
            scratch: Vec::with_capacity(ReceiveStore::WINDOW as usize),
            sweep: sweep::Sweep::new(now),
            retiring: retire::Retiring::default(),
            listeners: config.listeners.clone(),
            ports: Ports::new(config.secrets.flows, Prng::new(seed ^ 1)),
            settings: Settings::new(config, &caps),
            challenges: ChallengeLimit::new(CHALLENGES_PER_SECOND, Prng::new(seed)),
            cookies: Cookies::new(config.secrets.cookies),
            parsed: Vec::with_capacity(Batch::CAPACITY),
            stray: None,
            passed: 0,
            moved: 0,
            counters,
            drops,
            vitals,
            now,
            draining: false,
        };
        core.tell_sizes(reserved);
        Ok(Self {
            core,
            arrivals,
            batch: Batch::new(),
            pages: arena.pages(),
            reserved,
            patience: Patience::new(now),
        })
    }

    /// Bytes of memory that an engine reserves for a configuration, beside its working blocks, over a
    /// port that can do this and brings no pools.
    #[must_use]
    pub const fn bytes_for(config: &Config, caps: &Caps) -> usize {
        Self::bytes_for_tables(config).saturating_add(Link::<P>::bytes_for_pools(config, caps))
    }

    /// The same without the pools of packets.
    const fn bytes_for_tables(config: &Config) -> usize {
        let limits = &config.limits;
        Flows::<C>::bytes_for(limits.connections)
            .saturating_add(Clients::bytes_for(limits.connections, limits.connections_per_client))
            .saturating_add(Pool::bytes_for(config.buffers, BUFFER_BYTES))
            .saturating_add(TimerWheel::bytes_for(config.working))
    }

    /// Bytes reserved for tables and pools, and on which kind of pages the tables are.
    #[must_use]
    pub const fn reserved(&self) -> (usize, Pages) {
        (self.reserved, self.pages)
    }

    /// Why packets were dropped.
    #[must_use]
    pub fn drops(&self) -> Arc<Drops> {
        Arc::clone(&self.core.drops)
    }

    /// How the stack is doing.
    #[must_use]
    pub fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.core.vitals)
    }

    /// Bytes of memory in use for connections and packets: records, flow table, working blocks,
    /// buffers, packet buffers and timers.
    #[must_use]
    pub fn bytes_touched(&self) -> usize {
        self.core.bytes_touched() + self.arrivals.bytes_touched()
    }

    /// Has connections opened from the ports of one of several stacks that have the same addresses:
    /// the one with number `index` of so many. Without that all ports are its own.
    pub fn share_ports(&mut self, index: u16, of: u16) {
        self.core.ports.share(index, of);
    }

    /// Has connections opened from no other ports than these, where others of the same addresses
    /// are somebody else's. Without that from 1,024 on.
    pub fn limit_ports(&mut self, ports: RangeInclusive<u16>) {
        self.core.ports.limit(ports);
    }

    /// What the engine does when it has nothing to do; [`Park::Adapt`] if nothing is said.
    pub const fn set_park(&mut self, park: Park) {
        self.patience.set(park);
    }

    /// Has the UDP datagrams for a port of ours given to `take`. Those for other ports are answered with
    /// "port unreachable".
    pub fn take_datagrams(&mut self, port: u16, take: DatagramTaker) {
        self.core.link.take_datagrams(port, take);
    }

    /// The port, to look at what it counts.
    #[must_use]
    pub const fn port(&mut self) -> &mut P {
        self.core.link.port()
    }

    /// Wakes connections, as [`Engine::wake`] does one: many at once cost less for each.
    pub fn wake_all<H: Handler<Conn = C>>(&mut self, now: Instant, ids: &[ConnId], app: &mut H) {
        self.core.set_time(now);
        self.core.wake_connections(ids, app);
        self.core.link.flush();
    }

    /// Packets that arrived and packets sent since the start.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.core.link.packets()
    }

    /// Connections that have work to do now.
    #[must_use]
    pub const fn working(&self) -> u32 {
        self.core.at_work()
    }

    /// Takes what has arrived through the three passes, up to a bound. Gives how many packets.
    fn receive<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        let mut packets = 0;
        for _ in 0..BATCHES_A_TURN {
            self.core.link.receive(&mut self.arrivals, &mut self.batch);
            if self.batch.is_empty() {
                break;
            }
            packets += self.batch.len() as u32;
            self.core.input(app, &self.arrivals, &self.batch);
            self.batch.give_all(&mut self.arrivals);
        }
        packets + self.receive_passed(app)
    }

    /// Takes what other shards of the link passed on to this one, one by one: it is rare.
    fn receive_passed<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        let mut packets = 0;
        while packets < Batch::CAPACITY as u32
            && let Some((frame, passed)) = self.core.link.passed(&mut self.arrivals)
        {
            packets += 1;
            self.core.passed = passed;
            if let Err(frame) = self.batch.push(frame) {
                self.arrivals.give(frame);
            }
            self.core.input(app, &self.arrivals, &self.batch);
            self.batch.give_all(&mut self.arrivals);
        }
        self.core.passed = 0;
        packets
    }
}

/// Frames are given back, not dropped, also those that were under way.
impl<P: Port, C> Drop for Core<P, C> {
    fn drop(&mut self) {
        self.blocks.clear(&mut self.buffers);
        self.replies.clear(&mut self.buffers);
        let missing = self.buffers.taken();
        debug_assert!(missing == 0, "{missing} buffers leaked");
    }
}

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Everything from now on happens at this time.
    const fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.link.set_time(now);
    }

    /// Bytes that one connection may yet have to keep, as far as the buffers go.
    fn room(&self) -> u32 {
        (self.buffers.available() / WINDOWS).saturating_mul(PAGE as u32)
    }

    fn bytes_touched(&self) -> usize {
        self.flows.bytes_touched()
            + self.clients.bytes_touched()
            + self.blocks.bytes_touched()
            + self.replies.bytes_touched()
            + self.buffers.bytes_touched()
            + self.link.bytes_touched()
            // Sixteen bytes a key, and four each in the two lists.
            + self.blocks.taken() as usize * 24
    }

    /// Connections that are not asleep: with a block, or with an answer in flight.
    const fn at_work(&self) -> u32 {
        self.blocks.taken() + self.replies.taken()
    }

    /// Connections, without those that wait out their TIME-WAIT.
    const fn open_connections(&self) -> u32 {
        self.flows.len() - self.in_time_wait
    }

    /// `arrivals`: bytes of memory in use for packets that arrive.
    fn count_levels(&mut self, arrivals: usize) {
        self.counters.connections.set(u64::from(self.open_connections()));
        self.counters.memory.set((self.bytes_touched() + arrivals) as u64);
        self.link.count_lost();
        let vitals = &self.vitals;
        let (packets_in, packets_out) = self.link.packets_by_way();
        vitals.packets_in.set(packets_in);
        vitals.packets_out.set(packets_out);
        vitals.working.set(u64::from(self.at_work()));
        vitals.time_wait.set(u64::from(self.in_time_wait));
        vitals.buffers.set(u64::from(self.buffers.taken()));
        vitals.frames.set(u64::from(self.link.frames_in_use()));
    }

    /// What there is in all, which does not change.
    fn tell_sizes(&self, reserved: usize) {
        let vitals = &self.vitals;
        vitals.working_most.set(u64::from(self.blocks.taken() + self.blocks.available()));
        vitals.buffers_most.set(u64::from(self.buffers.capacity()));
        vitals.frames_most.set(u64::from(self.link.frames_most()));
        vitals.reserved.set(reserved as u64);
    }
}

impl<P: Port, H: Handler> Engine<H> for Native<P, H::Conn> {
    type Error = P::Error;

    fn turn(&mut self, now: Instant, app: &mut H) -> Result<u32, P::Error> {
        self.core.set_time(now);
        let packets = self.receive(app);
        let timers = self.core.resume_late_replies() + self.core.run_timers(app);
        let listed = self.core.run_listed(app);
        let swept = self.core.retire(app) + self.core.sweep(app) + self.core.deliver_wakes(app);
        let dialled = self.core.dial(app);
        self.core.link.flush();
        self.core.count_levels(self.arrivals.bytes_touched());
        let events = packets + timers + listed + swept + dialled;
        if core::mem::take(&mut self.core.moved) > self.core.settings.payload_most {
            self.patience.transferred(now);
        }
        self.patience.after_turn(now, events);
        match self.core.link.failure() {
            Some(failure) => Err(failure),
            None => Ok(events),
        }
    }

    fn wake(&mut self, now: Instant, id: ConnId, app: &mut H) {
        self.core.set_time(now);
        self.core.wake_connection(id, app);
        self.core.link.flush();
    }

    fn drain(&mut self, now: Instant, app: &mut H) {
        self.core.set_time(now);
        self.core.drain(app);
        self.core.link.flush();
    }

    fn shut_down(&mut self, now: Instant, app: &mut H) {
        self.core.set_time(now);
        self.core.shut_down(app);
        self.core.link.flush();
    }

    fn look(&self, from: u32, tell: &mut dyn FnMut(&Seen)) -> Option<u32> {
        self.core.look(from, tell)
    }

    fn connections(&self) -> u32 {
        self.core.open_connections()
    }

    fn deadline(&self) -> Option<Instant> {
        self.core.deadline()
    }

    fn park(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        let due = until.is_some_and(|until| until <= self.core.now);
        if due || !self.patience.may_sleep() { Ok(()) } else { self.core.link.wait(until) }
    }
}

impl<P: Port, C> core::fmt::Debug for Native<P, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Native")
            .field("working", &self.core.blocks.taken())
            .field("buffers", &self.core.buffers)
            .finish_non_exhaustive()
    }
}
