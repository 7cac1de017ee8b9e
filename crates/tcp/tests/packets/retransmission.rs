//! RFC 6298, RFC 5681 and RFC 6582: the retransmission timer, and fast retransmit without SACK.

use tcp::{Events, State};

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn what_is_not_acknowledged_is_sent_again_ever_more_slowly() {
    let mut script = Script::established_without_sack();
    script.write(500);
    script.expect(data(1, 500, 1).psh());
    for wait in [200, 400, 800, 1_600, 3_200] {
        script.expect_after(ms(wait), data(1, 500, 1).psh());
    }
    script.inject(ack(1, 501));
    script.wait(ms(100_000));
    script.expect_nothing();
}

#[test]
fn the_connection_is_given_up_in_the_end() {
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# The following procedure MUST be used to handle excessive retransmissions of data segments
    //# (MUST-20)
    let mut script = Script::established_without_sack();
    script.write(500);
    script.wait(ms(290_000));
    script.expect_no_event();
    script.wait(ms(120_000));
    script.expect_event(Events::TIMED_OUT);
    script.expect_state(State::Closed);
    script.take_all();
    script.wait(ms(100_000));
    script.expect_nothing();
}

#[test]
fn after_a_timeout_one_segment_goes_then_two() {
    let mut script = Script::established_without_sack();
    script.write(4_000);
    assert_eq!(script.take_all(), 4);
    script.expect_after(ms(200), data(1, 1_000, 1));
    script.expect_nothing();
    script.inject(ack(1, 1_001).win(60_000));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn an_acknowledgment_restarts_the_timer() {
    let mut script = Script::established_without_sack();
    script.write(2_000);
    script.take_all();
    script.wait(ms(150));
    script.inject(ack(1, 1_001));
    script.expect_nothing();
    script.wait(ms(150));
    script.expect_nothing();
}

#[test]
fn three_duplicates_bring_the_first_segment_back() {
    let mut script = Script::established_without_sack();
    script.write(5_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000));
    script.inject(ack(1, 1).win(60_000));
    script.expect_nothing();
    script.inject(ack(1, 1).win(60_000));
    script.expect(data(1, 1_000, 1));
    script.expect_nothing();
    script.inject(ack(1, 1).win(60_000));
    script.expect_nothing();
    script.inject(ack(1, 5_001).win(60_000));
    script.wait(ms(10_000));
    script.expect_nothing();
}

#[test]
fn a_partial_acknowledgment_brings_the_next_segment_back() {
    let mut script = Script::established_without_sack();
    script.write(5_000);
    script.take_all();
    for _ in 0..3 {
        script.inject(ack(1, 1).win(60_000));
    }
    script.expect(data(1, 1_000, 1));
    script.inject(ack(1, 2_001).win(60_000));
    script.expect(data(2_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn duplicates_let_new_data_out() {
    // RFC 3042 and the window inflation of RFC 5681 section 3.2.
    let mut script = Script::established_without_sack();
    script.write(20_000);
    assert_eq!(script.take_all(), 10);
    script.inject(ack(1, 1).win(60_000));
    script.expect(data(10_001, 1_000, 1));
    script.inject(ack(1, 1).win(60_000));
    script.expect(data(11_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn an_acknowledgment_with_data_or_another_window_is_no_duplicate() {
    let mut script = Script::established_without_sack();
    script.write(5_000);
    script.take_all();
    for index in 0..4 {
        script.inject(data(1 + index, 1, 1).win(60_000));
        script.inject(ack(2 + index, 1).win(50_000 - index as u16));
    }
    let answers = script.take_all();
    assert!(answers <= 4, "acknowledgments at most: {answers}");
}

#[test]
fn karn_a_round_trip_is_not_measured_on_a_retransmission() {
    //= specs/rfc9293.txt#section-3.8.1
    //= type=test
    //# The RTO MUST be computed according to the algorithm in [10], including Karn's algorithm for
    //# taking RTT samples (MUST-18).
    let mut script = Script::established_without_sack();
    script.write(500);
    script.take_one();
    script.expect_after(ms(200), data(1, 500, 1).psh());
    script.wait(ms(5));
    // For the first copy, 205 ms ago, or for the second, 5 ms ago?
    script.inject(ack(1, 501));
    script.write(500);
    script.expect(data(501, 500, 1).psh());
    // The longer timeout stays until a round trip has been measured.
    script.expect_after(ms(400), data(501, 500, 1).psh());
}

#[test]
fn the_timeout_follows_the_round_trip() {
    let mut script = Script::established_without_sack();
    for turn in 0..20 {
        script.write(100);
        script.take_one();
        script.wait(ms(300));
        script.take_all();
        script.inject(ack(1, 101 + 100 * turn));
    }
    script.write(100);
    script.take_one();
    let start = script.now;
    script.wait(ms(300));
    script.expect_nothing();
    script.wait(ms(700));
    assert!(script.take_all() > 0, "from {start:?}");
}

#[test]
fn trouble_is_known_after_three_timeouts() {
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# (e) TCP implementations SHOULD inform the application of the delivery problem (unless such
    //# information has been disabled by the application; see the "Asynchronous Reports" section
    //# (Section 3.9.1.8)), when R1 is reached and before R2 (SHLD-9).
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# The value of R1 SHOULD correspond to at least 3 retransmissions, at the current RTO (SHLD-10).
    let mut script = Script::established_without_sack();
    script.write(500);
    script.take_one();
    for wait in [200, 400] {
        script.expect_after(ms(wait), data(1, 500, 1).psh());
        assert!(!script.working.is_troubled());
    }
    script.expect_after(ms(800), data(1, 500, 1).psh());
    assert!(script.working.is_troubled());
    script.expect_no_event();
}

#[test]
fn how_long_to_try_is_for_the_application_to_say() {
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# (d) An application MUST (MUST-21) be able to set the value for R2 for a particular connection.
    //= specs/rfc9293.txt#section-3.8.3
    //= type=test
    //# The value of R2 SHOULD correspond to at least 100 seconds (SHLD-11).
    let patient = |config: &mut tcp::Config| config.timeouts.user = ms(3_000_000);
    let hasty = |config: &mut tcp::Config| config.timeouts.user = ms(1_000);
    for (change, lasts) in [(patient as fn(&mut tcp::Config), true), (hasty, false)] {
        let mut script = Script::established_with(change, crate::segment::syn().mss(1_000));
        script.write(500);
        script.wait(ms(600_000));
        assert_eq!(script.working.state() != State::Closed, lasts);
    }
    assert!(tcp::Config::default().timeouts.user >= ms(100_000));
}

/// The time since the last progress once counted from before a long pause.
#[test]
fn a_loss_after_a_long_pause_does_not_end_the_connection() {
    let mut script = Script::established_without_sack();
    script.wait(ms(3_600_000));
    script.write(500);
    script.take_one();
    script.wait(ms(300));
    script.expect_no_event();
    script.take_all();
    script.inject(ack(1, 501));
    assert!(script.working.is_quiet());
}

#[test]
fn duplicates_do_not_put_the_timeout_off() {
    let mut script = Script::established_without_sack();
    script.write(3_000);
    script.take_all();
    script.wait(ms(150));
    script.inject(ack(1, 1).win(60_000));
    script.expect_after(ms(50), data(1, 1_000, 1));
}

#[test]
fn karn_on_the_syn_too() {
    let mut script = Script::accept(&crate::segment::syn().mss(1_000), |_| {});
    script.take_one();
    script.expect_after(ms(1_000), crate::segment::syn_ack());
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000));
    script.write(500);
    script.take_one();
    // RFC 6298 section 5.7.
    script.expect_after(ms(3_000), data(1, 500, 1).psh());
}

#[test]
fn duplicates_count_only_in_a_row() {
    let mut script = Script::established_without_sack();
    script.write(6_000);
    script.take_all();
    for number in [1, 1, 1_001, 1_001] {
        script.inject(ack(1, number).win(60_000));
    }
    script.inject(ack(1, 1_001).win(60_000));
    script.expect_nothing();
    script.inject(ack(1, 1_001).win(60_000));
    script.expect(data(1_001, 1_000, 1));
}

#[test]
fn the_first_retransmission_does_not_wait_for_the_window() {
    let newreno = |config: &mut tcp::Config| config.sending.congestion = tcp::Algorithm::NewReno;
    let mut script = Script::established_with(newreno, crate::segment::syn().mss(1_000));
    script.write(10_000);
    script.take_all();
    for _ in 0..3 {
        script.inject(ack(1, 1).win(60_000));
    }
    script.expect(data(1, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn with_nothing_in_flight_no_timer_runs() {
    let mut script = Script::established();
    assert_eq!(script.working.deadline(), None);
    script.write(3_000);
    script.take_all();
    assert!(script.working.deadline().is_some());
    script.inject(ack(1, 3_001));
    assert_eq!(script.working.deadline(), None);
}

#[test]
fn duplicates_are_known_by_a_scaled_window_too() {
    let mut script = Script::established_with(|_| {}, syn().mss(1_000).scale(2));
    script.write(5_000);
    script.take_all();
    script.wait(ms(10));
    for _ in 0..3 {
        script.expect_nothing();
        script.inject(ack(1, 1).win(60_000));
    }
    script.expect(data(1, 1_000, 1));
}

#[test]
fn duplicates_after_a_timeout_do_not_bring_the_same_segment_back() {
    let mut script = Script::established_without_sack();
    script.write(5_000);
    script.take_all();
    script.expect_after(ms(200), data(1, 1_000, 1));
    // RFC 6582 section 3.2: duplicates of what was in flight before the timeout prove nothing.
    for next in [1_001, 2_001, 3_001] {
        script.inject(ack(1, 1).win(60_000));
        script.expect(data(next, 1_000, 1));
        script.expect_nothing();
    }
}

#[test]
fn the_user_timeout_ends_the_connection_when_it_has_passed() {
    let impatient = |config: &mut tcp::Config| config.timeouts.user = ms(1_000);
    let mut script = Script::established_with(impatient, crate::segment::syn().mss(1_000));
    script.write(1_000);
    script.take_one();
    script.wait(ms(990));
    script.expect_no_event();
    script.wait(ms(20));
    script.expect_event(tcp::Events::TIMED_OUT);
}
