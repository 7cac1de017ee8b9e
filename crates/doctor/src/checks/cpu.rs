//! Processors: how many, how fast they may run, who else runs there.

use crate::finding::{Finding, Mend};
use crate::{Machine, Tree};

const FOLDER: &str = "/sys/devices/system/cpu";

/// How many there are: a shard each.
pub(crate) fn count(tree: &Tree) -> Finding {
    const TOPIC: &str = "processors";
    match tree.text(&format!("{FOLDER}/online")) {
        Some(list) => {
            let count = cpus(&list).len();
            let word = if count == 1 { "processor" } else { "processors" };
            Finding::ok(TOPIC, format!("{count} {word} ({list}): a shard each"))
        }
        None => Finding::unknown(TOPIC, format!("{FOLDER}/online cannot be read")),
    }
}

/// Whether they may run at full speed.
pub(crate) fn governor(tree: &Tree) -> Option<Finding> {
    const TOPIC: &str = "governor";
    let online = cpus(&tree.text(&format!("{FOLDER}/online"))?);
    let path = |cpu: &u32| format!("{FOLDER}/cpu{cpu}/cpufreq/scaling_governor");
    let of = |cpu: &u32| Some((path(cpu), tree.text(&path(cpu))?));
    let governors: Vec<(String, String)> = online.iter().filter_map(of).collect();
    let Some((_, first)) = governors.first() else {
        return Some(Finding::ok(TOPIC, "the frequency is not this system's to choose"));
    };
    let slow: Vec<String> = governors
        .iter()
        .filter(|(_, governor)| governor != "performance")
        .map(|(path, _)| path.clone())
        .collect();
    if slow.is_empty() {
        return Some(Finding::ok(TOPIC, first.clone()));
    }
    let reading = format!("{} of {} not on `performance`", slow.len(), governors.len());
    let cost = "after a rest the first requests are answered at a low frequency";
    Some(Finding::slower(TOPIC, reading, cost, Some(Mend::sysfs(&slow, "performance"))))
}

/// Whether processors are kept for crore alone.
pub(crate) fn isolation(tree: &Tree) -> Finding {
    const TOPIC: &str = "isolation";
    let Some(isolated) = tree.text(&format!("{FOLDER}/isolated")) else {
        return Finding::unknown(TOPIC, format!("{FOLDER}/isolated cannot be read"));
    };
    if !isolated.is_empty() {
        return Finding::ok(TOPIC, format!("processors {isolated} are isolated"));
    }
    let online = cpus(&tree.text(&format!("{FOLDER}/online")).unwrap_or_default());
    let (Some(_), Some(last)) = (online.get(2), online.last()) else {
        return Finding::ok(TOPIC, "none isolated; with so few processors none can be spared");
    };
    let list = format!("1-{last}");
    let cost = "the scheduler puts other work on the shards' processors, seen as rare long answers";
    let line = format!("GRUB_CMDLINE_LINUX=\"isolcpus={list} nohz_full={list} rcu_nocbs={list}\"");
    let now = format!(
        "systemctl set-property --runtime system.slice AllowedCPUs=0   # keeps services off {list}"
    );
    let mend = Mend::command(now, Some(("/etc/default/grub (then update-grub)", line)));
    Finding::slower(TOPIC, "none isolated", cost, Some(mend))
}

/// Whether memory and devices are near.
pub(crate) fn nodes(machine: &Machine) -> Finding {
    const TOPIC: &str = "numa";
    let names = machine.tree.names("/sys/devices/system/node");
    let nodes = names.iter().filter(|name| {
        name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok())
    });
    let count = nodes.count();
    if count <= 1 {
        return Finding::ok(TOPIC, "one node: all memory is near");
    }
    let reading = format!("{count} nodes");
    let balancing = machine.tree.number("/proc/sys/kernel/numa_balancing");
    if balancing == Some(1) {
        let cost = "the kernel unmaps pages to see who uses them, which stops a shard each time";
        let mend = Mend::sysctl("kernel.numa_balancing", "0");
        return Finding::slower(TOPIC, reading, cost, Some(mend));
    }
    Finding::ok(TOPIC, reading)
}

/// The processors in a list such as `0-3,8`.
pub(crate) fn cpus(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().ok()?;
        let last: u32 = last.trim().parse().ok()?;
        // More than any machine has: a file that says so is not believed.
        (last.checked_sub(first)? < 1 << 16).then_some(first..=last)
    };
    list.split(',').filter_map(range).flatten().collect()
}
