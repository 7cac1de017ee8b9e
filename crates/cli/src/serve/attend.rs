//! The main thread while the server serves: it waits for signals, and for the server to end.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use tracing::info;

use crate::settings::Problem;

use super::reload::Reloader;
use super::signals::{Event, Signals};
use super::start::Started;
use super::{Failure, notify};

/// How long the shards may take to end when they were told to end at once. Only one that hangs
/// takes so long; the process then ends without it.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// How far the end is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Serving,
    Draining,
    /// Told to end at once; no later than at this time.
    Ending(Instant),
}

/// Attends to the server until it has ended.
///
/// # Errors
/// When it ended because it could not go on.
pub fn attend(
    started: Started,
    mut reloader: Reloader<'_>,
    signals: &Signals,
) -> Result<(), Failure> {
    let beat = notify::watchdog_interval();
    let mut next_beat = beat.map(|beat| Instant::now() + beat);
    let mut stage = Stage::Serving;
    loop {
        let last = match stage {
            Stage::Ending(last) => Some(last),
            _ => None,
        };
        let until = last.into_iter().chain(next_beat).min();
        let event = signals.wait(until, started.ended.as_fd());
        match event.map_err(|error| Failure::system("waiting for signals", &error))? {
            Event::Hangup => return finish(&started),
            Event::Reload if stage == Stage::Serving => reloader.reload(),
            Event::Reload => info!("no reload any more: the server is ending"),
            Event::Stop => stage = stop(stage, &started, reloader.drain()),
            Event::Time => {
                if last.is_some_and(|last| last <= Instant::now()) {
                    return Err(Failure::ended(Problem::unplaced(
                        "a shard hangs; ended without it",
                    )));
                }
                notify::alive();
                next_beat = beat.map(|beat| Instant::now() + beat);
            }
        }
    }
}

/// The first signal drains, the second ends.
fn stop(stage: Stage, started: &Started, drain: Duration) -> Stage {
    if stage == Stage::Serving {
        started.control.drain(drain);
        notify::stopping();
        info!(
            "no new connections; answers under way have {} s to finish (another signal cuts them \
             off)",
            drain.as_secs_f32()
        );
        return Stage::Draining;
    }
    started.control.shut_down();
    info!("ending at once");
    Stage::Ending(Instant::now() + LAST_MOMENT)
}

fn finish(started: &Started) -> Result<(), Failure> {
    match started.end.recv() {
        Ok(Ok(())) => {
            info!("ended");
            Ok(())
        }
        Ok(Err(error)) => Err(Failure::ended(Problem::unplaced(error.to_string()))),
        Err(_) => Err(Failure::ended(Problem::unplaced("the server's threads are gone"))),
    }
}
