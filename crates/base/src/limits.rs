//! The sizes one shard is built with. Invariant: every size is known before the first connection;
//! reaching one refuses new work and counts it, and harms nothing that is already there.

/// What one shard may hold. Every number is for that shard alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub connections: u32,
    /// Connections open at once from one client: an IPv4 address or an IPv6 /64. Zero: no bound.
    pub connections_per_client: u32,
    /// At [`Limits::connections`], whether the idle connection that has rested longest makes way
    /// for a new one instead of the new one being refused.
    pub evict_idle: bool,
    /// Bytes one connection may leave unconsumed while its handler waits for more of them.
    /// A handler that leaves this much and still asks for more is ended.
    pub held_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_client: 0,
            evict_idle: false,
            held_bytes: 64 * 1024,
        }
    }
}
