//! How many connections a server may hold, and each shard's part of them. Invariant: the parts add
//! up to the whole.

use base::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Error;

/// Descriptors left for what every server has beside connections: listeners, the engines' own, and
/// connections that linger after their end (RFC 9112 section 9.6). Of those there can be more, 1,024
/// a shard; they make way for new connections when no descriptor is left.
const RESERVED: u64 = 256;

/// Connections held when nobody said how many and descriptors would allow more.
const DEFAULT_MOST: u32 = 1_000_000;

/// Raises the number of descriptors this process may have to the most that it may set by itself,
/// and says for how many connections that is enough when `reserved` are wanted for other things.
pub(crate) fn descriptors_for_connections(reserved: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // `None` is "no limit".
    let left = current.unwrap_or(u64::MAX).saturating_sub(RESERVED + u64::from(reserved)).max(1);
    u32::try_from(left).unwrap_or(u32::MAX)
}

/// How many connections to hold: `asked`, up to the `most` that the engine can, or as many as is
/// sensible when nobody asked: those for which there are descriptors, `possible`.
pub(crate) fn total(asked: Option<u32>, possible: u32, most: u32) -> Result<u32, Error> {
    match asked {
        None => Ok(possible.min(DEFAULT_MOST)),
        Some(asked) if asked > most => Err(Error::Descriptors { asked, possible: most }),
        Some(asked) => Ok(asked),
    }
}

/// The part of `whole` that shard `index` of `shards` gets.
///
/// Connections are shared out. The bound for one client is not: each shard counts for itself, and
/// the kernel spreads a client's connections over the shards by chance, so a part of the bound
/// would refuse clients that are within it.
pub(crate) fn part(whole: Limits, index: u16, shards: u16) -> Limits {
    let (index, shards) = (u32::from(index), u32::from(shards));
    let extra = u32::from(index < whole.connections % shards);
    Limits { connections: whole.connections / shards + extra, ..whole }
}

#[cfg(test)]
mod tests {
    use super::{part, total};
    use crate::Error;
    use base::Limits;

    #[test]
    fn the_parts_add_up_to_the_whole() {
        for (connections, shards) in [(10, 3), (3, 3), (2, 3), (10_000_000, 64), (u32::MAX, 7)] {
            let whole = Limits { connections, connections_per_client: 5, ..Limits::default() };
            let parts: Vec<_> = (0..shards).map(|index| part(whole, index, shards)).collect();
            let sum: u64 = parts.iter().map(|part| u64::from(part.connections)).sum();
            assert_eq!(sum, u64::from(connections));
            assert!(parts.iter().all(|part| part.connections_per_client == 5));
        }
    }

    #[test]
    fn more_than_descriptors_allow_is_refused() {
        assert!(matches!(total(None, 500, 900), Ok(500)));
        assert!(matches!(total(None, u32::MAX, u32::MAX), Ok(1_000_000)));
        assert!(matches!(total(Some(500), 500, 500), Ok(500)));
        assert!(matches!(total(Some(501), 500, 1_000), Ok(501)));
        let refused = total(Some(501), 500, 500);
        assert!(matches!(refused, Err(Error::Descriptors { asked: 501, possible: 500 })));
    }
}
