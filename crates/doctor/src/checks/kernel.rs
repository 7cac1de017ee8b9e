//! The kernel itself: its version, what it lets programs use, its clock.

use base::Bytes;

use crate::Tree;
use crate::finding::{Finding, Mend};

/// From here on io_uring has all that crore's engine uses (DEFER_TASKRUN came last, with 6.1).
const FOR_URING: (u32, u32) = (6, 1);
/// From here on AF_XDP sends with the checksum filled in by the kernel (metadata for transmission).
const FOR_XDP_CHECKSUM: (u32, u32) = (6, 8);
/// Memory that an AF_XDP port's packets take at least; without CAP_IPC_LOCK it has to be within the
/// limit of locked memory.
const XDP_LOCKED: u64 = 64 << 20;

/// Its version.
pub(crate) fn version(tree: &Tree) -> Finding {
    const TOPIC: &str = "kernel";
    let Some(release) = tree.text("/proc/sys/kernel/osrelease") else {
        return Finding::unknown(TOPIC, "/proc/sys/kernel/osrelease cannot be read");
    };
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
        return Finding::unknown(TOPIC, format!("`{release}` is no version"));
    };
    let reading = format!("Linux {release}");
    match (major, minor) {
        version if version < FOR_URING => {
            let cost = "io_uring lacks what crore uses of it (since 6.1): epoll is taken";
            Finding::slower(TOPIC, reading, cost, None)
        }
        version if version < FOR_XDP_CHECKSUM => {
            let cost = "AF_XDP cannot have checksums filled in (since 6.8): crore does it";
            Finding::slower(TOPIC, reading, cost, None)
        }
        _ => Finding::ok(TOPIC, reading),
    }
}

/// Whether programs may use io_uring.
pub(crate) fn io_uring(tree: &Tree) -> Option<Finding> {
    const TOPIC: &str = "io-uring";
    const NAME: &str = "kernel.io_uring_disabled";
    let disabled = tree.number("/proc/sys/kernel/io_uring_disabled")?;
    let reading = format!("{NAME} = {disabled}");
    Some(match disabled {
        0 => Finding::ok(TOPIC, reading),
        _ => {
            let cost = "epoll is taken, which takes more system calls for the same";
            Finding::slower(TOPIC, reading, cost, Some(Mend::sysctl(NAME, "0")))
        }
    })
}

/// The clock that is read once in every turn.
pub(crate) fn time_source(tree: &Tree) -> Finding {
    const TOPIC: &str = "time-source";
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    /// Those that a program reads without entering the kernel.
    const FAST: [&str; 4] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
    let Some(current) = tree.text(&format!("{FOLDER}/current_clocksource")) else {
        return Finding::unknown(TOPIC, "the clock's source cannot be read");
    };
    if FAST.contains(&current.as_str()) {
        return Finding::ok(TOPIC, current);
    }
    let available = tree.text(&format!("{FOLDER}/available_clocksource")).unwrap_or_default();
    let better = FAST.iter().find(|name| available.split_whitespace().any(|other| other == **name));
    let mend = better.map(|better| Mend::sysfs(&[format!("{FOLDER}/current_clocksource")], better));
    Finding::slower(TOPIC, current, "reading the clock is a system call, in every turn", mend)
}

/// Memory that may be locked, which AF_XDP wants.
pub(crate) fn locked_memory(tree: &Tree) -> Finding {
    const TOPIC: &str = "locked-memory";
    /// CAP_IPC_LOCK, in the mask that /proc shows.
    const CAP_IPC_LOCK: u32 = 14;
    let limits = tree.text("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let Some(hard) = line.and_then(|line| line.split_whitespace().nth(1)) else {
        return Finding::unknown(TOPIC, "/proc/self/limits cannot be read");
    };
    let status = tree.text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let limit: u64 = hard.parse().unwrap_or(u64::MAX);
    if mask & (1 << CAP_IPC_LOCK) != 0 {
        return Finding::ok(TOPIC, "no limit (CAP_IPC_LOCK)");
    }
    let reading = if hard == "unlimited" { hard.to_owned() } else { Bytes(limit).to_string() };
    if limit >= XDP_LOCKED {
        return Finding::ok(TOPIC, reading);
    }
    let cost = "--net xdp cannot reserve its packets; crore started as root can";
    let kib = XDP_LOCKED / 1_024;
    let lasting = format!("*  hard  memlock  {kib}\n*  soft  memlock  {kib}");
    let command = format!("ulimit -l {kib}   # in the shell that starts crore, as root");
    let file = "/etc/security/limits.d/90-crore.conf";
    Finding::slower(TOPIC, reading, cost, Some(Mend::command(command, Some((file, lasting)))))
}
