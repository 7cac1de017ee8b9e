//! Whether a thread had its processor: what the scheduler says of it. Invariant: it only reads.
//!
//! An end that polls is always ready to run. What it waited for a processor, others had it; every
//! request under way waited too, and at a given rate so did all that fell due meanwhile. Without this
//! a latency says as much of the machine as of the stack.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::thread::{Pid, gettid};

/// A thread, once it has said which it is.
#[derive(Debug, Default)]
pub struct Thread(OnceLock<Pid>);

impl Thread {
    /// It is the calling one.
    pub fn is_this(&self) {
        self.0.get_or_init(gettid);
    }

    /// How long it has waited, ready to run, since it began. None where the kernel does not count that.
    pub fn waited(&self) -> Option<Duration> {
        self.schedule()?.waited()
    }

    /// Opens what the scheduler says of it, to be read again and again.
    pub fn schedule(&self) -> Option<Schedule> {
        let thread = self.0.get()?.as_raw_nonzero();
        File::open(format!("/proc/self/task/{thread}/schedstat")).ok().map(Schedule)
    }
}

/// What the scheduler says of a thread.
#[derive(Debug)]
pub struct Schedule(File);

impl Schedule {
    /// As [`Thread::waited`], in about a microsecond.
    pub fn waited(&self) -> Option<Duration> {
        // Three numbers of 64 bits.
        let mut text = [0; 64];
        let length = self.0.read_at(&mut text, 0).ok()?;
        parse(str::from_utf8(&text[..length]).ok()?)
    }
}

/// The second of three numbers: nanoseconds on a processor, nanoseconds waiting for one, and how often
/// it was given one (Linux, Documentation/scheduler/sched-stats.rst).
fn parse(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Thread, parse};

    #[test]
    fn the_time_waited_is_the_second_number() {
        assert_eq!(parse("717582 3553351 3\n"), Some(Duration::from_nanos(3_553_351)));
        for text in ["", "717582", "717582 much 3"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_thread_that_has_not_said_which_it_is_has_not_waited() {
        assert_eq!(Thread::default().waited(), None);
    }
}
