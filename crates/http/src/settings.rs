//! Time limits and sizes of one handler: [`Settings`], and how they change while it runs:
//! [`LiveSettings`].

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// Most header lines that [`Settings::header_lines`] can allow: they are parsed into an array on the
/// stack.
pub const MAX_HEADER_LINES: u32 = 128;

/// Time limits and sizes. Whoever reaches one is refused with the status named, or closed where
/// there is nothing to answer, and counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// From the first byte of a request to the end of its header, however it dribbles (408).
    pub header_time: Duration,
    /// How long a connection may rest between requests, and before the first one.
    pub idle_time: Duration,
    /// How fast a request's body must come (408).
    pub body_pace: Pace,
    /// How fast an answer must be taken; a slower reader is dropped.
    pub send_pace: Pace,
    /// Most bytes of header, request line included (431). Must be below what the engine holds for
    /// a connection: [`Limits::held_bytes`](base::Limits::held_bytes).
    pub header_bytes: u32,
    /// Most header lines (431); at most [`MAX_HEADER_LINES`].
    pub header_lines: u32,
    /// Most bytes of target (414). RFC 9112 section 3 asks for 8,000 at least.
    pub target_bytes: u32,
    /// Most bytes of request body, whatever the service accepts (413).
    pub body_bytes: u64,
    /// Most bytes of a body nobody wants that are read to keep the connection; for a longer one it
    /// is closed after the answer.
    pub discard_bytes: u64,
    /// Exchanges that may be under way at once in this handler (503): those whose answer or body
    /// does not pass in one call. Each takes at most 256 bytes while it lasts.
    pub exchanges: u32,
}

/// A least speed: in each `window`, `bytes` bytes or all that is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How often it is looked at.
    pub window: Duration,
    /// How many bytes must have passed each time.
    pub bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        // 240 bytes a second: slower than any link still in use, fast enough that a flood of slow
        // ones has to pay for its connections.
        let pace = Pace { window: Duration::from_secs(10), bytes: 2_400 };
        Self {
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            body_pace: pace,
            send_pace: pace,
            header_bytes: 16 * 1024,
            header_lines: 100,
            target_bytes: 8 * 1024,
            body_bytes: 1024 * 1024,
            discard_bytes: 64 * 1024,
            exchanges: 256 * 1024,
        }
    }
}

/// How many numbers there are in [`Settings`].
const WORDS: usize = 12;

impl Settings {
    fn to_words(self) -> [u64; WORDS] {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        [
            nanos(self.header_time),
            nanos(self.idle_time),
            nanos(self.body_pace.window),
            self.body_pace.bytes,
            nanos(self.send_pace.window),
            self.send_pace.bytes,
            u64::from(self.header_bytes),
            u64::from(self.header_lines),
            u64::from(self.target_bytes),
            self.body_bytes,
            self.discard_bytes,
            u64::from(self.exchanges),
        ]
    }

    const fn from_words(words: [u64; WORDS]) -> Self {
        Self {
            header_time: Duration::from_nanos(words[0]),
            idle_time: Duration::from_nanos(words[1]),
            body_pace: Pace { window: Duration::from_nanos(words[2]), bytes: words[3] },
            send_pace: Pace { window: Duration::from_nanos(words[4]), bytes: words[5] },
            header_bytes: words[6] as u32,
            header_lines: words[7] as u32,
            target_bytes: words[8] as u32,
            body_bytes: words[9],
            discard_bytes: words[10],
            exchanges: words[11] as u32,
        }
    }
}

/// Settings that can be replaced while handlers run. Handlers look once a second.
///
/// Each number is an atomic of its own: a handler that reads in the middle of a change sees some old
/// and some new numbers for one second, all of them valid.
#[derive(Debug)]
pub struct LiveSettings([AtomicU64; WORDS]);

impl LiveSettings {
    /// Starts with these.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(settings.to_words().map(AtomicU64::new))
    }

    /// The settings now.
    #[must_use]
    pub fn get(&self) -> Settings {
        Settings::from_words(self.0.each_ref().map(|word| word.load(Ordering::Relaxed)))
    }

    /// Replaces them.
    pub fn set(&self, settings: Settings) {
        for (word, value) in self.0.iter().zip(settings.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{LiveSettings, Pace, Settings};

    #[test]
    fn what_is_set_comes_back() {
        let settings = Settings {
            header_time: Duration::from_millis(1),
            idle_time: Duration::from_millis(2),
            body_pace: Pace { window: Duration::from_millis(3), bytes: 4 },
            send_pace: Pace { window: Duration::from_millis(5), bytes: 6 },
            header_bytes: 7,
            header_lines: 8,
            target_bytes: 9,
            body_bytes: 10,
            discard_bytes: 11,
            exchanges: 12,
        };
        let live = LiveSettings::default();
        assert_eq!(live.get(), Settings::default());
        live.set(settings);
        assert_eq!(live.get(), settings);
    }
}
