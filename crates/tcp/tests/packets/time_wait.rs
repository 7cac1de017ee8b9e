//! RFC 9293 section 3.6.1 and RFC 6191: TIME-WAIT in its small record.

use std::time::Duration;

use tcp::{Arrival, Late, State, TimeWait, Turn};
use wire::protocol::Ecn;
use wire::tcp::Flags;

use crate::script::{PEER_CLOCK, Script, ms};
use crate::segment::{OUR_ISS, Segment, Sent, ack, data, fin, rst, syn};

struct Waiting {
    script: Script,
    time_wait: TimeWait,
}

impl Waiting {
    fn after(mut script: Script) -> Self {
        script.close();
        script.inject(fin(1, 2));
        script.take_all();
        script.expect_state(State::TimeWait);
        let turn =
            Turn { config: &script.config, now: script.now, challenges: &mut script.challenges };
        let time_wait = script.working.time_wait(&turn);
        Self { script, time_wait }
    }

    fn inject(&mut self, segment: &Segment) -> Late {
        let header = segment.header();
        let arrival = Arrival {
            header: &header,
            length: segment.length,
            ecn: Ecn::NotCapable,
            can_hold: true,
        };
        let script = &mut self.script;
        let mut turn =
            Turn { config: &script.config, now: script.now, challenges: &mut script.challenges };
        self.time_wait.receive(&mut turn, &arrival)
    }

    fn is_over_after(&mut self, span: Duration) -> bool {
        self.script.now += span;
        self.time_wait.is_over(&self.script.config, self.script.now)
    }

    #[track_caller]
    fn expect_ack(&mut self, segment: &Segment) {
        let Late::Acknowledge(outgoing) = self.inject(segment) else {
            panic!("{segment:?} is not acknowledged");
        };
        let wrong = ack(2, 2).difference(&Sent::new(&outgoing));
        assert_eq!(wrong, None);
        assert_eq!(outgoing.header.window, 0xffff);
        assert!(!outgoing.retransmission);
    }
}

#[test]
fn the_peers_fin_is_acknowledged_again_and_the_time_starts_over() {
    //= specs/rfc9293.txt#section-3.6.1
    //= type=test
    //# When a connection is closed actively, it MUST linger in the TIME-WAIT state for a time 2xMSL
    //# (Maximum Segment Lifetime) (MUST-13).
    let mut waiting = Waiting::after(Script::established());
    assert!(!waiting.is_over_after(ms(50_000)));
    waiting.expect_ack(&fin(1, 2));
    assert!(!waiting.is_over_after(ms(50_000)));
    assert!(waiting.is_over_after(ms(11_000)));
}

#[test]
fn late_data_is_acknowledged_and_late_acknowledgments_are_not() {
    let mut waiting = Waiting::after(Script::established());
    waiting.expect_ack(&data(1, 100, 2));
    assert_eq!(waiting.inject(&ack(2, 2)), Late::Ignore);
}

#[test]
fn a_reset_ends_it_at_the_next_number_only() {
    let mut waiting = Waiting::after(Script::established());
    assert_eq!(waiting.inject(&rst(3)), Late::Ignore);
    assert_eq!(waiting.inject(&rst(2)), Late::Over);
}

#[test]
fn a_new_connection_is_let_in_when_its_syn_is_newer() {
    let mut waiting = Waiting::after(Script::established());
    waiting.expect_ack(&syn());
    waiting.expect_ack(&syn().at(2));
    let after = OUR_ISS + 2 + 0x1_0000;
    assert_eq!(waiting.inject(&syn().at(3)), Late::Reopen { after });
    waiting.expect_ack(&syn().at(3).with(Flags::ACK));
}

#[test]
fn with_timestamps_the_clock_decides() {
    //= specs/rfc9293.txt#section-3.6.1
    //= type=test
    //# This algorithm for reducing TIME-WAIT is a Best Current Practice that SHOULD be implemented
    //# since Timestamp Options are commonly used, and using them to reduce TIME-WAIT provides benefits
    //# for busy Internet servers (SHLD-4).
    let mut waiting = Waiting::after(Script::established_with_timestamps());
    let clock = waiting.script.peer_clock();
    // Its number is lower, but it was sent later.
    let later = syn().at(0x9000_0000).ts(clock + 1, 0);
    assert!(matches!(waiting.inject(&later), Late::Reopen { .. }));
    waiting.expect_ack(&syn().at(0x100).ts(PEER_CLOCK - 1, 0));
    // Within one tick of the clock, the numbers decide.
    assert!(matches!(waiting.inject(&syn().at(3).ts(clock, 0)), Late::Reopen { .. }));
    waiting.expect_ack(&syn().at(1).ts(clock, 0));
}

#[test]
fn late_data_does_not_start_the_time_over() {
    let mut waiting = Waiting::after(Script::established());
    waiting.script.now += ms(50_000);
    waiting.expect_ack(&data(1, 100, 2));
    waiting.expect_ack(&fin(5, 2));
    assert!(waiting.is_over_after(ms(11_000)));
}

#[test]
fn timestamps_go_on_in_time_wait() {
    let mut waiting = Waiting::after(Script::established_with_timestamps());
    let clock = waiting.script.peer_clock();
    let Late::Acknowledge(outgoing) = waiting.inject(&fin(1, 2).ts(clock, 0)) else {
        panic!("a FIN is acknowledged");
    };
    let stamps = outgoing.header.options.timestamps.expect("a timestamp");
    assert_eq!((stamps.value, stamps.echo), (waiting.script.now.as_millis() as u32, clock));
}

#[test]
fn an_acknowledgment_that_does_not_come_next_is_answered() {
    let mut waiting = Waiting::after(Script::established());
    waiting.expect_ack(&ack(1, 2));
    waiting.expect_ack(&ack(100, 2));
    waiting.expect_ack(&ack(0x2_0000, 2));
}

#[test]
fn a_fin_that_comes_again_with_the_last_data_starts_the_time_over() {
    let mut waiting = Waiting::after(Script::established());
    assert!(!waiting.is_over_after(ms(50_000)));
    waiting.expect_ack(&data(1_u32.wrapping_sub(100), 100, 2).with(Flags::FIN));
    assert!(!waiting.is_over_after(ms(50_000)));
}

#[test]
fn this_end_opens_again_a_second_later_and_only_with_timestamps() {
    let mut waiting = Waiting::after(Script::established_with_timestamps());
    let again = |waiting: &Waiting, millis: u64| {
        waiting.time_wait.reopen(&waiting.script.config, waiting.script.now + ms(millis))
    };
    assert_eq!((again(&waiting, 0), again(&waiting, 999)), (None, None));
    assert_eq!(again(&waiting, 1_200), Some(OUR_ISS + 2 + 0x1_0000));
    waiting.script.config.extensions.timestamps = false;
    assert_eq!(again(&waiting, 50_000), None);
    let without = Waiting::after(Script::established());
    assert_eq!(again(&without, 50_000), None);
}

/// RFC 6191 section 2: segments of the old connection have no timestamps, so the new one drops them.
#[test]
fn a_syn_with_timestamps_is_newer_than_a_connection_without_them() {
    let mut waiting = Waiting::after(Script::established());
    waiting.expect_ack(&syn().at(1).ts(7, 0));
    waiting.script.config.extensions.timestamps = true;
    assert!(matches!(waiting.inject(&syn().at(1).ts(7, 0)), Late::Reopen { .. }));
    waiting.expect_ack(&syn().at(1));
}

/// The record of a connection whose peer has not closed yet takes the place of its block.
fn half_closed() -> Waiting {
    let mut script = Script::in_state(State::FinWait2);
    let turn = Turn { config: &script.config, now: script.now, challenges: &mut script.challenges };
    let time_wait = script.working.time_wait(&turn);
    Waiting { script, time_wait }
}

#[test]
fn in_fin_wait_2_what_comes_is_passed_over_up_to_the_fin() {
    let mut waiting = half_closed();
    let mut expect = |segment: &Segment, next| {
        let Late::Acknowledge(outgoing) = waiting.inject(segment) else {
            panic!("{segment:?} is not acknowledged");
        };
        assert_eq!(ack(2, next).difference(&Sent::new(&outgoing)), None, "{segment:?}");
    };
    expect(&data(1, 100, 2), 101);
    // The same again, text behind a gap, and a FIN behind one.
    expect(&data(1, 100, 2), 101);
    expect(&data(201, 100, 2), 101);
    expect(&fin(102, 2), 101);
    expect(&data(51, 100, 2), 151);
    expect(&data(151, 10, 2).with(Flags::FIN), 162);
    expect(&data(151, 10, 2).with(Flags::FIN), 162);
    assert_eq!(waiting.inject(&ack(162, 2)), Late::Ignore);
    assert!(!waiting.is_over_after(ms(59_000)));
    assert!(waiting.is_over_after(ms(1_100)));
}

#[test]
fn in_fin_wait_2_nobody_begins_anew() {
    let mut waiting = half_closed();
    let Late::Acknowledge(_) = waiting.inject(&syn().at(1_000)) else {
        panic!("a SYN is challenged");
    };
    waiting.script.config.timeouts.fin_wait_2 = ms(5_000);
    assert!(!waiting.is_over_after(ms(4_900)));
    assert_eq!(waiting.time_wait.reopen(&waiting.script.config, waiting.script.now), None);
    assert!(waiting.is_over_after(ms(200)));
}
