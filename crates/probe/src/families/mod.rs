//! The probes, one file for each subject.

mod answers;
mod connections;
mod files;
mod folder;
mod memory;
mod peer;
mod processes;
mod sending;
mod sockets;
mod threads;
mod waiting;

use crate::probe::Probe;

/// All probes, in the order of the report.
#[must_use]
pub fn all() -> Vec<&'static Probe> {
    let families = [
        processes::PROBES,
        threads::PROBES,
        sockets::PROBES,
        connections::PROBES,
        waiting::PROBES,
        memory::PROBES,
        files::PROBES,
        sending::PROBES,
    ];
    families.concat()
}
