//! RFC 9293 sections 3.5 and 3.10.7.2 to 3.10.7.4: opening, from both sides and from both at once.

use tcp::{Dropped, Events, Listened, Reset, State};
use wire::tcp::Flags;

use crate::script::{Script, ms};
use crate::segment::{OUR_ISS, PEER_ISS, ack, data, rst, syn, syn_ack};

#[test]
fn a_passive_open() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok(), |_| {});
    script.expect_state(State::SynReceived);
    script.expect(syn_ack().mss(1_460).sack_ok().win(65_535));
    script.inject(ack(1, 1));
    script.expect_event(Events::ESTABLISHED);
    script.expect_state(State::Established);
    script.expect_nothing();
}

#[test]
fn an_active_open() {
    let mut script = Script::connect(|_| {});
    script.expect(syn().mss(1_460).sack_ok().scale(3).win(65_535));
    script.inject(syn_ack().mss(1_000));
    script.expect_event(Events::ESTABLISHED);
    script.expect(ack(1, 1));
    script.expect_nothing();
}

#[test]
fn both_sides_open_at_once() {
    //= specs/rfc9293.txt#section-3.5
    //= type=test
    //# A TCP implementation MUST support simultaneous open attempts (MUST-10).
    let mut script = Script::connect(|_| {});
    script.take_one();
    script.inject(syn().mss(1_000));
    script.expect_state(State::SynReceived);
    script.expect(syn_ack());
    script.expect_no_event();
    script.inject(syn_ack());
    script.expect_event(Events::ESTABLISHED);
    script.expect_nothing();
}

#[test]
fn both_sides_open_at_once_and_a_plain_ack_completes_it() {
    let mut script = Script::connect(|_| {});
    script.take_one();
    script.inject(syn().mss(1_000));
    script.take_one();
    script.inject(ack(1, 1));
    script.expect_event(Events::ESTABLISHED);
}

#[test]
fn a_syn_is_sent_again_with_growing_pauses_and_then_given_up() {
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# In particular, R2 for a SYN segment MUST be set large enough to provide retransmission of the
    //# segment for at least 3 minutes (MUST-23).
    let mut script = Script::connect(|_| {});
    script.take_one();
    script.expect_after(ms(1_000), syn());
    script.expect_after(ms(2_000), syn());
    script.expect_after(ms(4_000), syn());
    script.wait(ms(400_000));
    script.expect_event(Events::TIMED_OUT);
    script.expect_state(State::Closed);
}

#[test]
fn a_syn_ack_is_sent_again() {
    let mut script = Script::accept(&syn(), |_| {});
    script.take_one();
    script.expect_after(ms(1_000), syn_ack());
    script.expect_after(ms(2_000), syn_ack());
}

#[test]
fn a_syn_that_comes_again_is_answered_again() {
    let mut script = Script::in_state(State::SynReceived);
    script.inject(syn());
    script.expect(syn_ack());
    script.expect_state(State::SynReceived);
}

#[test]
fn data_may_come_with_the_last_ack_of_the_handshake() {
    let mut script = Script::in_state(State::SynReceived);
    script.inject(data(1, 100, 1));
    script.expect_event(Events::ESTABLISHED);
    assert_eq!(script.delivered, 100);
    script.write(10);
    script.expect(data(1, 10, 101).psh());
}

#[test]
fn payload_on_a_syn_is_left_for_its_retransmission() {
    let mut syn = syn();
    syn.length = 5;
    let mut script = Script::accept(&syn, |_| {});
    script.expect(syn_ack());
    script.inject(data(1, 5, 1));
    assert_eq!(script.delivered, 5);
}

#[test]
fn written_before_the_handshake_is_complete() {
    let mut script = Script::connect(|_| {});
    script.take_one();
    script.write(100);
    script.expect_nothing();
    script.inject(syn_ack().mss(1_000));
    script.expect(data(1, 100, 1).psh());
    script.expect_nothing();
}

#[test]
fn an_acknowledgment_of_what_was_not_sent_is_reset_in_syn_sent() {
    for number in [0, 2] {
        let mut script = Script::in_state(State::SynSent);
        script.inject(ack(7, number));
        script.expect_reset(number, None);
        script.expect_dropped(Dropped::BadAcknowledgment);
        script.expect_state(State::SynSent);
    }
}

#[test]
fn an_acknowledgment_of_what_was_not_sent_is_reset_in_syn_received() {
    for number in [0, 2] {
        let mut script = Script::in_state(State::SynReceived);
        script.inject(ack(1, number));
        script.expect_reset(number, None);
        script.expect_state(State::SynReceived);
    }
}

#[test]
fn a_connection_is_refused() {
    let mut script = Script::in_state(State::SynSent);
    script.inject(rst(0));
    script.expect_no_event();
    script.inject(ack(0, 1).with(Flags::RST));
    script.expect_event(Events::REFUSED);
    script.expect_state(State::Closed);
}

#[test]
fn a_half_open_connection_is_reset() {
    let mut script = Script::in_state(State::SynReceived);
    script.inject(rst(1));
    script.expect_event(Events::RESET);
    script.expect_state(State::Closed);
}

#[test]
fn a_listener_sorts_what_it_gets() {
    let listened = |segment: crate::segment::Segment| {
        let header = segment.header();
        let ecn = wire::protocol::Ecn::NotCapable;
        let arrival =
            tcp::Arrival { header: &header, length: segment.length, ecn, can_hold: false };
        (Listened::to(&arrival), Reset::answering(&arrival))
    };
    let reset = Reset { sequence: OUR_ISS + 9, acknowledgment: None };
    assert_eq!(listened(syn()).0, Listened::Syn);
    assert_eq!(listened(ack(5, 9)).0, Listened::Acknowledgment(reset));
    assert_eq!(
        listened(syn_ack().at(4)).0,
        Listened::Acknowledgment(Reset { sequence: OUR_ISS + 1, acknowledgment: None })
    );
    assert_eq!(listened(rst(5)), (Listened::Ignore, None));
    assert_eq!(listened(syn().with(Flags::FIN)).0, Listened::Ignore);
    // RFC 9293 section 3.10.7.1: a segment for no connection at all.
    let mut nothing = data(5, 3, 0);
    nothing.flags = Flags::FIN;
    let acknowledgment = Some(PEER_ISS + 9);
    assert_eq!(listened(nothing).1, Some(Reset { sequence: base::Seq(0), acknowledgment }));
}

#[test]
fn a_closed_block_resets_what_comes() {
    let mut script = Script::in_state(State::SynSent);
    script.close();
    script.expect_event(Events::CLOSED);
    script.inject(syn_ack());
    script.expect_reset(1, None);
}

#[test]
fn after_a_lost_syn_the_first_window_is_one_segment() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok(), |_| {});
    script.take_one();
    script.expect_after(ms(1_000), syn_ack());
    script.inject(ack(1, 1).win(60_000));
    script.write(5_000);
    script.expect(data(1, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn who_opened_decides_what_a_reset_of_a_half_open_connection_means() {
    //= specs/rfc9293.txt#section-3.5
    //= type=test
    //# Note that a TCP implementation MUST keep track of whether a connection has reached SYN-RECEIVED
    //# state as the result of a passive OPEN or an active OPEN (MUST-11).
    let mut script = Script::connect(|_| {});
    script.take_one();
    script.inject(syn().mss(1_000));
    script.take_one();
    script.expect_state(State::SynReceived);
    script.inject(rst(1));
    script.expect_event(Events::REFUSED);
}
