//! Proportional rate reduction, RFC 9937: what goes out while losses are repaired with SACK.

use tcp::Algorithm;

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

/// Twenty segments in flight, by NewReno, whose threshold is half of that.
fn twenty_in_flight() -> Script {
    let newreno = |config: &mut tcp::Config| config.sending.congestion = Algorithm::NewReno;
    let mut script = Script::established_with(newreno, syn().mss(1_000).sack_ok());
    script.write(100_000);
    assert_eq!(script.take_all(), 10);
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    assert_eq!(script.take_all(), 20);
    script.wait(ms(10));
    script
}

/// Without it nothing goes out for half a round trip, and then a segment for each that arrived.
#[test]
fn one_new_segment_goes_out_for_two_that_arrived() {
    let mut script = twenty_in_flight();
    script.inject(ack(1, 10_001).win(60_000).sack(&[(11_001, 14_001)]));
    script.expect(data(10_001, 1_000, 1));
    script.take_all();
    let mut sent = 0;
    for segment in 1..=14 {
        script.inject(ack(1, 10_001).win(60_000).sack(&[(11_001, 14_001 + 1_000 * segment)]));
        let now = script.take_all();
        assert!(now <= 1, "{now} at once");
        sent += now;
        // What arrived with the acknowledgment that it began with counts as in the network then (RecoverFS).
        assert!(segment > 7 || sent == segment.div_ceil(2) as usize, "{sent} for {segment}");
    }
    assert!((6..=8).contains(&sent), "{sent}");
}

#[test]
fn the_window_is_the_threshold_when_the_recovery_ends() {
    let mut script = twenty_in_flight();
    script.inject(ack(1, 10_001).win(60_000).sack(&[(11_001, 30_001)]));
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 32_001).win(60_000));
    let info = script.working.info(&script.config);
    assert_eq!(info.congestion_window, 10_000, "{info:?}");
}

/// Half of a flight lost: no burst of retransmissions, but one for each that arrived, and one more
/// where more arrived in order.
#[test]
fn heavy_losses_are_repaired_no_faster_than_segments_arrive() {
    let mut script = twenty_in_flight();
    // The first fifteen are lost, the last five arrive one by one.
    for segment in 1..=3 {
        script.inject(ack(1, 10_001).win(60_000).sack(&[(25_001, 25_001 + 1_000 * segment)]));
    }
    let first = script.take_all();
    assert!((1..=3).contains(&first), "{first} for three segments that arrived");
    for segment in 4..=5 {
        script.inject(ack(1, 10_001).win(60_000).sack(&[(25_001, 25_001 + 1_000 * segment)]));
        assert!(script.take_all() <= 1);
    }
    script.wait(ms(10));
    script.inject(ack(1, 11_001).win(60_000).sack(&[(25_001, 30_001)]));
    assert_eq!(script.take_all(), 2, "one for one, and one more");
}
