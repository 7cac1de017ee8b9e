//! The client against a server that follows a script, in virtual time.

mod hostile;
mod news;
mod options;
mod port;
mod server;

use std::net::Ipv4Addr;
use std::time::Duration;

use base::Instant;
use smoltcp::wire::DhcpMessageType;
use wire::arp;
use wire::ethernet::Mac;

use crate::frame::Outgoing;
use crate::{Client, Event, Loss};
use server::{ADDRESS, OWN, SERVER, STATION, Said, Server};

/// A client, a server, and a clock of their own.
struct World {
    now: Instant,
    client: Client,
    server: Server,
    /// What the client said, and when.
    said: Vec<(Instant, Said)>,
    events: Vec<(Instant, Event)>,
}

impl World {
    fn new(server: Server, seed: u64) -> Self {
        let now = Instant::from_millis(1_000_000);
        let client = Client::new(OWN, seed, now);
        Self { now, client, server, said: Vec::new(), events: Vec::new() }
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            while let Some(outgoing) = self.client.poll(self.now) {
                self.said.push((self.now, Said::of(&outgoing)));
                for answer in self.server.answers(&outgoing) {
                    self.client.message(self.now, STATION, &answer);
                }
                if let Outgoing::Arp(question) = &outgoing
                    && let Some(answer) = self.server.arp(question)
                {
                    self.client.arp(self.now, &answer);
                }
            }
            while let Some(event) = self.client.event() {
                self.events.push((self.now, event));
            }
            let next = self.client.deadline();
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// What the client said since this was last asked.
    fn take_said(&mut self) -> Vec<Said> {
        self.said.drain(..).map(|(_, said)| said).collect()
    }

    fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).map(|(_, event)| event).collect()
    }

    /// A client that has been bound for a moment.
    fn bound(server: Server) -> Self {
        let mut world = Self::new(server, 1);
        world.seconds(10);
        assert!(
            matches!(&world.take_events()[..], [Event::Bound(lease)] if lease.address == ADDRESS)
        );
        world.said.clear();
        world
    }
}

fn message(kind: DhcpMessageType) -> Said {
    Said { kind: Some(kind), from: Ipv4Addr::UNSPECIFIED, ..Said::default() }
}

#[test]
fn an_address_is_asked_for_looked_for_and_announced() {
    let mut world = World::new(Server::default(), 1);
    world.seconds(20);
    let [Event::Bound(lease)] = &world.take_events()[..] else { panic!() };
    assert_eq!((lease.address, lease.length, lease.server), (ADDRESS, 24, SERVER));
    assert_eq!((lease.router, lease.mtu), (Some(SERVER), Some(1_400)));
    assert_eq!(lease.duration, Some(Duration::from_secs(3_600)));
    let probe = Said { target: Some(ADDRESS), from: Ipv4Addr::UNSPECIFIED, ..Said::default() };
    let announcement = Said { from: ADDRESS, ..probe };
    let request =
        Said { address: Some(ADDRESS), server: Some(SERVER), ..message(DhcpMessageType::Request) };
    let expected = [
        message(DhcpMessageType::Discover),
        request,
        probe,
        probe,
        probe,
        announcement,
        announcement,
    ];
    assert_eq!(world.take_said(), expected);
}

#[test]
fn questions_without_an_answer_are_asked_again_after_longer_and_longer_pauses() {
    let pauses = |seed| {
        let mut world = World::new(Server { silent: true, ..Server::default() }, seed);
        world.seconds(400);
        assert_eq!(world.take_events(), []);
        let times: Vec<Instant> = world.said.iter().map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as u64).collect::<Vec<_>>()
    };
    let first = pauses(1);
    for (pause, expected) in first.iter().zip([4_000_u64, 8_000, 16_000, 32_000, 64_000, 64_000]) {
        assert!(pause.abs_diff(expected) <= 1_000, "{first:?}");
    }
    assert!(first.len() >= 6);
    assert_ne!(first, pauses(2));
}

#[test]
fn an_offer_that_is_never_confirmed_is_given_up_for_another_try() {
    let mut world = World::new(Server { confirms: false, ..Server::default() }, 1);
    world.seconds(90);
    let kinds: Vec<_> = world.take_said().iter().map(|said| said.kind).collect();
    let (discover, request) = (Some(DhcpMessageType::Discover), Some(DhcpMessageType::Request));
    assert_eq!(kinds[..6], [discover, request, request, request, request, discover]);
    world.server.confirms = true;
    world.seconds(70);
    assert!(matches!(&world.take_events()[..], [Event::Bound(_)]));
}

#[test]
fn a_lease_is_renewed_at_half_its_time_with_its_server_alone() {
    let mut world = World::bound(Server::default());
    world.seconds(1_800);
    let renewal = Said {
        kind: Some(DhcpMessageType::Request),
        from: ADDRESS,
        to: Some((SERVER, STATION)),
        own: Some(ADDRESS),
        ..Said::default()
    };
    assert_eq!(world.take_said(), [renewal]);
    world.server.router = None;
    world.seconds(1_800);
    let events = world.take_events();
    assert!(
        matches!(&events[..], [Event::Renewed(_), Event::Renewed(now)] if now.router.is_none())
    );
}

#[test]
fn a_lease_that_nobody_renews_is_over_when_it_says_and_not_later() {
    let mut world = World::bound(Server::default());
    let bound = world.now;
    world.server.silent = true;
    world.seconds(3_700);
    let lost = Event::Lost(ADDRESS, Loss::Expired);
    let [(at, event)] = &world.events[..] else { panic!("{:?}", world.events) };
    assert_eq!(*event, lost);
    // Bound within ten seconds of having asked, and it counts from there.
    let after = (*at - bound).as_secs();
    assert!((3_588..3_600).contains(&after), "{after}");
    let said = world.take_said();
    let to_one = said.iter().filter(|said| said.to.is_some()).count();
    let to_all = said.iter().filter(|said| said.to.is_none() && said.own.is_some()).count();
    // Not more often than each minute, and less often the more time there is.
    assert!((3..12).contains(&to_one) && (2..8).contains(&to_all), "{to_one} {to_all}");
    assert_eq!(said.last().unwrap().kind, Some(DhcpMessageType::Discover));
    assert_eq!(said.last().unwrap().own, None);
    world.server.silent = false;
    world.seconds(100);
    assert!(matches!(&world.take_events()[..], [_, Event::Bound(_)]));
}

#[test]
fn any_server_may_renew_a_lease_whose_own_does_not_answer() {
    let mut world = World::bound(Server::default());
    world.server.silent = true;
    world.seconds(3_200);
    let other = Ipv4Addr::new(10, 0, 0, 200);
    world.server = Server { address: other, ..Server::default() };
    world.seconds(300);
    assert!(matches!(&world.take_events()[..], [Event::Renewed(lease)] if lease.server == other));
}

#[test]
fn an_address_that_the_server_takes_away_is_left_at_once() {
    let mut world = World::bound(Server::default());
    world.server.refuses = true;
    world.seconds(1_810);
    assert_eq!(world.take_events()[0], Event::Lost(ADDRESS, Loss::Refused));
    // A server that offers what it refuses is not asked without a pause.
    world.said.clear();
    world.seconds(600);
    let said = world.take_said().len();
    assert!((4..40).contains(&said), "{said}");
    world.server.refuses = false;
    world.seconds(70);
    assert!(matches!(world.take_events().last(), Some(Event::Bound(_))));
}

#[test]
fn an_address_that_another_host_has_is_declined_and_another_one_taken() {
    for probes_itself in [false, true] {
        let mut world = World::new(Server::default(), 3);
        world.server.taken = Some((ADDRESS, probes_itself));
        world.seconds(5);
        assert_eq!(world.take_events(), [Event::Declined(ADDRESS)]);
        let declined = Said {
            address: Some(ADDRESS),
            server: Some(SERVER),
            ..message(DhcpMessageType::Decline)
        };
        assert_eq!(world.take_said().last(), Some(&declined));
        let next = Ipv4Addr::new(10, 0, 0, 78);
        world.server.lends = next;
        let declined_at = world.now;
        world.seconds(20);
        assert!(matches!(&world.take_events()[..], [Event::Bound(lease)] if lease.address == next));
        assert!(world.said[0].0 - declined_at >= Duration::from_secs(5));
    }
}

#[test]
fn a_renewal_with_another_address_ends_the_first_one() {
    let mut world = World::bound(Server::default());
    world.server.lends = Ipv4Addr::new(10, 0, 0, 78);
    world.seconds(1_810);
    let events = world.take_events();
    let [lost, Event::Bound(lease)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*lost, Event::Lost(ADDRESS, Loss::Replaced));
    assert_eq!(lease.address, Ipv4Addr::new(10, 0, 0, 78));
}

#[test]
fn an_address_is_given_back_to_its_server() {
    let mut world = World::bound(Server::default());
    let released = Said::of(&world.client.release(world.now).unwrap());
    let expected = Said {
        kind: Some(DhcpMessageType::Release),
        from: ADDRESS,
        to: Some((SERVER, STATION)),
        own: Some(ADDRESS),
        server: Some(SERVER),
        ..Said::default()
    };
    assert_eq!(released, expected);
    world.seconds(10_000);
    assert_eq!((world.take_said().len(), world.take_events().len()), (0, 0));
    assert_eq!(world.client.release(world.now), None);
}

#[test]
fn a_lease_without_an_end_is_never_asked_about_again() {
    let mut world = World::bound(Server { seconds: u32::MAX, ..Server::default() });
    world.seconds(10_000_000);
    assert_eq!((world.take_said().len(), world.take_events().len()), (0, 0));
}

/// The clock may stand still while the machine sleeps, and be far ahead then.
#[test]
fn a_jump_over_the_end_of_a_lease_ends_it() {
    let mut world = World::bound(Server::default());
    world.server.silent = true;
    world.now += Duration::from_secs(5_000);
    world.seconds(1);
    assert_eq!(world.take_events(), [Event::Lost(ADDRESS, Loss::Expired)]);
    assert!(world.take_said().iter().all(|said| said.own.is_none()));
}

/// Whatever is lost: an address is had in the end, and never used for longer than it was lent.
#[test]
fn loss_delays_and_harms_nothing() {
    for seed in 0..200 {
        let mut world = World::new(Server { loss: 400_000, ..Server::default() }, seed);
        world.server.prng = base::Prng::new(seed);
        world.seconds(40_000);
        let mut until: Option<Instant> = None;
        for (at, event) in &world.events {
            assert!(until.is_none_or(|until| *at <= until), "{seed}: {event:?} after its end");
            until = match event {
                Event::Bound(lease) | Event::Renewed(lease) => Some(*at + lease.duration.unwrap()),
                _ => None,
            };
        }
        assert!(matches!(world.events.first(), Some((_, Event::Bound(_)))), "{seed}");
    }
}

/// ARP packets that say nothing about the address are nothing to the client.
#[test]
fn who_has_another_address_is_no_conflict() {
    let mut world = World::new(Server::default(), 1);
    world.run(Duration::from_millis(300));
    let packet = |sender_mac, sender| arp::Repr {
        operation: arp::Operation::Reply,
        sender_mac,
        sender,
        target_mac: OWN,
        target: ADDRESS,
    };
    world.client.arp(world.now, &packet(STATION, SERVER));
    world.client.arp(world.now, &packet(OWN, ADDRESS));
    world.seconds(10);
    assert!(matches!(&world.take_events()[..], [Event::Bound(_)]));
    // Once it is bound, others' claims are the stack's to count.
    world.client.arp(world.now, &packet(Mac([9; 6]), ADDRESS));
    world.seconds(10);
    assert_eq!(world.take_events(), []);
}
