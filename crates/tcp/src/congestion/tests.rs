//! Windows as the RFCs compute them.

use super::{Acked, Congestion, initial_window};
use crate::config::Algorithm;
use std::vec::Vec;

use base::{Instant, Seq};

const MSS: u32 = 1_000;

fn acked(bytes: u32, ms: u64) -> Acked {
    Acked {
        bytes,
        now: Instant::from_millis(ms),
        smoothed: 100_000,
        rtt: 100_000,
        una: Seq(0),
        next: Seq(1),
    }
}

#[test]
fn initial_windows_of_rfc_6928() {
    for (mss, window) in [(536, 5_360), (1_460, 14_600), (1_220, 12_200), (8_960, 17_920)] {
        assert_eq!(initial_window(mss), window);
    }
}

#[test]
fn slow_start_doubles_and_newreno_adds_one_segment_a_window() {
    let mut congestion = Congestion::new(Algorithm::NewReno, MSS, false);
    congestion.acknowledged(&acked(10 * MSS, 100));
    assert_eq!(congestion.window(), 20 * MSS);
    congestion.reduce(20 * MSS);
    assert_eq!(congestion.window(), 10 * MSS, "half of what was in flight");
    for _ in 0..10 {
        congestion.acknowledged(&acked(MSS, 200));
    }
    assert_eq!(congestion.window(), 11 * MSS);
}

#[test]
fn a_timeout_leaves_one_segment_and_halves_once() {
    let mut congestion = Congestion::new(Algorithm::NewReno, MSS, false);
    congestion.timed_out(10 * MSS, true);
    assert_eq!((congestion.window(), congestion.threshold()), (MSS, 5 * MSS));
    congestion.timed_out(MSS, false);
    assert_eq!((congestion.window(), congestion.threshold()), (MSS, 5 * MSS));
}

/// RFC 9438 figure 1 with W_max 100 segments: K = cbrt(30 / 0.4) = 4.217 s.
#[test]
fn cubic_follows_its_curve() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    congestion.acknowledged(&acked(90 * MSS, 0));
    assert_eq!(congestion.window(), 100 * MSS);
    congestion.reduce(100 * MSS);
    assert_eq!(congestion.window(), 70 * MSS);
    let mut at = |until: u64, from: u64| {
        for ms in (from..until).step_by(10) {
            // Ten times in a round trip, a tenth of the window.
            let tenth = congestion.window() / 10;
            congestion.acknowledged(&acked(tenth, ms));
        }
        congestion.window()
    };
    let near_plateau = at(4_200, 1);
    assert!((97_000..101_000).contains(&near_plateau), "{near_plateau}");
    let beyond = at(8_400, 4_200);
    let curve = 100_000 + (0.4 * 4.183f64.powi(3) * 1_000.0) as u32;
    assert!(beyond.abs_diff(curve) < 4_000, "{beyond} against {curve}");
}

#[test]
fn cubic_is_no_slower_than_reno_on_short_round_trips() {
    let mut cubic = Congestion::new(Algorithm::Cubic, MSS, false);
    let mut reno = Congestion::new(Algorithm::NewReno, MSS, false);
    for congestion in [&mut cubic, &mut reno] {
        congestion.reduce(10 * MSS);
        for round in 0..200 {
            let window = congestion.window();
            let at = Instant::from_millis(round);
            congestion.acknowledged(&Acked { now: at, smoothed: 1_000, ..acked(window, 0) });
        }
    }
    assert!(cubic.window() >= reno.window() * 9 / 10, "{cubic:?} {reno:?}");
}

#[test]
fn after_idle_the_window_is_at_most_the_initial_one() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    congestion.acknowledged(&acked(100 * MSS, 0));
    congestion.restart_after_idle();
    assert_eq!(congestion.window(), initial_window(MSS));
    congestion.timed_out(MSS, true);
    congestion.restart_after_idle();
    assert_eq!(congestion.window(), MSS, "never raised by idling");
}

#[test]
fn what_is_beyond_slow_start_grows_the_window_by_less() {
    let mut congestion = Congestion::new(Algorithm::NewReno, MSS, false);
    congestion.timed_out(40 * MSS, true);
    assert_eq!((congestion.window(), congestion.threshold()), (MSS, 20 * MSS));
    // 19 segments bring it to the threshold; of the other 21, twenty are one window.
    congestion.acknowledged(&acked(40 * MSS, 100));
    assert_eq!(congestion.window(), 21 * MSS);
}

/// Fast convergence, RFC 9438 section 4.7: a flow that did not get back to where it was gives way.
#[test]
fn cubic_aims_lower_when_it_lost_before_it_was_back() {
    let plateau = |losses: &[u32]| {
        let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
        congestion.acknowledged(&acked(90 * MSS, 0));
        for flight in losses {
            congestion.reduce(flight * MSS);
        }
        // At K the curve is at W_max and flat there.
        let mut window = congestion.window();
        for ms in (1_000..20_000).step_by(100) {
            congestion.acknowledged(&acked(window, ms));
            if ms > 2_000 && congestion.window() - window < MSS / 4 {
                return congestion.window() / MSS;
            }
            window = congestion.window();
        }
        0
    };
    assert!((97..=102).contains(&plateau(&[100])), "{}", plateau(&[100]));
    assert!((58..=62).contains(&plateau(&[100, 70])), "{}", plateau(&[100, 70]));
}

/// Where a round trip takes a second Reno adds a segment a second: what is faster is the curve.
#[test]
fn cubic_follows_its_curve_and_not_reno_on_a_long_path() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    congestion.acknowledged(&acked(90 * MSS, 0));
    congestion.reduce(100 * MSS);
    for ms in (10..=9_000_u64).step_by(10) {
        let hundredth = congestion.window() / 100;
        let now = Instant::from_millis(ms);
        congestion.acknowledged(&Acked { now, smoothed: 1_000_000, ..acked(hundredth, 0) });
        if ms % 1_000 == 0 && ms > 1_000 {
            let from_k = ms as f64 / 1_000.0 - 4.217;
            let curve = 100_000.0 + 0.4 * from_k.powi(3) * 1_000.0;
            let apart = (f64::from(congestion.window()) - curve).abs();
            assert!(apart < 6_000.0, "{} against {curve} at {ms} ms", congestion.window());
        }
    }
}

/// RFC 9438 section 4.4: however far the curve is ahead, half a window more in a round trip is all.
#[test]
fn cubic_grows_by_half_a_window_a_round_trip_at_most() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    congestion.acknowledged(&acked(90 * MSS, 0));
    congestion.reduce(100 * MSS);
    congestion.acknowledged(&acked(MSS, 1));
    congestion.acknowledged(&acked(70 * MSS, 60_000));
    let window = congestion.window();
    assert!((104 * MSS..=106 * MSS).contains(&window), "{window}");
}

/// Rounds of slow start with ten acknowledgments each, whose round trips take so many milliseconds;
/// gives the window after each.
fn slow_start(congestion: &mut Congestion, round_trips_ms: &[u32]) -> Vec<u32> {
    let mut next = Seq(1);
    let round = |&ms: &u32| {
        let (una, window) = (next, congestion.window());
        next += window;
        for part in 1..=10 {
            let una = una + window / 10 * part;
            let rtt = ms * 1_000;
            congestion.acknowledged(&Acked { rtt, una, next, ..acked(window / 10, 0) });
        }
        congestion.window()
    };
    round_trips_ms.iter().map(round).collect()
}

/// RFC 9406: a quarter of the pace once a round takes an eighth longer, and an end after five such.
#[test]
fn slow_start_ends_when_round_trips_become_longer() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    let windows = slow_start(&mut congestion, &[40, 40, 50, 55, 60, 65, 70, 75, 80]);
    assert_eq!(windows[1], 40 * MSS);
    let pace = |round: usize| f64::from(windows[round]) / f64::from(windows[round - 1]);
    assert!((1.2..1.9).contains(&pace(2)), "{windows:?}");
    assert!((1.2..1.3).contains(&pace(3)), "{windows:?}");
    assert!(!congestion.in_slow_start(), "{windows:?}");
    assert!(congestion.reduced_threshold().is_some());
}

#[test]
fn a_longer_round_trip_that_passes_does_not_end_slow_start() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    let windows = slow_start(&mut congestion, &[40, 40, 50, 40, 40, 40]);
    assert!(congestion.in_slow_start());
    assert!(windows[5] >= windows[4] * 19 / 10, "{windows:?}");
}

/// A millisecond more or less is not a queue, and NewReno's slow start is RFC 5681's.
#[test]
fn slow_start_is_not_ended_by_little() {
    let mut cubic = Congestion::new(Algorithm::Cubic, MSS, false);
    slow_start(&mut cubic, &[10, 11, 12, 13, 13, 13, 13, 13]);
    let mut reno = Congestion::new(Algorithm::NewReno, MSS, false);
    slow_start(&mut reno, &[40, 80, 160, 160, 160, 160, 160, 160]);
    assert!(cubic.in_slow_start() && reno.in_slow_start());
}

#[test]
fn a_larger_segment_fits_the_window_and_counts_from_then_on() {
    let mut congestion = Congestion::new(Algorithm::NewReno, MSS, false);
    congestion.set_mss(20 * MSS);
    assert_eq!(congestion.window(), 20 * MSS);
    congestion.set_mss(500);
    congestion.restart_after_idle();
    assert_eq!(congestion.window(), 5_000);
}

/// RFC 4015 section 3.2.
#[test]
fn after_a_needless_timeout_the_window_is_what_is_in_flight_and_what_arrived() {
    let fresh = Congestion::new(Algorithm::NewReno, MSS, false);
    for (pipe, delivered, window) in [(3_000, 2_000, 5_000), (3_000, 90_000, 10_000), (0, 0, MSS)] {
        let mut congestion = fresh;
        congestion.resume(pipe, delivered);
        assert_eq!(congestion.window(), window, "{pipe} and {delivered}");
        assert!(congestion.in_slow_start());
    }
}

/// Otherwise the curve of the stage before the timeout would go on, and be far ahead by now.
#[test]
fn cubic_begins_a_new_stage_after_a_timeout() {
    let mut congestion = Congestion::new(Algorithm::Cubic, MSS, false);
    congestion.acknowledged(&acked(90 * MSS, 0));
    congestion.reduce(100 * MSS);
    congestion.acknowledged(&acked(7 * MSS, 1));
    congestion.timed_out(70 * MSS, false);
    let threshold = congestion.threshold();
    congestion.acknowledged(&acked(threshold - MSS, 60_000));
    assert_eq!((congestion.window(), congestion.in_slow_start()), (threshold, false));
    congestion.acknowledged(&acked(threshold, 60_001));
    assert!(congestion.window() < threshold + 4 * MSS, "{congestion:?}");
}
