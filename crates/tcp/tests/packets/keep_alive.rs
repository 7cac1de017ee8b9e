//! RFC 9293 section 3.8.4.

use tcp::{Config, Events, KeepAlive};

use crate::script::{Script, ms};
use crate::segment::{ack, syn};

fn short(config: &mut Config) {
    config.keep_alive = Some(KeepAlive { idle: ms(10_000), interval: ms(1_000), probes: 3 });
}

fn probed() -> Script {
    let mut script = Script::established_with(short, syn().mss(1_000).sack_ok());
    script.keep_alive();
    script
}

#[test]
fn off_unless_asked_for_and_two_hours_when_it_is() {
    //= specs/rfc9293.txt#section-3.8.4
    //= type=test
    //# If keep-alives are included, the application MUST be able to turn them on or off for each TCP
    //# connection (MUST-24), and they MUST default to off (MUST-25).
    assert_eq!(Config::default().keep_alive, None);
    //= specs/rfc9293.txt#section-3.8.4
    //= type=test
    //# This interval MUST be configurable (MUST-27) and MUST default to no
    //# less than two hours (MUST-28).
    assert!(KeepAlive::default().idle >= ms(2 * 60 * 60 * 1_000));
    let mut script = Script::established();
    script.keep_alive();
    script.expect_nothing();
}

#[test]
fn a_probe_asks_for_what_the_peer_has_already() {
    //= specs/rfc9293.txt#section-3.8.4
    //= type=test
    //# An implementation SHOULD send a keep-alive segment with no data (SHLD-12)
    let mut script = probed();
    script.expect(ack(0, 1));
    script.inject(ack(1, 1));
    script.expect_nothing();
    script.wait(ms(100_000));
    script.expect_nothing();
    assert!(script.working.is_quiet());
}

#[test]
fn silence_ends_the_connection_after_several_probes_only() {
    //= specs/rfc9293.txt#section-3.8.4
    //= type=test
    //# Consequently, if a keep-alive mechanism is
    //# implemented it MUST NOT interpret failure to respond to any specific
    //# probe as a dead connection (MUST-29).
    let mut script = probed();
    script.expect(ack(0, 1));
    script.expect_after(ms(1_000), ack(0, 1));
    script.expect_after(ms(1_000), ack(0, 1));
    script.expect_no_event();
    script.wait(ms(1_100));
    script.expect_event(Events::TIMED_OUT);
}

#[test]
fn our_answer_to_a_probe() {
    let mut script = Script::established();
    script.inject(ack(0, 1));
    script.expect(ack(1, 1).sack(&[]));
    let mut garbage = ack(0, 1);
    garbage.length = 1;
    script.inject(garbage);
    script.expect(ack(1, 1));
    assert_eq!(script.delivered, 0);
}

#[test]
fn none_while_something_is_in_flight() {
    //= specs/rfc9293.txt#section-3.8.4
    //= type=test
    //# Keep-alive packets MUST only be sent when no sent data is outstanding, and no data or
    //# acknowledgment packets have been received for the connection within an interval (MUST-26).
    let mut script = Script::established_with(short, syn().mss(1_000).sack_ok());
    script.write(100);
    script.take_one();
    script.keep_alive();
    script.expect_nothing();
}

#[test]
fn a_stranger_cannot_answer_for_the_peer() {
    let mut script = probed();
    script.take_one();
    script.inject(ack(100_000, 1));
    script.take_all();
    script.expect_after(ms(1_000), ack(0, 1));
}

#[test]
fn a_sleeping_connection_says_when_its_probe_is_due() {
    let script = Script::established();
    let sleeping = script.working.sleep(&script.config, tcp::Waiting::Idle);
    assert_eq!(sleeping.keep_alive_in(&Config::default(), script.now), None);
    let mut config = Config::default();
    short(&mut config);
    // To within the resolution of what a record remembers.
    for (later, least, most) in [(0, 9_900, 10_000), (7_000, 2_900, 3_100), (11_000, 0, 0)] {
        let left = sleeping.keep_alive_in(&config, script.now + ms(later)).unwrap();
        assert!((ms(least)..=ms(most)).contains(&left), "{left:?} after {later} ms");
    }
}

/// The time for the peer's FIN runs on whatever it says meanwhile.
#[test]
fn an_acknowledgment_does_not_stop_the_wait_for_a_fin() {
    let mut script = Script::in_state(tcp::State::FinWait2);
    script.inject(ack(1, 2));
    script.wait(ms(61_000));
    script.expect_event(Events::CLOSED);
}
