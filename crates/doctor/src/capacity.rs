//! How many connections fit: [`judge`]. Invariant: what a connection takes comes from the kernel's own
//! account of its objects where that can be read, and from the engines' code; what is there from
//! the machine.

use base::{Bytes, Grouped};
use serde::Serialize;

use crate::{Net, Question, Tree, group};

/// What a connection takes, as the engines' own code says.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Bytes of crore's own memory for an idle connection on kernel sockets, at most.
    pub sock_bytes: u64,
    /// Bytes of kernel memory for one, measured on one kernel; used where this one does not say.
    pub kernel_bytes: u64,
    /// Bytes for a sleeping connection on crore's own stack.
    pub stack_bytes: u64,
    /// Bytes that a shard of the stack takes before the first connection.
    pub stack_fixed_bytes: u64,
    /// Descriptors that a server needs besides one for each connection.
    pub spare_descriptors: u64,
    /// The part of available memory that connections may take, in percent.
    pub usable_percent: u64,
}

/// How many connections can be held in one way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Capacity {
    /// In which.
    pub holding: Holding,
    /// How many.
    pub connections: u64,
    /// What ends it there.
    pub limit: Limit,
    /// Bytes each takes, the kernel's and crore's.
    pub bytes_each: u64,
    /// Bytes that the connections asked for take.
    pub bytes_needed: u64,
    /// The same in words.
    pub text: String,
}

/// A way to hold connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// On kernel sockets.
    KernelSockets,
    /// On crore's own stack.
    OwnStack,
}

/// What is used up first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Memory that is available.
    Memory,
    /// Descriptors of a process.
    Descriptors,
    /// Entries of the kernel's table of connections.
    Conntrack,
    /// The most that one process of crore holds.
    Identifiers,
}

/// Connection identifiers have 32 bits for the slot.
const MOST: u64 = u32::MAX as u64;

/// How many connections fit in each way that is asked for.
pub(crate) fn judge(tree: &Tree, question: &Question) -> Vec<Capacity> {
    let mut found = Vec::new();
    let Some(usable) = usable_memory(tree, &question.costs) else { return found };
    if !matches!(question.net, Some(Net::Stack { .. })) {
        found.push(on_kernel_sockets(tree, question, usable));
    }
    if question.net != Some(Net::Kernel) {
        found.push(on_own_stack(question, usable));
    }
    found
}

/// Bytes of memory that connections may take: of what the machine has at hand, or of what is left to the
/// control group where that is less.
pub(crate) fn usable_memory(tree: &Tree, costs: &Costs) -> Option<u64> {
    Some(available_memory(tree)? / 100 * costs.usable_percent)
}

/// Bytes of memory that can be had: what the machine has at hand, or what is left to the control group
/// where that is less. `None` where the system does not say.
#[must_use]
pub fn available_memory(tree: &Tree) -> Option<u64> {
    let machine = tree.field("/proc/meminfo", "MemAvailable")?.checked_mul(1024)?;
    let group = group::memory(tree).map_or(u64::MAX, |memory| memory.left);
    Some(machine.min(group))
}

fn on_kernel_sockets(tree: &Tree, question: &Question, usable: u64) -> Capacity {
    let costs = &question.costs;
    let each = kernel_bytes(tree).unwrap_or(costs.kernel_bytes) + costs.sock_bytes;
    let descriptors =
        descriptors(tree).map(|descriptors| descriptors.saturating_sub(costs.spare_descriptors));
    let most = first_used_up([
        Some((usable / each, Limit::Memory)),
        descriptors.map(|descriptors| (descriptors, Limit::Descriptors)),
        conntrack_left(tree).map(|entries| (entries, Limit::Conntrack)),
    ]);
    let needed = question.connections.saturating_mul(each);
    capacity(Holding::KernelSockets, most, (each, needed), usable)
}

fn on_own_stack(question: &Question, usable: u64) -> Capacity {
    let costs = &question.costs;
    let left = usable.saturating_sub(costs.stack_fixed_bytes);
    let most = first_used_up([
        Some((left / costs.stack_bytes, Limit::Memory)),
        Some((MOST, Limit::Identifiers)),
        None,
    ]);
    let each = costs.stack_bytes;
    let needed = question.connections.saturating_mul(each).saturating_add(costs.stack_fixed_bytes);
    capacity(Holding::OwnStack, most, (each, needed), usable)
}

/// What allows the fewest connections.
fn first_used_up(limits: [Option<(u64, Limit)>; 3]) -> (u64, Limit) {
    let least = limits.into_iter().flatten().min_by_key(|(connections, _)| *connections);
    least.unwrap_or((0, Limit::Memory))
}

fn capacity(
    holding: Holding,
    (connections, limit): (u64, Limit),
    (each, needed): (u64, u64),
    usable: u64,
) -> Capacity {
    let count = Grouped(connections);
    let each_text = Bytes(each);
    let why = match limit {
        Limit::Memory => {
            format!("{} of memory can be had, {each_text} a connection", Bytes(usable))
        }
        Limit::Descriptors => "the descriptors a process may have end it".into(),
        Limit::Conntrack => "the kernel's connection tracking has no more entries".into(),
        Limit::Identifiers => "one process numbers no more".into(),
    };
    let text = format!("{count} connections: {why}");
    Capacity { holding, connections, limit, bytes_each: each, bytes_needed: needed, text }
}

/// What the kernel takes for one idle connection: its objects, as its allocator lists them with
/// their size and how they are packed. Root alone can read that.
pub(crate) fn kernel_bytes(tree: &Tree) -> Option<u64> {
    const OBJECTS: [&str; 5] = ["TCP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi"];
    const PAGE: u64 = 4_096;
    let list = tree.text("/proc/slabinfo")?;
    let each = |name: &&str| {
        // name, active objects, objects, object size, objects a slab, pages a slab
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        let numbers: Vec<u64> =
            line.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        let (objects, pages) = (*numbers.get(3)?, *numbers.get(4)?);
        Some((pages * PAGE).div_ceil(objects.max(1)))
    };
    OBJECTS.iter().map(each).sum()
}

/// The most descriptors that this process may raise its limit to.
pub(crate) fn descriptors(tree: &Tree) -> Option<u64> {
    let limits = tree.text("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// Connections that the kernel's tracking can still take; none where it does not track.
pub(crate) fn conntrack_left(tree: &Tree) -> Option<u64> {
    let used = tree.number("/proc/sys/net/netfilter/nf_conntrack_count")?;
    let most = tree.number("/proc/sys/net/netfilter/nf_conntrack_max")?;
    // A table with nothing in it is one that no rule has packets tracked for.
    (used > 0).then(|| most.saturating_sub(used))
}
