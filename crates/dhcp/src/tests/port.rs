//! Two queues of one link that share a lease, and the wait for the first one.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base::Instant;
use mem::{Batch, Pool};
use port::{Alarm, Caps, MemPort, News, Port};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{Ecn, UDP};
use wire::{arp, checksum::Sum, ipv4, udp};

use super::World;
use super::server::{ADDRESS, OWN, SERVER, STATION, Server};
use crate::frame::Outgoing;
use crate::{AcquireError, Client, Event, Leased, Patience, acquire};

const PATIENCE: Patience<'_> = Patience { within: Duration::from_secs(60), go_on: &|| true };

/// The far ends of some queues, with a server at them.
struct Wire {
    ends: Vec<MemPort>,
    pool: Pool,
    server: Server,
    /// The queue that answers come to.
    to: usize,
    heard: Vec<DhcpMessageType>,
}

impl Wire {
    fn new(queues: usize) -> (Vec<MemPort>, Self) {
        let pairs = (0..queues).map(|_| MemPort::pair(1 << 16, Caps::ETHERNET).unwrap());
        let (near, ends) = pairs.unzip();
        let pool = Pool::new(64, 2048).unwrap();
        (near, Self { ends, pool, server: Server::default(), to: queues - 1, heard: Vec::new() })
    }

    /// Answers what has arrived.
    fn serve(&mut self) {
        let mut answers = Vec::new();
        for end in &mut self.ends {
            let mut batch = Batch::new();
            end.rx(Instant::ZERO, &mut self.pool, &mut batch).unwrap();
            for frame in batch.iter() {
                let Some(message) = message_in(self.pool.data(frame)) else { continue };
                let packet = DhcpPacket::new_checked(&message[..]).unwrap();
                self.heard.push(DhcpRepr::parse(&packet).unwrap().message_type);
                let from = Ipv4Addr::UNSPECIFIED;
                answers.extend(self.server.answers(&Outgoing::Message { from, to: None, message }));
            }
            batch.give_all(&mut self.pool);
        }
        for answer in answers {
            self.send(&framed(&answer, 68));
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut frame = self.pool.take().unwrap();
        self.pool.buffer_mut(&mut frame)[..bytes.len()].copy_from_slice(bytes);
        frame.set_range(0..bytes.len());
        let mut batch = Batch::new();
        batch.push(frame).unwrap();
        self.ends[self.to].tx(Instant::ZERO, &mut self.pool, &mut batch).unwrap();
    }
}

/// The message in a frame of the client's, which the lengths of its headers tell.
fn message_in(frame: &[u8]) -> Option<Vec<u8>> {
    let view = ethernet::View::new(frame).ok()?;
    let packet = ipv4::View::new(view.payload()).ok()?;
    let datagram = udp::View::new(packet.payload()).ok()?;
    assert!(packet.verifies());
    assert_eq!((datagram.repr().source_port, datagram.repr().destination_port), (68, 67));
    Some(datagram.payload().to_vec())
}

/// A message in a frame for the client, which has no address yet.
fn framed(message: &[u8], port: u16) -> Vec<u8> {
    let mut frame = vec![0; 14 + 20 + 8 + message.len()];
    let length = (8 + message.len()) as u16;
    let kind = EtherType::IPV4;
    let header =
        ethernet::Repr { destination: OWN, source: STATION, service: None, tag: None, kind };
    header.emit(&mut frame).unwrap();
    let packet = ipv4::Repr {
        source: SERVER,
        destination: ADDRESS,
        protocol: UDP,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: length,
    };
    packet.emit(&mut frame[14..]).unwrap();
    let ports = udp::Repr { source_port: 67, destination_port: port };
    let pseudo = Sum::pseudo_v4(SERVER, ADDRESS, UDP, length);
    ports.emit(&mut frame[34..], message, pseudo).unwrap();
    frame[42..].copy_from_slice(message);
    frame
}

/// One queue, turned as a stack would: gives what it was left with.
fn turn(queue: &mut Leased<MemPort>, now: Instant) -> (usize, Vec<News>) {
    let (mut pool, mut batch) = (Pool::new(64, 2048).unwrap(), Batch::new());
    queue.rx(now, &mut pool, &mut batch).unwrap();
    let left = batch.len();
    batch.give_all(&mut pool);
    assert_eq!(pool.taken(), 0);
    (left, std::iter::from_fn(|| queue.news()).collect())
}

/// Two queues that share a lease, the wire, the time, and what the client tells.
fn shared() -> (Vec<Leased<MemPort>>, Wire, Instant, Receiver<Event>) {
    let mut world = World::new(Server::default(), 1);
    world.seconds(10);
    let [(_, Event::Bound(ref lease))] = world.events[..] else { panic!() };
    let (ports, wire) = Wire::new(2);
    let queues = ports.into_iter().map(|port| (port, Alarm::new().unwrap())).collect();
    let (tell, told) = channel();
    let listener = Box::new(move |event: &Event| tell.send(event.clone()).unwrap());
    let queues = Leased::share(queues, (world.client, lease.clone()), listener).unwrap();
    (queues, wire, world.now, told)
}

#[test]
fn every_queue_hears_of_a_new_address_and_no_stack_of_the_messages() {
    let (mut queues, mut wire, mut now, told) = shared();
    for queue in &mut queues {
        // The lease began with a smaller MTU than the link's.
        assert_eq!(turn(queue, now), (0, vec![News::Mtu(1_400)]));
    }
    // Whatever comes to the client's port is its, and what comes to others is not.
    wire.send(&framed(b"nonsense", 68));
    wire.send(&framed(b"a datagram", 69));
    assert_eq!(turn(&mut queues[1], now), (1, vec![]));
    let other = Ipv4Addr::new(10, 0, 0, 78);
    (wire.server.lends, wire.server.router) = (other, None);
    let mut news = [Vec::new(), Vec::new()];
    while news[0].len() < 5 {
        now = now.max(queues[0].deadline().unwrap());
        turn(&mut queues[0], now).1.into_iter().for_each(|one| news[0].push(one));
        wire.serve();
        // The answer comes to the other queue, whose stack gets nothing of it.
        let (left, heard) = turn(&mut queues[1], now);
        assert_eq!(left, 0);
        news[1].extend(heard);
        turn(&mut queues[0], now).1.into_iter().for_each(|one| news[0].push(one));
    }
    let (_, heard) = turn(&mut queues[1], now);
    news[1].extend(heard);
    let address = |address: Ipv4Addr| IpAddr::V4(address);
    let expected = |news: &News| {
        matches!(
            news,
            News::Route { present: false, .. }
                | News::Route { present: true, gateway: None, length: 24, .. }
        ) || [
            News::Expired(address(ADDRESS)),
            News::Address { address: address(other), present: true },
            News::Mtu(1_500),
            News::Mtu(1_400),
        ]
        .contains(news)
    };
    assert!(news[0].iter().all(expected), "{news:?}");
    assert_eq!(news[0], news[1]);
    assert!(news[0].contains(&News::Address { address: address(other), present: true }));
    let told: Vec<Event> = told.try_iter().collect();
    assert!(matches!(told[..], [Event::Lost(..), Event::Bound(_)]), "{told:?}");
}

#[test]
fn the_address_is_given_back_by_the_last_queue_that_goes() {
    for order in [[0, 1], [1, 0]] {
        let (queues, mut wire, now, _told) = shared();
        let mut queues: Vec<_> = queues.into_iter().map(Some).collect();
        turn(queues[0].as_mut().unwrap(), now);
        wire.serve();
        wire.heard.clear();
        queues[order[0]] = None;
        wire.serve();
        assert_eq!(wire.heard, []);
        queues[order[1]] = None;
        wire.serve();
        assert_eq!(wire.heard, [DhcpMessageType::Release]);
    }
}

#[test]
fn a_conflict_is_heard_at_any_queue_and_left_to_the_stack_as_well() {
    let (mut queues, mut wire, mut now, told) = shared();
    wire.server.lends = Ipv4Addr::new(10, 0, 0, 78);
    let mut conflict = vec![0; 60];
    let kind = EtherType::ARP;
    let header =
        ethernet::Repr { destination: OWN, source: STATION, service: None, tag: None, kind };
    header.emit(&mut conflict).unwrap();
    let packet = arp::Repr {
        operation: arp::Operation::Reply,
        sender_mac: Mac([2, 9, 9, 9, 9, 9]),
        sender: wire.server.lends,
        target_mac: OWN,
        target: Ipv4Addr::UNSPECIFIED,
    };
    packet.emit(&mut conflict[14..]).unwrap();
    let mut events = Vec::new();
    for _ in 0..40 {
        now = now.max(queues[0].deadline().unwrap());
        turn(&mut queues[0], now);
        wire.serve();
        turn(&mut queues[1], now);
        turn(&mut queues[0], now);
        events.extend(told.try_iter());
        if matches!(events.last(), Some(Event::Lost(..))) {
            wire.send(&conflict);
            assert_eq!(turn(&mut queues[1], now).0, 1);
        }
        if let Some(Event::Declined(address)) = events.last() {
            assert_eq!(*address, wire.server.lends);
            return;
        }
    }
    panic!("{events:?}");
}

/// A clock on which every look takes half a second.
fn clock() -> impl Fn() -> Instant {
    let now = Cell::new(Instant::from_millis(1));
    move || {
        now.set(now.get() + Duration::from_millis(500));
        now.get()
    }
}

#[test]
fn without_a_server_the_wait_ends_and_says_so() {
    let (mut ports, mut wire) = Wire::new(2);
    let client = Client::new(OWN, 1, Instant::ZERO);
    let refused = acquire(&mut ports, client, PATIENCE, clock(), |_| {});
    assert_eq!(refused.map(drop).unwrap_err(), AcquireError::NoAnswer);
    wire.serve();
    assert!((3..6).contains(&wire.heard.len()), "{:?}", wire.heard);
}

/// Nothing but its end did once end it, for a minute.
#[test]
fn the_wait_ends_when_somebody_says_so() {
    let (mut ports, _wire) = Wire::new(1);
    let client = Client::new(OWN, 1, Instant::ZERO);
    let looks = Cell::new(0);
    let patience = Patience { go_on: &|| looks.replace(looks.get() + 1) < 3, ..PATIENCE };
    let stopped = acquire(&mut ports, client, patience, clock(), |_| {});
    assert_eq!((stopped.map(drop), looks.get()), (Err(AcquireError::Stopped), 4));
}

#[test]
fn the_wait_ends_with_an_address_whichever_queue_the_answers_come_to() {
    for to in 0..2 {
        let (mut ports, wire) = Wire::new(2);
        let (time, wire) = (clock(), std::cell::RefCell::new(wire));
        wire.borrow_mut().to = to;
        let client = Client::new(OWN, 1, Instant::ZERO);
        let served = || {
            wire.borrow_mut().serve();
            time()
        };
        let (_, lease) = acquire(&mut ports, client, PATIENCE, served, |_| {}).unwrap();
        assert_eq!(lease.address, ADDRESS);
    }
}
