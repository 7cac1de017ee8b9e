//! A part of a processor for the servers, so that they are what is saturated and not wrk: a control
//! group with a bandwidth limit (cgroup v1's `cpu.cfs_quota_us`, v2's `cpu.max`). Invariant: the group
//! is gone, and its members are back where they were, when the [`Share`] is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Over how long the limit is counted, and how much of that the group may run: half a processor.
const PERIOD_MICROS: u32 = 10_000;
const QUOTA_MICROS: u32 = PERIOD_MICROS / 2;

const V1: &str = "/sys/fs/cgroup/cpu";
const V2: &str = "/sys/fs/cgroup";

/// A group of processes that share half a processor.
#[derive(Debug)]
pub struct Share {
    group: PathBuf,
    /// Each member, and the group it came from.
    members: Vec<(u32, PathBuf)>,
}

impl Share {
    /// Moves the processes into a group of their own.
    pub fn of(processes: &[u32]) -> Outcome<Self> {
        let name = format!("crore-bench-{}", std::process::id());
        let has_v1 = Path::new(V1).join("cpu.cfs_quota_us").exists();
        let root = Path::new(if has_v1 { V1 } else { V2 });
        let mut share = Self { group: root.join(name), members: Vec::new() };
        fs::create_dir(&share.group).map_err(|error| {
            format!("no control group can be made (it takes root): {}: {error}", root.display())
        })?;
        if has_v1 {
            fs::write(share.group.join("cpu.cfs_period_us"), PERIOD_MICROS.to_string())?;
            fs::write(share.group.join("cpu.cfs_quota_us"), QUOTA_MICROS.to_string())?;
        } else {
            // Has no effect, and does no harm, where the controller is on already.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu");
            fs::write(share.group.join("cpu.max"), format!("{QUOTA_MICROS} {PERIOD_MICROS}"))?;
        }
        for &process in processes {
            let origin = root.join(origin(process, has_v1)?);
            fs::write(share.group.join("cgroup.procs"), process.to_string())?;
            share.members.push((process, origin));
        }
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        for (process, origin) in &self.members {
            // One that has ended is in no group any more.
            let _ = fs::write(origin.join("cgroup.procs"), process.to_string());
        }
        if let Err(error) = fs::remove_dir(&self.group) {
            println!("cannot remove {}: {error}", self.group.display());
        }
    }
}

/// The group that a process is in, below the root of its hierarchy.
fn origin(process: u32, has_v1: bool) -> Outcome<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup"))?;
    let path = path_of(&groups, has_v1).ok_or("/proc/PID/cgroup names no group")?;
    Ok(PathBuf::from(path.trim_start_matches('/')))
}

/// The path in a line `ID:CONTROLLERS:PATH`; version 2's line has no controllers.
fn path_of(groups: &str, has_v1: bool) -> Option<&str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_meant = if has_v1 {
            controllers.split(',').any(|name| name == "cpu")
        } else {
            controllers.is_empty()
        };
        is_meant.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_group_is_that_of_the_processor() {
        let groups = "9:cpuset:/a\n4:cpu,cpuacct:/b\n0::/c:d\n";
        assert_eq!(path_of(groups, true), Some("/b"));
        assert_eq!(path_of(groups, false), Some("/c:d"));
        assert_eq!(path_of("0::/", true), None);
    }
}
