//! How long a process was kept waiting for a processor that others had: [`waited`], by
//! `/proc/PID/task/*/schedstat`.

use std::fs;
use std::time::Duration;

use crate::Outcome;

/// The time so far in which a thread of the process could run and did not, over all its threads.
pub fn waited(process: u32) -> Outcome<Duration> {
    let mut all = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end meanwhile.
        if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
            all += read(&text).ok_or("/proc/PID/schedstat has no times")?;
        }
    }
    Ok(all)
}

/// The second of three numbers: nanoseconds.
fn read(text: &str) -> Option<Duration> {
    Some(Duration::from_nanos(text.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{read, waited};

    #[test]
    fn the_second_number_is_the_time_waited() {
        assert_eq!(read("700 1500000 3\n"), Some(Duration::from_micros(1500)));
        assert_eq!(read("700\n"), None);
        assert!(waited(std::process::id()).is_ok());
    }
}
