//! RFC 3168 section 6.1.

use wire::protocol::Ecn;
use wire::tcp::Flags;

use crate::script::Script;
use crate::segment::{ack, data, syn, syn_ack};

fn on(config: &mut tcp::Config) {
    config.extensions.ecn = true;
}

fn agreed() -> Script {
    let setup = syn().mss(1_000).sack_ok().with(Flags::ECE | Flags::CWR);
    let mut script = Script::accept(&setup, on);
    script.expect(syn_ack().with(Flags::ECE));
    script.inject(ack(1, 1).win(60_000));
    script
}

#[test]
fn it_is_asked_for_and_only_once() {
    let mut script = Script::connect(on);
    script.expect(syn().with(Flags::ECE | Flags::CWR).ecn(Ecn::NotCapable));
    script.expect_after(super::script::ms(1_000), syn());
}

#[test]
fn it_is_not_agreed_on_by_a_peer_that_does_not_know_it() {
    let mut script = Script::connect(on);
    script.take_one();
    script.inject(syn_ack().mss(1_000));
    script.take_one();
    script.write(10);
    script.expect(data(1, 10, 1).psh().ecn(Ecn::NotCapable));
    // A peer that sends our bits back (RFC 3168 section 6.1.1).
    let mut script = Script::connect(on);
    script.take_one();
    script.inject(syn_ack().with(Flags::ECE | Flags::CWR));
    script.take_one();
    script.write(10);
    script.expect(data(1, 10, 1).psh().ecn(Ecn::NotCapable));
}

#[test]
fn new_data_is_marked_and_nothing_else() {
    let mut script = agreed();
    script.write(10);
    script.expect(data(1, 10, 1).psh().ecn(Ecn::Capable0));
    script.expect_after(super::script::ms(200), data(1, 10, 1).psh().ecn(Ecn::NotCapable));
    script.inject(data(1_001, 10, 1));
    script.expect(ack(1 + 10, 1).ecn(Ecn::NotCapable));
}

#[test]
fn a_mark_is_echoed_until_the_peer_has_slowed_down() {
    let mut script = agreed();
    script.inject(data(1, 1_000, 1).ecn(Ecn::Congested));
    script.inject(data(1_001, 1_000, 1).ecn(Ecn::Capable0));
    script.expect(ack(1, 2_001).with(Flags::ECE));
    script.inject(data(2_001, 1_000, 1).with(Flags::CWR).ecn(Ecn::Capable0));
    script.inject(data(3_001, 1_000, 1).ecn(Ecn::Capable0));
    script.expect(ack(1, 4_001));
}

#[test]
fn an_echo_halves_the_window_once_and_is_confirmed() {
    //= specs/rfc9293.txt#section-3.8.2
    //= type=test
    //# A TCP endpoint SHOULD implement ECN as described in RFC 3168 (SHLD-8).
    let mut script = agreed();
    script.write(30_000);
    assert_eq!(script.take_all(), 10);
    script.inject(ack(1, 1_001).win(60_000).with(Flags::ECE));
    script.inject(ack(1, 2_001).win(60_000).with(Flags::ECE));
    script.expect_nothing();
    script.inject(ack(1, 5_001).win(60_000).with(Flags::ECE));
    script.expect(data(10_001, 1_000, 1).with(Flags::CWR).ecn(Ecn::Capable0));
    script.expect(data(11_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn an_echo_that_was_not_agreed_on_is_no_congestion() {
    let mut script = Script::established();
    script.write(5_000);
    script.take_all();
    script.inject(ack(1, 1_001).with(Flags::ECE));
    let info = script.working.info(&script.config);
    assert_eq!((info.slow_start_threshold, info.recovery), (None, tcp::Recovering::No));
}

/// An echo on the acknowledgment of all that was in flight was once passed over: the window stayed, and
/// as no CWR was sent, the peer went on echoing for ever.
#[test]
fn an_echo_with_nothing_left_in_flight_halves_the_window_too() {
    let mut script = agreed();
    script.write(10_000);
    assert_eq!(script.take_all(), 10);
    script.inject(ack(1, 10_001).win(60_000).with(Flags::ECE));
    // All that was marked is known: there is nothing to wait for.
    let info = script.working.info(&script.config);
    assert_eq!(info.recovery, tcp::Recovering::No);
    script.write(20_000);
    script.expect(data(10_001, 1_000, 1).with(Flags::CWR).ecn(Ecn::Capable0));
    assert_eq!(script.take_all(), 6, "seven tenths of ten in all");
}

#[test]
fn the_window_does_not_grow_by_what_came_with_an_echo() {
    let setup = syn().mss(1_000).sack_ok().with(Flags::ECE | Flags::CWR);
    let mut script = Script::accept(&setup, |config| {
        on(config);
        config.sending.congestion = tcp::Algorithm::NewReno;
    });
    script.take_one();
    script.inject(ack(1, 1).win(60_000));
    script.write(10_000);
    assert_eq!(script.take_all(), 10);
    script.inject(ack(1, 10_001).win(60_000).with(Flags::ECE));
    script.write(20_000);
    assert_eq!(script.take_all(), 5, "half of what was in flight");
}

/// The peer echoes until it hears of that, so the connection may not forget it while it sleeps.
#[test]
fn that_the_window_was_halved_is_said_after_a_nap() {
    let mut script = agreed();
    script.write(1_000);
    script.take_one();
    script.inject(ack(1, 1_001).win(60_000).with(Flags::ECE));
    script.nap(super::script::ms(60_000));
    script.write(1_000);
    script.expect(data(1_001, 1_000, 1).psh().with(Flags::CWR).ecn(Ecn::Capable0));
}
