//! Against rustls in the server's role, both in memory. certificate.pem and key.pem are made for these
//! tests and for nothing else: self-signed, for localhost and 127.0.0.1, until 2120.

mod world;

use app::{DialError, Source};

use crate::{Client, ClientError, Settings, Trust};
use world::{CERTIFICATE, Done, World};

fn settings(trust: Trust) -> Settings {
    Settings { name: "localhost".into(), trust }
}

fn trusted() -> Settings {
    settings(Trust::Roots(CERTIFICATE.to_vec()))
}

#[test]
fn bytes_arrive_in_order_whatever_the_room_and_however_they_are_cut_up() {
    for (room, cut) in [(64 * 1024, usize::MAX), (1_500, 700), (40, 7), (1, 1)] {
        let mut world = World::new(&trusted(), room, cut);
        let attached: Vec<u8> = (0..50_000_u32).map(|number| number as u8).collect();
        world.secure.within().request = b"a request".to_vec();
        world.secure.within().attachment = Some(Source::Memory(attached.clone().into()));
        world.answer = (0..40_000_u32).map(|number| (number / 3) as u8).collect();
        world.run();
        assert_eq!(world.received, [b"a request", &attached[..]].concat(), "room {room}");
        assert_eq!(world.secure.within().received, world.answer, "room {room}, cut {cut}");
        assert_eq!(world.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(world.name.as_deref(), Some("localhost"));
        world.end();
        assert_eq!(world.secure.within().done, [Done::Opened, Done::Ended]);
    }
}

#[test]
fn what_the_handler_leaves_is_offered_again_with_what_came_since() {
    let mut world = World::new(&trusted(), 64 * 1024, 1_000);
    world.secure.within().request = b"?".to_vec();
    world.secure.within().appetite = 10;
    world.answer = vec![7; 5_000];
    world.run();
    let within = world.secure.within();
    // Ten bytes a call: most of it is still there, and none is lost or seen twice.
    assert!(within.received.len() < 5_000, "{}", within.received.len());
    assert_eq!(within.received.len() + within.offered, 5_000);
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_apart_from_a_failed_handshake() {
    let nobody = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    let refused = Client::new(&settings(Trust::Roots(nobody.into())));
    assert!(matches!(refused, Err(ClientError::Roots(_))), "{refused:?}");
    let other = Settings { name: "elsewhere".into(), ..trusted() };
    let mut world = World::new(&other, 64 * 1024, usize::MAX);
    world.run();
    world.end();
    assert_eq!(world.secure.within().done, [Done::Not(DialError::Certificate)]);
    assert!(world.reasons.first().unwrap().contains("certificate"), "{:?}", world.reasons);
    // The server is told why, before the connection ends.
    assert!(world.alert.is_some());

    let mut world = World::new(&trusted(), 64 * 1024, usize::MAX);
    world.garbage = true;
    world.run();
    world.end();
    assert_eq!(world.secure.within().done, [Done::Not(DialError::Handshake)]);
}

#[test]
fn whoever_does_not_look_at_certificates_trusts_any() {
    let anyone = Settings { name: "elsewhere".into(), trust: Trust::Anyone };
    let mut world = World::new(&anyone, 64 * 1024, usize::MAX);
    world.secure.within().request = b"?".to_vec();
    world.answer = b"!".to_vec();
    world.run();
    assert_eq!(world.secure.within().received, b"!");
}

#[test]
fn an_end_within_tls_is_the_end_of_input() {
    let mut world = World::new(&trusted(), 64 * 1024, usize::MAX);
    world.secure.within().request = b"?".to_vec();
    world.answer = b"!".to_vec();
    world.close_after = true;
    world.run();
    assert!(world.secure.within().saw_end);
    assert!(world.closed, "nothing more can come, and the engine does not know");
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let mut world = World::new(&trusted(), 64 * 1024, usize::MAX);
    world.mute = true;
    world.run();
    world.timer();
    world.end();
    assert_eq!(world.secure.within().done, [Done::Not(DialError::TimedOut)]);
}

#[test]
fn one_that_rests_has_no_buffer() {
    let mut world = World::new(&trusted(), 64 * 1024, 900);
    world.secure.within().request = b"?".to_vec();
    world.answer = vec![1; 30_000];
    world.run();
    assert_eq!(world.secure.buffered(), 0);
}
