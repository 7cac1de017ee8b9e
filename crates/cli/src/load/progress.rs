//! What is told while it runs: a bar on a terminal, lines elsewhere, both on standard error. Invariant:
//! what is told was counted.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use base::Grouped;
use indicatif::{ProgressBar, ProgressStyle};
use load::{Phase, Span, Times, Until};

use super::crew::Look;
use super::report::time;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// Between two changes of the bar's text.
const TEXT_EVERY: Duration = Duration::from_millis(500);

/// Tells it.
pub struct Progress {
    bar: Option<ProgressBar>,
    until: Until,
    warmup: Duration,
    began: Instant,
    told: Instant,
    /// Latencies since it was told last.
    recent: Times,
    /// Answers in all.
    all: u64,
    errors: u64,
}

impl Progress {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| ProgressBar::new(1));
        if let Some(bar) = &bar {
            let style = ProgressStyle::with_template("{bar:30} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        let now = Instant::now();
        Self {
            bar,
            until: Until::Requests(1),
            warmup: Duration::ZERO,
            began: now,
            told: now,
            recent: Times::default(),
            all: 0,
            errors: 0,
        }
    }

    /// A phase begins.
    pub fn begin(&mut self, phase: &Phase, index: usize, of: usize) {
        self.until = phase.until;
        self.warmup = phase.warmup;
        self.began = Instant::now();
        self.told = self.began;
        self.recent.clear();
        (self.all, self.errors) = (0, 0);
        if of > 1 {
            self.say(&format!("phase {} of {of}: {}", index + 1, phase.name));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(match phase.until {
                Until::Time(time) => (time + phase.warmup).as_millis() as u64,
                Until::Requests(count) => count,
            });
            bar.set_position(0);
        }
    }

    /// Something was counted.
    pub fn add(&mut self, span: &Span) {
        if span.index.is_some() {
            self.recent.add_packed(&span.tally.latency);
            self.all += span.tally.answers;
            self.errors += span.tally.all_errors();
        }
    }

    /// Called many times a second.
    pub fn tell(&mut self, look: &Look) {
        if let Some(bar) = &self.bar {
            bar.set_position(match self.until {
                Until::Time(_) => self.began.elapsed().as_millis() as u64,
                Until::Requests(_) => self.all,
            });
        }
        let every = if self.bar.is_some() { TEXT_EVERY } else { LINE_EVERY };
        let since = self.told.elapsed();
        if since < every {
            return;
        }
        self.told = Instant::now();
        let warm = if self.began.elapsed() < self.warmup { "warming up, " } else { "" };
        let recent = &self.recent;
        // Each answer has a latency.
        let rate = recent.count() as f64 / since.as_secs_f64();
        let text = format!(
            "{warm}{}/s, {} open, {} errors, p50 {}, p99 {}",
            Grouped(rate as u64),
            Grouped(look.open),
            Grouped(self.errors),
            time(recent.at(0.5)),
            time(recent.at(0.99)),
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => eprintln!("crore: {text}"),
        }
        self.recent.clear();
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("crore: {text}"),
        }
    }
}
