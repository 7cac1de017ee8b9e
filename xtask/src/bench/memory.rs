//! What an idle connection costs a server in memory of its own, measured in one way for all.

use std::thread;
use std::time::Duration;

use super::contestant::{Contestant, Kind, Setting};
use super::hold::Held;
use crate::Outcome;

/// Idle connections held before those that are measured, so that what a server makes once, or the
/// first time a buffer is used, is made.
const BEFORE: usize = 4_000;

/// What a server still does after the last answer, it has done after this.
const SETTLE: Duration = Duration::from_secs(1);

/// Starts a server, opens connections with one request each, and gives the growth of its memory
/// over the last `count` of them, per connection in bytes.
pub fn per_idle_connection(
    kind: Kind,
    setting: Setting<'_>,
    count: usize,
    path: &str,
) -> Outcome<f64> {
    let server = Contestant::start(kind, setting)?;
    let _held = Held::open(server.address(), BEFORE, path)?;
    thread::sleep(SETTLE);
    let before = server.memory()?;
    let _measured = Held::open(server.address(), count, path)?;
    thread::sleep(SETTLE);
    let grown = server.memory()?.saturating_sub(before);
    Ok(grown as f64 / count as f64)
}
