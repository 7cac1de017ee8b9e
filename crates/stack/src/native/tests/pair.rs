//! Two stacks, a wire, and a clock of their own.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::vec;

use app::{Counters, Cx, Dial, DialError, End, Engine, Handler, Remote, Role, Step};
use base::{ConnId, Instant, Limits, SipKey};
use port::{Caps, Faults, Faulty, MemPort};
use wire::ethernet::Mac;

use crate::{Config, Listener, Native, Route, Secrets};

pub const SERVER_PORT: u16 = 80;
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// The IPv6 address of an end with this IPv4 one.
fn v6(address: IpAddr) -> IpAddr {
    let last = match address {
        IpAddr::V4(address) => u16::from(address.octets()[3]),
        IpAddr::V6(address) => address.segments()[7],
    };
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last))
}

/// A handler that opens what it is told to, writes what it is told to, and keeps what it gets.
#[derive(Default)]
pub struct Client {
    dials: VecDeque<Dial<u32>>,
    talks: Vec<Talk>,
}

/// Names a talk: its place in the order in which they were begun.
pub type Number = u32;

#[derive(Default)]
struct Talk {
    to_send: Vec<u8>,
    received: Vec<u8>,
    id: Option<ConnId>,
    end: Option<End>,
    unmade: Option<DialError>,
    /// Closes once everything has been sent.
    closes: bool,
    /// Does not close when the peer has.
    stays: bool,
}

impl Client {
    /// Has a connection opened in the next turn.
    pub fn open(&mut self, from: SocketAddr, to: SocketAddr) -> Number {
        let number = self.talks.len() as Number;
        self.talks.push(Talk::default());
        // Longer than TCP tries by itself.
        let dial = Dial::new(to, number).from(from).within(Duration::from_secs(1_000));
        self.dials.push_back(dial);
        number
    }

    /// Asks for what only an operating system has.
    pub fn dial_unix(&mut self) {
        let number = self.open(SocketAddr::new(CLIENT, 0), SocketAddr::new(SERVER, 0));
        self.dials.back_mut().unwrap().to = Remote::Unix(b"/tmp/socket"[..].into());
        assert_eq!(number as usize, self.talks.len() - 1);
    }

    /// Has the last connection that was asked for given up after `within`.
    pub fn hurry(&mut self, within: Duration) {
        self.dials.back_mut().unwrap().within = within;
    }

    /// Queues bytes; they go out when the connection is opened or next woken.
    pub fn send(&mut self, number: Number, bytes: Vec<u8>) {
        self.talks[number as usize].to_send.extend(bytes);
    }

    /// Has a connection closed when it is next woken and has sent everything.
    pub fn close(&mut self, number: Number) -> ConnId {
        self.talks[number as usize].closes = true;
        self.id(number)
    }

    /// Has a connection stay open when its peer has closed.
    pub fn keep_open(&mut self, number: Number) {
        self.talks[number as usize].stays = true;
    }

    pub fn received(&self, number: Number) -> &[u8] {
        &self.talks[number as usize].received
    }

    pub fn end_of(&self, number: Number) -> Option<End> {
        self.talks[number as usize].end
    }

    pub fn unmade(&self, number: Number) -> Option<DialError> {
        self.talks[number as usize].unmade
    }

    pub fn id(&self, number: Number) -> ConnId {
        self.talks[number as usize].id.unwrap()
    }

    fn push(&mut self, cx: &mut Cx<'_, u32>, consumed: usize) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        assert_eq!((cx.origin.role, talk.id), (Role::Opened, Some(cx.id)));
        let count = cx.out.put_some(&talk.to_send);
        talk.to_send.drain(..count);
        match (talk.to_send.is_empty(), talk.closes) {
            (true, true) => Step::close(),
            (true, false) if talk.stays && cx.input_ended => Step::wait(consumed),
            (true, false) => Step::idle(consumed),
            (false, _) => Step::write(consumed),
        }
    }
}

impl Handler for Client {
    type Conn = u32;

    fn dial(&mut self, _: Instant) -> Option<Dial<u32>> {
        self.dials.pop_front()
    }

    fn dial_at(&self) -> Option<Instant> {
        (!self.dials.is_empty()).then_some(Instant::ZERO)
    }

    fn undialled(&mut self, _: Instant, number: u32, why: DialError) {
        let talk = &mut self.talks[number as usize];
        assert_eq!((talk.id, talk.unmade.replace(why)), (None, None));
    }

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        let talk = &mut self.talks[*cx.conn as usize];
        assert_eq!((talk.id.replace(cx.id), talk.unmade), (None, None));
        self.push(cx, 0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.talks[*cx.conn as usize].received.extend_from_slice(rx);
        self.push(cx, rx.len())
    }

    fn room(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.push(cx, 0)
    }

    fn wake(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.push(cx, 0)
    }

    fn end(&mut self, cx: &mut Cx<'_, u32>, why: End) {
        let talk = &mut self.talks[*cx.conn as usize];
        assert_eq!(talk.id, Some(cx.id), "ended without a beginning");
        assert!(talk.end.replace(why).is_none(), "ended twice");
    }
}

pub struct Pair<H: Handler> {
    pub now: Instant,
    pub server: H,
    pub client: Client,
    pub near: Native<Faulty<MemPort>, u32>,
    pub far: Native<Faulty<MemPort>, H::Conn>,
}

pub fn config(own: IpAddr, number: u8) -> Config {
    let on_link = |prefix, length| Route { prefix, length, gateway: None };
    Config {
        shard: u16::from(number),
        mac: Mac([2, 0, 0, 0, 0, number]),
        addresses: vec![own, v6(own)],
        routes: vec![on_link(SERVER, 24), on_link(v6(SERVER), 64)],
        listeners: vec![Listener { address: None, port: SERVER_PORT }],
        limits: Limits { connections: 200, ..Limits::default() },
        working: 128,
        buffers: 256,
        frames: 128,
        tcp: tcp::Config::default(),
        secrets: Secrets {
            flows: SipKey::new([1, u64::from(number)]),
            sequence: SipKey::new([2, u64::from(number)]),
            cookies: SipKey::new([3, u64::from(number)]),
        },
    }
}

impl<H: Handler> Pair<H> {
    pub fn new(server: H) -> Self {
        Self::with(server, Faults::default(), |_| {})
    }

    /// A pair on a link with faults in both directions, whose server is configured by `change`.
    pub fn with(server: H, faults: Faults, change: impl FnOnce(&mut Config)) -> Self {
        Self::with_both(server, faults, change, |_| {})
    }

    /// The same with a client that is configured by `change_client`.
    pub fn with_both(
        server: H,
        faults: Faults,
        change: impl FnOnce(&mut Config),
        change_client: impl FnOnce(&mut Config),
    ) -> Self {
        let (mut near, mut far) = (config(CLIENT, 2), config(SERVER, 1));
        change_client(&mut near);
        change(&mut far);
        Self::build(server, (faults, 11), Caps::ETHERNET, [&near, &far])
    }

    /// A pair that takes every checksum for right.
    pub fn unchecked(server: H, faults: Faults, seed: u64) -> Self {
        let caps = Caps { checksums_verified: true, ..Caps::ETHERNET };
        Self::build(server, (faults, seed), caps, [&config(CLIENT, 2), &config(SERVER, 1)])
    }

    pub fn build(
        server: H,
        (faults, seed): (Faults, u64),
        caps: Caps,
        configs: [&Config; 2],
    ) -> Self {
        let now = Instant::from_millis(1_000_000);
        let (near, far) = MemPort::pair(1 << 20, caps).unwrap();
        let near = Faulty::new(near, faults, seed, 1_000);
        let far = Faulty::new(far, faults, seed + 1, 1_000);
        let counters = || Arc::new(Counters::default());
        Self {
            now,
            server,
            client: Client::default(),
            near: Native::new(near, configs[0], counters(), now).unwrap(),
            far: Native::new(far, configs[1], counters(), now).unwrap(),
        }
    }

    /// Opens a connection from this port of the client's.
    pub fn connect(&mut self, port: u16) -> Number {
        let (local, remote) = (SocketAddr::new(CLIENT, port), SocketAddr::new(SERVER, SERVER_PORT));
        self.client.open(local, remote)
    }

    pub fn connect_v6(&mut self, port: u16) -> Number {
        let local = SocketAddr::new(v6(CLIENT), port);
        let remote = SocketAddr::new(v6(SERVER), SERVER_PORT);
        self.client.open(local, remote)
    }

    /// Lets `span` pass, turning both stacks whenever there is something to do.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let ids: Vec<ConnId> = self.client.talks.iter().filter_map(|talk| talk.id).collect();
        for id in ids {
            Engine::<Client>::wake(&mut self.near, self.now, id, &mut self.client);
        }
        loop {
            let near = self.near.turn(self.now, &mut self.client).unwrap();
            let far = self.far.turn(self.now, &mut self.server).unwrap();
            if near + far > 0 {
                continue;
            }
            let next = [self.deadline_near(), self.deadline_far()].into_iter().flatten().min();
            self.now = next.unwrap_or(end).max(self.now + Duration::from_micros(50));
            if self.now >= end {
                self.now = end;
                return;
            }
        }
    }

    fn deadline_near(&self) -> Option<Instant> {
        Engine::<Client>::deadline(&self.near)
    }

    fn deadline_far(&self) -> Option<Instant> {
        Engine::<H>::deadline(&self.far)
    }

    pub fn connections(&self) -> (u32, u32) {
        (Engine::<Client>::connections(&self.near), Engine::<H>::connections(&self.far))
    }

    /// Every buffer and packet is back in its pool, when nothing is at work.
    pub fn check_nothing_leaked(&mut self) {
        assert_eq!(self.working(), (0, 0));
        assert_eq!((self.near.core.buffers.taken(), self.far.core.buffers.taken()), (0, 0));
        assert_eq!(self.near.core.link.recall_frames(), 0);
        assert_eq!(self.far.core.link.recall_frames(), 0);
        assert_eq!((self.near.audit(), self.far.audit()), (Ok(()), Ok(())));
    }

    pub fn check_nothing_leaked_at_server(&mut self) {
        assert_eq!((self.far.working(), self.far.core.buffers.taken()), (0, 0));
        assert_eq!(self.far.core.link.recall_frames(), 0);
        assert_eq!(self.far.audit(), Ok(()));
    }

    /// A turn of the client's stack.
    pub fn near_alone(&mut self) {
        self.near.turn(self.now, &mut self.client).unwrap();
    }

    /// A turn of the server's.
    pub fn far_alone(&mut self) {
        self.far.turn(self.now, &mut self.server).unwrap();
    }

    /// Connections that the server has answered, and that have not shown themselves.
    pub fn half_open(&self) -> u32 {
        self.far.core.half_open + self.far.core.replies.greetings()
    }

    pub fn drain(&mut self) {
        self.far.drain(self.now, &mut self.server);
    }

    pub fn shut_down(&mut self) {
        self.far.shut_down(self.now, &mut self.server);
    }

    pub fn time_waits(&self) -> (u32, u32) {
        (self.near.core.in_time_wait, self.far.core.in_time_wait)
    }

    pub fn working(&self) -> (u32, u32) {
        (self.near.working(), self.far.working())
    }
}
