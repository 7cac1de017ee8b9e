//! How busy processors are: [`Busy`]. Invariant: what a processor does for a process in the kernel,
//! interrupts included, counts as busy, whoever is charged for it.

use std::fs;

use crate::Outcome;

/// Ticks of every processor so far, busy and in all.
#[derive(Clone, Debug)]
pub struct Busy(Vec<[u64; 2]>);

impl Busy {
    /// As it is now.
    pub fn now() -> Outcome<Self> {
        Ok(Self(read(&fs::read_to_string("/proc/stat")?)))
    }

    /// Hundredths of the time since then in which a processor was busy.
    pub fn since(&self, earlier: &Self, processor: usize) -> f64 {
        let of = |all: &Self| all.0.get(processor).copied().unwrap_or_default();
        let ([busy, all], [before, all_before]) = (of(self), of(earlier));
        let ticks = all.saturating_sub(all_before).max(1);
        busy.saturating_sub(before) as f64 / ticks as f64 * 100.0
    }
}

/// Lines `cpuN user nice system idle iowait irq softirq steal`. What a hypervisor took is neither
/// busy nor idle, and left out.
fn read(stat: &str) -> Vec<[u64; 2]> {
    let of_one = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        name.strip_prefix("cpu")?.parse::<u32>().ok()?;
        let ticks: Vec<u64> = rest.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, idle, waiting, interrupt, soft, ..] = ticks[..] else {
            return None;
        };
        let busy = user + nice + system + interrupt + soft;
        Some([busy, busy + idle + waiting])
    };
    stat.lines().filter_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Busy, read};

    #[test]
    fn busy_is_all_but_idle_and_waiting() {
        let before = Busy(read("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 0 1 10 0 0 0 5 0 0\nintr 5\n"));
        let after = Busy(read("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 2 1 3 12 1 0 4 9 0 0\n"));
        assert_eq!(after.0.len(), 1);
        // Eight of eleven ticks.
        assert!((after.since(&before, 0) - 72.7).abs() < 0.1);
        assert_eq!(after.since(&before, 7), 0.0);
    }
}
