//! Timeouts that were for nothing: RFC 5682.

use crate::script::{Script, ms};
use crate::segment::{ack, data};

/// Ten segments are late, and the head has been sent again.
fn late() -> Script {
    let mut script = Script::established();
    script.write(40_000);
    assert_eq!(script.take_all(), 10);
    // The tail loss probe: one more, of new data.
    script.wait(ms(150));
    let probes = script.take_all();
    script.wait(ms(300));
    assert_eq!(script.take_all(), 1, "the head, after {probes} probes");
    script
}

#[test]
fn when_the_flight_arrives_after_all_nothing_more_is_sent_again() {
    let mut script = late();
    let before = script.working.info(&script.config);
    assert_eq!(before.congestion_window, 1_000);
    // The acknowledgment of the first originals: two segments of new data, not the next of the old.
    script.inject(ack(1, 2_001).win(60_000));
    script.expect(data(11_001, 1_000, 1));
    script.expect(data(12_001, 1_000, 1));
    script.expect_nothing();
    // That of the next shows that they were on their way all the time.
    script.inject(ack(1, 4_001).win(60_000));
    let after = script.working.info(&script.config);
    assert_eq!((after.recovery, after.lost), (tcp::Recovering::No, 0));
    assert!(after.congestion_window >= 9_000, "{}", after.congestion_window);
    let again = script.take_sent().iter().filter(|sent| sent.span().0 < 13_001).count();
    assert_eq!(again, 0, "only new data");
}

#[test]
fn when_the_flight_was_lost_it_is_sent_again() {
    let mut script = late();
    script.inject(ack(1, 1_001).win(60_000));
    assert_eq!(script.take_all(), 2, "new data");
    // It arrives, and what lies before it has not.
    script.inject(ack(1, 1_001).win(60_000).sack(&[(11_001, 12_001)]));
    script.expect(data(1_001, 1_000, 1));
    let info = script.working.info(&script.config);
    assert_eq!(info.recovery, tcp::Recovering::Timeout);
}

#[test]
fn a_duplicate_after_the_timeout_proves_a_loss() {
    let mut script = late();
    script.inject(ack(1, 1).win(60_000).sack(&[(10_001, 11_001)]));
    script.inject(ack(1, 2_001).win(60_000).sack(&[(10_001, 11_001)]));
    script.expect(data(2_001, 1_000, 1));
}

#[test]
fn without_new_data_the_flight_is_sent_again() {
    let mut script = Script::established();
    script.write(4_000);
    script.take_all();
    script.wait(ms(450));
    script.take_all();
    script.inject(ack(1, 1_001).win(60_000));
    script.expect(data(1_001, 1_000, 1));
}

#[test]
fn a_second_timeout_is_believed() {
    let mut script = late();
    script.wait(ms(600));
    script.take_all();
    script.inject(ack(1, 2_001).win(60_000));
    script.expect(data(2_001, 1_000, 1));
}

#[test]
fn with_a_window_that_takes_no_new_data_the_flight_is_sent_again() {
    let mut script = late();
    // Up to 11,001, where the new data ends.
    script.inject(ack(1, 2_001).win(9_000));
    script.expect(data(2_001, 1_000, 1));
}

/// The peer may have acknowledged only what was sent again.
#[test]
fn an_acknowledgment_of_everything_does_not_show_that_the_timeout_was_needless() {
    let mut script = late();
    script.inject(ack(1, 11_001).win(60_000));
    let sent = script.take_sent();
    let end = sent.last().expect("new data").span().1;
    script.inject(ack(1, end).win(60_000));
    let info = script.working.info(&script.config);
    assert_eq!(info.slow_start_threshold, Some(7_000), "{info:?}");
}

#[test]
fn what_a_timeout_is_judged_by() {
    // A duplicate, or a report of what lies ahead, comes of a loss. What only brings data does not.
    let cases = [
        (ack(1, 1).win(60_000), true),
        (data(1, 10, 1).win(60_000).sack(&[(10_001, 11_001)]), true),
        (data(1, 10, 1).win(60_000), false),
    ];
    for (segment, is_loss) in cases {
        let mut script = late();
        let sequence = 1 + segment.length;
        script.inject(segment);
        script.take_all();
        script.inject(ack(sequence, 2_001).win(60_000));
        let first = script.take_one().span().0;
        assert_eq!(first == 2_001, is_loss, "{first}");
    }
}

#[test]
fn a_timeout_in_the_middle_of_a_recovery_is_believed() {
    let mut script = Script::established();
    script.write(40_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000).sack(&[(5_001, 10_001)]));
    script.wait(ms(250));
    script.take_all();
    script.inject(ack(1, 1_001).win(60_000));
    assert_eq!(script.take_one().span().0, 1_001);
}
