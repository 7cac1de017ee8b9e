//! The probes, one file for each subject.

mod answers;
mod client;
mod connections;
mod files;
mod folder;
mod http;
mod memory;
mod peer;
mod processes;
mod sending;
mod servers;
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
        http::PROBES,
        servers::PROBES,
    ];
    families.concat()
}

/// The probe `http`, of a server that is running in place of one of ours.
#[must_use]
pub const fn http_of_url() -> &'static Probe {
    &http::HTTP_OF_URL
}
