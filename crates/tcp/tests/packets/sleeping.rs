//! What survives a sleep, and what does not need to.

use tcp::State;

use crate::script::{Script, ms};
use crate::segment::{ack, data, fin, syn};

#[test]
fn a_connection_is_quiet_when_nothing_is_owed() {
    let mut script = Script::established();
    assert!(script.working.is_quiet());
    script.inject(data(1, 100, 1));
    assert!(!script.working.is_quiet(), "an acknowledgment is owed");
    script.write(100);
    script.take_all();
    assert!(!script.working.is_quiet(), "something is in flight");
    script.inject(ack(101, 101));
    assert!(script.working.is_quiet());
    script.reads = false;
    script.inject(data(101, 100, 101));
    script.wait(ms(100));
    script.take_all();
    assert!(!script.working.is_quiet(), "something is buffered");
    script.read(100);
    assert!(script.working.is_quiet());
    script.inject(data(301, 100, 101));
    script.take_all();
    assert!(!script.working.is_quiet(), "something is held");
}

#[test]
fn numbers_options_and_windows_survive() {
    let mut script = Script::established_with_timestamps();
    script.inject(data(1, 100, 1));
    script.write(50);
    script.take_all();
    script.inject(ack(101, 51).win(1_000));
    script.nap(ms(60_000));
    script.write(6_000);
    script.expect(data(51, 1_000, 101).echo(script.peer_clock() - 60_000));
    assert_eq!(script.take_all(), 3, "a window of 4 times 1,000");
    script.inject(data(1_101, 100, 51));
    let sent = format!("{:?}", script.take_one());
    assert!(sent.contains("sack Some([(1101, 1201)])"), "{sent}");
}

#[test]
fn a_request_and_its_answer_after_a_nap() {
    let mut script = Script::established();
    for turn in 0..5 {
        script.nap(ms(10_000));
        script.inject(data(1 + 100 * turn, 100, 1 + 200 * turn));
        script.write(200);
        script.expect(data(1 + 200 * turn, 200, 101 + 100 * turn).psh());
        script.inject(ack(101 + 100 * turn, 201 + 200 * turn));
        script.expect_nothing();
        assert!(script.working.is_quiet());
    }
}

#[test]
fn a_window_learnt_small_is_not_forgotten() {
    let mut script = Script::established();
    script.write(1_000);
    script.take_one();
    // A tail loss probe, then the timeout.
    script.wait(ms(450));
    script.take_all();
    script.inject(ack(1, 1_001).win(60_000));
    script.nap(ms(10_000));
    script.write(20_000);
    assert!(script.take_all() < 10, "a timeout left less than the initial window");
}

#[test]
fn the_path_mtu_is_not_forgotten() {
    let mut script = Script::established_with(|_| {}, syn().mss(1_460).sack_ok());
    script.write(1_000);
    script.take_all();
    script.unreachable(1, tcp::Unreachable::TooBig { mss: 800 });
    script.take_all();
    script.inject(ack(1, 1_001).win(60_000));
    script.nap(ms(10_000));
    script.write(2_000);
    script.expect(data(1_001, 800, 1));
}

#[test]
fn a_large_window_keeps_its_block_for_a_while() {
    let mut script = Script::established();
    script.write(10_000);
    script.take_all();
    script.wait(ms(10));
    script.inject(ack(1, 10_001).win(60_000));
    assert!(script.working.is_quiet());
    assert!(!script.working.may_sleep(&script.config, script.now));
    script.wait(ms(300));
    assert!(script.working.may_sleep(&script.config, script.now));
}

#[test]
fn a_close_after_a_nap() {
    let mut script = Script::established();
    script.nap(ms(3_600_000));
    script.inject(fin(1, 1));
    script.expect(ack(1, 2));
    script.close();
    script.expect(fin(1, 2));
    script.expect_state(State::LastAck);
}

#[test]
fn who_opened_the_connection_is_not_forgotten() {
    let mut script = Script::opened();
    script.nap(ms(1_000));
    assert!(script.working.opened());
    let mut script = Script::established();
    script.nap(ms(1_000));
    assert!(!script.working.opened());
}

#[test]
fn the_window_offered_before_a_nap_holds_after_it() {
    let mut script = Script::established_with_timestamps();
    script.nap(ms(1_000));
    // Far behind the window's start, and well within it.
    script.inject(data(100_001, 100, 1));
    script.expect(ack(1, 1).sack(&[(100_001, 100_101)]));
}

#[test]
fn a_slow_path_is_remembered_so_that_nothing_is_sent_again_too_soon() {
    let mut script = Script::established_with(|_| {}, syn().mss(1_000));
    script.write(100);
    script.take_all();
    script.wait(ms(190));
    script.inject(ack(1, 101).win(60_000));
    for _ in 0..8 {
        script.write(100);
        script.take_all();
        script.wait(ms(300));
        let next = script.working.next().distance(crate::segment::OUR_ISS) as u32;
        script.take_all();
        script.inject(ack(1, next).win(60_000));
    }
    script.nap(ms(60_000));
    script.write(100);
    script.take_one();
    script.wait(ms(590));
    script.expect_nothing();
}

#[test]
fn who_opened_a_connection_is_remembered() {
    for (script, opened) in [(Script::opened(), true), (Script::established(), false)] {
        let mut script = script;
        let sleeping = script.working.sleep(&script.config, tcp::Waiting::Input);
        assert_eq!((sleeping.opened(), script.working.opened()), (opened, opened));
        script.nap(ms(10));
        assert_eq!(script.working.opened(), opened);
    }
}

/// The last unit of a scaled window may have been told for a part of it.
#[test]
fn what_was_told_of_a_window_holds_after_a_nap() {
    let mut script = Script::established_with_timestamps();
    script.nap(ms(1_000));
    assert_eq!(script.working.receive_window(), 256 * 1_024 + 7);
}

/// A nap began when the block went back, whatever it had been taken for: who was woken by a timer now and
/// then was never asked whether it is still there, and after 24 days was not believed any more.
#[test]
fn only_what_the_peer_says_makes_it_heard_of() {
    let mut script = Script::established_with_timestamps();
    let clock = script.peer_clock();
    let keep_alive =
        tcp::Config { keep_alive: Some(tcp::KeepAlive::default()), ..tcp::Config::default() };
    for _ in 0..25 {
        script.nap(ms(86_400_000));
    }
    let sleeping = script.working.sleep(&script.config, tcp::Waiting::Input);
    assert_eq!(sleeping.keep_alive_in(&keep_alive, script.now), Some(ms(0)));
    // The peer's clock has been set back, or has wrapped round.
    script.inject(data(1, 100, 1).ts(clock.wrapping_sub(1_000), 0));
    assert_eq!(script.delivered, 100);
    let sleeping = {
        script.wait(ms(100));
        script.take_all();
        script.working.sleep(&script.config, tcp::Waiting::Input)
    };
    assert!(sleeping.age_ms(script.now) < 200);
}
