//! What is told while the demonstration runs: a bar on a terminal, lines elsewhere, both on standard
//! error. Invariant: what is told was counted by the clients.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use base::Grouped;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where the clients are.
#[derive(Clone, Copy, Default, Debug)]
pub struct State {
    /// Connections opened.
    pub opened: u64,
    /// Requests answered.
    pub answered: u64,
    /// Whether all are open, and requests are sent over them.
    pub asking: bool,
}

/// Tells it.
pub struct Progress {
    bar: Option<ProgressBar>,
    connections: u64,
    time: Duration,
    asking_since: Option<Instant>,
    told: Instant,
}

impl Progress {
    pub fn new(connections: u64, time: Duration) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(connections);
            bar.set_style(style("{human_pos} of {human_len} connections open, {per_sec}"));
            bar
        });
        let progress = Self { bar, connections, time, asking_since: None, told: Instant::now() };
        progress.say(&format!("opening {} connections", Grouped(connections)));
        progress
    }

    /// Called some times a second.
    pub fn tell(&mut self, state: State) {
        if state.asking && self.asking_since.is_none() {
            self.asking_since = Some(Instant::now());
            let (count, seconds) = (Grouped(self.connections), self.time.as_secs());
            self.say(&format!("{count} are open; requests over random ones for {seconds} s"));
            if let Some(bar) = &self.bar {
                bar.set_length(self.time.as_millis() as u64);
                bar.set_style(style("{msg}"));
            }
        }
        let answered = format!("{} requests answered", Grouped(state.answered));
        match (&self.bar, self.asking_since) {
            (Some(bar), None) => bar.set_position(state.opened),
            (Some(bar), Some(since)) => {
                bar.set_position(since.elapsed().as_millis() as u64);
                bar.set_message(answered);
            }
            (None, None) if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                let opened = Grouped(state.opened);
                output::tell(format!("crore: {opened} connections open, {answered}"));
            }
            (None, _) => {}
        }
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
            None => output::tell(format!("crore: {text}")),
        }
    }
}

fn style(text: &str) -> ProgressStyle {
    let template = format!("{{wide_bar}} {text}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
