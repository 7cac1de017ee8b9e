//! What passed and what failed, step by step.

use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Tests counted in one step; none for a step that is a single check.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
}

impl Tally {
    /// Adds what one line of a test program's output says, if it is the line that counts.
    pub fn add_line(&mut self, line: &str) {
        let Some(counts) = line.trim_start().strip_prefix("test result: ") else { return };
        let count = |word: &str| -> u32 {
            let before = counts.split(word).next().unwrap_or_default();
            let digits = before.rsplit([' ', '.', ';']).find(|part| !part.is_empty());
            digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        self.passed += count(" passed");
        self.failed += count(" failed");
    }
}

/// All steps so far.
#[derive(Default)]
pub struct Report {
    total: Tally,
    lines: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    /// Runs one step and writes down how it went.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome<Tally>) {
        println!("\n=== {name}");
        self.write_down(name, timed(work));
    }

    /// Runs two steps at once, each of which keeps one processor busy and no more. What they print is mixed;
    /// what a failed one printed last is repeated at the end.
    pub fn both<A, B>(&mut self, (one, work): (&str, A), (other, more): (&str, B))
    where
        A: FnOnce() -> Outcome<Tally> + Send,
        B: FnOnce() -> Outcome<Tally>,
    {
        println!("\n=== {one}, and {other} at the same time");
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| timed(work));
            let second = timed(more);
            let broken = |_| (Err("it panicked".into()), Duration::ZERO);
            (first.join().unwrap_or_else(broken), second)
        });
        self.write_down(one, first);
        self.write_down(other, second);
    }

    fn write_down(&mut self, name: &str, (outcome, took): (Outcome<Tally>, Duration)) {
        let tally = match &outcome {
            Ok(tally) if *tally == Tally::default() => Tally { passed: 1, failed: 0 },
            Ok(tally) => *tally,
            Err(_) => Tally { passed: 0, failed: 1 },
        };
        let verdict = match &outcome {
            Err(error) => {
                self.failures.push(format!("{name}: {error}"));
                "FAILED"
            }
            Ok(_) => "passed",
        };
        self.total.passed += tally.passed;
        self.total.failed += tally.failed;
        let line = format!("{verdict}  {:>6}  {name}", seconds(took));
        println!("=== {line}");
        self.lines.push(line);
    }

    /// Prints once more what went wrong, the steps, and the line that counts.
    pub fn finish(self) -> Outcome {
        for failure in &self.failures {
            println!("\n=== {failure}");
        }
        println!("\n{}", self.lines.join("\n"));
        let Tally { passed, failed } = self.total;
        println!("{passed} passed, {failed} failed");
        match failed {
            0 => Ok(()),
            _ => Err("ci: not everything passed".into()),
        }
    }
}

fn timed(work: impl FnOnce() -> Outcome<Tally>) -> (Outcome<Tally>, Duration) {
    let start = Instant::now();
    let outcome = work();
    (outcome, start.elapsed())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Report, Tally};

    #[test]
    fn of_two_steps_at_once_each_is_written_down_for_itself() {
        let mut report = Report::default();
        let failed = || Err("broken".into());
        report.both(("one", || Ok(Tally { passed: 3, failed: 0 })), ("other", failed));
        assert_eq!(report.total, Tally { passed: 3, failed: 1 });
        assert_eq!(report.failures, ["other: broken"]);
        assert!(report.lines[0].starts_with("passed") && report.lines[0].ends_with("one"));
        report.both(("one", || panic!("on purpose")), ("other", || Ok(Tally::default())));
        assert_eq!(report.failures[1], "one: it panicked");
        assert!(report.finish().is_err());
    }

    #[test]
    fn tests_are_counted_from_what_their_program_prints() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out",
            "test a::passed ... ok",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            tally.add_line(line);
        }
        assert_eq!(tally, Tally { passed: 13, failed: 2 });
    }
}
