//! What lies between the stations: a switch that loses, repeats, delays, reorders and damages
//! frames, has finite queues, and may have an attacker at it. Invariant: all it does follows from
//! its seed and the frames sent; a frame goes to the stations it is addressed to.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use base::{Instant, Prng};
use mem::{Batch, Frame, Pool};
use port::{Caps, Cut, Lost, News, Pools, Port};
use wire::ethernet::{self, EtherType, Mac};

use crate::attacker::Attacker;
use crate::trace::{Fate, Trace};

/// How bad the way of a frame is. Chances are in parts per million of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weather {
    /// Frames that never arrive.
    pub loss: u32,
    /// Frames that arrive twice.
    pub duplication: u32,
    /// Frames in which one bit is flipped.
    pub corruption: u32,
    /// Frames that take up to [`Weather::late`] longer.
    pub reordering: u32,
    /// How much longer those take at most.
    pub late: Duration,
    /// Frames after which somebody who sees everything, but can stop nothing, adds a forged one.
    pub forgery: u32,
    /// Sendings at which the port's ring turns out to be full for a while.
    pub full_ring: u32,
}

/// One station on the switch.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// How long a frame takes from this station to any other.
    pub delay: Duration,
    /// Nanoseconds that the line is busy with one byte.
    pub nanos_per_byte: u64,
    /// Frames that may wait to be sent, and as many to be taken in; any more are lost.
    pub queue: usize,
    /// Whether the station's port cuts long packets into segments, and may hand up as long ones.
    pub uncut: bool,
    /// The weather for frames that this station sends.
    pub weather: Weather,
}

/// Bytes of the longest packet that a port cuts.
const UNCUT: u16 = 65_300;
/// How often, in parts per million, a packet is not cut where both ends can do with it whole, as on a
/// link of one machine.
const WHOLE: u32 = 500_000;
/// The longest that a ring stays full.
const FULL_AT_MOST_US: u32 = 3_000;

struct Station {
    mac: Mac,
    line: Line,
    arrived: VecDeque<Vec<u8>>,
    /// When the line has sent all that was handed to it.
    busy_until: Instant,
    /// When the port takes frames again.
    full_until: Instant,
}

/// A frame under way.
struct Flight {
    arrives: Instant,
    number: u64,
    to: usize,
    frame: Vec<u8>,
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.arrives, self.number).cmp(&(other.arrives, other.number))
    }
}

/// The switch and all that is under way.
pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) trace: Trace,
    pub(crate) frames: u64,
    prng: Prng,
    stations: Vec<Station>,
    flights: BinaryHeap<Reverse<Flight>>,
    attacker: Attacker,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let mut prng = Prng::new(seed);
        Self {
            now: Instant::ZERO,
            trace: Trace::default(),
            frames: 0,
            attacker: Attacker::new(prng.next_u64()),
            prng,
            stations: Vec::new(),
            flights: BinaryHeap::new(),
        }
    }

    /// Adds a station and gives its number.
    pub(crate) fn add(&mut self, mac: Mac, line: Line) -> usize {
        let (busy_until, full_until) = (Instant::ZERO, Instant::ZERO);
        let arrived = VecDeque::new();
        self.stations.push(Station { mac, line, arrived, busy_until, full_until });
        self.stations.len() - 1
    }

    /// From now on no frame suffers anything but its delay.
    pub(crate) fn calm(&mut self) {
        for station in &mut self.stations {
            station.line.weather = Weather::default();
            station.full_until = Instant::ZERO;
        }
    }

    /// When the next frame arrives anywhere.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse(flight)| flight.arrives)
    }

    /// Brings all frames that have arrived by now to their stations.
    pub(crate) fn deliver(&mut self) {
        while let Some(Reverse(flight)) = self.flights.peek()
            && flight.arrives <= self.now
            && let Some(Reverse(flight)) = self.flights.pop()
        {
            let station = &mut self.stations[flight.to];
            if station.arrived.len() < station.line.queue {
                station.arrived.push_back(flight.frame);
            } else {
                self.trace.frame(self.now, flight.to, Fate::Crowded, &flight.frame);
            }
        }
    }

    /// Whether frames wait to be taken in by a station.
    pub(crate) fn has_arrived(&self, station: usize) -> bool {
        !self.stations[station].arrived.is_empty()
    }

    /// Takes in one frame.
    pub(crate) fn receive(&mut self, station: usize) -> Option<Vec<u8>> {
        self.stations[station].arrived.pop_front()
    }

    /// Whether the port of a station takes a frame now.
    fn takes(&mut self, station: usize) -> bool {
        let chance = self.stations[station].line.weather.full_ring;
        if self.stations[station].full_until > self.now {
            return false;
        }
        if self.prng.chance(chance) {
            let span = Duration::from_micros(u64::from(self.prng.below(FULL_AT_MOST_US)) + 1);
            self.stations[station].full_until = self.now + span;
            return false;
        }
        true
    }

    /// Sends a frame that stands for several segments, each of which has a fate of its own.
    fn send_uncut(&mut self, from: usize, frame: &[u8], segment: NonZeroU16) {
        let mut cut = Cut::new(frame, segment).expect("only TCP segments are to be cut");
        let receivers = self.receivers(from, frame);
        let can_be_whole = receivers.iter().all(|&to| self.stations[to].line.uncut);
        if can_be_whole && self.prng.chance(WHOLE) {
            cut = cut.for_buffers_of(frame.len());
        }
        let mut segment = vec![0; frame.len()];
        while let Some(length) = cut.next(frame, &mut segment) {
            cut.fill_checksum(&mut segment[..length]);
            self.send(from, &segment[..length]);
        }
    }

    /// Sends one frame from a station.
    pub(crate) fn send(&mut self, from: usize, frame: &[u8]) {
        self.frames += 1;
        let (line, leaves) = (self.stations[from].line, self.leaves(from, frame.len()));
        let Some(leaves) = leaves else {
            return self.trace.frame(self.now, from, Fate::Crowded, frame);
        };
        for to in self.receivers(from, frame) {
            self.carry(from, to, leaves + line.delay, &line.weather, frame);
        }
        self.attacker.watch(frame);
        if self.prng.chance(line.weather.forgery)
            && let Some(forged) = self.attacker.forge(frame)
        {
            self.trace.frame(self.now, from, Fate::Forged, &forged);
            for to in self.receivers(from, &forged) {
                // At once, so that nothing genuine overtakes it.
                self.fly(to, self.now, forged.clone());
            }
        }
    }

    /// When a frame handed over now has left; `None` when too many wait before it.
    fn leaves(&mut self, from: usize, length: usize) -> Option<Instant> {
        let station = &mut self.stations[from];
        let line = &station.line;
        let nanos = |bytes: usize| Duration::from_nanos(bytes as u64 * line.nanos_per_byte);
        let start = station.busy_until.max(self.now);
        if start - self.now > nanos(line.queue * 1_514) {
            return None;
        }
        station.busy_until = start + nanos(length);
        Some(station.busy_until)
    }

    fn receivers(&self, from: usize, frame: &[u8]) -> Vec<usize> {
        let Some(destination) = frame.first_chunk::<6>().map(|bytes| Mac(*bytes)) else {
            return Vec::new();
        };
        let wanted = |(index, station): &(usize, &Station)| {
            *index != from && (destination.is_multicast() || station.mac == destination)
        };
        self.stations.iter().enumerate().filter(wanted).map(|(index, _)| index).collect()
    }

    fn carry(&mut self, from: usize, to: usize, at: Instant, weather: &Weather, frame: &[u8]) {
        if self.prng.chance(weather.loss) {
            return self.trace.frame(self.now, from, Fate::Lost, frame);
        }
        let mut at = at;
        if self.prng.chance(weather.reordering) {
            let late = u32::try_from(weather.late.as_micros()).unwrap_or(u32::MAX);
            at += Duration::from_micros(u64::from(self.prng.below(late)) + 1);
        }
        let mut frame = frame.to_vec();
        let damaged = self.prng.chance(weather.corruption) && self.damage(&mut frame);
        let fate = if damaged { Fate::Corrupted } else { Fate::Carried };
        self.trace.frame(self.now, from, fate, &frame);
        if self.prng.chance(weather.duplication) {
            let again = Duration::from_micros(u64::from(self.prng.below(2_000)));
            self.fly(to, at + again, frame.clone());
        }
        self.fly(to, at, frame);
    }

    /// Flips one bit behind the Ethernet addresses. ARP has no checksum of its own and is left to
    /// Ethernet's, which no damaged frame passes in reality.
    fn damage(&mut self, frame: &mut [u8]) -> bool {
        let is_arp = ethernet::View::new(frame).is_ok_and(|v| v.repr().kind == EtherType::ARP);
        let length = frame.len().saturating_sub(12) as u32;
        let at = 12 + self.prng.below(length) as usize;
        let bit = self.prng.below(8);
        match frame.get_mut(at) {
            Some(byte) if !is_arp => {
                *byte ^= 1 << bit;
                true
            }
            _ => false,
        }
    }

    fn fly(&mut self, to: usize, arrives: Instant, frame: Vec<u8>) {
        let number = self.frames << 8 | self.flights.len() as u64 & 0xff;
        self.flights.push(Reverse(Flight { arrives, number, to, frame }));
    }
}

/// One station's port.
pub(crate) struct StationPort {
    pub(crate) network: Rc<RefCell<Network>>,
    pub(crate) station: usize,
}

impl Port for StationPort {
    type Error = Infallible;

    fn caps(&self) -> Caps {
        let uncut = self.network.borrow().stations[self.station].line.uncut;
        let longest = uncut.then_some(UNCUT);
        Caps { tso: longest, lro: longest, ..Caps::ETHERNET }
    }

    fn rx(&mut self, _: Instant, pool: &mut Pool, into: &mut Batch) -> Result<(), Infallible> {
        let mut network = self.network.borrow_mut();
        while !into.is_full() && network.has_arrived(self.station) {
            let Some(mut frame) = pool.take() else { break };
            let bytes = network.receive(self.station).unwrap_or_default();
            match pool.buffer_mut(&mut frame).get_mut(..bytes.len()) {
                Some(place) => place.copy_from_slice(&bytes),
                None => {
                    pool.give(frame);
                    continue;
                }
            }
            frame.set_range(0..bytes.len());
            if let Err(frame) = into.push(frame) {
                pool.give(frame);
            }
        }
        Ok(())
    }

    fn tx(&mut self, _: Instant, pool: &mut Pool, frames: &mut Batch) -> Result<(), Infallible> {
        let mut network = self.network.borrow_mut();
        while let Some(frame) = frames.first() {
            if !network.takes(self.station) {
                break;
            }
            network.send(self.station, pool.data(frame));
            if let Some(frame) = frames.pop() {
                pool.give(frame);
            }
        }
        Ok(())
    }

    fn tx_uncut(
        &mut self,
        _: Instant,
        frame: &[u8],
        segment: NonZeroU16,
    ) -> Result<bool, Infallible> {
        let mut network = self.network.borrow_mut();
        let takes = network.takes(self.station);
        if takes {
            network.send_uncut(self.station, frame, segment);
        }
        Ok(takes)
    }

    fn wait(&mut self, _: Option<Instant>) -> Result<(), Infallible> {
        Ok(())
    }

    fn pools(&mut self) -> Option<Pools> {
        None
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn pass_on(&mut self, _: &[u8], _: u16) -> bool {
        false
    }

    fn passed(&mut self, _: &mut Pool) -> Option<(Frame, u16)> {
        None
    }

    fn lost(&self) -> Lost {
        Lost::default()
    }

    fn find(&mut self, _: IpAddr) {}

    fn news(&mut self) -> Option<News> {
        None
    }
}
