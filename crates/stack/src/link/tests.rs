//! What is answered below TCP, frame by frame.

mod datagrams;
mod errors;
mod uncut;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::vec;

use ::tcp::Flow;
use base::{Instant, Limits, SipKey};
use mem::{Batch, Pool};
use port::{Caps, MemPort, News, Port};
use wire::ethernet::{self, EtherType, Mac};
use wire::protocol::{self, Ecn};
use wire::{arp, icmpv4, icmpv6, ipv4, ipv6, ndisc};

use super::{Link, Packet};
use crate::{Config, Drops, Reason, Route, Secrets};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PEER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const OWN_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// A link, and the other end of its wire.
struct Bench {
    link: Link<MemPort>,
    wire: MemPort,
    pool: Pool,
    now: Instant,
    drops: Arc<Drops>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Caps::ETHERNET)
    }

    fn with(caps: Caps) -> Self {
        let route = |prefix: IpAddr, length, gateway| Route { prefix, length, gateway };
        let config = Config {
            shard: 0,
            mac: OWN_MAC,
            addresses: vec![OWN.into(), OWN6.into()],
            routes: vec![
                route(Ipv4Addr::UNSPECIFIED.into(), 0, Some(ROUTER.into())),
                route(OWN.into(), 24, None),
                route(OWN6.into(), 64, None),
            ],
            listeners: vec![],
            limits: Limits::default(),
            working: 1,
            buffers: 1,
            frames: 80,
            tcp: tcp::Config::default(),
            secrets: Secrets {
                flows: SipKey::new([1, 2]),
                sequence: SipKey::new([3, 4]),
                cookies: SipKey::new([5, 6]),
            },
        };
        let (port, wire) = MemPort::pair(1 << 16, caps).unwrap();
        let drops = Arc::new(Drops::default());
        let frames = Pool::new(config.frames, 2048).unwrap();
        let link = Link::new(port, frames, &config, Arc::clone(&drops)).unwrap();
        let (pool, now) = (Pool::new(200, 2048).unwrap(), Instant::from_millis(500_000));
        Self { link, wire, pool, now, drops }
    }

    /// Sends a frame to the link, lets it act, and gives what it sends.
    fn exchange(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut batch = Batch::new();
        let mut sent = self.pool.take().unwrap();
        self.pool.buffer_mut(&mut sent)[..frame.len()].copy_from_slice(frame);
        sent.set_range(0..frame.len());
        batch.push(sent).unwrap();
        self.wire.tx(self.now, &mut self.pool, &mut batch).unwrap();
        self.link.set_time(self.now);
        self.link.receive(&mut self.pool, &mut batch);
        while let Some(frame) = batch.pop() {
            let data = self.pool.data(&frame).to_vec();
            self.pool.give(frame);
            match self.link.parse_any(&data) {
                Ok(Packet::Control(control)) => {
                    assert_eq!(self.link.control(&control, &data), None);
                }
                Ok(Packet::Segment(_)) => panic!("no segment was sent"),
                Err(reason) => self.drops.count(reason),
            }
        }
        self.sent()
    }

    /// What the link has sent.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        self.link.set_time(self.now);
        self.link.flush();
        let mut batch = Batch::new();
        self.wire.rx(self.now, &mut self.pool, &mut batch).unwrap();
        let frames = batch.iter().map(|frame| self.pool.data(frame).to_vec()).collect();
        batch.give_all(&mut self.pool);
        frames
    }

    /// Sends a segment to an address of the peers'.
    fn send_to(&mut self, destination: Ipv4Addr) {
        self.link.set_time(self.now);
        let (local, remote) = (OWN.into(), destination.into());
        let reset = ::tcp::Reset { sequence: base::Seq(0), acknowledgment: None };
        let ends = ::tcp::Tuple { local, local_port: 0, remote, remote_port: 0 };
        self.link.send_segment(&ends, &reset.outgoing(), |_| {});
    }
}

fn frame(to: Mac, kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let header =
        ethernet::Repr { destination: to, source: PEER_MAC, service: None, tag: None, kind };
    let mut bytes = vec![0; header.length() + payload.len()];
    let length = header.emit(&mut bytes).unwrap();
    bytes[length..].copy_from_slice(payload);
    bytes
}

fn arp(operation: arp::Operation, target: Ipv4Addr, sender: Ipv4Addr) -> Vec<u8> {
    let packet = arp::Repr { operation, sender_mac: PEER_MAC, sender, target_mac: OWN_MAC, target };
    let mut bytes = [0; arp::LENGTH];
    packet.emit(&mut bytes).unwrap();
    frame(Mac::BROADCAST, EtherType::ARP, &bytes)
}

fn ipv4(destination: Ipv4Addr, message: &icmpv4::Repr<'_>) -> Vec<u8> {
    let header = ipv4::Repr {
        source: PEER,
        destination,
        protocol: protocol::ICMPV4,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: message.length() as u16,
    };
    let mut bytes = vec![0; ipv4::HEADER_LENGTH + message.length()];
    header.emit(&mut bytes).unwrap();
    message.emit(&mut bytes[ipv4::HEADER_LENGTH..]).unwrap();
    frame(OWN_MAC, EtherType::IPV4, &bytes)
}

fn ipv6(to: Mac, destination: Ipv6Addr, hop_limit: u8, message: &icmpv6::Repr<'_>) -> Vec<u8> {
    let header = ipv6::Repr {
        source: PEER6,
        destination,
        protocol: protocol::ICMPV6,
        hop_limit,
        dscp: 0,
        ecn: Ecn::NotCapable,
        flow_label: 0,
        payload_length: message.length() as u16,
    };
    let mut bytes = vec![0; ipv6::HEADER_LENGTH + message.length()];
    header.emit(&mut bytes).unwrap();
    message.emit(&mut bytes[ipv6::HEADER_LENGTH..], PEER6, destination).unwrap();
    frame(to, EtherType::IPV6, &bytes)
}

fn arp_of(frame: &[u8]) -> arp::Repr {
    let view = ethernet::View::new(frame).unwrap();
    assert_eq!(view.repr().kind, EtherType::ARP);
    arp::Repr::parse(view.payload()).unwrap()
}

fn destination(frame: &[u8]) -> Mac {
    ethernet::View::new(frame).unwrap().repr().destination
}

#[test]
fn a_question_for_our_address_is_answered_and_others_are_not() {
    let mut bench = Bench::new();
    let sent = bench.exchange(&arp(arp::Operation::Request, OWN, PEER));
    assert_eq!(sent.len(), 1);
    let reply = arp_of(&sent[0]);
    assert_eq!(
        (reply.operation, reply.sender, reply.sender_mac),
        (arp::Operation::Reply, OWN, OWN_MAC)
    );
    assert_eq!((reply.target, destination(&sent[0])), (PEER, PEER_MAC));
    assert!(bench.exchange(&arp(arp::Operation::Request, PEER, PEER)).is_empty());
    // Whoever asked us is known: nothing is asked before a packet goes to it.
    bench.send_to(PEER);
    let sent = bench.sent();
    assert_eq!((sent.len(), destination(&sent[0])), (1, PEER_MAC));
}

#[test]
fn a_packet_waits_for_its_neighbour_and_the_question_is_repeated_once_a_second() {
    let mut bench = Bench::new();
    bench.send_to(PEER);
    bench.send_to(PEER);
    let asked = bench.sent();
    assert_eq!(asked.len(), 1);
    assert_eq!((arp_of(&asked[0]).target, destination(&asked[0])), (PEER, Mac::BROADCAST));
    bench.now += Duration::from_secs(1);
    bench.send_to(PEER);
    assert_eq!(bench.sent().len(), 1);
    let released = bench.exchange(&arp(arp::Operation::Reply, OWN, PEER));
    assert_eq!(released.len(), 3);
    assert!(released.iter().all(|frame| destination(frame) == PEER_MAC));
    // Known, then asked for again while it is still used, then forgotten.
    for (seconds, frames) in [(59, 1), (1, 2), (5, 1)] {
        bench.now += Duration::from_secs(seconds);
        bench.send_to(PEER);
        assert_eq!(bench.sent().len(), frames, "{seconds}");
    }
}

#[test]
fn what_is_not_on_the_link_goes_to_the_router() {
    let mut bench = Bench::new();
    bench.send_to(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(arp_of(&bench.sent()[0]).target, ROUTER);
    let released = bench.exchange(&arp(arp::Operation::Reply, OWN, ROUTER));
    assert_eq!(released.len(), 1);
}

#[test]
fn silent_neighbours_cannot_take_the_packet_buffers_of_others() {
    let mut bench = Bench::new();
    for last in 0..100 {
        bench.send_to(Ipv4Addr::new(10, 0, 0, 100 + last));
        bench.sent();
    }
    // Of 80 buffers, 20 wait for answers. The latest packets are kept.
    assert_eq!(bench.drops.get(Reason::NoNeighbor), 80);
    bench.send_to(PEER);
    let released = bench.exchange(&arp(arp::Operation::Reply, OWN, PEER));
    assert_eq!((released.len(), destination(&released[1])), (2, PEER_MAC));
    assert_eq!(bench.link.recall_frames(), 0);
}

#[test]
fn a_packet_waits_three_seconds_for_its_neighbour() {
    for (milliseconds, released) in [(2_999, 1), (3_000, 0)] {
        let mut bench = Bench::new();
        bench.send_to(PEER);
        bench.sent();
        bench.now += Duration::from_millis(milliseconds);
        assert_eq!(bench.exchange(&arp(arp::Operation::Reply, OWN, PEER)).len(), released);
        assert_eq!(bench.drops.get(Reason::NoNeighbor), 1 - released as u64);
    }
}

#[test]
fn a_claim_to_our_own_address_is_not_believed() {
    let mut bench = Bench::new();
    bench.exchange(&arp(arp::Operation::Reply, OWN, OWN));
    assert_eq!(bench.drops.get(Reason::AddressConflict), 1);
}

#[test]
fn echo_is_answered_over_both_families() {
    let mut bench = Bench::new();
    bench.exchange(&arp(arp::Operation::Request, OWN, PEER));
    let data = b"some data";
    let request = icmpv4::Repr::EchoRequest { identifier: 7, sequence: 9, data };
    let sent = bench.exchange(&ipv4(OWN, &request));
    let packet = ipv4::View::new(ethernet::View::new(&sent[0]).unwrap().payload()).unwrap();
    let reply = icmpv4::Repr::parse(packet.payload()).unwrap();
    assert_eq!(reply, icmpv4::Repr::EchoReply { identifier: 7, sequence: 9, data });
    assert_eq!((packet.repr().source, packet.repr().destination), (OWN, PEER));
    assert!(bench.exchange(&ipv4(PEER, &request)).is_empty());

    let ask = icmpv6::Repr::Ndisc(ndisc::Repr::NeighborSolicitation {
        target: OWN6,
        source: Some(PEER_MAC),
    });
    bench.exchange(&ipv6(OWN_MAC, OWN6, 255, &ask));
    let request = icmpv6::Repr::EchoRequest { identifier: 7, sequence: 9, data };
    let sent = bench.exchange(&ipv6(OWN_MAC, OWN6, 64, &request));
    let packet = ipv6::View::new(ethernet::View::new(&sent[0]).unwrap().payload()).unwrap();
    let reply = icmpv6::Repr::parse(packet.payload(), OWN6, PEER6).unwrap();
    assert_eq!(reply, icmpv6::Repr::EchoReply { identifier: 7, sequence: 9, data });
}

#[test]
fn a_solicitation_is_answered_only_from_the_link() {
    let mut bench = Bench::new();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
    let mac = Mac([0x33, 0x33, 0xff, 0, 0, 1]);
    let ask = icmpv6::Repr::Ndisc(ndisc::Repr::NeighborSolicitation {
        target: OWN6,
        source: Some(PEER_MAC),
    });
    assert!(bench.exchange(&ipv6(mac, group, 254, &ask)).is_empty());
    let sent = bench.exchange(&ipv6(mac, group, 255, &ask));
    let packet = ipv6::View::new(ethernet::View::new(&sent[0]).unwrap().payload()).unwrap();
    let answer = icmpv6::Repr::parse(packet.payload(), OWN6, PEER6).unwrap();
    let icmpv6::Repr::Ndisc(ndisc::Repr::NeighborAdvertisement { target, link_layer, .. }) = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!((target, link_layer, packet.repr().hop_limit), (OWN6, Some(OWN_MAC), 255));
}

#[test]
fn damaged_fragmented_and_foreign_packets_are_counted_and_dropped() {
    let mut bench = Bench::new();
    let request = icmpv4::Repr::EchoRequest { identifier: 7, sequence: 9, data: b"" };
    let good = ipv4(OWN, &request);
    let mut damaged = good.clone();
    damaged[20] ^= 1;
    let mut fragment = good.clone();
    fragment[20] |= 0x20;
    // The header's checksum fits the flag that was set.
    fragment[24] = fragment[24].wrapping_sub(0x20);
    let mut foreign = good.clone();
    foreign[5] ^= 0x40;
    for bad in [&damaged, &fragment, &foreign, &good[..20].to_vec()] {
        assert!(bench.exchange(bad).is_empty());
    }
    let reasons = [Reason::Checksum, Reason::Fragment, Reason::NotForUs, Reason::Malformed];
    assert_eq!(reasons.map(|reason| bench.drops.get(reason)), [1; 4]);
}

/// A segment of the peer's in its frame, with this in its checksum field.
fn segment(checksum: impl FnOnce(wire::checksum::Sum, &[u8]) -> u16) -> Vec<u8> {
    segment_from(PEER, wire::tcp::Flags::default(), checksum)
}

/// The same from an address and with flags.
fn segment_from(
    source: Ipv4Addr,
    flags: wire::tcp::Flags,
    checksum: impl FnOnce(wire::checksum::Sum, &[u8]) -> u16,
) -> Vec<u8> {
    let header =
        wire::tcp::Repr { source_port: 5, destination_port: 80, flags, ..Default::default() };
    let mut segment = vec![0; 20];
    header.emit(&mut segment).unwrap();
    let pseudo = wire::checksum::Sum::pseudo_v4(source, OWN, protocol::TCP, 20);
    let checksum = checksum(pseudo, &segment);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    let ip = ipv4::Repr {
        source,
        destination: OWN,
        protocol: protocol::TCP,
        time_to_live: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        identification: 0,
        dont_fragment: true,
        payload_length: 20,
    };
    let mut packet = vec![0; 20];
    ip.emit(&mut packet).unwrap();
    packet.extend(segment);
    frame(OWN_MAC, EtherType::IPV4, &packet)
}

#[test]
fn a_syn_from_an_address_that_nobody_can_have_begins_no_connection() {
    let bench = Bench::new();
    let syn = |source: [u8; 4]| {
        let flags = wire::tcp::Flags::SYN;
        let frame =
            segment_from(source.into(), flags, |pseudo, segment| pseudo.bytes(segment).finish());
        bench.link.parse_any(&frame).err()
    };
    assert_eq!(syn(PEER.octets()), None);
    for source in [
        [0; 4],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [255; 4],
        // Our own: a land attack.
        OWN.octets(),
    ] {
        assert_eq!(syn(source), Some(Reason::NotForUs), "{source:?}");
    }
}

#[test]
fn a_checksum_left_to_a_device_is_taken_only_from_ports_that_say_so() {
    let left = segment(|pseudo, _| !pseudo.finish());
    let right = segment(|pseudo, segment| pseudo.bytes(segment).finish());
    let wrong = segment(|pseudo, segment| pseudo.bytes(segment).finish() ^ 1);
    let partial = Caps { checksums_partial: true, ..Caps::ETHERNET };
    for (caps, taken) in [(Caps::ETHERNET, [false, true, false]), (partial, [true, true, false])] {
        let bench = Bench::with(caps);
        let parsed = [&left, &right, &wrong].map(|frame| bench.link.parse_any(frame).is_ok());
        assert_eq!(parsed, taken, "{caps:?}");
    }
}

#[test]
fn plain_frames_are_found_as_any_others_are() {
    let ends =
        wire::plain::Ends { macs: (PEER_MAC, OWN_MAC), addresses: (PEER, OWN), ports: (5, 80) };
    let header = wire::tcp::Repr { flags: wire::tcp::Flags::ACK, window: 9, ..Default::default() };
    let header = header.plain().unwrap();
    let write = |ends: &wire::plain::Ends| {
        let mut frame = vec![0; 100];
        let what = (&header, true, Ecn::Capable1);
        let length = wire::plain::emit(&mut frame, ends, what, b"text", true).unwrap();
        // Padding.
        frame.truncate(length + 3);
        frame
    };
    let bench = Bench::new();
    let frame = write(&ends);
    let plain = bench.link.parse_plain(&frame).unwrap();
    let Packet::Segment(any) = bench.link.parse_any(&frame).unwrap() else { panic!() };
    let read = [&plain, &any].map(|found| std::format!("{:?}", found.read(&frame).unwrap()));
    assert_eq!(read[0], read[1]);
    let read = [&plain, &any].map(|found| std::format!("{:?}", found.read_plain(&frame).unwrap()));
    assert_eq!(read[0], read[1]);
    // What is refused is refused for the same reason.
    let elsewhere = wire::plain::Ends { addresses: (PEER, PEER), ..ends };
    let broadcast = wire::plain::Ends { addresses: (Ipv4Addr::BROADCAST, OWN), ..ends };
    let overheard = wire::plain::Ends { macs: (PEER_MAC, PEER_MAC), ..ends };
    for ends in [elsewhere, broadcast, overheard] {
        let frame = write(&ends);
        assert!(bench.link.parse_plain(&frame).is_none());
        assert_eq!(bench.link.parse_any(&frame).err(), Some(Reason::NotForUs));
    }
}

#[test]
fn where_the_host_finds_neighbors_answers_go_back_where_the_question_came_from() {
    let mut bench = Bench::with(Caps { host_finds_neighbors: true, ..Caps::ETHERNET });
    let to = |frame: &Vec<u8>| Mac(*frame.first_chunk::<6>().unwrap());
    // The host is asked, and no frame tells of it.
    bench.send_to(PEER);
    assert!(bench.sent().is_empty());
    let question = segment(|_, _| 0);
    bench.link.begin_answer(&Flow::new(PEER.into(), 5, 0, 80), &question);
    bench.send_to(PEER);
    // For somebody else the station says nothing.
    bench.send_to(Ipv4Addr::new(10, 0, 0, 77));
    assert_eq!(bench.sent().iter().map(to).collect::<Vec<_>>(), [PEER_MAC]);
    bench.link.end_answer();
    bench.send_to(PEER);
    assert!(bench.sent().is_empty());
    bench.link.hear(News::Neighbor { address: PEER.into(), mac: Some(PEER_MAC.0) });
    assert_eq!(bench.sent().iter().map(to).collect::<Vec<_>>(), [PEER_MAC; 2]);
    // The host does not say again what has not changed.
    bench.now += Duration::from_secs(300);
    bench.send_to(PEER);
    assert_eq!(bench.sent().iter().map(to).collect::<Vec<_>>(), [PEER_MAC]);
    bench.link.hear(News::Neighbor { address: PEER.into(), mac: None });
    bench.send_to(PEER);
    assert!(bench.sent().is_empty());
}

#[test]
fn addresses_and_routes_come_and_go_with_the_host() {
    let mut bench = Bench::new();
    let (address, elsewhere) = (Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 9, 0, 1));
    let news = |present| News::Address { address: address.into(), present };
    let index = |bench: &Bench| bench.link.addresses.index(address.into());
    assert_eq!(index(&bench), None);
    bench.link.hear(news(true));
    let added = index(&bench).unwrap();
    bench.link.hear(news(false));
    assert_eq!((index(&bench), bench.link.addresses.get(added)), (None, address.into()));
    bench.link.hear(news(true));
    assert_eq!(index(&bench), Some(added));

    let route = |gateway: Option<Ipv4Addr>, present| News::Route {
        prefix: Ipv4Addr::new(10, 9, 0, 0).into(),
        length: 16,
        gateway: gateway.map(IpAddr::from),
        present,
    };
    let next_hop = |bench: &Bench| bench.link.routes.next_hop(elsewhere.into());
    assert_eq!(next_hop(&bench), Some(ROUTER.into()));
    bench.link.hear(route(None, true));
    assert_eq!(next_hop(&bench), Some(elsewhere.into()));
    bench.link.hear(route(Some(PEER), true));
    // That of the one before, which is gone already.
    bench.link.hear(route(None, false));
    assert_eq!(next_hop(&bench), Some(PEER.into()));
    bench.link.hear(route(Some(PEER), false));
    assert_eq!(next_hop(&bench), Some(ROUTER.into()));
}
