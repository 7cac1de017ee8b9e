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
        let mut script = Script::established_with(|_| {}, syn().mss(1_460).sack_ok());
        script.write(2_920);
        script.take_all();
        script.unreachable(1, Unreachable::TooBig { mss: 1_000 });
        script.take_all();
        script.inject(ack(1, 2_921).win(60_000));
        Self { script, una: 2_921, end: 2_921, path: 1_000, largest: 0 }
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
    assert!((1_284..=1_300).contains(&info.send_mss), "{info:?}");
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
