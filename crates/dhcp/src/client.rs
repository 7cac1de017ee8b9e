//! The client's states, RFC 2131 section 4.4, without a socket or a clock: [`Client`]. Invariant: an
//! address is used only between the [`Event::Bound`] that says so and the [`Event::Lost`] that ends it,
//! and not for longer than the server lent it, counted from when it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use base::{Instant, Prng};
use smoltcp::wire::DhcpMessageType;
use wire::arp;
use wire::ethernet::Mac;

use crate::Lease;
use crate::frame::Outgoing;
use crate::message::{Answer, Kind, Question};

/// Until a question is asked again for the first time, and at most; each time is twice the one before
/// (RFC 2131 section 4.1).
const RETRY_FIRST: Duration = Duration::from_secs(4);
const RETRY_DOUBLINGS: u32 = 4;
/// Each of these is longer or shorter by up to this, so that many clients do not ask at once.
const JITTER_MS: u32 = 1_000;
/// Times that an offered address is asked for before the client begins anew: RFC 2131 section 3.1 (5)
/// wants enough, and gives four as an example.
const REQUESTS: u32 = 4;
/// Least time between two questions while a lease is renewed (RFC 2131 section 4.4.5).
const RENEW_AGAIN_MIN: Duration = Duration::from_secs(60);
/// Least time until the client begins anew after it has declined an address (RFC 2131 section 3.1 (5)).
const AFTER_DECLINE: Duration = Duration::from_secs(10);
/// Until it begins anew after a refusal, doubled with each in a row.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
const REFUSAL_DOUBLINGS: u32 = 6;
/// PROBE_NUM of RFC 5227 section 1.1. Its times are for networks of any size and speed; ours are a fifth
/// of them, so that a server is there a second after it has an address and not seven.
const PROBES: u32 = 3;
const PROBE_MIN_MS: u32 = 200;
const PROBE_SPREAD_MS: u32 = 200;
/// ANNOUNCE_WAIT, a fifth; ANNOUNCE_NUM and ANNOUNCE_INTERVAL of RFC 5227 section 1.1.
const ANNOUNCE_WAIT: Duration = Duration::from_millis(400);
const ANNOUNCEMENTS: u32 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// What has become of the address.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It may be used.
    Bound(Lease),
    /// It may be used for longer; what goes with it may have changed.
    Renewed(Lease),
    /// It may not be used any more.
    Lost(Ipv4Addr, Loss),
    /// It was offered, and another host has it already.
    Declined(Ipv4Addr),
    /// A server offered an address and then refused it.
    Refused(Ipv4Addr),
}

/// Why an address may not be used any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// No server has lent it for longer.
    Expired,
    /// A server says that it is not ours.
    Refused,
    /// The server gave another one instead.
    Replaced,
}

/// A client of DHCP for one Ethernet address.
///
/// `poll` says what is to be sent, `message` and `arp` take what has
/// arrived, [`Client::event`] tells what has changed.
#[derive(Debug)]
pub struct Client {
    own: Mac,
    prng: Prng,
    state: State,
    /// When something is to be done without anything arriving.
    at: Instant,
    /// `xid` of what was asked last.
    transaction: u32,
    /// When the client began to ask, and when it first asked for what it asks for now.
    began: Instant,
    asked: Instant,
    held: Option<Held>,
    /// Refusals in a row.
    refusals: u32,
    urgent: Option<Outgoing>,
    events: VecDeque<Event>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Init,
    Selecting {
        asked: u32,
    },
    Requesting {
        offer: Lease,
        asked: u32,
    },
    /// Whether somebody has the address is found out: RFC 2131 section 3.1 (5), RFC 5227 section 2.1.
    Probing {
        next: Held,
        probes: u32,
    },
    Bound {
        announced: u32,
    },
    Renewing,
    Rebinding,
    /// It is over.
    Released,
}

/// A lease, and since when it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Held {
    lease: Lease,
    since: Instant,
    /// Where its server's answers come from: the server itself, or a relay that leads to it.
    station: Mac,
}

impl Held {
    fn ends(&self) -> Instant {
        self.lease.duration.map_or(Instant::NEVER, |duration| self.since + duration)
    }

    fn renews(&self) -> Instant {
        self.after(self.lease.renew)
    }

    fn rebinds(&self) -> Instant {
        self.after(self.lease.rebind)
    }

    fn after(&self, time: Duration) -> Instant {
        if self.lease.duration.is_some() { self.since + time } else { Instant::NEVER }
    }
}

impl Client {
    /// A client for this Ethernet address. The seed should be another one for each client.
    #[must_use]
    pub fn new(own: Mac, seed: u64, now: Instant) -> Self {
        Self {
            own,
            prng: Prng::new(seed),
            state: State::Init,
            at: now,
            transaction: 0,
            began: now,
            asked: now,
            held: None,
            refusals: 0,
            urgent: None,
            events: VecDeque::new(),
        }
    }

    /// The client's Ethernet address.
    #[must_use]
    pub const fn own(&self) -> Mac {
        self.own
    }

    /// When `poll` is to be called even if nothing arrives.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        if self.urgent.is_some() { Instant::ZERO } else { self.at }
    }

    /// What has changed since this was last asked, one after the other.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether an answer to a question for an address is waited for, or a conflict.
    pub(crate) const fn listens_for_conflicts(&self) -> bool {
        matches!(self.state, State::Probing { .. })
    }

    /// What is to be sent now. Call until there is nothing.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Outgoing> {
        if let Some(urgent) = self.urgent.take() {
            return Some(urgent);
        }
        if self.held.as_ref().is_some_and(|held| held.ends() <= now) {
            self.lose(Loss::Expired);
            self.begin_anew(now, Duration::ZERO);
        }
        while self.at <= now {
            if let Some(outgoing) = self.act(now) {
                return Some(outgoing);
            }
        }
        None
    }

    /// Does what is due. `None`: nothing is to be sent for it.
    fn act(&mut self, now: Instant) -> Option<Outgoing> {
        match self.state.clone() {
            State::Init => {
                (self.began, self.transaction) = (now, self.prng.next_u32());
                self.discover(now, 0)
            }
            State::Selecting { asked } => self.discover(now, asked),
            State::Requesting { offer, asked } => self.request(now, offer, asked),
            State::Probing { next, probes } => self.probe(now, next, probes),
            State::Bound { announced } => self.be_bound(now, announced),
            State::Renewing | State::Rebinding => self.ask_for_more(now),
            State::Released => {
                self.at = Instant::NEVER;
                None
            }
        }
    }

    fn discover(&mut self, now: Instant, asked: u32) -> Option<Outgoing> {
        self.state = State::Selecting { asked: asked + 1 };
        self.at = now + self.retry(asked);
        Some(self.ask_all(now, DhcpMessageType::Discover, None))
    }

    fn request(&mut self, now: Instant, offer: Lease, asked: u32) -> Option<Outgoing> {
        if asked >= REQUESTS {
            self.begin_anew(now, Duration::ZERO);
            return None;
        }
        if asked == 0 {
            self.asked = now;
        }
        let request = self.ask_all(now, DhcpMessageType::Request, Some(&offer));
        self.state = State::Requesting { offer, asked: asked + 1 };
        self.at = now + self.retry(asked);
        Some(request)
    }

    fn probe(&mut self, now: Instant, next: Held, probes: u32) -> Option<Outgoing> {
        if probes == PROBES {
            self.events.push_back(Event::Bound(next.lease.clone()));
            (self.held, self.refusals) = (Some(next), 0);
            self.state = State::Bound { announced: 0 };
            return None;
        }
        let question = self.ask_who_has(Ipv4Addr::UNSPECIFIED, next.lease.address);
        self.state = State::Probing { next, probes: probes + 1 };
        self.at = now
            + if probes + 1 == PROBES {
                ANNOUNCE_WAIT
            } else {
                let spread = self.prng.below(PROBE_SPREAD_MS);
                Duration::from_millis((PROBE_MIN_MS + spread).into())
            };
        Some(question)
    }

    fn be_bound(&mut self, now: Instant, announced: u32) -> Option<Outgoing> {
        let Some(held) = self.held.clone() else { return self.go_astray(now) };
        if announced < ANNOUNCEMENTS && now < held.renews() {
            self.state = State::Bound { announced: announced + 1 };
            let last = announced + 1 == ANNOUNCEMENTS;
            let next = if last { Instant::NEVER } else { now + ANNOUNCE_INTERVAL };
            self.at = next.min(held.renews());
            return Some(self.ask_who_has(held.lease.address, held.lease.address));
        }
        if now < held.renews() {
            self.at = held.renews();
            return None;
        }
        (self.began, self.asked, self.transaction) = (now, now, self.prng.next_u32());
        self.state = State::Renewing;
        self.ask_for_more(now)
    }

    /// RENEWING, RFC 2131 section 4.4.5: the server that lent it is asked for more time; then, in
    /// REBINDING, all are.
    fn ask_for_more(&mut self, now: Instant) -> Option<Outgoing> {
        let Some(held) = self.held.clone() else { return self.go_astray(now) };
        if self.state == State::Renewing && held.rebinds() <= now {
            self.state = State::Rebinding;
            self.asked = now;
            self.transaction = self.prng.next_u32();
        }
        let to_one = self.state == State::Renewing;
        let end = if to_one { held.rebinds() } else { held.ends() };
        self.at = end.min(now + RENEW_AGAIN_MIN.max((end - now) / 2));
        let own = Some(held.lease.address);
        let message = Question { own, ..self.question(now, DhcpMessageType::Request) }.emit();
        let to = to_one.then_some((held.lease.server, held.station));
        Some(Outgoing::Message { from: held.lease.address, to, message })
    }

    /// Nothing is held where something has to be: that cannot be, and must not go round for ever.
    fn go_astray(&mut self, now: Instant) -> Option<Outgoing> {
        debug_assert!(false, "bound to nothing");
        self.begin_anew(now, AFTER_REFUSAL);
        None
    }

    /// A message of a server's arrived, from this station. Says whether it was an answer.
    pub(crate) fn message(&mut self, now: Instant, station: Mac, bytes: &[u8]) -> bool {
        let Some(answer) = Answer::parse(bytes) else { return false };
        if (answer.transaction, answer.client) != (self.transaction, self.own) {
            return false;
        }
        let lease = answer.offered.believe();
        let server = answer.offered.server;
        match (self.state.clone(), answer.kind, lease) {
            (State::Selecting { .. }, Kind::Offer, Some(offer)) => {
                self.state = State::Requesting { offer, asked: 0 };
                self.at = now;
            }
            (State::Requesting { offer, .. }, Kind::Ack, Some(lease))
                if (lease.address, lease.server) == (offer.address, offer.server) =>
            {
                self.take(now, Held { lease, since: self.asked, station });
            }
            (State::Requesting { offer, .. }, Kind::Nak, _) if server == Some(offer.server) => {
                self.events.push_back(Event::Refused(offer.address));
                self.be_refused(now);
            }
            (State::Renewing, Kind::Ack, Some(lease)) if self.is_holder(Some(lease.server)) => {
                self.renew(now, Held { lease, since: self.asked, station });
            }
            (State::Rebinding, Kind::Ack, Some(lease)) => {
                self.renew(now, Held { lease, since: self.asked, station });
            }
            (State::Renewing, Kind::Nak, _) if self.is_holder(server) => self.lose_and_begin(now),
            (State::Rebinding, Kind::Nak, _) => self.lose_and_begin(now),
            _ => return false,
        }
        true
    }

    /// A packet of ARP arrived: somebody may have the address that was offered (RFC 5227 section 2.1.1).
    pub(crate) fn arp(&mut self, now: Instant, packet: &arp::Repr) {
        let State::Probing { next, .. } = &self.state else { return };
        let address = next.lease.address;
        let probes_too = packet.operation == arp::Operation::Request
            && packet.sender.is_unspecified()
            && packet.target == address;
        if packet.sender_mac == self.own || !(packet.sender == address || probes_too) {
            return;
        }
        let decline = Question {
            address: Some(address),
            server: Some(next.lease.server),
            seconds: 0,
            ..self.question(now, DhcpMessageType::Decline)
        };
        let message = decline.emit();
        let from = Ipv4Addr::UNSPECIFIED;
        self.urgent = Some(Outgoing::Message { from, to: None, message });
        self.events.push_back(Event::Declined(address));
        self.begin_anew(now, AFTER_DECLINE);
    }

    /// Gives the address back. What it gives is to be sent, and the address not used any more.
    pub(crate) fn release(&mut self, now: Instant) -> Option<Outgoing> {
        self.state = State::Released;
        self.at = Instant::NEVER;
        let Held { lease, station, .. } = self.held.take()?;
        self.transaction = self.prng.next_u32();
        let release = Question {
            own: Some(lease.address),
            server: Some(lease.server),
            seconds: 0,
            ..self.question(now, DhcpMessageType::Release)
        };
        let (message, to) = (release.emit(), Some((lease.server, station)));
        Some(Outgoing::Message { from: lease.address, to, message })
    }

    fn is_holder(&self, server: Option<Ipv4Addr>) -> bool {
        self.held.as_ref().is_some_and(|held| server == Some(held.lease.server))
    }

    /// An address is ours, as the server says: but for a host that has it without having asked.
    fn take(&mut self, now: Instant, next: Held) {
        self.state = State::Probing { next, probes: 0 };
        self.at = now + Duration::from_millis(self.prng.below(PROBE_SPREAD_MS).into());
    }

    fn renew(&mut self, now: Instant, next: Held) {
        if self.held.as_ref().is_some_and(|held| held.lease.address != next.lease.address) {
            self.lose(Loss::Replaced);
            return self.take(now, next);
        }
        self.state = State::Bound { announced: ANNOUNCEMENTS };
        self.at = next.renews();
        self.events.push_back(Event::Renewed(next.lease.clone()));
        self.held = Some(next);
    }

    fn lose(&mut self, why: Loss) {
        if let Some(held) = self.held.take() {
            self.events.push_back(Event::Lost(held.lease.address, why));
        }
    }

    fn lose_and_begin(&mut self, now: Instant) {
        self.lose(Loss::Refused);
        self.be_refused(now);
    }

    /// Begins anew, not at once if it has happened before: a server that refuses what it offers would
    /// be asked for ever.
    fn be_refused(&mut self, now: Instant) {
        let pause = AFTER_REFUSAL * (1 << self.refusals.min(REFUSAL_DOUBLINGS));
        self.refusals += 1;
        self.begin_anew(now, pause);
    }

    fn begin_anew(&mut self, now: Instant, pause: Duration) {
        self.state = State::Init;
        self.at = now + pause;
        // No answer fits a question that was not asked.
        self.transaction = self.prng.next_u32();
    }

    /// How long to wait for an answer that was asked for so many times before.
    fn retry(&mut self, asked: u32) -> Duration {
        let most = RETRY_FIRST * (1 << asked.min(RETRY_DOUBLINGS));
        let jitter = Duration::from_millis(self.prng.below(2 * JITTER_MS + 1).into());
        most + jitter - Duration::from_millis(JITTER_MS.into())
    }

    fn question(&self, now: Instant, kind: DhcpMessageType) -> Question {
        let seconds = u16::try_from((now - self.began).as_secs()).unwrap_or(u16::MAX);
        let (transaction, client) = (self.transaction, self.own);
        Question { kind, transaction, client, seconds, own: None, address: None, server: None }
    }

    fn ask_all(&self, now: Instant, kind: DhcpMessageType, offer: Option<&Lease>) -> Outgoing {
        let question = Question {
            address: offer.map(|offer| offer.address),
            server: offer.map(|offer| offer.server),
            ..self.question(now, kind)
        };
        Outgoing::Message { from: Ipv4Addr::UNSPECIFIED, to: None, message: question.emit() }
    }

    fn ask_who_has(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Outgoing {
        Outgoing::Arp(arp::Repr {
            operation: arp::Operation::Request,
            sender_mac: self.own,
            sender,
            target_mac: Mac::default(),
            target,
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound(lease) => write!(f, "leased {lease}"),
            Self::Renewed(lease) => write!(f, "renewed {lease}"),
            Self::Lost(address, Loss::Expired) => {
                write!(f, "the lease of {address} has expired: no DHCP server renewed it")
            }
            Self::Lost(address, Loss::Refused) => {
                write!(f, "{address} was taken away by its DHCP server")
            }
            Self::Lost(address, Loss::Replaced) => {
                write!(f, "{address} is replaced by its DHCP server")
            }
            Self::Declined(address) => write!(
                f,
                "{address} was offered by a DHCP server and is used by another host; asking for another"
            ),
            Self::Refused(address) => {
                write!(
                    f,
                    "{address} was offered by a DHCP server and refused when it was asked for"
                )
            }
        }
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, length, server, .. } = self;
        write!(f, "{address}/{length} from the DHCP server {server}")?;
        match self.duration {
            Some(duration) => write!(f, " for {} s", duration.as_secs())?,
            None => f.write_str(" for ever")?,
        }
        match self.gateway() {
            Some(router) => write!(f, ", gateway {router}"),
            None => f.write_str(", without a gateway"),
        }
    }
}
