//! RFC 2018, RFC 2883 and RFC 6675: selective acknowledgment, both ways.

use crate::script::{Script, ms};
use crate::segment::{ack, data};

#[test]
fn the_newest_block_comes_first_and_the_others_follow() {
    let mut script = Script::established();
    script.inject(data(1_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(1_001, 1_101)]));
    script.inject(data(3_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(3_001, 3_101), (1_001, 1_101)]));
    script.inject(data(2_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(2_001, 2_101), (3_001, 3_101), (1_001, 1_101)]));
    script.inject(data(1_101, 100, 1));
    script.expect(ack(1, 1).sack(&[(1_001, 1_201), (2_001, 2_101), (3_001, 3_101)]));
}

#[test]
fn a_duplicate_is_reported_first_and_once() {
    let mut script = Script::established();
    script.inject(data(1, 1_000, 1));
    script.inject(data(1, 1_000, 1));
    script.expect(ack(1, 1_001).sack(&[(1, 1_001)]));
    script.inject(data(2_001, 1_000, 1));
    script.expect(ack(1, 1_001).sack(&[(2_001, 3_001)]));
    script.inject(data(2_001, 1_000, 1));
    script.expect(ack(1, 1_001).sack(&[(2_001, 3_001), (2_001, 3_001)]));
}

#[test]
fn no_blocks_without_permission() {
    let mut script = Script::established_without_sack();
    script.inject(data(1_001, 100, 1));
    script.expect(ack(1, 1).sack(&[]));
}

#[test]
fn only_what_is_missing_is_sent_again() {
    let mut script = Script::established();
    script.write(10_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    // The second and the fifth are missing.
    script.inject(ack(1, 1_001).win(60_000).sack(&[(2_001, 4_001)]));
    script.inject(ack(1, 1_001).win(60_000).sack(&[(5_001, 10_001), (2_001, 4_001)]));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(4_001, 1_000, 1));
    script.expect_nothing();
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    script.wait(ms(10_000));
    script.expect_nothing();
}

#[test]
fn three_blocks_worth_are_enough_for_a_loss() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 4_001)]));
    script.expect(data(1, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn a_retransmission_that_is_lost_too_is_noticed() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 5_001)]));
    script.expect(data(1, 1_000, 1));
    script.wait(ms(5));
    script.write(2_000);
    script.expect(data(10_001, 1_000, 1));
    script.wait(ms(10));
    // What was sent after the retransmission arrives before it.
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 11_001)]));
    script.expect(data(1, 1_000, 1));
}

#[test]
fn blocks_that_make_no_sense_change_nothing() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(3_001, 3_001), (2_001, 1_001)]));
    script.inject(ack(1, 1).win(60_000).sack(&[(2_001, 90_001), (100_000, 200_000)]));
    script.inject(ack(1, 1).win(60_000).sack(&[(0x8000_0000, 0x8000_1000)]));
    script.expect_nothing();
}

#[test]
fn a_peer_that_takes_back_what_it_acknowledged_gets_it_again() {
    // RFC 2018 section 8: after a timeout, what was sacked does not count when the first of it was.
    let mut script = Script::established();
    script.write(3_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 2_001)]));
    script.take_all();
    script.inject(ack(1, 1_001).win(60_000));
    script.take_all();
    script.wait(ms(2_000));
    assert_eq!(data(1_001, 1_000, 1).difference(&script.take_one()), None);
    script.take_all();
    script.inject(ack(1, 2_001).win(60_000));
    script.wait(ms(2_000));
    script.take_all();
    script.inject(ack(1, 3_001).win(60_000));
    assert!(script.working.is_quiet());
}

#[test]
fn a_block_past_what_was_sent_is_not_taken_in_part() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(2_001, 90_001)]));
    // Had the part that was sent counted, what lies before it would be lost by now.
    script.wait(ms(5));
    script.expect_nothing();
}
