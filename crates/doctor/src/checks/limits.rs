//! What the kernel allows: descriptors, entries, queues, ports.

use base::Grouped;

use crate::capacity;
use crate::finding::{Finding, Mend};
use crate::{Question, Tree};

/// How many clients may wait for `accept` (somaxconn) or for their handshake's end. What crore asks
/// for in `listen`; the kernel cuts it to this.
const BACKLOG: u64 = 4_096;
/// Outgoing connections from one address to one address: above this many ports in use, connect()
/// looks for one for a hundred times longer (Linux 6.18: past about half of the default range). Those from
/// 61,000 on, which are not the kernel's as Linux comes, stay free: crore's own stack connects from them on an
/// interface that it shares with the kernel (`--net xdp`).
const PORTS_WANTED: (u64, u64) = (1_024, 60_999);

const LIMITS_FILE: &str = "/etc/security/limits.d/90-crore.conf";
/// CAP_SYS_RESOURCE, in the mask that /proc shows.
const CAP_SYS_RESOURCE: u32 = 24;

/// Descriptors of a process, of any process, and of all.
pub(crate) fn descriptors(tree: &Tree, question: &Question) -> Vec<Finding> {
    const TOPIC: &str = "descriptors";
    let wanted = question.connections.saturating_add(question.costs.spare_descriptors);
    let Some(hard) = capacity::descriptors(tree) else {
        return vec![Finding::unknown(TOPIC, "/proc/self/limits cannot be read")];
    };
    let reading = format!("{} a process", Grouped(hard));
    let mut found = Vec::new();
    if hard >= wanted {
        found.push(Finding::ok(TOPIC, reading));
    } else {
        let refused = if may_raise(tree) {
            ""
        } else {
            "; raising the limit takes CAP_SYS_RESOURCE, which whoever started this shell has to have"
        };
        let cost = format!(
            "kernel sockets end at {} connections; {} descriptors are wanted{refused}",
            Grouped(hard.saturating_sub(question.costs.spare_descriptors)),
            Grouped(wanted)
        );
        let lasting = format!("*  hard  nofile  {wanted}\n*  soft  nofile  {wanted}");
        // One that may not raise its own limit cannot give a child more either.
        let mend = may_raise(tree).then(|| {
            let command = format!("ulimit -n {wanted}   # in the shell that starts crore, as root");
            Mend::command(command, Some((LIMITS_FILE, lasting)))
        });
        found.push(Finding::lacking(TOPIC, reading, cost, mend));
    }
    for (topic, name) in [("descriptors-most", "fs.nr_open"), ("descriptors-all", "fs.file-max")] {
        let Some(most) = tree.number(&format!("/proc/sys/{}", name.replace('.', "/"))) else {
            continue;
        };
        let reading = format!("{name} = {}", Grouped(most));
        found.push(if most >= wanted {
            Finding::ok(topic, reading)
        } else {
            let cost = format!("no process can be given the {} wanted", Grouped(wanted));
            Finding::lacking(topic, reading, cost, Some(Mend::sysctl(name, &wanted.to_string())))
        });
    }
    found
}

/// Whether this process has the capability that raising a hard limit takes.
fn may_raise(tree: &Tree) -> bool {
    let status = tree.text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << CAP_SYS_RESOURCE) != 0
}

/// The kernel's table of connections, where packets are tracked.
pub(crate) fn conntrack(tree: &Tree, question: &Question) -> Vec<Finding> {
    const TOPIC: &str = "conntrack";
    const NAME: &str = "net.netfilter.nf_conntrack_max";
    let count = tree.number("/proc/sys/net/netfilter/nf_conntrack_count");
    let most = tree.number("/proc/sys/net/netfilter/nf_conntrack_max");
    let (Some(count), Some(most)) = (count, most) else {
        return vec![Finding::ok(TOPIC, "not loaded: nothing is tracked")];
    };
    let reading = format!("{} of {} entries taken", Grouped(count), Grouped(most));
    if count == 0 {
        return vec![Finding::ok(TOPIC, format!("{reading}: nothing is tracked"))];
    }
    let wanted = question.connections.saturating_add(count);
    if most >= wanted {
        return vec![Finding::ok(TOPIC, reading)];
    }
    let cost = "new connections are dropped, all programs', once the table is full".to_owned();
    let mend = Mend::sysctl(NAME, &wanted.to_string());
    vec![Finding::lacking(TOPIC, reading, cost, Some(mend))]
}

/// Clients that may wait to be accepted.
pub(crate) fn somaxconn(tree: &Tree) -> Finding {
    queue(tree, "somaxconn", "net.core.somaxconn", "while a shard is busy, clients are turned away")
}

/// Handshakes that may be under way before cookies are sent.
pub(crate) fn syn_backlog(tree: &Tree) -> Finding {
    const NAME: &str = "net.ipv4.tcp_max_syn_backlog";
    let cost = "a burst of new clients is met with SYN cookies, which lose options";
    queue(tree, "syn-backlog", NAME, cost)
}

fn queue(tree: &Tree, topic: &str, name: &str, cost: &str) -> Finding {
    let Some(length) = tree.number(&format!("/proc/sys/{}", name.replace('.', "/"))) else {
        return Finding::unknown(topic, format!("{name} cannot be read"));
    };
    let reading = format!("{name} = {}", Grouped(length));
    if length >= BACKLOG {
        return Finding::ok(topic, reading);
    }
    Finding::slower(topic, reading, cost, Some(Mend::sysctl(name, &BACKLOG.to_string())))
}

/// Ports for connections that this machine opens.
pub(crate) fn ports(tree: &Tree, question: &Question) -> Finding {
    const TOPIC: &str = "ports";
    const NAME: &str = "net.ipv4.ip_local_port_range";
    let range = tree.numbers("/proc/sys/net/ipv4/ip_local_port_range");
    let Some([first, last]) = range.as_deref() else {
        return Finding::unknown(TOPIC, format!("{NAME} cannot be read"));
    };
    let count = (last + 1).saturating_sub(*first);
    let reading = format!("{first} to {last}: {} for each pair of addresses", Grouped(count));
    let (least, most) = PORTS_WANTED;
    if *first <= least && *last >= most || question.connections <= count / 2 {
        return Finding::ok(TOPIC, reading);
    }
    let cost = format!(
        "concerns only what this machine opens (a load generator, a proxy): past about {} from one \
         address to another, connect() takes a hundred times longer",
        Grouped(count / 2)
    );
    Finding::slower(TOPIC, reading, cost, Some(Mend::sysctl(NAME, &format!("{least} {most}"))))
}
