//! The congestion window from outside: RFC 5681, RFC 6928, RFC 6675.

use tcp::Algorithm;

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn ten_segments_go_out_first() {
    let mut script = Script::established();
    script.write(40_000);
    assert_eq!(script.take_all(), 10);
}

#[test]
fn slow_start_doubles_the_window_every_round_trip() {
    //= specs/rfc9293.txt#section-3.1
    //= type=test
    //# The window size MUST be treated as an unsigned number, or else large window sizes will appear
    //# like negative windows and TCP will not work (MUST-1).
    //= specs/rfc9293.txt#section-3.8.2
    //= type=test
    //# A TCP endpoint MUST implement the basic congestion control algorithms slow start, congestion
    //# avoidance, and exponential backoff of RTO to avoid creating congestion collapse conditions
    //# (MUST-19).
    let mut script = Script::established();
    script.write(100_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    for segment in 1..=5 {
        script.inject(ack(1, 1 + 2_000 * segment).win(60_000));
    }
    assert_eq!(script.take_all(), 20);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    let mut script = Script::established();
    for turn in 0..50 {
        script.write(1_000);
        script.take_one();
        script.wait(ms(10));
        script.inject(ack(1, 1_001 + 1_000 * turn).win(60_000));
    }
    script.write(40_000);
    assert_eq!(script.take_all(), 10);
}

#[test]
fn after_a_pause_the_window_starts_anew() {
    let mut script = Script::established();
    script.write(30_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    assert_eq!(script.take_all(), 20);
    script.wait(ms(10));
    script.inject(ack(1, 30_001).win(60_000));
    script.wait(ms(1_000));
    script.write(60_000);
    assert_eq!(script.take_all(), 10);
}

#[test]
fn a_loss_reduces_the_window_to_seven_tenths_or_a_half() {
    for (algorithm, after) in [(Algorithm::Cubic, 7), (Algorithm::NewReno, 5)] {
        let change = |config: &mut tcp::Config| config.sending.congestion = algorithm;
        let mut script = Script::established_with(change, syn().mss(1_000).sack_ok());
        script.write(10_000);
        assert_eq!(script.take_all(), 10);
        script.wait(ms(10));
        script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 10_001)]));
        script.expect(data(1, 1_000, 1));
        script.wait(ms(10));
        script.inject(ack(1, 10_001).win(60_000));
        script.write(40_000);
        assert_eq!(script.take_all(), after, "{algorithm:?}");
    }
}

#[test]
fn several_losses_of_one_flight_reduce_it_once() {
    let newreno = |config: &mut tcp::Config| config.sending.congestion = Algorithm::NewReno;
    let mut script = Script::established_with(newreno, syn().mss(1_000).sack_ok());
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001), (3_001, 4_001), (5_001, 10_001)]));
    assert_eq!(script.take_all(), 3);
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    script.write(40_000);
    assert_eq!(script.take_all(), 5);
}

#[test]
fn an_optimistic_acknowledgment_gains_nothing() {
    let mut script = Script::established();
    script.write(100_000);
    assert_eq!(script.take_all(), 10);
    for number in (10_002..40_000).step_by(1_000) {
        script.inject(ack(1, number).win(60_000));
    }
    let answers = script.take_all();
    script.inject(ack(1, 10_001).win(60_000));
    assert_eq!(script.take_all(), 20, "after {answers} challenges");
}

#[test]
fn a_window_that_was_the_limit_once_does_not_grow_for_ever() {
    let mut script = Script::established();
    script.write(11_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    assert_eq!(script.take_all(), 1);
    script.inject(ack(1, 11_001).win(60_000));
    for turn in 0..20 {
        script.write(1_000);
        script.take_one();
        script.wait(ms(10));
        script.inject(ack(1, 12_001 + 1_000 * turn).win(60_000));
    }
    script.write(60_000);
    assert_eq!(script.take_all(), 20);
}

#[test]
fn the_next_loss_reduces_the_window_again() {
    let mut script = Script::established();
    let mut first = 1;
    for window in [10, 7] {
        script.write(1_000 * window);
        assert_eq!(script.take_all(), window as usize);
        script.wait(ms(10));
        let end = first + 1_000 * window;
        script.inject(ack(1, first).win(60_000).sack(&[(first + 1_000, end)]));
        script.expect(data(first, 1_000, 1));
        script.wait(ms(10));
        script.inject(ack(1, end).win(60_000));
        first = end;
    }
    script.write(40_000);
    assert_eq!(script.take_all(), 4);
}

#[test]
fn without_sack_a_recovery_ends_without_a_burst() {
    let mut script = Script::established_without_sack();
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    for _ in 0..3 {
        script.inject(ack(1, 1).win(60_000));
    }
    script.expect(data(1, 1_000, 1));
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    script.write(40_000);
    assert_eq!(script.take_all(), 2, "RFC 6582 section 3.2 step 3, with nothing in flight");
}

#[test]
fn congestion_avoidance_adds_one_segment_a_round_trip() {
    let newreno = |config: &mut tcp::Config| config.sending.congestion = Algorithm::NewReno;
    let mut script = Script::established_with(newreno, syn().mss(1_000).sack_ok());
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 10_001)]));
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    script.write(100_000);
    let mut end = 10_001;
    for window in [5, 6, 7, 8, 9] {
        assert_eq!(script.take_all(), window);
        script.wait(ms(10));
        end += 1_000 * window as u32;
        script.inject(ack(1, end).win(60_000));
    }
}

/// Half of the window in flight was once enough for it to grow, looked at when most of it had been
/// acknowledged already.
#[test]
fn a_window_of_which_nine_tenths_were_used_grows_to_twice_that() {
    let mut script = Script::established();
    script.write(9_000);
    script.take_all();
    script.wait(ms(10));
    for end in [2_001, 4_001, 6_001, 8_001, 9_001] {
        script.inject(ack(1, end).win(60_000));
    }
    script.write(50_000);
    assert_eq!(script.take_all(), 18);
}

#[test]
fn what_is_sacked_lets_the_window_grow_only_once_it_is_acknowledged() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 3_001)]));
    let info = script.working.info(&script.config);
    assert_eq!(info.congestion_window, 10_000);
    assert_eq!((info.sacked, info.in_flight), (2_000, 10_000));
}

#[test]
fn without_a_restart_the_window_outlasts_a_pause() {
    for (restarts, segments) in [(true, 10), (false, 20)] {
        let mut script = Script::established_with(
            |config| config.sending.restart_after_idle = restarts,
            syn().mss(1_000).sack_ok(),
        );
        script.write(10_000);
        script.take_all();
        script.inject(ack(1, 10_001).win(60_000));
        script.wait(ms(60_000));
        script.write(40_000);
        assert_eq!(script.take_all(), segments, "restarts: {restarts}");
    }
}
