//! RFC 9293 section 3.6: closing, from either side, from both at once, and half.

use tcp::{Events, State};
use wire::tcp::Flags;

use crate::script::{Script, ms};
use crate::segment::{ack, data, fin};

#[test]
fn we_close_first() {
    let mut script = Script::established();
    script.close();
    script.expect(fin(1, 1));
    script.expect_state(State::FinWait1);
    script.inject(ack(1, 2));
    script.expect_state(State::FinWait2);
    script.inject(fin(1, 2));
    script.expect(ack(2, 2));
    script.expect_state(State::TimeWait);
    script.expect_event(Events::INPUT_ENDED.with(Events::TIME_WAIT));
}

#[test]
fn the_peer_closes_first() {
    let mut script = Script::established();
    script.inject(fin(1, 1));
    script.expect(ack(1, 2));
    script.expect_event(Events::INPUT_ENDED);
    script.close();
    script.expect(fin(1, 2));
    script.expect_state(State::LastAck);
    script.inject(ack(2, 2));
    script.expect_event(Events::CLOSED);
}

#[test]
fn both_close_at_once() {
    let mut script = Script::established();
    script.close();
    script.expect(fin(1, 1));
    script.inject(fin(1, 1));
    script.expect_state(State::Closing);
    script.expect(ack(2, 2));
    script.inject(ack(2, 2));
    script.expect_state(State::TimeWait);
    script.expect_event(Events::INPUT_ENDED.with(Events::TIME_WAIT));
}

#[test]
fn the_peers_fin_acknowledges_ours() {
    let mut script = Script::established();
    script.close();
    script.expect(fin(1, 1));
    script.inject(fin(1, 2));
    script.expect_state(State::TimeWait);
    script.expect(ack(2, 2));
}

#[test]
fn a_fin_follows_all_that_was_written() {
    let mut script = Script::established();
    script.write(2_500);
    script.close();
    script.expect(data(1, 1_000, 1));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 500, 1).psh());
    script.expect(fin(2_501, 1));
    script.inject(ack(1, 2_502));
    script.expect_state(State::FinWait2);
}

#[test]
fn a_fin_goes_with_the_last_data_when_both_are_ready() {
    let mut script = Script::in_state(State::SynReceived);
    script.working.write(300);
    script.close();
    script.inject(ack(1, 1).win(60_000));
    script.expect(data(1, 300, 1).psh().with(Flags::FIN));
    script.expect_state(State::FinWait1);
}

#[test]
fn after_the_peer_has_closed_data_still_flows_to_it() {
    let mut script = Script::in_state(State::CloseWait);
    script.write(1_500);
    script.expect(data(1, 1_000, 2));
    script.expect(data(1_001, 500, 2).psh());
    script.inject(ack(2, 1_501));
    script.close();
    script.expect(fin(1_501, 2));
}

#[test]
fn after_we_have_closed_data_still_flows_from_the_peer() {
    let mut script = Script::in_state(State::FinWait2);
    script.inject(data(1, 1_000, 2));
    script.inject(data(1_001, 1_000, 2));
    assert_eq!(script.delivered, 2_000);
    script.expect(ack(2, 2_001));
    script.inject(fin(2_001, 2));
    script.expect(ack(2, 2_002));
    script.expect_event(Events::INPUT_ENDED.with(Events::TIME_WAIT));
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut script = Script::established_without_sack();
    script.close();
    script.expect(fin(1, 1));
    script.expect_after(ms(200), fin(1, 1));
    script.expect_after(ms(400), fin(1, 1));
    script.inject(ack(1, 2));
    script.expect_state(State::FinWait2);
}

#[test]
fn a_lost_fin_is_sent_again_with_the_data_before_it() {
    let mut script = Script::in_state(State::SynReceived);
    script.working.write(300);
    script.close();
    script.inject(ack(1, 1).win(60_000));
    script.take_one();
    script.expect_after(ms(200), data(1, 300, 1).psh().with(Flags::FIN));
}

#[test]
fn fin_wait_2_does_not_last_for_ever() {
    let mut script = Script::in_state(State::FinWait2);
    script.wait(ms(59_000));
    script.expect_no_event();
    script.wait(ms(2_000));
    script.expect_event(Events::CLOSED);
}

#[test]
fn an_abort_resets() {
    for state in [State::Established, State::FinWait1, State::FinWait2, State::CloseWait] {
        let mut script = Script::in_state(state);
        let reset = format!("{:?}", script.abort().unwrap());
        assert!(reset.starts_with("RST|ACK"), "{reset}");
        script.expect_state(State::Closed);
    }
    for state in [State::SynSent, State::Closing, State::LastAck, State::TimeWait] {
        assert!(Script::in_state(state).abort().is_none(), "{state:?}");
    }
}

#[test]
fn a_fin_that_overtakes_data_waits_for_it() {
    let mut script = Script::established();
    script.inject(fin(1_001, 1));
    script.expect(ack(1, 1));
    script.expect_no_event();
    script.inject(data(1, 1_000, 1));
    assert_eq!(script.delivered, 1_000);
    script.expect_event(Events::INPUT_ENDED);
    script.expect(ack(1, 1_002));
}

#[test]
fn a_fin_behind_a_closed_window_is_not_believed() {
    let mut script = Script::established_with(
        |config| config.receiving.window = 2_000,
        crate::segment::syn().mss(1_000).sack_ok(),
    );
    script.reads = false;
    script.inject(data(1, 2_500, 1).with(Flags::FIN));
    script.expect_no_event();
    assert_eq!(script.delivered, 2_000);
    script.expect(ack(1, 2_001).win(0));
}

#[test]
fn a_peer_that_is_still_sending_is_waited_for() {
    let mut script = Script::in_state(State::FinWait2);
    for segment in 0..10 {
        script.wait(ms(40_000));
        script.inject(data(1 + 100 * segment, 100, 2));
        script.expect_no_event();
        script.wait(ms(100));
        script.take_all();
    }
    assert_eq!(script.delivered, 1_000);
}

#[test]
fn in_time_wait_the_block_has_no_timer_left() {
    let mut script = Script::in_state(State::FinWait2);
    script.inject(fin(1, 2));
    script.take_all();
    script.expect_state(State::TimeWait);
    assert_eq!(script.working.deadline(), None);
}

#[test]
fn the_reset_of_an_abort_stands_at_both_next_numbers() {
    let mut script = Script::established();
    script.inject(data(1, 100, 1));
    script.write(50);
    script.take_all();
    let reset = script.abort().unwrap();
    assert_eq!(ack(51, 101).with(Flags::RST).difference(&reset), None);
}

/// A FIN whose number text then passes was once waited for without end, with all that a connection has
/// while it works.
#[test]
fn text_beyond_a_fin_that_came_early_leaves_nothing_to_wait_for() {
    let mut script = Script::established();
    script.inject(fin(101, 1));
    script.take_all();
    script.inject(data(1, 200, 1));
    script.wait(ms(100));
    script.take_all();
    script.expect_state(State::Established);
    assert!(script.working.is_quiet());
    script.inject(fin(201, 1));
    script.take_all();
    script.expect_state(State::CloseWait);
}
