//! How a stack is doing, for whoever watches it from another thread: [`Vitals`]. Invariant: one shard
//! writes, anyone reads.

use alloc::sync::Arc;

use app::Counter;

use crate::Drops;

/// Counters and levels of one shard's stack.
#[derive(Debug, Default)]
pub struct Vitals {
    /// Packets that arrived.
    pub packets_in: Counter,
    /// Packets handed to the port.
    pub packets_out: Counter,
    /// Segments sent again.
    pub retransmitted: Counter,
    /// Connections that have work to do now, each in a working block.
    pub working: Counter,
    /// Connections that wait out their TIME-WAIT.
    pub time_wait: Counter,
    /// Working blocks that there are.
    pub working_most: Counter,
    /// Buffers in use, for bytes not acknowledged or not consumed; and how many there are.
    pub buffers: Counter,
    /// See [`Vitals::buffers`].
    pub buffers_most: Counter,
    /// Packet buffers in use, for packets on their way out, the port's included; and how many there are.
    pub frames: Counter,
    /// See [`Vitals::frames`].
    pub frames_most: Counter,
    /// Bytes reserved for tables and pools.
    pub reserved: Counter,
    /// Why packets were dropped.
    pub drops: Arc<Drops>,
}
