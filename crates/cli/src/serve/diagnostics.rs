//! What the process tells on standard error: tracing's events, filtered by level.

use std::io::{self, IsTerminal, Write};

use tracing::warn;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::output;
use crate::settings::Levels;

/// The filter, which can be changed while the process runs.
#[derive(Debug)]
pub struct Diagnostics {
    filter: reload::Handle<Targets, Registry>,
}

impl Diagnostics {
    /// Tells from now on what `levels` asks for.
    pub fn start(levels: &Levels) -> Self {
        let (filter, handle) = reload::Layer::new(filter(levels));
        let lines = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(output::may_be_styled(io::stderr().is_terminal()))
            // They would be told on standard error, and that is what does not take them.
            .log_internal_errors(false);
        // Fails only where one has been set already, which is nowhere but in tests.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Self { filter: handle }
    }

    /// Tells from now on what `levels` asks for instead.
    pub fn change(&self, levels: &Levels) {
        if let Err(error) = self.filter.reload(filter(levels)) {
            warn!("the level of diagnostics stays as it was: {error}");
        }
    }
}

/// Writes to standard error. A server goes on when nobody reads there any more.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn filter(levels: &Levels) -> Targets {
    // `Levels` has been checked; what could still be wrong with it must not stop a server.
    levels.0.parse().unwrap_or_default()
}
