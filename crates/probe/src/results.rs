//! What a run of probes found, as data: kept as `run.json`, read again for `--compare`.

use std::fs;
use std::io;
use std::path::Path;

use chart::Unit;
use serde::{Deserialize, Serialize};

use crate::buckets::{Bucket, buckets};
use crate::fit::{Growth, fit};
use crate::machine::Machine;
use crate::probe::{Counted, Curve, Probe};
use crate::run::{Found, Sample, Stop};
use crate::{reason, words};

/// The file in a run's folder.
pub const FILE: &str = "run.json";

/// All that a run found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// What, in the order of the probes.
    pub probes: Vec<Findings>,
}

/// What a probe found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// The probe's name.
    pub name: String,
    /// The heading it stands under.
    pub family: String,
    /// What it answers.
    pub question: String,
    /// How it was measured.
    pub method: String,
    /// The horizontal axis.
    pub against: String,
    /// What that counts.
    pub counted: Counted,
    /// What root could add.
    pub with_root: Option<String>,
    /// Its curves.
    pub curves: Vec<Measured>,
}

/// What a curve found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The curve's name.
    pub name: String,
    /// In one plain line.
    pub says: String,
    /// The largest count measured.
    pub reached: u64,
    /// The largest count tried.
    pub tried: u64,
    /// Why there is no more, unless it reached what was asked for.
    pub end: Option<String>,
    /// How the time grows.
    pub growth: Growth,
    /// Times in nanoseconds.
    pub buckets: Vec<Bucket>,
    /// Bytes of memory for each, where that was measured.
    #[serde(default)]
    pub memory: Vec<Bucket>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// The raw times.
    #[serde(skip)]
    pub samples: Vec<Sample>,
    /// The raw memory.
    #[serde(skip)]
    pub memory_samples: Vec<Sample>,
}

impl Findings {
    /// Of a probe that has not measured anything yet.
    #[must_use]
    pub fn new(probe: &Probe) -> Self {
        Self {
            name: probe.name.to_owned(),
            family: probe.family.title().to_owned(),
            question: probe.question.to_owned(),
            method: probe.method.to_owned(),
            against: probe.against.to_owned(),
            counted: probe.counted,
            with_root: probe.with_root.map(str::to_owned),
            curves: Vec::new(),
        }
    }

    /// One line for each curve.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.curves.iter().map(|curve| format!("{}: {}", curve.name, curve.says))
    }
}

impl Measured {
    /// Makes sense of what a curve `found`.
    #[must_use]
    pub fn new(curve: &Curve, counted: Counted, found: Found, result: Result<(), Stop>) -> Self {
        let Found { samples, memory, notes, tried } = found;
        let gathered = buckets(&samples);
        let growth = fit(&gathered, &samples);
        let counts = || samples.iter().map(|sample| sample.n);
        let (first, reached) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let end = result.err().map(|stop| reason(&stop));
        let mut says = words::says(growth, Unit::Nanoseconds, counted, (first, reached));
        let in_memory = buckets(&memory);
        if let Some(last) = in_memory.last() {
            let each = Unit::Bytes.format(last.median);
            says = format!(
                "{says}; {each} of memory for each at {}",
                words::counted(counted, last.last)
            );
        }
        if let Some(end) = &end {
            says = format!("{says}; ended at {}: {end}", words::counted(counted, tried));
        }
        Self {
            name: curve.name.to_owned(),
            says,
            reached,
            tried,
            end,
            growth,
            buckets: gathered,
            memory: in_memory,
            notes,
            samples,
            memory_samples: memory,
        }
    }
}

impl Results {
    /// Reads a run from its folder.
    ///
    /// # Errors
    /// When there is none, or its file is not one of these.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(folder.join(FILE))?;
        serde_json::from_str(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The run as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has no maps with odd keys") + "\n"
    }
}

/// The raw samples as comma-separated values with a head line.
#[must_use]
pub fn csv(findings: &Findings) -> String {
    let mut text = "curve,measure,n,value\n".to_owned();
    for curve in &findings.curves {
        let name = curve.name.replace('"', "\"\"");
        for (measure, samples) in [("ns", &curve.samples), ("bytes", &curve.memory_samples)] {
            for Sample { n, value } in samples {
                text.push_str(&format!("\"{name}\",{measure},{n},{value}\n"));
            }
        }
    }
    text
}
