//! Everything behind the interface: sockets, connections, the packets between them and the clock.
//! Invariant: nothing here waits, and time passes only by [`World::run_until`], which stops at every
//! timer on its way.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base::{Instant, Prng, Seq, SipKey};
use tcp::{ChallengeLimit, Listened, Reset, Tuple, Unreachable, initial_sequence_number};
use wire::quoted::Quoted;

use crate::connection::{Connection, Net};
use crate::epoll::Epoll;
use crate::options::Options;
use crate::packet::{self, Inbound, Segment, Trouble};
use crate::profile::Flags;

/// Why a call does not return yet, or fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// The call would have to wait.
    Wait,
    /// An error number.
    Error(i32),
}

/// What a call gives.
pub(crate) type Outcome<T> = Result<T, Stop>;

/// A socket that an application holds.
#[derive(Debug)]
pub(crate) struct Socket {
    /// AF_INET or AF_INET6.
    pub(crate) domain: i32,
    pub(crate) nonblocking: bool,
    pub(crate) bound: Option<SocketAddr>,
    /// Options of a socket without a connection; a connection has them with it.
    pub(crate) options: Options,
    pub(crate) role: Role,
    /// Whether the application was told how its `connect` went.
    pub(crate) told: bool,
}

/// What a socket is for.
#[derive(Debug)]
pub(crate) enum Role {
    Fresh,
    Listener(Listener),
    Connection(u32),
}

/// Connections that wait to be accepted.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) backlog: usize,
    pub(crate) ready: VecDeque<u32>,
    /// How often one became ready.
    pub(crate) wakeups: u64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) sockets: BTreeMap<i32, Socket>,
    pub(crate) connections: BTreeMap<u32, Connection>,
    pub(crate) epolls: BTreeMap<i32, Epoll>,
    next_connection: u32,
    next_port: u16,
    sequence_key: SipKey,
}

/// Challenge ACKs a second; far above what a script provokes.
const CHALLENGES: u32 = 1_000;
/// Where the virtual clock starts, so that timestamps and sequence numbers are not near zero.
const START: Instant = Instant::from_millis(1_000_000);
/// Times a timer may find something to do at one moment before the clock is pushed on.
const ROUNDS_MAX: u32 = 10_000;

impl World {
    pub(crate) fn new(flags: Flags) -> Self {
        let net = Net {
            flags,
            now: START,
            challenges: ChallengeLimit::new(CHALLENGES, Prng::new(1)),
            outbound: VecDeque::new(),
        };
        Self {
            net,
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            epolls: BTreeMap::new(),
            next_connection: 0,
            next_port: 40_000,
            sequence_key: SipKey::new([0x6372_6f72_6521, 0x7061_636b_6574]),
        }
    }

    /// A port that nothing uses.
    pub(crate) fn free_port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(40_000);
        self.next_port
    }

    /// This end's address for a connection with `remote`, when nothing was bound: any will do, for
    /// there is but one link.
    pub(crate) const fn own_address(remote: IpAddr) -> IpAddr {
        match remote {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1)),
        }
    }

    /// A fresh initial sequence number.
    pub(crate) fn sequence(&self, local: SocketAddr, remote: SocketAddr) -> Seq {
        let tuple = Tuple {
            local: local.ip(),
            local_port: local.port(),
            remote: remote.ip(),
            remote_port: remote.port(),
        };
        initial_sequence_number(self.sequence_key, &tuple, self.net.now)
    }

    pub(crate) fn add(&mut self, connection: Connection) -> u32 {
        self.next_connection += 1;
        self.connections.insert(self.next_connection, connection);
        self.next_connection
    }

    /// A packet arrived.
    pub(crate) fn input(&mut self, bytes: &[u8]) {
        match packet::parse(bytes) {
            Some(Inbound::Segment(segment)) => self.segment(&segment),
            Some(Inbound::Error(quoted, trouble)) => self.complaint(&quoted, trouble),
            Some(Inbound::Reply(packet)) => self.net.send(packet),
            None => {}
        }
    }

    fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let found = |connection: &Connection| {
            connection.local == local && connection.remote == remote && !connection.over
        };
        self.connections.iter().find(|(_, one)| found(one)).map(|(id, _)| *id)
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        let Some(id) = self.find(segment.local, segment.remote) else {
            return self.stray(segment, None);
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.time_wait.is_none() {
            connection.receive(&mut self.net, segment);
            return self.settle(id);
        }
        let reopens = connection.receive_late(&mut self.net, segment);
        self.settle(id);
        if reopens.is_some() {
            self.stray(segment, reopens);
        }
    }

    /// A segment of no connection: for a listener, or to be refused.
    fn stray(&mut self, segment: &Segment<'_>, after: Option<Seq>) {
        let arrival = tcp::Arrival {
            header: &segment.header,
            length: segment.payload.len() as u32,
            ecn: segment.ecn,
            can_hold: false,
        };
        let Some(listener) = self.listener_for(segment.local) else {
            if let Some(reset) = Reset::answering(&arrival) {
                self.net.send_reset(segment.local, segment.remote, reset);
            }
            return;
        };
        match Listened::to(&arrival) {
            Listened::Syn => self.accept(listener, segment, after),
            Listened::Acknowledgment(reset) => {
                self.net.send_reset(segment.local, segment.remote, reset);
            }
            Listened::Ignore => {}
        }
    }

    /// The descriptor of the socket that listens on an address.
    fn listener_for(&self, local: SocketAddr) -> Option<i32> {
        let listens = |socket: &Socket| {
            let Some(bound) = socket.bound else { return false };
            let address = bound.ip().is_unspecified() || bound.ip() == local.ip();
            matches!(socket.role, Role::Listener(_)) && bound.port() == local.port() && address
        };
        self.sockets.iter().find(|(_, socket)| listens(socket)).map(|(fd, _)| *fd)
    }

    fn accept(&mut self, fd: i32, segment: &Segment<'_>, after: Option<Seq>) {
        let iss = after.unwrap_or_else(|| self.sequence(segment.local, segment.remote));
        let Some(socket) = self.sockets.get(&fd) else { return };
        let Role::Listener(listener) = &socket.role else { return };
        if listener.ready.len() > listener.backlog {
            return;
        }
        let ends = (segment.local, segment.remote);
        let mut connection = Connection::new(ends, socket.options.clone(), &self.net, false);
        connection.listener = Some(fd);
        connection.accept(&mut self.net, segment, iss);
        self.add(connection);
    }

    /// An ICMP error about a packet of ours.
    fn complaint(&mut self, quoted: &Quoted, trouble: Trouble) {
        let local = SocketAddr::new(quoted.source, quoted.source_port);
        let remote = SocketAddr::new(quoted.destination, quoted.destination_port);
        let Some(id) = self.find(local, remote) else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.complain(&mut self.net, Seq(quoted.sequence), trouble);
        self.settle(id);
    }

    /// Draws the conclusions from what happened to a connection.
    pub(crate) fn settle(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.established
            && let Some(fd) = connection.listener.take()
        {
            match self.sockets.get_mut(&fd).map(|socket| &mut socket.role) {
                Some(Role::Listener(listener)) => {
                    listener.ready.push_back(id);
                    listener.wakeups += 1;
                }
                _ => connection.abort(&mut self.net),
            }
        }
        let nobody = connection.detached || connection.listener.is_some();
        if connection.over && nobody {
            self.connections.remove(&id);
        }
    }

    /// When the next timer expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.connections.values().filter_map(Self::deadline_of).min()
    }

    fn deadline_of(connection: &Connection) -> Option<Instant> {
        let since = connection.counts.time_wait_since.filter(|_| !connection.over);
        since
            .map(|since| since + connection.config.timeouts.time_wait)
            .or_else(|| connection.deadline())
    }

    /// Lets time pass, up to a moment, and runs the timers that expire. Says whether any did.
    pub(crate) fn run_until(&mut self, until: Instant) -> bool {
        let mut ran = false;
        for _ in 0..ROUNDS_MAX {
            let Some(at) = self.deadline().filter(|at| *at <= until) else { break };
            self.net.now = self.net.now.max(at);
            self.run_timers();
            ran = true;
        }
        self.net.now = self.net.now.max(until);
        ran
    }

    fn run_timers(&mut self) {
        let now = self.net.now;
        let due = |one: &Connection| Self::deadline_of(one).is_some_and(|at| at <= now);
        let ids: Vec<u32> =
            self.connections.iter().filter(|(_, one)| due(one)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            if connection.time_wait.is_some() {
                connection.over = true;
            } else {
                connection.on_timer(&mut self.net);
                connection.offer_space(&self.net);
            }
            self.settle(id);
        }
    }

    pub(crate) fn socket(&mut self, fd: i32) -> Outcome<&mut Socket> {
        self.sockets.get_mut(&fd).ok_or(Stop::Error(libc::EBADF))
    }

    /// The connection of a socket, if it has one.
    pub(crate) fn connection(&mut self, fd: i32) -> Outcome<Option<(&mut Connection, &mut Net)>> {
        let socket = self.sockets.get(&fd).ok_or(Stop::Error(libc::EBADF))?;
        let Role::Connection(id) = socket.role else { return Ok(None) };
        let net = &mut self.net;
        Ok(self.connections.get_mut(&id).map(|connection| (connection, net)))
    }

    /// A socket's options, wherever they are.
    pub(crate) fn options(&mut self, fd: i32) -> Outcome<&mut Options> {
        let socket = self.sockets.get_mut(&fd).ok_or(Stop::Error(libc::EBADF))?;
        match socket.role {
            Role::Connection(id) => match self.connections.get_mut(&id) {
                Some(connection) => Ok(&mut connection.options),
                None => Ok(&mut socket.options),
            },
            Role::Fresh | Role::Listener(_) => Ok(&mut socket.options),
        }
    }
}

impl Connection {
    /// RFC 9293 section 3.9.2.2, with the error kept for the application.
    fn complain(&mut self, net: &mut Net, sequence: Seq, trouble: Trouble) {
        let opening = matches!(self.working.state(), tcp::State::SynSent | tcp::State::SynReceived);
        let ipv6 = self.remote.is_ipv6();
        let fixed = if ipv6 { 60 } else { 40 };
        let (error, number) = match trouble {
            Trouble::TooBig { mtu } => {
                (Unreachable::TooBig { mss: mtu.saturating_sub(fixed) }, None)
            }
            // Linux gives up opening at any of them.
            Trouble::Soft(number) if net.is_linux() && opening => (Unreachable::Hard, Some(number)),
            Trouble::Soft(number) => (Unreachable::Soft, Some(number)),
            // FreeBSD has one error number for all that will not pass.
            Trouble::Hard(_) if !net.is_linux() => (Unreachable::Hard, Some(libc::ECONNREFUSED)),
            Trouble::Hard(number) => (Unreachable::Hard, Some(number)),
        };
        let in_flight =
            self.working.una().at_or_before(sequence) && sequence.before(self.working.next());
        let events = self.working.unreachable(net.now, sequence, error);
        if in_flight {
            self.soft_error = number.or(self.soft_error);
        }
        self.note(net, events);
        if self.over {
            self.error = number.or(self.error);
        }
        self.flush(net);
    }
}
