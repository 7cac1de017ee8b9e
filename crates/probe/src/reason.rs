//! Why a graph ends, in words: what was refused, by which limit, and the limit's value here.

use std::fs;

use base::Grouped;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::run::Stop;

/// The reason as it stands beside the end of a graph.
#[must_use]
pub fn reason(stop: &Stop) -> String {
    match stop {
        Stop::Interrupted => "interrupted".to_owned(),
        Stop::TimeUp(time) => {
            format!("time is up: this curve had {:.0} s", time.as_secs_f64())
        }
        Stop::Other(text) => text.clone(),
        Stop::Refused { call, errno } => refused(call, *errno),
    }
}

fn refused(call: &str, errno: Errno) -> String {
    match errno {
        Errno::MFILE => {
            format!("{call}: out of descriptors (EMFILE); ulimit -n is {}", limit(Resource::Nofile))
        }
        Errno::NFILE => {
            format!(
                "{call}: the system is out of descriptors (ENFILE); fs.file-max is {}",
                read("/proc/sys/fs/file-max")
            )
        }
        Errno::AGAIN
            if matches!(
                call,
                "fork()" | "clone3()" | "vfork()" | "posix_spawn()" | "pthread_create()"
            ) =>
        {
            format!(
                "{call}: no more tasks (EAGAIN); ulimit -u is {}, kernel.pid_max {}, kernel.threads-max {}, or the \
                 control group's pids.max",
                limit(Resource::Nproc),
                read("/proc/sys/kernel/pid_max"),
                read("/proc/sys/kernel/threads-max"),
            )
        }
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => {
            format!(
                "{call}: out of ports ({}); net.ipv4.ip_local_port_range is {}",
                if errno == Errno::ADDRINUSE { "EADDRINUSE" } else { "EADDRNOTAVAIL" },
                read("/proc/sys/net/ipv4/ip_local_port_range")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join("–"),
            )
        }
        Errno::NOMEM if call.starts_with("m") => {
            format!(
                "{call}: out of memory or of mappings (ENOMEM); vm.max_map_count is {}",
                read("/proc/sys/vm/max_map_count")
            )
        }
        errno => format!("{call}: {errno}"),
    }
}

fn limit(resource: Resource) -> String {
    getrlimit(resource).current.map_or("unlimited".to_owned(), |limit| Grouped(limit).to_string())
}

fn read(file: &str) -> String {
    fs::read_to_string(file).map_or("unknown".to_owned(), |text| text.trim().to_owned())
}
