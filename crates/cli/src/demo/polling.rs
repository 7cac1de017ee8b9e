//! How a shard passes the time while nothing arrives: it looks again, as a data plane does, because
//! being woken takes longer than a whole exchange. Where threads are more than processors, the
//! other end needs this one's.

use std::thread;

/// Turns without work after which another thread may have the processor.
const PATIENT_TURNS: u32 = 64;

/// Counts turns without work.
#[derive(Default, Debug)]
pub struct Polling {
    idle: u32,
}

impl Polling {
    /// After a turn that found this many events.
    pub fn after(&mut self, events: u32) {
        self.idle = if events > 0 { 0 } else { self.idle + 1 };
        if self.idle > PATIENT_TURNS {
            self.idle = 0;
            thread::yield_now();
        }
    }
}
