//! Sockets beyond the process's descriptors: [`Places`] in the ring's own table of files, which does
//! not count against `RLIMIT_NOFILE`. Invariant: a place is free, or holds the one socket whose
//! handle names it; and where there are places, no connection stays in the last descriptors, so that
//! each shard always has one to accept or open the next with.

use rustix::process::{Resource, getrlimit};

/// Descriptors left for everything that is no connection: files, listeners, and sockets that are just
/// being accepted or opened. The kernel accepts as many at once as wait in a listener's queue, and
/// that is how long the queue is.
const LEFT: u64 = 4_096;

/// Places of one table at most: `IORING_MAX_FIXED_FILES`.
const MOST: u32 = 1 << 20;

/// From which descriptor on sockets become places, and how many there can be of each: the kernel
/// allows a table as large as the limit of descriptors.
fn bounds() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (limit - LEFT.min(limit / 2), limit)
}

/// Connections that so many shards of a process can hold together. What they have in descriptors
/// besides is not counted: whoever comes first takes those.
pub(crate) fn capacity(shards: u16) -> u32 {
    let (_, limit) = bounds();
    let places = u64::from(shards) * limit.min(u64::from(MOST));
    u32::try_from(places).unwrap_or(u32::MAX)
}

pub(crate) struct Places {
    /// Descriptors from this number on are to become places. The kernel gives out the lowest that
    /// is free, so its number says how many are taken.
    from: u64,
    /// How many there can be.
    most: u32,
    /// How many the kernel knows of; none until the first is needed.
    registered: u32,
    /// Places used and free again.
    free: Vec<u32>,
    /// Places from here on have never been used.
    next: u32,
}

impl Places {
    /// Places for sockets of a ring that holds `connections` at most.
    pub fn new(connections: u32) -> Self {
        let (from, limit) = bounds();
        let most = u32::try_from(limit).unwrap_or(u32::MAX).min(connections).min(MOST);
        Self { from, most, registered: 0, free: Vec::new(), next: 0 }
    }

    /// Whether a socket with this descriptor is to become a place, if there is one.
    pub fn wants(&self, descriptor: i32) -> bool {
        u64::try_from(descriptor).is_ok_and(|number| number >= self.from) && self.exist()
    }

    /// Whether the kernel makes such tables at all.
    pub const fn exist(&self) -> bool {
        self.most > 0
    }

    /// A free place. `register` has the kernel make the table, the first time.
    pub fn take(&mut self, register: impl FnOnce(u32) -> bool) -> Option<u32> {
        if self.registered == 0 {
            if !register(self.most) {
                // Not to be had here; not asked for again.
                self.most = 0;
                return None;
            }
            self.registered = self.most;
        }
        self.free.pop().or_else(|| {
            (self.next < self.registered).then(|| {
                self.next += 1;
                self.next - 1
            })
        })
    }

    /// A place is free again.
    pub fn give_back(&mut self, place: u32) {
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn places_are_given_out_once_and_used_again() {
        let mut places = Places { from: 100, most: 3, registered: 0, free: Vec::new(), next: 0 };
        assert!(!places.wants(99) && places.wants(100));
        let mut asked = 0;
        let mut take = |places: &mut Places| {
            places.take(|_| {
                asked += 1;
                true
            })
        };
        let taken: Vec<_> = (0..4).map(|_| take(&mut places)).collect();
        assert_eq!(taken, [Some(0), Some(1), Some(2), None]);
        places.give_back(1);
        assert_eq!((take(&mut places), take(&mut places)), (Some(1), None));
        assert_eq!(asked, 1);
    }

    #[test]
    fn without_a_table_everything_stays_a_descriptor() {
        let mut places = Places { from: 0, most: 3, registered: 0, free: Vec::new(), next: 0 };
        assert_eq!(places.take(|_| false), None);
        assert!(!places.wants(5));
    }
}
