//! Memory: whether it suffices, and in pages of which size it comes.

use base::{Bytes, Grouped};

use crate::capacity;
use crate::finding::{Finding, Mend};
use crate::{Net, Question, Tree, group};

const KIB: u64 = 1_024;
const PAGE: u64 = 4_096;
const HUGE_PAGE: u64 = 2 << 20;
/// What a connection with data on its way takes of TCP's memory: a packet each way.
const ACTIVE_PART: u64 = 100;

/// Memory for kernel sockets.
pub(crate) fn for_sockets(tree: &Tree, question: &Question) -> Finding {
    let read = capacity::kernel_bytes(tree);
    let kernel = read.unwrap_or(question.costs.kernel_bytes);
    let source = match read {
        Some(_) => "by this kernel's own account",
        None => "measured on Linux 6.18; root can read this kernel's own account",
    };
    let each = kernel + question.costs.sock_bytes;
    let what = format!("{} a connection on kernel sockets ({source})", Bytes(each));
    suffices(tree, question, "memory-kernel", each, 0, &what)
}

/// Memory for crore's own stack.
pub(crate) fn for_stack(tree: &Tree, question: &Question) -> Finding {
    let each = question.costs.stack_bytes;
    let what = format!("{} a connection on crore's own stack", Bytes(each));
    suffices(tree, question, "memory-stack", each, question.costs.stack_fixed_bytes, &what)
}

fn suffices(
    tree: &Tree,
    question: &Question,
    topic: &str,
    each: u64,
    fixed: u64,
    what: &str,
) -> Finding {
    let Some(usable) = capacity::usable_memory(tree, &question.costs) else {
        return Finding::unknown(topic, "/proc/meminfo cannot be read");
    };
    let needed = question.connections.saturating_mul(each).saturating_add(fixed);
    let reading = format!("{} can be had; {} needed, {what}", Bytes(usable), Bytes(needed));
    if needed <= usable {
        return Finding::ok(topic, reading);
    }
    let fits = usable.saturating_sub(fixed) / each;
    let cost = format!("{} connections fit; no setting changes that", Grouped(fits));
    Finding::lacking(topic, reading, cost, None)
}

/// What the control group allows, where it has a limit.
pub(crate) fn of_group(tree: &Tree, question: &Question) -> Option<Finding> {
    const TOPIC: &str = "memory-group";
    let memory = group::memory(tree)?;
    let (left, limit) = (Bytes(memory.left), Bytes(memory.limit));
    let reading = format!("{left} left of the {limit} in {}", memory.file());
    let machine = tree.field("/proc/meminfo", "MemAvailable")? * KIB;
    let each = match question.net {
        Some(Net::Stack { .. }) => question.costs.stack_bytes,
        _ => question.costs.kernel_bytes + question.costs.sock_bytes,
    };
    let needed = question.connections.saturating_mul(each);
    if memory.left >= machine || memory.left / 100 * question.costs.usable_percent >= needed {
        return Some(Finding::ok(TOPIC, reading));
    }
    let cost =
        format!("the control group ends it before the machine does, which has {}", Bytes(machine));
    // Seen from within a container the group has no name, and only whoever started it may change it.
    let mend = (!memory.group.is_empty())
        .then(|| Mend::command(format!("echo max > {}", memory.file()), None));
    Some(Finding::lacking(TOPIC, reading, cost, mend))
}

/// What TCP may hold in buffers, all connections together.
pub(crate) fn tcp_mem(tree: &Tree) -> Finding {
    const TOPIC: &str = "tcp-mem";
    let limits = tree.numbers("/proc/sys/net/ipv4/tcp_mem");
    let Some([_, pressure, most]) = limits.as_deref() else {
        return Finding::unknown(TOPIC, "net.ipv4.tcp_mem cannot be read");
    };
    let reading = format!("buffers of {} at most", Bytes(most * PAGE));
    let Some(total) = tree.field("/proc/meminfo", "MemTotal") else {
        return Finding::ok(TOPIC, reading);
    };
    // The kernel's own default is about a tenth of memory.
    let least = total * KIB / ACTIVE_PART;
    if pressure * PAGE >= least {
        return Finding::ok(TOPIC, reading);
    }
    let pages = least / PAGE;
    let value = format!("{pages} {} {}", pages * 4 / 3, pages * 2);
    let cost = "windows shrink and packets are dropped when a few connections send much";
    Finding::slower(TOPIC, reading, cost, Some(Mend::sysctl("net.ipv4.tcp_mem", &value)))
}

/// Pages of 2 MiB set aside.
pub(crate) fn huge_pages(tree: &Tree, question: &Question) -> Finding {
    const TOPIC: &str = "huge-pages";
    const FOLDER: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
    let Some(free) = tree.number(&format!("{FOLDER}/free_hugepages")) else {
        return Finding::unknown(TOPIC, "this kernel has no pages of 2 MiB");
    };
    let costs = &question.costs;
    let needed = question.connections.saturating_mul(costs.stack_bytes) + costs.stack_fixed_bytes;
    let wanted = needed.div_ceil(HUGE_PAGE);
    let reading = format!("{} of 2 MiB free, {} wanted", Grouped(free), Grouped(wanted));
    if free >= wanted {
        return Finding::ok(TOPIC, reading);
    }
    let total = tree.field("/proc/meminfo", "MemTotal").unwrap_or(0) * KIB;
    if needed > total / 100 * costs.usable_percent {
        return Finding::slower(TOPIC, reading, "more than this machine has", None);
    }
    let here = tree.number(&format!("{FOLDER}/nr_hugepages")).unwrap_or(0);
    let count = here + (wanted - free);
    let cost = match tree.chosen(TRANSPARENT).as_deref() {
        Some("always" | "madvise") => {
            "transparent huge pages are taken in their place, which are not certain to be had"
        }
        _ => {
            "small pages are taken in their place: each packet of a cold connection costs a third more"
        }
    };
    Finding::slower(TOPIC, reading, cost, Some(Mend::sysctl("vm.nr_hugepages", &count.to_string())))
}

const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Huge pages that the kernel gives where it can.
pub(crate) fn transparent(tree: &Tree) -> Finding {
    const TOPIC: &str = "transparent-huge-pages";
    match tree.chosen(TRANSPARENT).as_deref() {
        Some(chosen @ ("always" | "madvise")) => Finding::ok(TOPIC, chosen),
        Some(other) => {
            let cost = "where no huge pages are set aside, records lie on small ones";
            let mend = Mend::sysfs(&[TRANSPARENT.to_owned()], "madvise");
            Finding::slower(TOPIC, other, cost, Some(mend))
        }
        None => Finding::unknown(TOPIC, format!("{TRANSPARENT} cannot be read")),
    }
}
