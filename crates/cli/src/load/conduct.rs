//! One phase after the other: has the crew begin it, tells how it goes, and takes down what was
//! counted. Invariant: whatever ends a phase, what was counted until then is in the figures.

use std::time::{Duration, Instant};

use load::Plan;

use crate::serve::{Failure, Signals};

use super::crew::Crew;
use super::figures::Figures;
use super::progress::Progress;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// How long an interrupted crew may take to say what it has.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs all phases.
///
/// # Errors
/// When the crew cannot go on.
pub fn conduct(
    plan: &Plan,
    crew: &mut dyn Crew,
    signals: &Signals,
    progress: &mut Progress,
) -> Result<Vec<Figures>, Failure> {
    let mut all = Vec::new();
    for (index, phase) in plan.phases.iter().enumerate() {
        let mut figures = Figures::of(phase);
        progress.begin(phase, index, plan.phases.len());
        crew.begin()?;
        let began = Instant::now();
        let mut stopped: Option<Instant> = None;
        loop {
            std::thread::sleep(LOOK);
            let look = crew.look()?;
            for span in look.spans.iter().filter(|span| span.phase as usize == index) {
                figures.add(span);
                progress.add(span);
            }
            figures.insecure.clone_from(&look.insecure);
            if look.done > index as u64 {
                figures.seconds = look.time as f64 / 1e9;
                figures.connections = look.peak;
                figures.idle = look.idle;
                break;
            }
            progress.tell(&look);
            figures.connections = figures.connections.max(look.open);
            // What is known now, should nobody say more.
            figures.seconds = began.elapsed().saturating_sub(phase.warmup).as_secs_f64();
            match (stopped, signals.stopped()) {
                (None, true) => {
                    stopped = Some(Instant::now());
                    figures.interrupted = true;
                    crew.stop()?;
                }
                // A second signal: whoever sends it does not want to wait.
                (Some(_), true) => break,
                (Some(since), false) if since.elapsed() > PATIENCE => break,
                _ => {}
            }
        }
        let interrupted = figures.interrupted;
        all.push(figures);
        if interrupted {
            break;
        }
    }
    progress.end();
    Ok(all)
}
