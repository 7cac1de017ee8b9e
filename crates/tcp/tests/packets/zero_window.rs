//! RFC 9293 section 3.8.6.1: a window that closes, and may close under what is in flight.

use tcp::Events;

use crate::script::{Script, ms};
use crate::segment::{ack, data, fin, syn};

#[test]
fn a_closed_window_is_probed_ever_more_slowly_for_ever() {
    //= specs/rfc9293.txt#section-3.8.6
    //= type=test
    //# If the window shrinks to zero, the TCP implementation MUST probe it in the standard way
    //# (described below) (MUST-35).
    //= specs/rfc9293.txt#section-3.8.6.1
    //= type=test
    //# As long as the receiving TCP peer continues to send acknowledgments in response to the probe
    //# segments, the sending TCP peer MUST allow the connection to stay open (MUST-37).
    //= specs/rfc9293.txt#section-3.8.6.1
    //= type=test
    //# The transmitting host SHOULD send the first zero-window probe when a
    //# zero window has existed for the retransmission timeout period (SHLD-
    //# 29) (Section 3.8.1), and SHOULD increase exponentially the interval
    //# between successive probes (SHLD-30).
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.write(5_000);
    script.expect_nothing();
    let mut wait = 200;
    for _ in 0..30 {
        script.expect_after(ms(wait.min(60_000)), data(1, 1, 1));
        wait *= 2;
        script.inject(ack(1, 1).win(0));
        script.expect_nothing();
    }
    script.expect_no_event();
}

#[test]
fn a_peer_that_does_not_even_answer_probes_is_given_up() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.write(5_000);
    script.wait(ms(500_000));
    script.expect_event(Events::TIMED_OUT);
}

#[test]
fn when_the_window_opens_all_is_sent_from_the_probed_byte_on() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.write(3_000);
    script.expect_after(ms(200), data(1, 1, 1));
    script.inject(ack(1, 1).win(60_000));
    script.expect(data(1, 1_000, 1));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 1_000, 1).psh());
}

#[test]
fn a_probe_may_be_taken() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.write(3_000);
    script.expect_after(ms(200), data(1, 1, 1));
    script.inject(ack(1, 2).win(0));
    script.expect_after(ms(400), data(2, 1, 1));
    script.inject(ack(1, 3).win(60_000));
    script.expect(data(3, 1_000, 1));
}

#[test]
fn our_own_closed_window_answers_probes() {
    //= specs/rfc9293.txt#section-3.8.6.1
    //= type=test
    //# Probing of zero (offered) windows MUST be supported (MUST-36).
    let mut script = Script::established_with(
        |config| config.receiving.window = 1_000,
        crate::segment::syn().mss(1_000),
    );
    script.reads = false;
    script.inject(data(1, 1_000, 1));
    script.wait(ms(100));
    script.take_all();
    script.inject(data(1_001, 1, 1));
    script.expect(ack(1, 1_001).win(0));
    assert_eq!(script.delivered, 1_000);
    script.read(1_000);
    script.expect(ack(1, 1_001).win(1_000));
}

#[test]
fn acknowledgments_resets_and_urgent_pointers_pass_a_closed_window() {
    //= specs/rfc9293.txt#section-3.4
    //= type=test
    //# A TCP receiver MUST process the RST and URG fields of all incoming segments, even when the
    //# receive window is zero (MUST-66).
    let mut script = Script::established_with(
        |config| config.receiving.window = 1_000,
        crate::segment::syn().mss(1_000),
    );
    script.reads = false;
    script.inject(data(1, 1_000, 1));
    script.write(100);
    script.take_all();
    script.inject(data(1_001, 100, 101).urgent(50));
    script.expect_event(Events::URGENT);
    assert_eq!(script.working.una(), crate::segment::OUR_ISS + 101);
    script.inject(crate::segment::rst(1_001));
    script.expect_event(Events::RESET);
}

#[test]
fn a_window_that_shrinks_under_the_flight() {
    //= specs/rfc9293.txt#section-3.8.6
    //= type=test
    //# If this happens, the sender SHOULD NOT send new data (SHLD-15), but SHOULD retransmit normally
    //# the old unacknowledged data between SND.UNA and SND.UNA+SND.WND (SHLD-16).
    //= specs/rfc9293.txt#section-3.8.6
    //= type=test
    //# A TCP receiver SHOULD NOT shrink the window, i.e., move the right
    //# window edge to the left (SHLD-14).  However, a sending TCP peer MUST
    //# be robust against window shrinking, which may cause the "usable
    //# window" (see Section 3.8.6.2.1) to become negative (MUST-34).
    let mut script = Script::established();
    script.write(5_000);
    assert_eq!(script.take_all(), 5);
    script.wait(ms(10));
    script.inject(ack(1, 1_001).win(0));
    script.expect_nothing();
    script.expect_after(ms(200), data(1_001, 1, 1));
    script.inject(ack(1, 1_001).win(2_000));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 1_000, 1));
    script.expect_nothing();
    script.wait(ms(10));
    script.inject(ack(1, 5_001).win(2_000));
    script.write(1_000);
    script.expect(data(5_001, 1_000, 1).psh());
}

#[test]
fn a_fin_behind_a_closed_window_is_a_probe_too() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.close();
    script.expect_after(ms(200), fin(1, 1));
    script.inject(ack(1, 2).win(0));
    script.expect_state(tcp::State::FinWait2);
}

#[test]
fn a_window_that_shrinks_to_nothing_does_not_time_the_connection_out() {
    //= specs/rfc9293.txt#section-3.8.6
    //= type=test
    //# The sender MAY also retransmit old data beyond SND.UNA+SND.WND (MAY-7), but SHOULD NOT time out
    //# the connection if data beyond the right window edge is not acknowledged (SHLD-17).
    let mut script = Script::established();
    script.write(5_000);
    script.take_all();
    for _ in 0..40 {
        script.inject(ack(1, 1_001).win(0));
        script.wait(ms(60_000));
        script.take_all();
    }
    script.expect_no_event();
    script.inject(ack(1, 1_001).win(60_000));
    script.expect(data(1_001, 1_000, 1));
}

/// The time since the last progress once counted from before a long pause.
#[test]
fn a_window_found_closed_after_a_long_pause_is_probed() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.wait(ms(3_600_000));
    script.write(500);
    script.expect_after(ms(200), data(1, 1, 1));
    script.expect_no_event();
}

#[test]
fn a_fin_into_our_closed_window() {
    let mut script = Script::established_with(
        |config| config.receiving.window = 1_000,
        crate::segment::syn().mss(1_000),
    );
    script.reads = false;
    script.inject(data(1, 1_000, 1));
    script.wait(ms(100));
    script.expect_event(Events::default());
    script.take_all();
    script.inject(fin(1_001, 1));
    script.expect(ack(1, 1_002).win(0));
    script.expect_event(Events::INPUT_ENDED);
    script.inject(ack(1_002, 1));
    script.expect_nothing();
}

/// A user timeout shorter than the pause between probes once ended the connection although every
/// probe was answered.
#[test]
fn probes_that_are_answered_keep_an_impatient_connection() {
    let mut script = Script::established_with(
        |config| config.timeouts.user = ms(1_000),
        crate::segment::syn().mss(1_000).sack_ok(),
    );
    script.inject(ack(1, 1).win(0));
    script.write(5_000);
    script.expect_after(ms(200), data(1, 1, 1));
    for doubled in 1..12 {
        script.wait(ms(10));
        script.inject(ack(1, 1).win(0));
        let wait = (200 << doubled).min(60_000);
        script.expect_after(ms(wait - 10), data(1, 1, 1));
    }
    script.expect_no_event();
    script.wait(ms(200_000));
    script.expect_event(Events::TIMED_OUT);
}

#[test]
fn bare_probes_ask_about_a_byte_that_the_peer_has() {
    let bare = |config: &mut tcp::Config| {
        config.sending.bare_window_probes = true;
        config.timeouts.user = ms(3_000);
    };
    let mut script = Script::established_with(bare, crate::segment::syn().mss(1_000).sack_ok());
    script.inject(ack(1, 1).win(0));
    script.write(5_000);
    script.expect_after(ms(200), ack(0, 1));
    script.expect_after(ms(400), ack(0, 1));
    script.wait(ms(10));
    script.inject(ack(1, 1).win(0));
    script.expect_after(ms(790), ack(0, 1));
    script.expect_no_event();
    script.wait(ms(8_000));
    script.take_all();
    script.expect_event(Events::TIMED_OUT);
}

/// RFC 9293 section 3.8.6.2.2: an edge that moves by little would draw small segments.
#[test]
fn a_small_window_opens_by_a_segment_or_not_at_all() {
    let mut script = Script::established_with(
        |config| config.receiving.window = 8_000,
        syn().mss(1_000).sack_ok(),
    );
    script.reads = false;
    for segment in 0..6 {
        script.inject(data(1 + segment * 1_000, 1_000, 1));
    }
    script.take_all();
    script.read(100);
    script.expect_nothing();
    script.inject(data(6_001, 1_000, 1));
    script.inject(data(7_001, 500, 1));
    script.wait(ms(50));
    let edges: Vec<u32> = script.take_sent().iter().map(|sent| sent.edge(0)).collect();
    assert!(!edges.is_empty() && edges.iter().all(|edge| *edge == 8_001), "{edges:?}");
}

/// The time after which a peer is given up counts from the first probe, however long the window had
/// been closed with nothing to send.
#[test]
fn a_window_that_was_closed_for_long_is_probed_as_long_as_any() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.wait(ms(3_600_000));
    script.write(1_000);
    script.wait(ms(200_000));
    script.expect_no_event();
    script.wait(ms(300_000));
    script.expect_event(Events::TIMED_OUT);
}

/// The byte of the probe was once taken back although nothing took its place: its acknowledgment was taken
/// for that of something that had never been sent, and text that came with it was lost.
#[test]
fn the_byte_of_a_probe_may_be_acknowledged_after_the_window_opened_by_little() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(0));
    script.write(5_000);
    script.expect_after(ms(200), data(1, 1, 1));
    // Sent before the probe arrived there.
    script.inject(ack(1, 1).win(10));
    script.take_all();
    script.inject(data(1, 100, 2).win(9));
    assert_eq!((script.last.dropped, script.last.acknowledged), (None, 1));
    assert_eq!(script.delivered, 100);
    script.inject(ack(101, 2).win(60_000));
    let spans: Vec<_> = script.take_sent().iter().map(crate::segment::Sent::span).collect();
    assert_eq!(spans.last(), Some(&(4_002, 5_001)));
}
