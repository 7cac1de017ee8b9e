//! RFC 9293 section 3.8.6.3 and the receiver's side of silly windows, section 3.8.6.2.2.

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn one_segment_is_acknowledged_after_a_while() {
    //= specs/rfc9293.txt#section-3.8.6.3
    //= type=test
    //# A TCP endpoint SHOULD implement a delayed ACK (SHLD-18), but an ACK
    //# should not be excessively delayed; in particular, the delay MUST be
    //# less than 0.5 seconds (MUST-40).
    let mut script = Script::established();
    script.inject(data(1, 1_000, 1));
    script.expect_after(ms(40), ack(1, 1_001));
}

#[test]
fn a_delay_of_more_than_half_a_second_is_not_obeyed() {
    let slow = |config: &mut tcp::Config| config.receiving.ack_delay = ms(5_000);
    let mut script = Script::established_with(slow, syn().mss(1_000));
    script.inject(data(1, 1_000, 1));
    script.expect_after(ms(490), ack(1, 1_001));
}

#[test]
fn every_second_segment_is_acknowledged_at_once() {
    //= specs/rfc9293.txt#section-3.8.6.3
    //= type=test
    //# An ACK SHOULD be generated for at least every second full-sized segment or 2*RMSS bytes of new
    //# data (where RMSS is the MSS specified by the TCP endpoint receiving the segments to be
    //# acknowledged, or the default value if not specified) (SHLD-19).
    let mut script = Script::established();
    for pair in 0..4 {
        script.inject(data(1 + 2_000 * pair, 1_000, 1));
        script.expect_nothing();
        script.inject(data(1_001 + 2_000 * pair, 1_000, 1));
        script.expect(ack(1, 2_001 + 2_000 * pair));
    }
}

#[test]
fn an_answer_carries_the_acknowledgment() {
    let mut script = Script::established();
    script.inject(data(1, 100, 1));
    script.write(200);
    script.expect(data(1, 200, 101).psh());
    script.inject(ack(101, 201));
    script.wait(ms(10_000));
    script.expect_nothing();
}

#[test]
fn a_reader_who_reads_slowly_opens_the_window_in_large_steps() {
    //= specs/rfc9293.txt#section-3.8.6.2.2
    //= type=test
    //# TCP implementation MUST include a SWS avoidance algorithm in the receiver (MUST-39).
    let small = |config: &mut tcp::Config| config.receiving.window = 8_000;
    let mut script = Script::established_with(small, syn().mss(1_460).sack_ok());
    script.reads = false;
    for start in [1, 1_001, 2_001, 3_001, 4_001, 5_001, 6_001, 7_001] {
        script.inject(data(start, 1_000, 1));
    }
    script.take_all();
    script.inject(data(8_001, 1, 1));
    script.expect(ack(1, 8_001).win(0));
    for _ in 0..14 {
        script.read(100);
        script.expect_nothing();
    }
    script.read(100);
    script.expect(ack(1, 8_001).win(1_500));
    script.read(100);
    script.expect_nothing();
}

#[test]
fn the_window_never_shrinks() {
    //= specs/rfc9293.txt#section-3.8.6
    //= type=test
    //# A TCP receiver SHOULD NOT shrink the window, i.e., move the right window edge to the left
    //# (SHLD-14).
    let mut script = Script::established_with(
        |config| config.receiving.window = 10_000,
        syn().mss(1_000).sack_ok(),
    );
    script.reads = false;
    script.inject(data(1, 1_000, 1));
    script.inject(data(1_001, 1_000, 1));
    script.expect(ack(1, 2_001).win(8_000));
    script.inject(data(2_001, 1_000, 1));
    script.inject(data(3_001, 1_000, 1));
    script.expect(ack(1, 4_001).win(6_000));
}

#[test]
fn a_batch_of_segments_is_acknowledged_once() {
    //= specs/rfc9293.txt#section-3.10.7.4
    //= type=test
    //# In general, the processing of received segments MUST be implemented to aggregate ACK segments
    //# whenever possible (MUST-58).
    //= specs/rfc9293.txt#section-3.10.7.4
    //= type=test
    //# For example, if the TCP endpoint is processing a series of queued segments, it MUST process them
    //# all before sending any ACK segments (MUST-59).
    let mut script = Script::established();
    for segment in 0..6 {
        script.inject_in_batch(data(1 + 1_000 * segment, 1_000, 1));
    }
    script.finish_batch();
    script.expect(ack(1, 6_001));
    script.expect_nothing();
}

#[test]
fn a_delayed_acknowledgment_can_be_called_for() {
    let mut script = Script::established();
    script.working.acknowledge_now();
    script.finish_batch();
    script.expect_nothing();
    script.inject(data(1, 100, 1));
    script.expect_nothing();
    script.working.acknowledge_now();
    script.finish_batch();
    script.expect(ack(1, 101));
    assert!(script.working.is_quiet());
}

#[test]
fn the_first_segments_are_acknowledged_at_once_when_that_is_wanted() {
    let quick = |config: &mut tcp::Config| config.receiving.quick_acks = 2;
    let mut script = Script::established_with(quick, syn().mss(1_000).sack_ok());
    for start in [1, 101] {
        script.inject(data(start, 100, 1));
        script.expect(ack(1, start + 100));
    }
    script.inject(data(201, 100, 1));
    script.expect_after(ms(40), ack(1, 301));
    // After a pause the peer is in slow start again.
    script.wait(ms(5_000));
    script.inject(data(301, 100, 1));
    script.expect(ack(1, 401));
    // An answer shows that acknowledgments go with answers here.
    script.write(100);
    script.expect(data(1, 100, 401).psh());
    script.wait(ms(10));
    script.inject(data(401, 100, 101));
    script.expect_after(ms(40), ack(101, 501));
}

#[test]
fn a_wide_window_is_told_in_full() {
    let scaled = |config: &mut tcp::Config| config.receiving.window = 65_700;
    let mut script = Script::established_with(scaled, syn().mss(1_460).sack_ok().scale(6));
    script.inject(data(1, 100, 1));
    // On the SYN-ACK it was 65,535; the difference is less than a segment.
    script.expect_after(ms(40), ack(1, 101).win(32_850));
}

#[test]
fn a_full_segment_and_a_part_of_one_are_not_two() {
    let mut script = Script::established();
    script.inject(data(1, 1_000, 1));
    script.inject(data(1_001, 500, 1));
    script.expect_nothing();
    script.inject(data(1_501, 500, 1));
    script.expect(ack(1, 2_001));
}

#[test]
fn what_is_sent_unasked_is_no_answer_that_acknowledgments_go_with() {
    let quick = |config: &mut tcp::Config| config.receiving.quick_acks = 2;
    let mut script = Script::established_with(quick, syn().mss(1_000).sack_ok());
    script.write(10);
    script.take_all();
    script.inject(data(1, 10, 11));
    script.expect(ack(11, 11));
}
