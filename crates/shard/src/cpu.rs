//! Which CPUs this process may use, and pinning a thread to one of them.

use std::fmt;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One CPU, by the number the kernel gives it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cpu(usize);

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}", self.0)
    }
}

/// The CPUs that this thread may run on, lowest first; empty when the kernel does not tell.
#[must_use]
pub fn allowed() -> Vec<Cpu> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).map(Cpu).collect()
}

/// How many threads this process can have running at once: the CPUs it may run on, or fewer where
/// a control group grants it less time than that. At least one.
#[must_use]
pub fn parallelism() -> usize {
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    match allowed().len() {
        0 => granted,
        cpus => granted.min(cpus),
    }
}

/// Has the calling thread run on `cpu` only. False when the kernel refuses, which is no reason not
/// to go on: the scheduler then places the thread.
#[must_use]
pub fn pin(cpu: Cpu) -> bool {
    let mut set = CpuSet::new();
    set.set(cpu.0);
    sched_setaffinity(None, &set).is_ok()
}

/// The CPU for each of `shards` shards. With as many shards as CPUs allowed, each gets its own.
/// Otherwise none is pinned: another process may have chosen the same few, and the scheduler knows
/// which are free.
#[must_use]
pub fn assign(shards: usize) -> Vec<Option<Cpu>> {
    let cpus = allowed();
    if cpus.len() == shards { cpus.into_iter().map(Some).collect() } else { vec![None; shards] }
}

#[cfg(test)]
mod tests {
    use super::{allowed, assign, parallelism, pin};

    #[test]
    fn a_pinned_thread_may_use_one_cpu() {
        let seen = std::thread::spawn(|| {
            let last = allowed().last().copied()?;
            pin(last).then(|| (allowed(), last))
        });
        if let Some((cpus, last)) = seen.join().unwrap() {
            assert_eq!(cpus, [last]);
        }
    }

    #[test]
    fn each_shard_has_its_own_cpu_or_none_has() {
        let cpus = allowed();
        assert!(parallelism() >= 1);
        let assigned = assign(cpus.len());
        assert!(assigned.iter().flatten().eq(cpus.iter()));
        assert!(assign(cpus.len() + 1).iter().all(Option::is_none));
    }
}
