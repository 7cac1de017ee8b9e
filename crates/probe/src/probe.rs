//! What a probe is: a value. One operation, measured against how many there already are.

use serde::{Deserialize, Serialize};

use crate::run::{Run, Stop};

/// A question to the operating system, and how it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Where it belongs.
    pub family: Family,
    /// What it answers, for a person.
    pub question: &'static str,
    /// How it is measured.
    pub method: &'static str,
    /// What there is already: the horizontal axis.
    pub against: &'static str,
    /// What that is counted in.
    pub counted: Counted,
    /// How many by default.
    pub count: u64,
    /// How many at most, whatever is asked for.
    pub most: u64,
    /// What it takes of the machine, for each of them.
    pub uses: &'static [(u64, Resource)],
    /// Its curves, measured one after the other, each from nothing.
    pub curves: &'static [Curve],
    /// What more could be measured by root, if anything.
    pub with_root: Option<&'static str>,
}

/// One way of doing it.
#[derive(Clone, Copy, Debug)]
pub struct Curve {
    /// Its name in the legend.
    pub name: &'static str,
    /// Measures it. Everything it made is gone when it returns, whatever it returns.
    pub measure: fn(&mut Run<'_>) -> Result<(), Stop>,
}

/// The chapters of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Processes and threads.
    Processes,
    /// Sockets and connections.
    Sockets,
    /// Waiting for many at once.
    Waiting,
    /// Memory and files.
    Memory,
    /// Server designs against each other.
    Servers,
}

impl Family {
    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Processes => "Processes and threads",
            Self::Sockets => "Sockets",
            Self::Waiting => "Waiting for many at once",
            Self::Memory => "Memory and files",
            Self::Servers => "Server designs",
        }
    }
}

/// What a probe counts along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Things.
    Things,
    /// KiB of memory or of a file.
    Kibibytes,
}

/// What a probe takes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Processes alive at once.
    Processes,
    /// Threads alive at once.
    Threads,
    /// Descriptors of one process.
    Descriptors,
    /// Ports of the loopback address.
    Ports,
    /// Bytes of memory.
    Memory,
    /// Bytes on the disk, in the folder of the results.
    Disk,
    /// Files in a folder beside the results.
    Files,
}

impl Probe {
    /// How many are reached for when `asked` for so many.
    #[must_use]
    pub fn goal(&self, asked: Option<u64>) -> u64 {
        asked.unwrap_or(self.count).clamp(1, self.most)
    }
}
