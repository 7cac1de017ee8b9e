//! Where a server may put what it has to say: routes of several kinds, and options in other fields.

use std::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use super::World;
use super::server::{ADDRESS, SERVER, STATION, Server};
use crate::frame::Outgoing;
use crate::{Event, Lease, Route};

/// Where the fields of a message are, and where the first option is.
const SERVER_NAME: usize = 44;
const BOOT_FILE: usize = 108;
const OPTIONS: usize = 240;

/// The lease that comes of what a server says, after `change` has been made to each of its messages.
fn leased(change: impl Fn(&mut Vec<u8>)) -> Option<Lease> {
    let mut world = World::new(Server::default(), 5);
    for _ in 0..64 {
        while let Some(outgoing) = world.client.poll(world.now) {
            let Outgoing::Message { message, .. } = outgoing else { continue };
            let packet = DhcpPacket::new_checked(&message[..]).unwrap();
            let question = DhcpRepr::parse(&packet).unwrap();
            let kind = match question.message_type {
                DhcpMessageType::Discover => DhcpMessageType::Offer,
                _ => DhcpMessageType::Ack,
            };
            let mut answer = world.server.answer(kind, &question);
            change(&mut answer);
            world.client.message(world.now, STATION, &answer);
        }
        if let Some(Event::Bound(lease)) = world.client.event() {
            return Some(lease);
        }
        world.now = world.now.max(world.client.deadline());
    }
    None
}

/// Puts an option before the others.
fn add(message: &mut Vec<u8>, code: u8, data: &[u8]) {
    // Shorter than 2^8.
    let option = [&[code, data.len() as u8], data].concat();
    message.splice(OPTIONS..OPTIONS, option);
}

fn route(prefix: [u8; 4], length: u8, gateway: Option<[u8; 4]>) -> Route {
    Route { prefix: prefix.into(), length, gateway: gateway.map(Ipv4Addr::from) }
}

/// The router that a server named besides was taken, and its routes were not asked for.
#[test]
fn routes_that_a_server_names_stand_in_place_of_the_router() {
    let network = route(ADDRESS.octets(), 24, None);
    let routes = [
        // Everywhere else, a network whose last byte is cut off in its middle, one of the link's.
        &[0, 10, 0, 0, 2][..],
        &[20, 172, 16, 0xff, 10, 0, 0, 3],
        &[16, 192, 168, 0, 0, 0, 0],
    ];
    let lease = leased(|answer| add(answer, 121, &routes.concat())).unwrap();
    assert_eq!((lease.router, lease.gateway()), (None, Some(Ipv4Addr::new(10, 0, 0, 2))));
    let expected = [
        network,
        route([0; 4], 0, Some([10, 0, 0, 2])),
        route([172, 16, 0xf0, 0], 20, Some([10, 0, 0, 3])),
        route([192, 168, 0, 0], 16, None),
    ];
    assert_eq!(lease.routes(), expected);
    // None of them leads everywhere: then nothing does.
    let some = leased(|answer| add(answer, 121, routes[1])).unwrap();
    assert_eq!((some.gateway(), some.routes().len()), (None, 2));
    // A router beside the network is a neighbour, once.
    let beside = [&[8, 11, 192, 0, 2, 1][..], &[8, 12, 192, 0, 2, 1]].concat();
    let beside = leased(|answer| add(answer, 121, &beside)).unwrap().routes();
    let to = |first| route([first, 0, 0, 0], 8, Some([192, 0, 2, 1]));
    assert_eq!(beside, [network, route([192, 0, 2, 1], 32, None), to(11), to(12)]);
}

#[test]
fn routes_in_several_options_are_one_list() {
    let text = [24, 192, 0, 2, 10, 0, 0, 9, 24, 198, 51, 100, 10, 0, 0, 8];
    for cut in 0..=text.len() {
        let lease = leased(|answer| {
            add(answer, 121, &text[cut..]);
            add(answer, 121, &text[..cut]);
        });
        let routes = lease.unwrap().routes();
        assert_eq!(routes[1], route([192, 0, 2, 0], 24, Some([10, 0, 0, 9])), "{cut}");
        assert_eq!(routes[2], route([198, 51, 100, 0], 24, Some([10, 0, 0, 8])), "{cut}");
    }
}

#[test]
fn routes_that_make_no_sense_leave_the_router() {
    for nonsense in [&[33, 1, 2, 3, 4, 10, 0, 0, 2][..], &[24, 192, 0, 2, 10, 0, 0], &[8]] {
        let lease = leased(|answer| add(answer, 121, nonsense)).unwrap();
        assert_eq!((lease.router, lease.named.len()), (Some(SERVER), 0), "{nonsense:?}");
    }
    // A router that is ourselves, or nobody, is left out; the others are as good as before.
    let odd = [&[8, 11][..], &ADDRESS.octets(), &[8, 12, 127, 0, 0, 1], &[8, 13, 10, 0, 0, 2]];
    let lease = leased(|answer| add(answer, 121, &odd.concat())).unwrap();
    assert_eq!(lease.named, [route([13, 0, 0, 0], 8, Some([10, 0, 0, 2]))]);
}

/// Options that found no room were missed: the message's kind among them, and the lease was none.
#[test]
fn options_in_the_fields_for_names_count() {
    let whole = leased(|_| {}).unwrap();
    for (holds, fields) in
        [(1, vec![BOOT_FILE]), (2, vec![SERVER_NAME]), (3, vec![BOOT_FILE, SERVER_NAME])]
    {
        let lease = leased(|answer| {
            let options = answer.split_off(OPTIONS);
            // Half of them in each field, whole ones.
            let mut starts = vec![0];
            while let Some(&last) = starts.last().filter(|last| options[**last] != 255) {
                starts.push(last + 2 + usize::from(options[last + 1]));
            }
            let options = &options[..*starts.last().unwrap()];
            let middle = if fields.len() > 1 { starts[starts.len() / 2] } else { options.len() };
            for (field, part) in fields.iter().zip([&options[..middle], &options[middle..]]) {
                answer[*field..field + part.len()].copy_from_slice(part);
                if let Some(end) = answer.get_mut(field + part.len()) {
                    *end = 255;
                }
            }
            answer.extend([52, 1, holds, 255]);
        });
        assert_eq!(lease, Some(whole.clone()), "{holds}");
    }
    // They are names where nothing is said.
    let name =
        leased(|answer| answer[BOOT_FILE..BOOT_FILE + 6].copy_from_slice(&[3, 4, 9, 9, 9, 9]));
    assert_eq!(name, Some(whole));
}
