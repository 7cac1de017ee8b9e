//! RFC 8985: loss by time, reordering, and the tail loss probe.

use std::time::Duration;

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn a_little_reordering_sends_nothing_again() {
    let mut script = Script::established();
    script.write(3_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    script.expect_nothing();
    script.wait(ms(1));
    script.inject(ack(1, 3_001).win(60_000));
    script.wait(ms(5_000));
    script.expect_nothing();
}

#[test]
fn after_the_reordering_window_it_is_lost() {
    let mut script = Script::established();
    script.write(3_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    // A quarter of the least round trip, section 6.2 step 4.
    let wait = Duration::from_micros(2_500);
    assert_eq!(script.working.deadline(), Some(script.now + wait));
    script.expect_after(ms(2), data(1, 1_000, 1));
}

#[test]
fn once_reordering_was_seen_many_blocks_prove_no_loss() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(20));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    script.wait(ms(1));
    script.inject(ack(1, 4_001).win(60_000));
    script.write(5_000);
    script.take_all();
    script.wait(ms(20));
    script.inject(ack(1, 4_001).win(60_000).sack(&[(5_001, 9_001)]));
    script.expect_nothing();
    // A quarter of the least round trip, the handshake's.
    script.expect_after(Duration::from_micros(2_500), data(4_001, 1_000, 1));
}

#[test]
fn the_last_segment_of_a_flight_is_probed_for() {
    let mut script = Script::established();
    script.write(3_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 2_001).win(60_000));
    // A single segment is left: two round trips, and the time its ACK may be delayed by, are more
    // than the timeout.
    script.expect_after(ms(200), data(2_001, 1_000, 1).psh());
}

#[test]
fn the_tail_of_a_larger_flight_is_probed_for_soon() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.expect_after(ms(20), data(3_001, 1_000, 1).psh());
    script.wait(ms(10));
    // The probe shows that all but it and the first were lost.
    script.inject(ack(1, 1_001).win(60_000).sack(&[(3_001, 4_001)]));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 1_000, 1));
}

#[test]
fn a_probe_carries_new_data_when_there_is_some() {
    let mut script = Script::established();
    script.write(15_000);
    assert_eq!(script.take_all(), 10);
    script.expect_after(ms(20), data(10_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn after_the_probe_comes_the_timeout() {
    let mut script = Script::established();
    script.write(2_000);
    script.take_all();
    script.expect_after(ms(20), data(1_001, 1_000, 1).psh());
    script.expect_after(ms(200), data(1, 1_000, 1));
}

#[test]
fn what_a_probe_repaired_counts_as_a_loss() {
    let mut script = Script::established();
    script.write(5_000);
    script.take_all();
    script.expect_after(ms(20), data(4_001, 1_000, 1).psh());
    script.write(1_000);
    script.expect(data(5_001, 1_000, 1).psh());
    script.wait(ms(10));
    script.inject(ack(1, 6_001).win(60_000));
    script.write(20_000);
    assert_eq!(script.take_all(), 7, "seven tenths of ten");
}

#[test]
fn a_probe_that_was_not_needed_costs_nothing() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.expect_after(ms(20), data(9_001, 1_000, 1).psh());
    script.inject(ack(1, 10_001).win(60_000));
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000).sack(&[(9_001, 10_001)]));
    script.write(20_000);
    let sent = script.take_all();
    assert!(sent >= 10, "the window was not reduced: {sent}");
    script.wait(ms(10));
    script.inject(ack(1, 20_001).win(60_000));
    script.write(60_000);
    let sent = script.take_all();
    assert!(sent >= 20, "nor later: {sent}");
}

#[test]
fn a_duplicate_that_the_peer_reports_widens_the_reordering_window() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(20));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    script.wait(ms(1));
    script.inject(ack(1, 4_001).win(60_000));
    script.write(5_000);
    script.take_all();
    script.wait(ms(20));
    // What had been acknowledged arrived once more (RFC 2883), and the first is missing.
    script.inject(ack(1, 4_001).win(60_000).sack(&[(1, 1_001), (5_001, 9_001)]));
    // Twice a quarter of the least round trip, the handshake's.
    script.expect_after(ms(5), data(4_001, 1_000, 1));
}

#[test]
fn no_tail_is_probed_for_while_a_timeout_is_being_repaired() {
    let mut script = Script::established();
    script.write(2_000);
    script.take_all();
    script.expect_after(ms(20), data(1_001, 1_000, 1).psh());
    script.expect_after(ms(200), data(1, 1_000, 1));
    script.wait(ms(10));
    script.inject(ack(1, 1_001).win(60_000));
    script.expect(data(1_001, 1_000, 1).psh());
    script.expect_after(ms(400), data(1_001, 1_000, 1).psh());
}

#[test]
fn two_blocks_that_lie_apart_report_no_duplicate() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(3_001, 4_001), (1_001, 2_001)]));
    // With a duplicate reported the reordering window would be twice as wide.
    script.expect_after(Duration::from_micros(2_500), data(1, 1_000, 1));
    script.expect_nothing();
    // Of two that are lost the second waits until something is delivered (RFC 9937).
    script.inject(ack(1, 2_001).win(60_000).sack(&[(3_001, 4_001)]));
    script.expect(data(2_001, 1_000, 1));
}

/// A probe that would have come after the timeout was once not sent at all.
#[test]
fn the_tail_is_probed_when_the_timeout_would_come_first() {
    let mut script = Script::established();
    script.write(1_000);
    script.take_one();
    // Two round trips and a delayed acknowledgment are 220 ms, the timeout 200.
    script.expect_after(ms(200), data(1, 1_000, 1).psh());
    script.wait(ms(10));
    // A timeout would have left a window of one segment.
    script.inject(ack(1, 1_001).win(60_000));
    script.write(20_000);
    assert_eq!(script.take_all(), 10);
}

#[test]
fn an_original_that_arrives_just_after_its_copy_was_sent_proves_no_loss() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 4_001)]));
    script.expect(data(1, 1_000, 1));
    script.wait(ms(1));
    // Section 6.2 step 2: one millisecond is no round trip, so what was sent with it is not late.
    script.inject(ack(1, 4_001).win(60_000));
    script.expect_nothing();
}

/// What was sent again was once taken for lost again when new data arrived that had gone out in the
/// same moment before it.
#[test]
fn new_data_sent_in_the_same_moment_proves_nothing_of_a_retransmission() {
    let mut script = Script::established();
    script.write(20_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    // Two let new data out, the third brings the first segment back.
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 3_001)]));
    assert_eq!(script.take_all(), 2);
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 4_001)]));
    script.expect(data(1, 1_000, 1));
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 11_001)]));
    assert!(script.take_sent().iter().all(|sent| sent.span().0 > 1_000));
}

#[test]
fn a_single_segment_is_probed_for_once_its_acknowledgment_cannot_be_delayed_any_more() {
    let patient = |config: &mut tcp::Config| config.retransmission.rto_min = ms(2_000);
    let mut script = Script::established_with(patient, syn().mss(1_000).sack_ok());
    script.write(1_000);
    script.take_one();
    script.expect_after(ms(2 * 10 + 200), data(1, 1_000, 1).psh());
}

#[test]
fn reordering_is_told_once_it_was_seen() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(20));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    assert!(!script.working.info(&script.config).reordering);
    script.wait(ms(1));
    script.inject(ack(1, 4_001).win(60_000));
    assert!(script.working.info(&script.config).reordering);
}

/// A report that a probe arrived twice says that nothing was lost.
#[test]
fn a_probe_that_was_for_nothing_reduces_nothing() {
    let mut script = Script::established();
    script.write(1_000);
    script.take_one();
    script.wait(ms(199));
    script.take_all();
    script.wait(ms(2));
    assert_eq!(script.take_all(), 1, "the probe");
    script.inject(ack(1, 1_001).win(60_000));
    script.inject(ack(1, 1_001).win(60_000).sack(&[(1, 1_001)]));
    script.write(1_000);
    script.take_one();
    script.inject(ack(1, 2_001).win(60_000));
    let info = script.working.info(&script.config);
    assert_eq!((info.slow_start_threshold, info.recovery), (None, tcp::Recovering::No), "{info:?}");
}

/// The end of a flight is what is probed, so that the duplicate comes when nothing is in flight, and it was
/// once not known for one: what was acknowledged next counted as a loss that the probe had repaired.
#[test]
fn a_duplicate_without_blocks_shows_that_a_probe_was_not_needed() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.expect_after(ms(20), data(9_001, 1_000, 1).psh());
    script.inject(ack(1, 10_001).win(60_000));
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    script.write(5_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 15_001).win(60_000));
    let info = script.working.info(&script.config);
    assert_eq!((info.slow_start_threshold, info.recovery), (None, tcp::Recovering::No));
}

/// What opens the window, carries text or acknowledges something is no such duplicate.
#[test]
fn not_every_acknowledgment_shows_that_a_probe_was_not_needed() {
    for other in [ack(1, 10_001).win(59_000), data(1, 10, 10_001).win(60_000)] {
        let mut script = Script::established();
        script.write(10_000);
        script.take_all();
        script.expect_after(ms(20), data(9_001, 1_000, 1).psh());
        script.inject(ack(1, 10_001).win(60_000));
        script.inject(other.clone());
        script.write(5_000);
        script.take_all();
        script.wait(ms(10));
        script.inject(ack(1 + other.length, 15_001).win(60_000));
        let info = script.working.info(&script.config);
        assert!(info.slow_start_threshold.is_some(), "{other:?}");
    }
}

/// Times are kept in 32 bits, so one half an hour old looks like one of the future: all that was sent after
/// such a pause was once taken for lost as soon as a part of it was acknowledged.
#[test]
fn what_arrived_an_hour_ago_says_nothing_of_what_is_sent_now() {
    let mut script = Script::in_state(tcp::State::CloseWait);
    script.write(1_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(2, 1_001).win(60_000));
    script.wait(ms(60 * 60 * 1_000));
    script.write(4_000);
    script.take_all();
    script.wait(ms(15));
    script.inject(ack(2, 2_001).win(60_000));
    script.expect_nothing();
}

/// Blocks tell of what was sent after the probe, and so nothing of that.
#[test]
fn a_duplicate_with_blocks_says_nothing_of_a_probe() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.expect_after(ms(20), data(9_001, 1_000, 1).psh());
    script.inject(ack(1, 10_001).win(60_000));
    script.write(3_000);
    assert_eq!(script.take_all(), 3);
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000).sack(&[(11_001, 12_001)]));
    let info = script.working.info(&script.config);
    assert_eq!(info.slow_start_threshold, None, "nothing is known to be lost");
    script.inject(ack(1, 13_001).win(60_000));
    let info = script.working.info(&script.config);
    assert!(info.slow_start_threshold.is_some(), "it had repaired something");
}

#[test]
fn after_a_probe_with_new_data_the_next_flight_is_probed_too() {
    let mut script = Script::established();
    script.write(15_000);
    assert_eq!(script.take_all(), 10);
    script.expect_after(ms(20), data(10_001, 1_000, 1));
    script.inject(ack(1, 11_001).win(60_000));
    assert_eq!(script.take_all(), 4);
    script.wait(ms(100));
    let probes: Vec<_> = script.take_sent().iter().map(crate::segment::Sent::span).collect();
    assert_eq!(probes, [(14_001, 15_001)]);
}
