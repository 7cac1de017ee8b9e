//! What the control group leaves to a process: [`memory`]. Invariant: the narrowest limit on the way up
//! counts, because every one of them holds. Control groups of version 2 only; those of version 1 are seen
//! as no limit.

use crate::Tree;

/// Where the kernel shows them.
const FOLDER: &str = "/sys/fs/cgroup";

/// The memory of a control group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// The group, as a path below its mount.
    pub group: String,
    /// Bytes that its processes may have together.
    pub limit: u64,
    /// Bytes that they may still take. What of it holds files is given back when it is wanted.
    pub left: u64,
}

impl Memory {
    /// The file that its limit is in.
    pub fn file(&self) -> String {
        format!("{}/memory.max", folder(&self.group))
    }
}

/// The group with the narrowest limit of all that this process is in; none where none has one.
pub(crate) fn memory(tree: &Tree) -> Option<Memory> {
    let groups = tree.text("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let all = own.match_indices('/').map(|(end, _)| &own[..end]).chain([own]);
    let groups = all.filter(|group| *group != "/").filter_map(|group| one(tree, group));
    groups.min_by_key(|memory| memory.left)
}

fn one(tree: &Tree, group: &str) -> Option<Memory> {
    let folder = folder(group);
    let limit = tree.number(&format!("{folder}/memory.max"))?;
    let used = tree.number(&format!("{folder}/memory.current"))?;
    let stat = tree.text(&format!("{folder}/memory.stat")).unwrap_or_default();
    let files = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok());
    let left = limit.saturating_sub(used).saturating_add(files.unwrap_or(0)).min(limit);
    Some(Memory { group: group.to_owned(), limit, left })
}

fn folder(group: &str) -> String {
    format!("{FOLDER}{}", group.trim_end_matches('/'))
}
