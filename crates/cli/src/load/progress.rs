//! What is told while it runs: a bar on a terminal, lines elsewhere, both on standard error. Invariant:
//! what is told was counted.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use base::Grouped;
use indicatif::{ProgressBar, ProgressStyle};
use load::{Phase, Span, Times, Until};

use crate::output;

use super::crew::Look;
use super::report;

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
    /// How long a span is, how many of them there have been, and how many when it was told last.
    span: Duration,
    spans: (u32, u32),
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
            span: Duration::ZERO,
            spans: (0, 0),
            all: 0,
            errors: 0,
        }
    }

    /// A phase begins.
    pub fn begin(&mut self, phase: &Phase, index: usize, of: usize) {
        self.until = phase.until;
        self.warmup = phase.warmup;
        self.span = phase.span();
        self.spans = (0, 0);
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
        if let Some(index) = span.index {
            self.spans.0 = self.spans.0.max(index + 1);
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
        let (seen, told) = self.spans;
        let warming = self.began.elapsed() < self.warmup;
        // What was counted comes span by span; a rate is over whole ones.
        let nothing_new = seen == told && !warming && self.told.elapsed() < every + self.span;
        if self.told.elapsed() < every || nothing_new {
            return;
        }
        let time = self.span * (seen - told);
        self.spans.1 = seen;
        self.told = Instant::now();
        let warm = if warming { "warming up, " } else { "" };
        let recent = &self.recent;
        // Each answer has a latency.
        let rate = recent.count() as f64 / time.as_secs_f64().max(self.span.as_secs_f64());
        let text = format!(
            "{warm}{}/s, {} open, {} errors, p50 {}, p99 {}",
            Grouped(rate as u64),
            Grouped(look.open),
            Grouped(self.errors),
            report::time(recent.at(0.5)),
            report::time(recent.at(0.99)),
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => tell(&text),
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
            None => tell(text),
        }
    }
}

/// Says something on standard error. Nobody may be listening any more, which stops nothing.
pub fn tell(text: &str) {
    output::tell(format!("crore: {text}"));
}
