//! Whether memory suffices for both ends, told before anything is opened.

use std::fs;

use base::Bytes;

use crate::serve::capacity;
use crate::settings::{Place, Problem};

/// What a sleeping connection takes at each end: 64 bytes of record, one bit, and at most 12 bytes
/// of flow table.
pub const END_BYTES: u64 = 77;
/// What the client remembers besides: the connection's identifier.
const ID_BYTES: u64 = 8;
/// What each pair of shards takes however many connections there are: working blocks, buffers,
/// packets, rings, latencies, and the rest of the huge pages begun.
pub const FIXED_BYTES: u64 = 64 << 20;

/// Bytes that this many connections take, both ends together.
pub const fn needed(connections: u32, shards: u32) -> u64 {
    connections as u64 * (2 * END_BYTES + ID_BYTES) + shards as u64 * FIXED_BYTES
}

/// How many connections `available` bytes suffice for.
const fn possible(available: u64, shards: u32) -> u64 {
    available.saturating_sub(shards as u64 * FIXED_BYTES) / (2 * END_BYTES + ID_BYTES)
}

/// Checks that memory suffices for all connections.
///
/// # Errors
/// When it does not; says what would fit.
pub fn check(connections: u32, shards: u32) -> Result<(), Problem> {
    capacity::usable_memory().map_or(Ok(()), |available| fits(connections, shards, available))
}

fn fits(connections: u32, shards: u32, available: u64) -> Result<(), Problem> {
    let needed = needed(connections, shards);
    if needed <= available {
        return Ok(());
    }
    let (needed, usable) = (Bytes(needed), Bytes(available));
    let place = Place::Flag("--connections".into());
    let reason = format!(
        "{connections} connections take {needed} of memory, client and server together, and \
         {usable} can be had"
    );
    let problem = Problem::new(place, reason);
    Err(match possible(available, shards) {
        0 => problem.advise("not even one fits; end other programs"),
        possible => problem.advise(format!("--connections {possible} would fit")),
    })
}

/// Resident memory of this process, in bytes; zero where the system does not say.
pub fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::{fits, needed};

    #[test]
    fn what_is_said_to_fit_fits_and_one_more_does_not() {
        let problem = fits(10_000_000, 1, 1 << 30).unwrap_err().to_string();
        let said = problem.split("--connections ").nth(1).and_then(|rest| rest.split(' ').next());
        let possible: u32 = said.and_then(|number| number.parse().ok()).unwrap();
        assert!(fits(possible, 1, 1 << 30).is_ok() && fits(possible + 1, 1, 1 << 30).is_err());
        assert!(fits(1, 1, 1 << 20).unwrap_err().to_string().contains("not even one"));
    }

    #[test]
    fn a_hundred_million_take_less_than_24_gigabytes() {
        assert!(needed(100_000_000, 1) < 24_000_000_000 / 100 * 90);
    }
}
