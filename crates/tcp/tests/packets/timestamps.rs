//! RFC 7323: timestamps, PAWS, window scaling.

use tcp::{Dropped, Events};

use crate::script::{PEER_CLOCK, Script, ms};
use crate::segment::{ack, data, rst, syn, syn_ack};

#[test]
fn a_peers_timestamp_is_echoed_from_the_syn_on() {
    let on = |config: &mut tcp::Config| config.extensions.timestamps = true;
    let mut script = Script::accept(&syn().mss(1_000).ts(77, 0), on);
    script.expect(syn_ack().ts(1_000, 77));
    script.inject(ack(1, 1).ts(90, 1_000));
    script.write(10);
    script.expect(data(1, 10, 1).psh().ts(1_000, 90));
}

#[test]
fn no_timestamps_unless_both_want_them() {
    let on = |config: &mut tcp::Config| config.extensions.timestamps = true;
    let mut script = Script::accept(&syn(), on);
    script.expect(syn_ack().without_ts());
    let mut script = Script::accept(&syn().ts(77, 0), |_| {});
    script.expect(syn_ack().without_ts());
    let mut script = Script::connect(on);
    script.expect(syn().ts(1_000, 0));
    script.inject(syn_ack().ts(PEER_CLOCK, 1_000));
    script.expect(ack(1, 1).echo(PEER_CLOCK));
}

#[test]
fn an_old_duplicate_is_known_by_its_timestamp() {
    let mut script = Script::established_with_timestamps();
    script.inject(data(1, 100, 1).ts(PEER_CLOCK - 1_000, 0));
    script.expect_dropped(Dropped::OldTimestamp);
    script.expect(ack(1, 1));
    assert_eq!(script.delivered, 0);
}

#[test]
fn after_24_days_a_timestamp_says_nothing() {
    let mut script = Script::established_with_timestamps();
    script.nap(ms(25 * 86_400_000));
    script.inject(data(1, 100, 1).ts(PEER_CLOCK - 1_000, 0));
    assert_eq!(script.delivered, 100);
}

#[test]
fn a_nap_does_not_make_timestamps_forgotten() {
    let mut script = Script::established_with_timestamps();
    script.nap(ms(86_400_000));
    script.inject(data(1, 100, 1).ts(PEER_CLOCK - 1_000, 0));
    script.expect_dropped(Dropped::OldTimestamp);
}

#[test]
fn a_reset_needs_no_timestamp() {
    let mut script = Script::established_with_timestamps();
    script.inject(rst(1).without_ts());
    script.expect_event(Events::RESET);
}

#[test]
fn a_segment_without_the_timestamp_agreed_on_is_dropped() {
    let mut script = Script::established_with_timestamps();
    script.inject(data(1, 100, 1).without_ts());
    script.expect_dropped(Dropped::NoTimestamp);
    script.expect_nothing();
}

#[test]
fn the_echo_is_that_of_the_first_segment_not_acknowledged() {
    // Section 4.3: so that delayed acknowledgments are part of the round trip.
    let mut script = Script::established_with_timestamps();
    script.inject(data(1, 500, 1).ts(PEER_CLOCK + 20, 0));
    script.inject(data(501, 500, 1).ts(PEER_CLOCK + 30, 0));
    script.expect(ack(1, 1_001).echo(PEER_CLOCK + 20));
    script.inject(data(2_001, 500, 1).ts(PEER_CLOCK + 40, 0));
    script.expect(ack(1, 1_001).echo(PEER_CLOCK + 20));
    script.inject(data(1_001, 1_000, 1).ts(PEER_CLOCK + 50, 0));
    script.expect(ack(1, 2_501).echo(PEER_CLOCK + 50));
}

#[test]
fn windows_are_scaled_both_ways_but_not_on_syns() {
    let scaled = |config: &mut tcp::Config| config.receiving.window = 1 << 20;
    let mut script = Script::accept(&syn().mss(1_000).sack_ok().scale(2).win(8_000), scaled);
    script.expect(syn_ack().scale(5).win(65_535));
    script.inject(ack(1, 1).win(2_000));
    script.write(9_000);
    assert_eq!(script.take_all(), 8, "2,000 times 4");
    script.inject(data(1, 1_000, 1).win(2_000));
    script.inject(data(1_001, 1_000, 1).win(2_000));
    script.expect(ack(1 + 8_000, 2_001).win(32_768));
}

#[test]
fn without_the_peers_scale_there_is_none() {
    let scaled = |config: &mut tcp::Config| config.receiving.window = 1 << 20;
    let mut script = Script::accept(&syn().mss(1_000), scaled);
    let sent = format!("{:?}", script.take_one());
    script.inject(ack(1, 1).win(2_000));
    script.inject(data(1, 1_000, 1));
    script.inject(data(1_001, 1_000, 1));
    script.expect(ack(1, 2_001).win(65_535));
    assert!(sent.starts_with("SYN|ACK"));
}

#[test]
fn a_scale_above_14_counts_as_14() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok().scale(200), |_| {});
    script.take_one();
    script.inject(ack(1, 1).win(1));
    script.write(17_000);
    let window = script.take_all();
    assert_eq!(window, 10, "the window of 16,384 does not stop ten segments");
}

#[test]
fn an_echo_measures_a_retransmission() {
    let on = |config: &mut tcp::Config| config.extensions.timestamps = true;
    let mut script = Script::established_with(on, syn().mss(1_012).ts(PEER_CLOCK, 0));
    script.write(500);
    script.take_one();
    script.expect_after(ms(200), data(1, 500, 1).psh());
    script.wait(ms(5));
    // The echo of the second copy: the round trip took 5 ms, and the timeout is short again.
    script.inject(ack(1, 501));
    script.write(500);
    script.expect(data(501, 500, 1).psh());
    script.expect_after(ms(200), data(501, 500, 1).psh());
    script.wait(ms(5));
    // The echo of the first copy says nothing.
    script.inject(ack(1, 1_001).ts(script.peer_clock(), 1_215));
    script.write(500);
    script.take_one();
    script.expect_after(ms(400), data(1_001, 500, 1).psh());
}

#[test]
fn an_echo_is_in_milliseconds() {
    let on = |config: &mut tcp::Config| config.extensions.timestamps = true;
    let mut script = Script::established_with(on, syn().mss(1_012).ts(PEER_CLOCK, 0));
    script.write(500);
    script.take_one();
    script.expect_after(ms(200), data(1, 500, 1).psh());
    script.wait(ms(390));
    // The echo of the copy sent last, so long a round trip takes a longer timeout.
    script.inject(ack(1, 501));
    script.write(500);
    script.expect(data(501, 500, 1).psh());
    script.wait(ms(400));
    script.expect_nothing();
}

const DAY: u64 = 86_400_000;

/// RFC 7323 section 5.5: after that long a clock may have gone round.
#[test]
fn a_timestamp_is_forgotten_after_twenty_four_days() {
    for (days, taken) in [(23, false), (25, true)] {
        let mut script = Script::established_with_timestamps();
        script.wait(ms(days * DAY));
        let old = PEER_CLOCK - 1_000;
        script.inject(data(1, 10, 1).ts(old, 0));
        script.wait(ms(40));
        if taken {
            script.expect(ack(1, 11).echo(old));
        } else {
            script.expect_dropped(Dropped::OldTimestamp);
        }
    }
}

#[test]
fn the_same_timestamp_again_is_as_new_as_another() {
    let mut script = Script::established_with_timestamps();
    let clock = script.peer_clock();
    script.inject(data(1, 10, 1).ts(clock, 0));
    script.wait(ms(20 * DAY));
    script.inject(data(11, 10, 1).ts(clock, 0));
    script.wait(ms(10 * DAY));
    script.take_all();
    script.inject(data(21, 10, 1).ts(clock - 1, 0));
    script.expect_dropped(Dropped::OldTimestamp);
}
