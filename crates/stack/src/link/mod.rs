//! Everything below TCP: the port, the addresses of this end, the neighbours on the link, and what
//! is answered there and then (ARP, neighbour discovery, echo). Invariant: a frame taken from the
//! pool is in the batch going out, held for a neighbour, or given back.

mod addresses;
mod arp;
mod control;
mod icmp;
mod ndisc;
mod neighbors;
mod output;
mod packet;
mod routes;
#[cfg(test)]
mod tests;
mod udp;
mod uncut;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use ::tcp::Flow;
use base::Instant;
use mem::{Arena, Batch, Frame, Pool, ReserveError};
use port::{Caps, Lost, News, Pools, Port};
use wire::ethernet::Mac;

use crate::{Config, Drops, Reason, Route};
pub(crate) use addresses::Addresses;
pub(crate) use control::{Complaint, Trouble};
use neighbors::{Claim, Neighbors};
pub(crate) use packet::{Control, Found, Packet, PlainSegment, Segment};
use routes::Routes;
pub use udp::DatagramTaker;
use udp::Takers;
use uncut::Uncut;

/// Bytes of a buffer for packets of at most so many: an Ethernet frame, and room to spare for VLAN
/// tags, in whole cache lines. 1,664 for the usual MTU of 1,500.
const fn buffer_bytes(longest: u16) -> usize {
    let wanted = (longest as usize + 164).next_multiple_of(64);
    if wanted < Pool::BUFFER_BYTES_MAX { wanted } else { Pool::BUFFER_BYTES_MAX }
}

/// Bytes of the longest packet that a port hands over.
const fn longest_arrival(caps: &Caps) -> u16 {
    match caps.lro {
        Some(lro) if lro > caps.mtu => lro,
        _ => caps.mtu,
    }
}

/// One link, as TCP sees it: something to send segments over.
pub(crate) struct Link<P: Port> {
    port: P,
    caps: Caps,
    /// Bytes of the longest packet now: what the port said at first, or less.
    mtu: u16,
    mac: Mac,
    pub(crate) addresses: Addresses,
    routes: Routes,
    neighbors: Neighbors,
    /// Buffers of packets going out. Those lent out of it are on their way already.
    frames: Pool,
    /// Packets built and not yet taken by the port.
    out: Batch,
    /// Where a packet is built that the port cuts, if it does.
    uncut: Option<Uncut>,
    /// Packets received, and packets sent.
    packets: (u64, u64),
    /// The time now.
    now: Instant,
    /// Whose segment is being answered, and the station it came from.
    answering: Option<(IpAddr, Mac)>,
    /// What the port said when it failed.
    failure: Option<P::Error>,
    drops: Arc<Drops>,
    /// What the port had lost when it was last asked.
    lost: Lost,
    datagrams: Takers,
    /// Addresses that were lost, and whose connections have not been ended yet.
    expired: Vec<IpAddr>,
}

impl<P: Port> Link<P> {
    /// `frames`: the pool for packets going out over this port.
    ///
    /// # Errors
    /// [`ReserveError`] when there is no memory for the table of neighbours.
    pub(crate) fn new(
        port: P,
        frames: Pool,
        config: &Config,
        drops: Arc<Drops>,
    ) -> Result<Self, ReserveError> {
        let caps = port.caps();
        let (lasting, key) = (caps.host_finds_neighbors, config.secrets.flows);
        let neighbors = Neighbors::new(frames.capacity(), lasting, key)?;
        Ok(Self {
            port,
            caps,
            mtu: caps.mtu,
            mac: config.mac,
            addresses: Addresses::new(&config.addresses),
            routes: Routes::new(&config.routes),
            neighbors,
            frames,
            out: Batch::new(),
            uncut: Uncut::new(&caps),
            packets: (0, 0),
            now: Instant::ZERO,
            answering: None,
            failure: None,
            drops,
            lost: Lost::default(),
            datagrams: Takers::new(config.secrets.flows.secret_hash([2])),
            expired: Vec::new(),
        })
    }

    /// Pools for a port that brings none: for packets going out, and for one batch of those that
    /// arrive.
    pub(crate) fn pools_in(
        arena: &mut Arena,
        config: &Config,
        caps: &Caps,
    ) -> Result<Pools, ReserveError> {
        let departures = Pool::new_in(arena, config.frames, buffer_bytes(caps.mtu))?;
        let bytes = buffer_bytes(longest_arrival(caps));
        Ok(Pools { arrivals: Pool::new_in(arena, Batch::CAPACITY as u32, bytes)?, departures })
    }

    /// Bytes of an arena that a link's pools take.
    pub(crate) const fn bytes_for_pools(config: &Config, caps: &Caps) -> usize {
        let arrival = buffer_bytes(longest_arrival(caps));
        Pool::bytes_for(config.frames, buffer_bytes(caps.mtu))
            .saturating_add(Pool::bytes_for(Batch::CAPACITY as u32, arrival))
    }

    /// Everything from now on happens at this time.
    pub(crate) const fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// Takes what has arrived.
    pub(crate) fn receive(&mut self, pool: &mut Pool, into: &mut Batch) {
        let held = into.len();
        let received = self.port.rx(self.now, pool, into);
        self.packets.0 += (into.len() - held) as u64;
        self.note(received);
        while let Some(news) = self.port.news() {
            self.hear(news);
        }
    }

    /// Gives a frame to the link's next shard, after so many. `false` when all have seen it.
    pub(crate) fn pass_on(&mut self, frame: &[u8], passed: u16) -> bool {
        self.port.pass_on(frame, passed)
    }

    /// A frame that another shard passed on, and how many have.
    pub(crate) fn passed(&mut self, pool: &mut Pool) -> Option<(Frame, u16)> {
        self.port.passed(pool)
    }

    /// The host knows something new about the link.
    pub(crate) fn hear(&mut self, news: News) {
        match news {
            News::Neighbor { address, mac: Some(mac) } => {
                self.learn(address, Mac(mac), Claim::Wanted);
            }
            News::Neighbor { address, mac: None } => self.neighbors.forget(address),
            News::Address { address, present: true } => self.addresses.add(address),
            News::Address { address, present: false } => self.addresses.remove(address),
            News::Route { prefix, length, gateway, present } => {
                self.routes.set(Route { prefix, length, gateway }, present);
            }
            News::Expired(address) => {
                self.addresses.remove(address);
                self.expired.push(address);
            }
            News::Mtu(mtu) => self.mtu = mtu.max(wire::ipv4::MTU_MIN).min(self.caps.mtu),
        }
    }

    /// An address that was lost, and has not come back, since this was last asked.
    pub(crate) fn expired(&mut self) -> Option<IpAddr> {
        let address = self.expired.pop()?;
        if self.addresses.contains(address) { self.expired() } else { Some(address) }
    }

    /// From here on `frame`, a segment of `remote`, is being dealt with. Where the host finds the
    /// neighbours, an answer goes back to the station that it came from.
    #[inline]
    pub(crate) fn begin_answer(&mut self, flow: &Flow, frame: &[u8]) {
        if self.caps.host_finds_neighbors
            && let Some(&[_, _, _, _, _, _, a, b, c, d, e, f]) = frame.first_chunk()
        {
            self.answering = Some((flow.remote(), Mac([a, b, c, d, e, f])));
        }
    }

    /// What is sent from here on answers nothing.
    pub(crate) const fn end_answer(&mut self) {
        self.answering = None;
    }

    /// Remembers where the segment came from that is being dealt with: its sender has shown that
    /// it can be reached that way.
    pub(crate) fn keep_way_back(&mut self) {
        if let Some((remote, mac)) = self.answering
            && let Some(next_hop) = self.routes.next_hop(remote)
        {
            self.learn(next_hop, mac, Claim::Wanted);
        }
    }

    /// Where a packet goes next; `None` when that is not known yet, and has been asked.
    fn station(&mut self, destination: IpAddr, next_hop: IpAddr) -> Option<Mac> {
        if let Some((remote, mac)) = self.answering
            && remote == destination
        {
            return Some(mac);
        }
        let known = self.neighbors.look_up(next_hop, self.now);
        if known.ask {
            self.drop_expired();
            self.ask(next_hop);
        }
        known.mac
    }

    /// Whether a packet can be sent now: a buffer is free, and the batch has room, after the port
    /// was asked to take what is in it.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.out.is_full() || self.is_uncut_waiting() {
            self.flush();
        }
        !self.out.is_full() && !self.is_uncut_waiting() && self.frames.available() > 0
    }

    /// Hands what was built to the port.
    pub(crate) fn flush(&mut self) {
        if !self.out.is_empty() {
            let built = self.out.len();
            let sent = self.port.tx(self.now, &mut self.frames, &mut self.out);
            self.packets.1 += (built - self.out.len()) as u64;
            self.note(sent);
        }
        self.flush_uncut();
    }

    /// Packets received from and handed to the port since the start.
    pub(crate) const fn packets(&self) -> u64 {
        self.packets.0 + self.packets.1
    }

    /// Packets received from and handed to the port, each by itself.
    pub(crate) const fn packets_by_way(&self) -> (u64, u64) {
        self.packets
    }

    /// Counts what the port has lost since this was last called.
    pub(crate) fn count_lost(&mut self) {
        let (before, now) = (self.lost, self.port.lost());
        self.drops.add(Reason::Port, now.frames - before.frames);
        self.drops.add(Reason::Checksum, now.checksum - before.checksum);
        self.lost = now;
    }

    /// Packet buffers in use, here or on their way.
    pub(crate) const fn frames_in_use(&self) -> u32 {
        self.frames.taken() + self.frames.lent()
    }

    /// Packet buffers that there are.
    pub(crate) fn frames_most(&self) -> u32 {
        self.frames.capacity()
    }

    /// Whether packets wait for the port.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.out.is_empty() || self.is_uncut_waiting()
    }

    /// The first failure of the port since this was last asked.
    pub(crate) const fn failure(&mut self) -> Option<P::Error> {
        self.failure.take()
    }

    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Result<(), P::Error> {
        self.port.wait(until)
    }

    pub(crate) const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// When the link has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.port.deadline()
    }

    /// Gives every frame back to the pool and says how many are missing: none, or frames leak.
    pub(crate) fn recall_frames(&mut self) -> u32 {
        self.out.give_all(&mut self.frames);
        self.neighbors.give_all(&mut self.frames);
        self.frames.taken()
    }

    /// Frames that are taken from their pool, and those in the batch or held for a neighbour.
    pub(crate) fn frames_taken_and_found(&self) -> (u32, u32) {
        (self.frames.taken(), self.out.len() as u32 + self.neighbors.held())
    }

    /// Bytes of memory in use for packets going out.
    pub(crate) const fn bytes_touched(&self) -> usize {
        self.frames.bytes_touched()
    }

    /// Largest TCP segment without options towards an address: the MTU of now less the fixed headers.
    pub(crate) const fn mss(&self, remote: IpAddr) -> u16 {
        let headers = match remote {
            IpAddr::V4(_) => wire::ipv4::HEADER_LENGTH,
            IpAddr::V6(_) => wire::ipv6::HEADER_LENGTH,
        } + wire::tcp::HEADER_LENGTH;
        self.mtu.saturating_sub(headers as u16)
    }

    fn note(&mut self, result: Result<(), P::Error>) {
        if let Err(failure) = result {
            self.failure.get_or_insert(failure);
        }
    }

    fn give(&mut self, frame: Frame) {
        self.frames.give(frame);
    }
}

impl<P: Port> Drop for Link<P> {
    fn drop(&mut self) {
        let missing = self.recall_frames();
        debug_assert!(missing == 0, "{missing} packet buffers leaked");
    }
}
