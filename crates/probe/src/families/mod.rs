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
use crate::run::Stop;

/// What root could add, by what it is about: it is said with each probe that this ends or blurs.
const FOR_TASKS: &str = "kernel.pid_max, kernel.threads-max and the control group's pids.max can be raised for more of them";
const FOR_DESCRIPTORS: &str =
    "ulimit -n can be raised beforehand for more descriptors, as far as fs.nr_open goes";
const FOR_PORTS: &str = "ulimit -n can be raised beforehand for more descriptors, and \
                         net.ipv4.ip_local_port_range widened for more ports";
const FOR_WATCHING: &str = "ulimit -n can be raised beforehand for more descriptors; memory is that of the \
                            kernel's objects for them (/proc/slabinfo), and not the growth of all of the \
                            kernel's, which others see";
const FOR_SERVERS: &str = "ulimit -n can be raised beforehand for more descriptors, and \
                           net.ipv4.ip_local_port_range widened for more ports; the kernel's memory is read \
                           from /proc/slabinfo, for others from /proc/meminfo, which is some hundred \
                           kilobytes behind";
const FOR_MAPPINGS: &str = "vm.max_map_count can be raised for more mappings";

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

/// What a request and its answer take of the processor on crore's own stack, at the server's end.
///
/// # Errors
/// When there is no memory for it.
pub fn own_stack_exchange() -> Result<std::time::Duration, Stop> {
    servers::native::exchange()
}

/// The probe `http`, of a server that is running in place of one of ours.
#[must_use]
pub const fn http_of_url() -> &'static Probe {
    &http::HTTP_OF_URL
}
