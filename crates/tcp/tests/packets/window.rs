//! The window offered: it follows what the application takes, and its right edge does not move left.

use crate::script::{Script, ms};
use crate::segment::{data, syn};

const FIRST: u32 = 60_000;
const MOST: u32 = 4 << 20;
/// The window scale that the largest window needs.
const SHIFT: u8 = 7;

/// A peer that sends as much as it may in every round trip of 10 ms.
struct Upload {
    script: Script,
    next: u32,
    edge: u32,
}

impl Upload {
    fn new(room: u32) -> Self {
        let wide = |config: &mut tcp::Config| {
            config.receiving.window = FIRST;
            config.receiving.window_max = MOST;
        };
        let mut script = Script::established_with(wide, syn().mss(1_000).sack_ok().scale(2));
        script.room = room;
        Self { script, next: 1, edge: 1 + FIRST }
    }

    /// A round trip of so many milliseconds; gives the window that the peer knows of at its end.
    fn round(&mut self, millis: u64) -> u32 {
        while self.next + 1_000 <= self.edge {
            self.script.inject(data(self.next, 1_000, 1));
            self.next += 1_000;
        }
        self.script.wait(ms(millis));
        for sent in self.script.take_sent() {
            let edge = sent.edge(SHIFT);
            // RFC 7323 section 2.4: by less than a unit of the scale.
            assert!(edge + (1 << SHIFT) > self.edge, "moved left by {}", self.edge - edge);
            self.edge = edge;
        }
        self.edge - self.next
    }

    fn rounds(&mut self, count: usize) -> u32 {
        (0..count).map(|_| self.round(10)).last().unwrap()
    }
}

#[test]
fn the_window_grows_as_far_as_it_is_used() {
    let mut upload = Upload::new(u32::MAX);
    assert!(upload.rounds(1) < 3 * FIRST);
    let window = upload.rounds(12);
    assert!((MOST - 2_000..=MOST).contains(&window), "{window}");
}

#[test]
fn the_window_grows_no_further_than_there_is_room() {
    let mut upload = Upload::new(300_000);
    let window = upload.rounds(12);
    assert!((290_000..300_128).contains(&window), "{window}");
    // And shrinks again with what is taken, but not from the right.
    upload.script.room = 100_000;
    let window = upload.rounds(4);
    assert!((90_000..100_128).contains(&window), "{window}");
    upload.script.room = 1;
    let window = upload.rounds(4);
    assert!((FIRST - 2_000..FIRST + 128).contains(&window), "never less than at first: {window}");
}

#[test]
fn a_peer_that_sends_slowly_or_a_reader_that_is_slow_gets_no_more() {
    let mut upload = Upload::new(u32::MAX);
    for number in 0..200 {
        // Half a window takes five round trips, so it is not the window that holds the peer back.
        for part in 0..6 {
            upload.script.inject(data(1 + 6_000 * number + 1_000 * part, 1_000, 1));
        }
        upload.next += 6_000;
        upload.script.wait(ms(10));
        upload.script.take_sent().iter().for_each(|sent| upload.edge = sent.edge(SHIFT));
    }
    assert!(upload.edge - upload.next <= 2 * FIRST + 128, "{}", upload.edge - upload.next);
    let mut upload = Upload::new(u32::MAX);
    upload.script.reads = false;
    for _ in 0..8 {
        upload.round(10);
    }
    assert!(upload.edge < 1 + FIRST + (1 << SHIFT), "nothing was taken: {}", upload.edge);
}

/// What was offered before a nap is taken after it, too.
#[test]
fn a_wide_window_survives_a_nap() {
    let mut upload = Upload::new(u32::MAX);
    upload.rounds(12);
    let window = upload.edge - upload.next;
    assert!(window > 4_000_000, "{window}");
    upload.script.nap(ms(60_000));
    // To the last byte, and told of as much.
    let last = upload.edge - 1_000;
    upload.script.inject(data(last, 1_000, 1));
    upload.script.expect_held(1_000);
    upload.script.take_all();
    upload.round(10);
    upload.rounds(5);
}
