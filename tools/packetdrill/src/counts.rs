//! What `TCP_INFO` counts beside the state machine. Invariant: times add up; of the time in which
//! there was something to send, each moment is counted for one reason only.

use std::time::Duration;

use base::Instant;
use tcp::{Info, Outgoing};
use wire::tcp::Flags;

/// The counters of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) segments_in: u32,
    pub(crate) segments_out: u32,
    pub(crate) data_segments_in: u32,
    pub(crate) data_segments_out: u32,
    pub(crate) bytes_acknowledged: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_resent: u64,
    pub(crate) resent: u32,
    /// Largest payload that arrived.
    pub(crate) largest: u32,
    /// Probes of a closed window in a row.
    pub(crate) probes: u8,
    pub(crate) last_data_sent: Instant,
    pub(crate) last_data_received: Instant,
    pub(crate) last_acknowledged: Instant,
    pub(crate) busy: Duration,
    pub(crate) window_limited: Duration,
    pub(crate) buffer_limited: Duration,
    pub(crate) time_wait_since: Option<Instant>,
    limit: Limit,
    since: Instant,
}

/// Why not more is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Limit {
    Idle,
    Busy,
    Window,
    Buffer,
}

impl Counts {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            segments_in: 0,
            segments_out: 0,
            data_segments_in: 0,
            data_segments_out: 0,
            bytes_acknowledged: 0,
            bytes_received: 0,
            bytes_sent: 0,
            bytes_resent: 0,
            resent: 0,
            largest: 0,
            probes: 0,
            last_data_sent: now,
            last_data_received: now,
            last_acknowledged: now,
            busy: Duration::ZERO,
            window_limited: Duration::ZERO,
            buffer_limited: Duration::ZERO,
            time_wait_since: None,
            limit: Limit::Idle,
            since: now,
        }
    }

    pub(crate) const fn arrived(&mut self, now: Instant, length: usize) {
        self.segments_in += 1;
        self.data_segments_in += (length > 0) as u32;
        self.last_acknowledged = now;
        self.probes = 0;
        if length > 0 {
            let length = length as u32;
            self.largest = if length > self.largest { length } else { self.largest };
            self.last_data_received = now;
        }
    }

    pub(crate) fn acknowledged(&mut self, bytes: u32) {
        self.bytes_acknowledged += u64::from(bytes);
    }

    pub(crate) fn received(&mut self, bytes: u32) {
        self.bytes_received += u64::from(bytes);
    }

    pub(crate) fn sent(&mut self, now: Instant, outgoing: &Outgoing) {
        self.segments_out += 1;
        let syn = outgoing.header.flags.any(Flags::SYN);
        let counts = outgoing.length > 0 || syn || outgoing.header.flags.any(Flags::FIN);
        if outgoing.length > 0 {
            self.data_segments_out += 1;
            self.bytes_sent += u64::from(outgoing.length);
            self.last_data_sent = now;
        }
        if outgoing.retransmission && counts {
            self.resent += 1;
            self.bytes_resent += u64::from(outgoing.length);
        }
        if outgoing.retransmission && !counts {
            self.probes = self.probes.saturating_add(1);
        }
    }

    /// Closes the books on the time since they were closed last.
    pub(crate) fn account(&mut self, now: Instant, info: &Info, queued: usize, no_space: bool) {
        self.settle(now);
        let unsent = (queued as u64).saturating_sub(u64::from(info.in_flight));
        let usable = info.send_window.saturating_sub(info.in_flight);
        let wants = unsent.min(u64::from(info.send_mss));
        let free = info.congestion_window.saturating_sub(info.in_flight);
        self.limit = match () {
            () if queued == 0 => Limit::Idle,
            () if unsent > 0 && u64::from(usable) < wants && free > 0 => Limit::Window,
            () if no_space && unsent == 0 && free > 0 => Limit::Buffer,
            () => Limit::Busy,
        };
    }

    /// Adds the time that has passed to what it was spent on.
    pub(crate) fn settle(&mut self, now: Instant) {
        let span = now - std::mem::replace(&mut self.since, now);
        if self.limit != Limit::Idle {
            self.busy += span;
        }
        match self.limit {
            Limit::Window => self.window_limited += span,
            Limit::Buffer => self.buffer_limited += span,
            Limit::Idle | Limit::Busy => {}
        }
    }
}
