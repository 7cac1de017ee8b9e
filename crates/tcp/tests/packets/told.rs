//! What is told of a connection to whoever asks: the pages of status, TCP_INFO.

use tcp::{Algorithm, Waiting};

use crate::script::{Script, ms};
use crate::segment::{ack, syn};

#[test]
fn round_trips_and_windows() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok().win(60_000), |config| {
        config.receiving.window = 20_000;
    });
    assert_eq!(script.working.smoothed_rtt_us(), None);
    script.take_one();
    script.wait(ms(10));
    script.inject(ack(1, 1).win(60_000));
    let working = &script.working;
    assert_eq!((working.smoothed_rtt_us(), working.rtt_variation_us()), (Some(10_000), 5_000));
    assert_eq!((working.congestion_window(), working.receive_window()), (10_000, 20_000));
}

#[test]
fn a_connection_that_sleeps() {
    for (script, mss) in
        [(Script::established(), 1_000), (Script::established_with_timestamps(), 1_000)]
    {
        let sleeping = script.working.sleep(&script.config, Waiting::Input);
        assert_eq!((sleeping.mss(), sleeping.smoothed_rtt_us()), (mss, Some(16_384)));
        assert!(!sleeping.waiting.was_asked() && Waiting::InputAsked.was_asked());
    }
}

#[test]
fn the_algorithm_can_change_while_a_connection_lasts() {
    let growth = |algorithm: Algorithm| {
        let mut script = Script::established();
        script.write(60_000);
        script.take_all();
        // A loss, so that congestion avoidance begins.
        script.inject(ack(1, 1).win(60_000).sack(&[(1_001, 5_001)]));
        script.take_all();
        script.inject(ack(1, 10_001).win(60_000));
        script.config.sending.congestion = algorithm;
        script.working.set_algorithm(algorithm);
        let mut una = 10_001;
        for _ in 0..40 {
            let end = script.take_sent().last().map_or(una, |sent| sent.span().1);
            script.write(20_000);
            script.wait(ms(10));
            una = end.max(una);
            script.inject(ack(1, una).win(60_000));
        }
        script.working.congestion_window()
    };
    assert_ne!(growth(Algorithm::Cubic), growth(Algorithm::NewReno));
}

#[test]
fn how_what_is_in_flight_has_fared() {
    let fared = |script: &Script| {
        let info = script.working.info(&script.config);
        [info.in_flight, info.sacked, info.lost, info.resent]
    };
    let mut script = Script::established();
    script.write(10_000);
    assert_eq!(fared(&script), [10_000, 0, 0, 0]);
    script.wait(ms(450));
    assert_eq!(fared(&script), [10_000, 0, 9_000, 1_000], "after a timeout");
    script.inject(ack(1, 1).win(60_000).sack(&[(9_001, 10_001)]));
    assert_eq!(fared(&script)[..2], [10_000, 1_000]);
    let [_, sacked, lost, resent] = fared(&script);
    assert_eq!(sacked + lost + resent, 10_000);
}
