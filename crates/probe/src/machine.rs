//! Where it was measured: what a reader needs to know of the machine to compare two runs.

use std::fs;

use base::Grouped;
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

/// The machine of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// The architecture.
    pub architecture: String,
    /// The processor's own name.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// The limit of descriptors of a process; none when there is none.
    pub descriptors: Option<u64>,
    /// What the time comes from.
    pub clock: String,
    /// Seconds since 1970 when the run began.
    pub began: u64,
}

impl Machine {
    /// This one, now. What cannot be read is empty.
    #[must_use]
    pub fn here() -> Self {
        let system = rustix::system::uname();
        let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            kernel: system.release().to_string_lossy().into_owned(),
            architecture: system.machine().to_string_lossy().into_owned(),
            processor: after(&read("/proc/cpuinfo"), "model name").to_owned(),
            processors: std::thread::available_parallelism().map_or(0, |count| count.get() as u64),
            memory: kilobytes(&read("/proc/meminfo"), "MemTotal") * 1024,
            descriptors: getrlimit(Resource::Nofile).current,
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .trim()
                .to_owned(),
            began: began.map_or(0, |since| since.as_secs()),
        }
    }

    /// One line for a person.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { kernel, architecture, processor, processors, .. } = self;
        let memory = chart::Unit::Bytes.format(self.memory as f64);
        let limit =
            self.descriptors.map_or("no limit".to_owned(), |limit| Grouped(limit).to_string());
        format!(
            "Linux {kernel}, {architecture}, {processors} × {processor}, {memory} of memory, descriptors of a \
             process: {limit}"
        )
    }
}

/// Bytes of kernel memory in use for what probes make: slabs, kernel stacks, page tables, and pages of
/// sockets. Of the whole system, so other processes show in it.
#[must_use]
pub fn kernel_memory() -> u64 {
    let memory = read("/proc/meminfo");
    let names = ["KernelStack", "PageTables", "Percpu"];
    let others = names.iter().map(|name| kilobytes(&memory, name)).sum::<u64>() * 1024;
    let slabs = slabs(&read("/proc/slabinfo"), &[]);
    others + slabs.unwrap_or_else(|| kilobytes(&memory, "Slab") * 1024)
}

/// Bytes that the kernel has for the objects of these caches and no others; none where they are not listed,
/// or nobody but root may read the list.
#[must_use]
pub fn cache_memory(caches: &[&str]) -> Option<u64> {
    slabs(&read("/proc/slabinfo"), caches)
}

/// Bytes in slabs by the list that root may read, of these caches or of all. What /proc/meminfo says of them is behind by what each
/// processor has not told yet, up to some hundred kilobytes.
fn slabs(list: &str, caches: &[&str]) -> Option<u64> {
    let page = rustix::param::page_size() as u64;
    let bytes = |line: &str| {
        // name, active objects, objects, object size, objects a slab, pages a slab : tunables … :
        // slabdata, active slabs, slabs, …
        let mut parts = line.split(" : ");
        let pages: u64 = parts.next()?.split_whitespace().nth(5)?.parse().ok()?;
        let slabs: u64 = parts.nth(1)?.split_whitespace().nth(2)?.parse().ok()?;
        Some(pages * slabs * page)
    };
    let is_meant = |line: &&str| {
        caches.is_empty()
            || line.split_whitespace().next().is_some_and(|name| caches.contains(&name))
    };
    let sum: u64 = list.lines().filter(is_meant).filter_map(bytes).sum();
    (sum > 0).then_some(sum)
}

/// Bytes that the next allocations can have without harm to others.
#[must_use]
pub fn available_memory() -> u64 {
    kilobytes(&read("/proc/meminfo"), "MemAvailable") * 1024
}

/// Bytes of user-space memory of these processes and all that come from them, what they share counted
/// once; zero for those that are gone.
#[must_use]
pub fn tree_memory(roots: &[u32]) -> u64 {
    let mut tree = roots.to_vec();
    let mut index = 0;
    while let Some(id) = tree.get(index) {
        let children = read(&format!("/proc/{id}/task/{id}/children"));
        tree.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        index += 1;
    }
    let share = |id: &u32| kilobytes(&read(&format!("/proc/{id}/smaps_rollup")), "Pss") * 1024;
    tree.iter().map(share).sum()
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn kilobytes(text: &str, name: &str) -> u64 {
    after(text, name).trim_end_matches(" kB").trim().parse().unwrap_or(0)
}

/// What follows `name:` on its line.
fn after<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    };
    text.lines().find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::slabs;

    #[test]
    fn slabs_are_counted_in_pages() {
        let list = "slabinfo - version: 2.1\n\
            # name  <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables\n\
            TCP 18 24 2368 13 8 : tunables 0 0 0 : slabdata 2 3 0\n\
            filp 4 42 192 21 1 : tunables 0 0 0 : slabdata 2 2 0\n";
        let page = rustix::param::page_size() as u64;
        assert_eq!(slabs(list, &[]), Some((8 * 3 + 2) * page));
        assert_eq!(slabs(list, &["filp", "dentry"]), Some(2 * page));
        assert_eq!((slabs(list, &["dentry"]), slabs("", &[])), (None, None));
    }
}
