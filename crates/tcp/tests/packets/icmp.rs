//! RFC 9293 section 3.9.2.2 and path MTU discovery.

use tcp::{Events, State, Unreachable};

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn soft_errors_end_nothing() {
    //= specs/rfc9293.txt#section-3.9.2.2
    //= type=test
    //# Since these Unreachable messages indicate soft error
    //# conditions, a TCP implementation MUST NOT abort the connection
    //# (MUST-56), and it SHOULD make the information available to the
    //# application (SHLD-25).
    for state in [State::SynSent, State::SynReceived] {
        let mut script = Script::in_state(state);
        script.unreachable(0, Unreachable::Soft);
        script.expect_state(state);
        script.expect_no_event();
    }
}

#[test]
fn a_hard_error_refuses_a_connection_that_is_being_opened() {
    //= specs/rfc9293.txt#section-3.9.2.2
    //= type=test
    //# TCP implementations MUST act on an ICMP error message passed up from the IP layer, directing it
    //# to the connection that created the error (MUST-54).
    //= specs/rfc9293.txt#section-3.9.2.2
    //= type=test
    //# These are hard error conditions, so TCP implementations SHOULD abort the connection (SHLD-26).
    let mut script = Script::in_state(State::SynSent);
    script.unreachable(0, Unreachable::Hard);
    script.expect_event(Events::REFUSED);
}

#[test]
fn a_hard_error_does_not_end_a_synchronized_connection() {
    let mut script = Script::established();
    script.write(100);
    script.take_one();
    script.unreachable(1, Unreachable::Hard);
    script.expect_state(State::Established);
}

#[test]
fn an_error_about_what_is_not_in_flight_is_a_forgery() {
    let mut script = Script::in_state(State::SynSent);
    script.unreachable(1, Unreachable::Hard);
    script.unreachable(u32::MAX, Unreachable::Hard);
    script.expect_state(State::SynSent);
    let mut script = Script::established();
    script.write(2_000);
    script.take_all();
    script.unreachable(2_001, Unreachable::TooBig { mss: 500 });
    script.expect_nothing();
}

#[test]
fn a_narrower_path_gets_smaller_segments_at_once() {
    let mut script = Script::established_with(|_| {}, syn().mss(1_460).sack_ok());
    script.write(2_920);
    assert_eq!(script.take_all(), 2);
    script.unreachable(1, Unreachable::TooBig { mss: 1_000 });
    script.expect(data(1, 1_000, 1));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 920, 1).psh());
    script.inject(ack(1, 2_921).win(60_000));
    script.write(20_000);
    assert!(script.take_all() >= 10, "the window was not reduced");
}

#[test]
fn a_wider_path_or_an_absurd_one_is_not_believed() {
    let mut script = Script::established();
    script.write(2_000);
    script.take_all();
    script.unreachable(1, Unreachable::TooBig { mss: 1_000 });
    script.unreachable(1, Unreachable::TooBig { mss: 3_000 });
    script.expect_nothing();
    script.unreachable(1, Unreachable::TooBig { mss: 1 });
    script.expect(data(1, 88, 1));
}

#[test]
fn large_segments_that_vanish_without_a_word_get_smaller() {
    let mut script = Script::established_with(|_| {}, syn().mss(1_460));
    script.write(1_460);
    script.take_one();
    for wait in [200, 400] {
        script.expect_after(ms(wait), data(1, 1_460, 1).psh());
    }
    script.expect_after(ms(800), data(1, 1_024, 1));
}

#[test]
fn what_the_network_said_is_told_until_the_peer_is_heard_of_again() {
    let mut script = Script::established();
    script.write(2_000);
    script.take_all();
    assert!(!script.working.is_unreachable());
    script.unreachable(1, Unreachable::Soft);
    assert!(script.working.is_unreachable());
    script.inject(ack(1, 1_001));
    assert!(!script.working.is_unreachable());
}
