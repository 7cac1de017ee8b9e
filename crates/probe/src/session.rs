//! A run of several probes, from what it will take to what it leaves: the results and their files.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base::Grouped;
use chart::Unit;
use rustix::process::{Resource as Limit, Rlimit, getrlimit, setrlimit};

use crate::machine::Machine;
use crate::probe::{Probe, Resource};
use crate::results::{FILE, Findings, Measured, Results, csv};
use crate::run::{ALL_TIME_MAX, Run, Stop, TIME_MAX};
use crate::scratch::Scratch;
use crate::sys::{interrupt, process};
use crate::{picture, report, words};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Session {
    /// What to measure.
    pub probes: Vec<&'static Probe>,
    /// To how many; each probe's own number when `None`.
    pub count: Option<u64>,
    /// Where the files go.
    pub folder: PathBuf,
    /// A server to ask in place of one of our own.
    pub server: Option<SocketAddr>,
}

impl Session {
    /// What a probe will take, for a person to read before it starts.
    #[must_use]
    pub fn needs(&self, probe: &Probe) -> String {
        let goal = probe.goal(self.count);
        let amounts: Vec<String> =
            probe.uses.iter().map(|(each, resource)| amount(each * goal, *resource)).collect();
        let seconds = probe.curves.len() as u64 * TIME_MAX.as_secs();
        format!(
            "up to {} at {}; at most {seconds} s",
            amounts.join(", "),
            words::counted(probe.counted, goal)
        )
    }

    /// How many curves will be measured.
    #[must_use]
    pub fn curves(&self) -> usize {
        self.probes.iter().map(|probe| probe.curves.len()).sum()
    }

    /// How long all of it takes at most, less what it takes to clean up.
    #[must_use]
    pub fn time_max(&self) -> Duration {
        ALL_TIME_MAX.min(TIME_MAX.saturating_mul(self.curves() as u32))
    }

    /// Measures everything and writes the files. `tell` hears of each probe before it starts and of each
    /// curve when it is done. An interruption ends it early; what was measured until then is kept.
    ///
    /// # Errors
    /// When a file cannot be written or signals cannot be caught.
    pub fn run(&self, mut tell: impl FnMut(&str)) -> io::Result<(Results, bool)> {
        fs::create_dir_all(&self.folder)?;
        interrupt::install()?;
        process::adopt_orphans()?;
        raise_descriptors();
        let scratch = Scratch::new(&self.folder)?;
        let mut results = Results { machine: Machine::here(), probes: Vec::new() };
        let mut interrupted = false;
        let end = Instant::now() + ALL_TIME_MAX;
        let mut curves = self.curves();
        for probe in &self.probes {
            tell(&format!("{}: {}", probe.name, self.needs(probe)));
            let mut findings = Findings::new(probe);
            for curve in probe.curves {
                let time = share(end.saturating_duration_since(Instant::now()), curves);
                curves -= 1;
                let goal = probe.goal(self.count);
                let mut run = Run::new(goal, time, scratch.path(), self.server);
                let result = (curve.measure)(&mut run);
                interrupted |= result == Err(Stop::Interrupted);
                let measured = Measured::new(curve, probe.counted, run.found(), result);
                tell(&format!("  {}: {}", measured.name, measured.says));
                findings.curves.push(measured);
                if interrupted {
                    break;
                }
            }
            self.write(&findings)?;
            results.probes.push(findings);
            if interrupted {
                break;
            }
        }
        fs::write(self.folder.join(FILE), results.json())?;
        Ok((results, interrupted))
    }

    /// The raw samples and the pictures of one probe.
    fn write(&self, findings: &Findings) -> io::Result<()> {
        let file = |ending: &str| self.folder.join(format!("{}{ending}", findings.name));
        fs::write(file(".csv"), csv(findings))?;
        fs::write(file(".svg"), picture::times(findings, None).svg())?;
        for (ending, chart) in
            [("-p99.svg", picture::tails(findings)), ("-memory.svg", picture::memory(findings))]
        {
            if let Some(chart) = chart {
                fs::write(file(ending), chart.svg())?;
            }
        }
        Ok(())
    }

    /// Writes the page that shows all, and answers where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn report(
        &self,
        results: &Results,
        other: Option<(&Results, &str)>,
    ) -> io::Result<PathBuf> {
        let file = self.folder.join("report.html");
        fs::write(&file, report::html(results, other))?;
        Ok(file)
    }
}

/// The time of a curve when so much is `left` for so many, itself included. What the ones before did not
/// use is there for those that follow.
pub(crate) fn share(left: Duration, curves: usize) -> Duration {
    TIME_MAX.min(left / curves.max(1) as u32)
}

fn amount(amount: u64, resource: Resource) -> String {
    let name = match resource {
        Resource::Processes => "processes",
        Resource::Threads => "threads",
        Resource::Descriptors => "descriptors",
        Resource::Ports => "ports",
        Resource::Files => "files",
        Resource::Memory => return format!("{} of memory", Unit::Bytes.format(amount as f64)),
        Resource::Disk => return format!("{} of disk", Unit::Bytes.format(amount as f64)),
    };
    format!("{} {name}", Grouped(amount))
}

/// As many descriptors as this process may have without asking anyone.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Limit::Nofile);
    // Where it is refused, graphs end earlier, and say so.
    let _ = setrlimit(Limit::Nofile, Rlimit { current: maximum, maximum });
}
