//! What a connection is doing, for whoever watches it: the STATUS call, RFC 9293 section 3.10.6.
//! Invariant: looking changes nothing.

use core::time::Duration;

use crate::working::State;
use crate::{Config, Working};

/// A connection at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The state.
    pub state: State,
    /// What the sender is recovering from.
    pub recovery: Recovering,
    /// cwnd, bytes.
    pub congestion_window: u32,
    /// ssthresh, bytes; None before the first reduction.
    pub slow_start_threshold: Option<u32>,
    /// Largest segment to send, options included.
    pub send_mss: u16,
    /// Largest segment that can be received.
    pub receive_mss: u16,
    /// SND.WND, bytes.
    pub send_window: u32,
    /// The largest SND.WND there was, bytes.
    pub send_window_max: u32,
    /// RCV.WND, bytes.
    pub receive_window: u32,
    /// Bytes in flight: sent and not acknowledged, however they fared.
    pub in_flight: u32,
    /// Of these, what the peer has ahead of its turn.
    pub sacked: u32,
    /// Of these, what is taken for lost and not sent again yet.
    pub lost: u32,
    /// Of these, what was sent again and not taken for lost since.
    pub resent: u32,
    /// Smoothed round-trip time; None before the first sample.
    pub round_trip: Option<Duration>,
    /// How much round trips vary (RTTVAR).
    pub variation: Duration,
    /// Shortest round trip there was.
    pub round_trip_min: Option<Duration>,
    /// The retransmission timeout.
    pub timeout: Duration,
    /// How many times in a row it expired.
    pub backoff: u8,
    /// Keep-alive probes without an answer.
    pub keep_alive_probes: u8,
    /// Whether timestamps are on.
    pub timestamps: bool,
    /// Whether selective acknowledgments are on.
    pub sack: bool,
    /// Whether ECN is on.
    pub ecn: bool,
    /// The shifts of the windows received and sent; None without window scaling.
    pub scale: Option<(u8, u8)>,
    /// Whether reordering was seen.
    pub reordering: bool,
}

/// What a sender is recovering from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovering {
    /// Nothing.
    No,
    /// Marks of congestion, or a loss that was repaired by a probe.
    Congestion,
    /// Losses.
    Loss,
    /// A retransmission timeout.
    Timeout,
}

impl Working {
    /// What the connection is doing.
    #[must_use]
    pub fn info(&self, config: &Config) -> Info {
        let (state, send, receive) = (self.state, &self.send, &self.receive);
        Info {
            state,
            recovery: self.recovery.from(),
            congestion_window: self.send_limit(),
            slow_start_threshold: self.congestion.reduced_threshold(),
            send_mss: send.mss,
            receive_mss: receive.mss,
            send_window: send.window,
            send_window_max: send.max_window,
            receive_window: receive.window(),
            in_flight: send.nxt.distance(send.una) as u32,
            sacked: self.flight.sacked(),
            lost: self.flight.lost(),
            resent: self.flight.resent_bytes(),
            round_trip: self.rtt.smoothed().map(micros),
            variation: micros(self.rtt.variation()),
            round_trip_min: self.rack.min_rtt().map(micros),
            timeout: self.rtt.timeout(config),
            backoff: self.rtt.backoff(),
            keep_alive_probes: self.timers.keep_alive_probes,
            timestamps: self.timestamps.is_some(),
            sack: self.sack,
            ecn: self.ecn.on,
            scale: self.scaled.then_some((send.shift, receive.shift)),
            reordering: self.rack.reordering_seen(),
        }
    }
}

const fn micros(count: u32) -> Duration {
    Duration::from_micros(count as u64)
}
