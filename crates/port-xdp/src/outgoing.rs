//! Ports that connections of ours can come from at an address that the kernel has, too:
//! [`free_ports`]. Invariant: the kernel chooses none of them for a connection of its own, and no
//! socket of this machine is bound to one; so nothing has to be changed for them (a setting of the
//! kernel's, `ip_local_reserved_ports`, would outlast a process that is killed).

use std::fs;
use std::ops::RangeInclusive;

use crate::Error;

/// Ports that are not used below those that the kernel chooses from: there are servers.
const LOWEST: u16 = 10_000;
/// Ports taken at most below those: as few servers as possible are to be in the way later.
const MOST_BELOW: u16 = 4_096;
/// Ports that are worth having.
const FEWEST: usize = 64;

/// The most ports in a row that neither the kernel nor a program of this machine has a use for.
///
/// # Errors
/// [`Error::NoPorts`] when the kernel chooses from nearly all of them.
pub fn free_ports() -> Result<RangeInclusive<u16>, Error> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    // Of this thread's network namespace.
    let tables = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
    let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    let used: Vec<u16> = tables.iter().flat_map(|table| bound(table)).collect();
    choose(kernels(&range), &used).ok_or(Error::NoPorts)
}

/// What the kernel chooses from, as it says itself; its default where it says nothing.
fn kernels(text: &str) -> RangeInclusive<u16> {
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        _ => 32_768..=60_999,
    }
}

/// The local ports in a table of sockets, `/proc/net/tcp`.
fn bound(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
        u16::from_str_radix(port, 16).ok()
    })
}

/// Ports above those of the kernel, else just below them.
fn choose(kernels: RangeInclusive<u16>, used: &[u16]) -> Option<RangeInclusive<u16>> {
    let above = kernels.end().checked_add(1).map(|first| first..=u16::MAX);
    let end = kernels.start().saturating_sub(1);
    let below = end.saturating_sub(MOST_BELOW - 1).max(LOWEST)..=end;
    let mut runs = above.into_iter().chain([below]).filter_map(|ports| longest_run(ports, used));
    runs.find(|run| run.len() >= FEWEST)
}

fn longest_run(ports: RangeInclusive<u16>, used: &[u16]) -> Option<RangeInclusive<u16>> {
    let (mut longest, mut start): (Option<RangeInclusive<u16>>, _) = (None, None);
    for port in ports {
        if used.contains(&port) {
            start = None;
            continue;
        }
        let run = *start.get_or_insert(port)..=port;
        if longest.as_ref().is_none_or(|longest| run.len() > longest.len()) {
            longest = Some(run);
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::{bound, choose, kernels};

    #[test]
    fn ports_are_taken_where_the_kernel_chooses_none_and_nobody_is() {
        let usual = || kernels("32768\t60999\n");
        assert_eq!(choose(usual(), &[]), Some(61_000..=65_535));
        assert_eq!(choose(usual(), &[61_500, 65_000]), Some(61_501..=64_999));
        // Nothing above: just below, and not where servers are.
        assert_eq!(choose(kernels("32768 65535"), &[]), Some(28_672..=32_767));
        assert_eq!(choose(kernels("11000 65500"), &[]), Some(10_000..=10_999));
        assert_eq!(choose(kernels("1024 65535"), &[]), None);
        assert_eq!(kernels(""), 32_768..=60_999);
    }

    #[test]
    fn sockets_are_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A\n   \
                     1: 0000000000000000FFFF00000100007F:EE48 00:0 06\n junk\n";
        assert_eq!(bound(table).collect::<Vec<_>>(), [8080, 61_000]);
    }
}
