//! Messages that no honest server sends: none panics, and none is believed that cannot be.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use super::World;
use super::server::{ADDRESS, OWN, STATION, Server};
use crate::frame::{Outgoing, is_for_client, read};
use crate::lease::Offered;
use crate::{Client, Event, Lease};

/// What the client asks last on its way to this kind of answer, and a right answer to it.
fn asked_and_answered(kind: DhcpMessageType) -> (World, Vec<u8>) {
    let mut world = World::new(Server::default(), 5);
    let mut last = Vec::new();
    for _ in 0..if kind == DhcpMessageType::Offer { 1 } else { 2 } {
        let Some(Outgoing::Message { message, .. }) = world.client.poll(world.now) else {
            panic!()
        };
        let packet = DhcpPacket::new_checked(&message[..]).unwrap();
        let question = DhcpRepr::parse(&packet).unwrap();
        if kind != DhcpMessageType::Offer && last.is_empty() {
            let offer = world.server.answer(DhcpMessageType::Offer, &question);
            assert!(world.client.message(world.now, STATION, &offer));
        }
        last = world.server.answer(kind, &question);
    }
    (world, last)
}

/// Takes all that follows.
fn follow(client: &mut Client, mut now: base::Instant) -> Option<Lease> {
    for _ in 0..64 {
        while client.poll(now).is_some() {}
        while let Some(event) = client.event() {
            if let Event::Bound(lease) = event {
                return Some(lease);
            }
        }
        now = now.max(client.deadline());
    }
    None
}

fn is_possible(lease: &Lease) -> bool {
    let first = lease.address.octets()[0];
    let ordered = lease.duration.is_none_or(|duration| {
        lease.renew < lease.rebind && lease.rebind < duration && duration.as_secs() >= 10
    });
    let routable = lease.routes().iter().all(|route| {
        route.length <= 32 && route.gateway.is_none_or(|gateway| gateway != lease.address)
    });
    first != 0
        && first != 127
        && first < 224
        && (1..=32).contains(&lease.length)
        && lease.mtu.is_none_or(|mtu| mtu >= 576)
        && ordered
        && routable
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_harm(bytes in vec(any::<u8>(), 0..700)) {
        let (mut world, _) = asked_and_answered(DhcpMessageType::Offer);
        prop_assert!(!world.client.message(world.now, STATION, &bytes));
        let _ = (is_for_client(&bytes), read(&bytes, OWN, true));
    }

    #[test]
    fn what_is_believed_of_a_damaged_message_is_possible(
        changes in vec((0_usize..340, any::<u8>()), 0..12),
        cut in 0_usize..400,
        tail in vec(any::<u8>(), 0..80),
    ) {
        for kind in [DhcpMessageType::Offer, DhcpMessageType::Ack, DhcpMessageType::Nak] {
            let (mut world, mut bytes) = asked_and_answered(kind);
            bytes.truncate(bytes.len().min(cut.max(200)));
            bytes.extend(&tail);
            for (at, value) in &changes {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte = *value;
                }
            }
            world.client.message(world.now, STATION, &bytes);
            if let Some(lease) = follow(&mut world.client, world.now) {
                prop_assert!(is_possible(&lease), "{lease:?}");
            }
        }
    }

    #[test]
    fn any_options_make_a_possible_lease_or_none(
        (address, mask, router, server) in (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()),
        length in 0_u32..=32,
        (seconds, renew, rebind) in (any::<u32>(), any::<u32>(), any::<u32>()),
        mtu: u16,
        routes in vec(any::<u8>(), 0..40),
        present: [bool; 7],
    ) {
        let [has_mask, whole, has_router, has_mtu, has_renew, has_rebind, small] = present;
        let mask = if whole { u32::MAX.checked_shl(32 - length).unwrap_or(0) } else { mask };
        let scale = |number: u32| if small { number % 100 } else { number };
        let offered = Offered {
            address: Some(Ipv4Addr::from(address)),
            mask: has_mask.then(|| Ipv4Addr::from(mask)),
            router: has_router.then(|| Ipv4Addr::from(router)),
            routes,
            mtu: has_mtu.then_some(mtu),
            server: Some(Ipv4Addr::from(server)),
            seconds: Some(scale(seconds)),
            renew: has_renew.then_some(scale(renew)),
            rebind: has_rebind.then_some(scale(rebind)),
        };
        if let Some(lease) = offered.believe() {
            prop_assert!(is_possible(&lease), "{lease:?}");
        }
    }
}

#[test]
fn an_answer_to_another_question_or_client_is_none() {
    // The transaction, the client's address, the kind of message, and what it is on.
    for at in [4, 7, 28, 33, 0, 1, 2, 236] {
        let (mut world, mut offer) = asked_and_answered(DhcpMessageType::Offer);
        offer[at] ^= 1;
        assert!(!world.client.message(world.now, STATION, &offer), "byte {at}");
        offer[at] ^= 1;
        assert!(world.client.message(world.now, STATION, &offer));
    }
}

#[test]
fn a_confirmation_by_another_server_or_of_another_address_is_none() {
    for (address, lends) in [([10, 0, 0, 9], ADDRESS), ([10, 0, 0, 1], [10, 0, 0, 9].into())] {
        let (mut world, _) = asked_and_answered(DhcpMessageType::Ack);
        let Some(Outgoing::Message { message, .. }) = ({
            world.now = world.client.deadline();
            world.client.poll(world.now)
        }) else {
            panic!()
        };
        let packet = DhcpPacket::new_checked(&message[..]).unwrap();
        let question = DhcpRepr::parse(&packet).unwrap();
        let other = Server { address: address.into(), lends, ..Server::default() };
        for kind in [DhcpMessageType::Ack, DhcpMessageType::Nak] {
            let wrong = other.answer(kind, &question);
            let is_theirs = kind == DhcpMessageType::Nak && lends != ADDRESS;
            if !is_theirs {
                assert!(!world.client.message(world.now, STATION, &wrong), "{kind:?}");
            }
        }
        let right = world.server.answer(DhcpMessageType::Ack, &question);
        assert!(world.client.message(world.now, STATION, &right));
        // And once is enough.
        assert!(!world.client.message(world.now, STATION, &right));
    }
}

#[test]
fn what_no_host_can_have_is_not_offered() {
    let good = Offered {
        address: Some(ADDRESS),
        mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server: Some(Ipv4Addr::new(10, 0, 0, 1)),
        seconds: Some(60),
        ..Offered::default()
    };
    assert!(good.believe().is_some());
    let at = |address: [u8; 4]| Offered { address: Some(address.into()), ..good.clone() };
    for bad in [
        at([0, 0, 0, 1]),
        at([127, 0, 0, 1]),
        at([224, 0, 0, 1]),
        at([255; 4]),
        at([10, 0, 0, 0]),
        at([10, 0, 0, 255]),
        Offered { mask: Some(Ipv4Addr::new(255, 0, 255, 0)), ..good.clone() },
        Offered { mask: Some(Ipv4Addr::UNSPECIFIED), ..good.clone() },
        Offered { seconds: None, ..good.clone() },
        Offered { seconds: Some(9), ..good.clone() },
        Offered { server: None, ..good.clone() },
        Offered { server: Some(Ipv4Addr::BROADCAST), ..good.clone() },
        Offered { address: None, ..good.clone() },
    ] {
        assert_eq!(bad.believe(), None, "{bad:?}");
    }
    // What can be done without does no harm.
    let odd = Offered {
        mtu: Some(68),
        router: Some(ADDRESS),
        renew: Some(50),
        rebind: Some(40),
        ..good.clone()
    };
    let lease = odd.believe().unwrap();
    assert_eq!((lease.mtu, lease.router), (None, None));
    assert_eq!((lease.renew.as_secs(), lease.rebind.as_millis()), (30, 52_500));
    // Without a mask its class says; a router beside the network is a neighbour all the same.
    let bare = Offered { mask: None, router: Some(Ipv4Addr::new(192, 0, 2, 1)), ..good.clone() }
        .believe()
        .unwrap();
    let routes: Vec<_> =
        bare.routes().iter().map(|route| (route.prefix.octets()[0], route.length)).collect();
    assert_eq!(routes, [(10, 8), (192, 32), (0, 0)]);
}
