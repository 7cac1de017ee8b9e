//! Text that arrives ahead of its turn, twice, or in pieces: RFC 9293 section 3.10.7.4, seventh.

use tcp::{Dropped, Events, Payload};
use wire::tcp::Flags;

use crate::script::Script;
use crate::segment::{ack, data};

#[test]
fn a_hole_is_reported_at_once_and_again_when_filled() {
    //= specs/rfc9293.txt#section-3.10.7.4
    //= type=test
    //# Segments with higher beginning sequence numbers SHOULD be held for later processing (SHLD-31).
    let mut script = Script::established();
    script.inject(data(1_001, 1_000, 1));
    assert_eq!(script.last.payload, Payload::OutOfOrder { skip: 0, length: 1_000 });
    script.expect(ack(1, 1).sack(&[(1_001, 2_001)]));
    script.inject(data(1, 1_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 0, length: 1_000, held: 1_000 });
    script.expect(ack(1, 2_001).sack(&[]));
}

#[test]
fn a_hole_filled_in_part_is_acknowledged_at_once() {
    let mut script = Script::established();
    script.inject(data(2_001, 1_000, 1));
    script.take_one();
    script.inject(data(1, 500, 1));
    script.expect(ack(1, 501).sack(&[(2_001, 3_001)]));
}

#[test]
fn old_text_at_the_start_is_skipped() {
    let mut script = Script::established();
    script.inject(data(1, 1_000, 1));
    script.inject(data(501, 1_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 500, length: 500, held: 0 });
    script.expect(ack(1, 1_501));
}

#[test]
fn text_past_the_window_is_cut_off() {
    let mut script = Script::established_with(
        |config| config.receiving.window = 3_000,
        crate::segment::syn().mss(1_000).sack_ok(),
    );
    script.inject(data(2_001, 2_000, 1));
    assert_eq!(script.last.payload, Payload::OutOfOrder { skip: 0, length: 1_000 });
    script.expect(ack(1, 1).sack(&[(2_001, 3_001)]));
}

#[test]
fn text_that_cannot_be_kept_is_not_acknowledged() {
    let mut script = Script::established();
    script.can_hold = false;
    script.inject(data(1_001, 1_000, 1));
    script.expect_dropped(Dropped::NoRoom);
    script.expect(ack(1, 1).sack(&[]));
    script.inject(data(1, 1_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 0, length: 1_000, held: 0 });
}

#[test]
fn more_holes_than_can_be_kept() {
    let mut script = Script::established();
    for hole in 0..16 {
        script.inject(data(1_001 + 2_000 * hole, 1_000, 1));
        assert_eq!(script.last.dropped, None);
    }
    script.inject(data(33_001, 1_000, 1));
    script.expect_dropped(Dropped::NoRoom);
    script.take_all();
    script.inject(data(1, 1_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 0, length: 1_000, held: 1_000 });
}

#[test]
fn a_segment_over_several_held_ones_is_delivered_once() {
    let mut script = Script::established();
    script.inject(data(501, 100, 1));
    script.inject(data(1_001, 1_000, 1));
    script.take_all();
    script.inject(data(1, 1_500, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 0, length: 1_500, held: 500 });
    assert_eq!(script.delivered, 2_000);
    // What came twice is told of, the first of it (RFC 2883 section 4).
    script.expect(ack(1, 2_001).sack(&[(501, 601)]));
}

#[test]
fn old_text_at_the_start_is_reported_once() {
    let mut script = Script::established();
    script.inject(data(1, 1_000, 1));
    script.inject(data(501, 1_000, 1));
    script.expect(ack(1, 1_501).sack(&[(501, 1_001)]));
    script.inject(data(1_501, 1_000, 1));
    script.inject(data(2_501, 1_000, 1));
    script.expect(ack(1, 3_501).sack(&[]));
}

#[test]
fn a_fin_behind_a_hole_counts_when_the_hole_is_filled() {
    let mut script = Script::established();
    script.inject(data(1_001, 100, 1).with(Flags::FIN));
    script.expect(ack(1, 1).sack(&[(1_001, 1_101)]));
    script.expect_no_event();
    script.inject(data(1, 1_000, 1));
    script.expect_event(Events::INPUT_ENDED);
    script.expect(ack(1, 1_102));
}

#[test]
fn what_was_held_can_be_given_up() {
    // RFC 2018 section 8.
    let mut script = Script::established();
    script.inject(data(1_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(1_001, 1_101)]));
    script.working.renege();
    script.inject(data(2_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(2_001, 2_101)]));
    script.inject(data(1, 1_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 0, length: 1_000, held: 0 });
    script.expect(ack(1, 1_001).sack(&[(2_001, 2_101)]));
}

#[test]
fn a_segment_that_covers_more_than_the_window_fills_it() {
    let mut script = Script::established_with(
        |config| config.receiving.window = 3_000,
        crate::segment::syn().mss(1_000).sack_ok(),
    );
    script.inject(data(1, 1_000, 1));
    script.take_all();
    script.inject(data(501, 5_000, 1));
    assert_eq!(script.last.payload, Payload::InOrder { skip: 500, length: 2_000, held: 0 });
    script.expect(ack(1, 3_001));
}
