//! Network devices: driver, queues, rings, offloads, XDP, and who takes their interrupts.

use crate::checks::cpu::cpus;
use crate::device::{Device, Offload};
use crate::finding::{Change, Finding, Mend};
use crate::{Machine, Tree};

/// Findings about the device named, or about all that have hardware and are up.
pub(crate) fn all(machine: &Machine, wanted: Option<&str>, for_stack: bool) -> Vec<Finding> {
    if let Some(name) = wanted
        && !machine.devices.iter().any(|device| device.name == name)
    {
        let known: Vec<&str> = machine.devices.iter().map(|device| device.name.as_str()).collect();
        let cost = format!("there is none of this name; there are: {}", known.join(", "));
        return vec![Finding::lacking("device", name, cost, None)];
    }
    let is_meant = |device: &&Device| match wanted {
        Some(name) => device.name == name,
        None => device.is_hardware && device.is_up,
    };
    let online = machine.tree.text("/sys/devices/system/cpu/online").unwrap_or_default();
    let processors = cpus(&online).len();
    let one = |device: &Device| {
        let mut found = vec![driver(device)];
        found.extend(queues(device, processors));
        found.push(spreading(device));
        found.extend(ring(device));
        found.extend(offloads(device));
        found.push(interrupts(device, processors));
        if for_stack {
            found.push(xdp(device, &machine.tree));
        }
        found
    };
    machine.devices.iter().filter(is_meant).flat_map(one).collect()
}

fn topic(device: &Device, what: &str) -> String {
    format!("{}:{what}", device.name)
}

fn driver(device: &Device) -> Finding {
    let name = device.driver.as_deref().unwrap_or("none (not hardware)");
    let node = device.node.map(|node| format!(", on NUMA node {node}")).unwrap_or_default();
    Finding::ok(&topic(device, "driver"), format!("{name}{node}"))
}

/// Queues: one for each processor, or packets of all shards go through one.
fn queues(device: &Device, processors: usize) -> Option<Finding> {
    let topic = topic(device, "queues");
    let (now, most) = device.channels.unwrap_or((device.rx_queues as u32, device.rx_queues as u32));
    let wanted = processors as u32;
    let reading = format!("{now} in use, {most} at most, {processors} processors");
    if now >= wanted || device.spreads {
        let how = if now >= wanted { "" } else { "; packets are spread by RPS" };
        return Some(Finding::ok(&topic, format!("{reading}{how}")));
    }
    let cost = format!("all packets are taken in by {now} of {processors} processors");
    if most > now {
        let count = most.min(wanted);
        let mend = Mend::ethtool(&device.name, &format!("-L combined {count}"));
        return Some(Finding::slower(&topic, reading, cost, Some(mend)));
    }
    // The device has no more: the kernel can spread what comes in, for its own sockets.
    let mask = format!("{:x}", (1_u128 << processors.min(127)) - 1);
    let files: Vec<String> = (0..device.rx_queues)
        .map(|queue| format!("/sys/class/net/{}/queues/rx-{queue}/rps_cpus", device.name))
        .collect();
    Some(Finding::slower(&topic, reading, cost, Some(Mend::sysfs(&files, &mask))))
}

/// Whether packets reach all queues in use (receive-side scaling).
fn spreading(device: &Device) -> Finding {
    let topic = topic(device, "rss");
    let queues = device.channels.map_or(device.rx_queues as u32, |(now, _)| now);
    if queues <= 1 {
        return Finding::ok(&topic, "one queue: nothing to spread over");
    }
    let Some(table) = device.rss.as_ref().filter(|table| !table.is_empty()) else {
        let why = "the driver or the kernel does not say how packets are spread (the kernel can since 6.12)";
        return Finding::unknown(&topic, why);
    };
    let mut reached = table.clone();
    reached.sort_unstable();
    reached.dedup();
    let reached = reached.len() as u32;
    let reading = format!("{} entries for {reached} of {queues} queues", table.len());
    if reached >= queues {
        return Finding::ok(&topic, reading);
    }
    let cost =
        format!("{} queues get no packets, and their processors none to take in", queues - reached);
    let mend = Mend::ethtool(&device.name, &format!("-X equal {queues}"));
    Finding::slower(&topic, reading, cost, Some(mend))
}

fn ring(device: &Device) -> Option<Finding> {
    /// Descriptors that hold what arrives while a shard is held up for a millisecond at 1 M packets/s.
    const WANTED: u32 = 1_024;
    let (now, most) = device.rx_ring?;
    let topic = topic(device, "ring");
    let reading = format!("{now} packets, {most} at most");
    if now >= WANTED || now >= most {
        return Some(Finding::ok(&topic, reading));
    }
    let count = most.min(WANTED);
    let cost = "packets of a burst are lost before anybody has seen them";
    let mend = Mend::ethtool(&device.name, &format!("-G rx {count}"));
    Some(Finding::slower(&topic, reading, cost, Some(mend)))
}

fn offloads(device: &Device) -> Option<Finding> {
    let offloads = device.offloads.as_ref()?;
    let topic = topic(device, "offloads");
    let words = |is_on: bool| {
        let some = offloads.iter().filter(|(_, on)| *on == is_on);
        some.map(|(offload, _)| offload.word()).collect::<Vec<&str>>()
    };
    let (on, off) = (words(true), words(false));
    if off.is_empty() {
        return Some(Finding::ok(&topic, format!("{} on", on.join(", "))));
    }
    let has_cheap = off.contains(&Offload::Segmentation.word());
    let cost = match has_cheap {
        true => "large answers are cut and summed by the processor",
        false => "every packet is summed by the processor",
    };
    let command = off.iter().map(|word| format!("{word} on")).collect::<Vec<_>>().join(" ");
    let mend = Mend::ethtool(&device.name, &format!("-K {command}"));
    Some(Finding::slower(&topic, format!("{} off", off.join(", ")), cost, Some(mend)))
}

/// Whether its interrupts are spread over processors.
fn interrupts(device: &Device, processors: usize) -> Finding {
    let topic = topic(device, "interrupts");
    let mut taken: Vec<u32> = device.interrupts.iter().flat_map(|(_, list)| cpus(list)).collect();
    taken.sort_unstable();
    taken.dedup();
    if taken.is_empty() {
        return Finding::unknown(&topic, "it has none of its own that the kernel shows");
    }
    let word =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (count, taken) = (device.interrupts.len(), taken.len());
    let reading = format!("{} on {}", word(count, "interrupt"), word(taken, "processor"));
    if taken > 1 || count < 2 || processors < 2 {
        return Finding::ok(&topic, reading);
    }
    let cost = "one processor takes in the packets of all queues";
    let change = |(place, (number, _)): (usize, &(u32, String))| Change {
        path: format!("/proc/irq/{number}/smp_affinity_list"),
        value: (place % processors).to_string(),
    };
    let mend = Mend::files(device.interrupts.iter().enumerate().map(change).collect());
    Finding::slower(&topic, reading, cost, Some(mend))
}

/// How crore's stack could share it with the kernel.
fn xdp(device: &Device, tree: &Tree) -> Finding {
    let topic = topic(device, "xdp");
    let Some(modes) = device.xdp else {
        return Finding::unknown(&topic, "this kernel does not say how XDP runs on it (since 6.3)");
    };
    let mtu = tree.number(&format!("/sys/class/net/{}/mtu", device.name)).unwrap_or(0);
    let what = match (modes.driver, modes.zero_copy) {
        (true, true) => "in the driver, without a copy",
        (true, false) => "in the driver, with a copy",
        (false, _) => "generic only",
    };
    let reading = format!("{what}; MTU {mtu}");
    if modes.driver {
        return Finding::ok(&topic, reading);
    }
    let cost = "the kernel makes a socket buffer of each packet before crore gets it";
    Finding::slower(&topic, reading, cost, None)
}
