//! The search for a larger segment size, RFC 4821: probes of real data.

use tcp::Unreachable;

use crate::script::{Script, ms};
use crate::segment::{ack, syn};

const TEN_MINUTES: u64 = 600_000;

/// A connection that sends a little now and then, over a path that takes `path` bytes of payload.
struct Sender {
    script: Script,
    una: u32,
    end: u32,
    path: u32,
    largest: u32,
}

impl Sender {
    /// Agreed on 1,460, and told that 1,000 is all that the path takes.
    fn narrowed() -> Self {
        Self::narrowed_to(1_000)
    }

    fn narrowed_to(mss: u16) -> Self {
        let mut script = Script::established_with(|_| {}, syn().mss(1_460).sack_ok());
        script.write(2_920);
        script.take_all();
        script.unreachable(1, Unreachable::TooBig { mss });
        script.take_all();
        script.inject(ack(1, 2_921).win(60_000));
        Self { script, una: 2_921, end: 2_921, path: u32::from(mss), largest: 0 }
    }

    /// Sends a megabyte in round trips of 20 ms; what the path takes arrives.
    fn send(&mut self) {
        self.script.write(1_000_000);
        self.end += 1_000_000;
        let mut held: Vec<(u32, u32)> = Vec::new();
        while self.una < self.end {
            let sent = self.script.take_sent();
            self.script.wait(ms(20));
            for (start, end) in sent.iter().map(crate::segment::Sent::span) {
                self.largest = self.largest.max(end - start);
                if end - start > self.path || end <= self.una {
                    continue;
                }
                held.push((start, end));
                held.sort_unstable();
                while let Some(at) = held.iter().position(|range| range.0 <= self.una) {
                    self.una = self.una.max(held.remove(at).1);
                }
                let mut answer = ack(1, self.una).win(60_000);
                if start > self.una {
                    answer = answer.sack(&[(start, end)]);
                }
                self.script.inject(answer);
            }
        }
    }

    fn rest(&mut self, millis: u64) {
        self.script.wait(ms(millis));
    }

    fn info(&self) -> tcp::Info {
        self.script.working.info(&self.script.config)
    }
}

#[test]
fn a_path_that_has_become_wider_is_used_in_full() {
    let mut sender = Sender::narrowed();
    sender.path = 1_460;
    sender.rest(TEN_MINUTES - 30_000);
    sender.send();
    assert_eq!((sender.info().send_mss, sender.largest), (1_000, 1_000), "before ten minutes");
    sender.rest(60_000);
    sender.send();
    assert_eq!((sender.info().send_mss, sender.largest), (1_460, 1_460));
}

#[test]
fn the_largest_size_that_fits_is_found_and_no_probe_counts_as_congestion() {
    let mut sender = Sender::narrowed();
    sender.path = 1_300;
    sender.rest(TEN_MINUTES + 30_000);
    sender.send();
    let info = sender.info();
    assert_eq!(info.send_mss, 1_287, "nearer than 16 to 1,301 is near enough: {info:?}");
    assert_eq!(info.slow_start_threshold, None, "{info:?}");
    assert_eq!(sender.largest, 1_460, "never more than was agreed on");
}

#[test]
fn a_path_that_stays_narrow_is_probed_again_only_after_ten_minutes() {
    let mut sender = Sender::narrowed();
    sender.rest(TEN_MINUTES);
    sender.send();
    assert_eq!((sender.info().send_mss, sender.largest), (1_000, 1_460));
    sender.largest = 0;
    sender.rest(TEN_MINUTES - 60_000);
    sender.send();
    assert_eq!(sender.largest, 1_000);
    sender.path = 1_460;
    sender.rest(120_000);
    sender.send();
    assert_eq!(sender.info().send_mss, 1_460);
}

#[test]
fn a_few_bytes_that_reach_what_was_agreed_on_are_worth_a_probe() {
    let mut sender = Sender::narrowed_to(1_450);
    sender.path = 1_460;
    sender.rest(TEN_MINUTES);
    sender.send();
    assert_eq!((sender.info().send_mss, sender.largest), (1_460, 1_460));
}

/// What was sent as a probe is sent again in smaller segments, whose arrival says nothing of it.
#[test]
fn a_probe_that_a_timeout_overtakes_proves_nothing() {
    let mut sender = Sender::narrowed();
    sender.rest(TEN_MINUTES);
    sender.script.write(20_000);
    assert_eq!(sender.script.take_one().span(), (2_921, 4_381));
    sender.rest(2_000);
    sender.script.take_all();
    sender.script.inject(ack(1, 4_381).win(60_000));
    assert_eq!(sender.info().send_mss, 1_000);
}

/// Without acknowledgments of what follows it, the loss of a probe would cost a timeout.
#[test]
fn a_probe_is_sent_only_with_four_segments_behind_it() {
    for (bytes, first) in [(5_459, 1_000), (5_460, 1_460)] {
        let mut sender = Sender::narrowed();
        sender.rest(TEN_MINUTES);
        sender.script.write(bytes);
        assert_eq!(sender.script.take_one().span(), (2_921, 2_921 + first), "of {bytes}");
    }
}

#[test]
fn a_probe_waits_for_its_turn_and_nothing_overtakes_it() {
    let mut sender = Sender::narrowed();
    sender.rest(TEN_MINUTES - 5);
    sender.script.write(9_000);
    assert_eq!(sender.script.take_all(), 9);
    sender.rest(5);
    // The congestion window takes a thousand bytes more, and not 1,460.
    sender.script.write(20_000);
    sender.script.expect_nothing();
    sender.script.inject(ack(1, 3_921).win(60_000));
    assert_eq!(sender.script.take_one().span(), (11_921, 13_381));
    // With room for it, it goes out beside what is in flight.
    let mut sender = Sender::narrowed();
    sender.rest(TEN_MINUTES - 5);
    sender.script.write(1_000);
    sender.script.take_one();
    sender.rest(5);
    sender.script.write(20_000);
    assert_eq!(sender.script.take_one().span(), (3_921, 5_381));
}

#[test]
fn a_loss_before_a_probe_says_nothing_of_the_probe() {
    let mut sender = Sender::narrowed();
    sender.rest(TEN_MINUTES - 5);
    sender.script.write(1_000);
    sender.script.take_one();
    sender.rest(5);
    sender.script.write(20_000);
    assert_eq!(sender.script.take_one().span(), (3_921, 5_381));
    sender.rest(30);
    sender.script.inject(ack(1, 2_921).win(60_000).sack(&[(3_921, 9_381)]));
    sender.rest(30);
    sender.script.inject(ack(1, 9_381).win(60_000));
    assert_eq!(sender.info().send_mss, 1_460);
}

/// What the link itself does not take is not looked for, however much the path took before.
#[test]
fn a_link_that_became_narrower_bounds_the_search() {
    let mut sender = Sender::narrowed();
    sender.script.working.fit_link(1_200);
    sender.rest(TEN_MINUTES);
    sender.path = 1_460;
    sender.send();
    assert_eq!(sender.largest, 1_200);
    sender.script.working.fit_link(800);
    sender.largest = 0;
    sender.send();
    sender.rest(TEN_MINUTES);
    sender.send();
    assert_eq!(sender.largest, 800);
}
