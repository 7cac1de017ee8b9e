//! `TCP_INFO`: Linux's `struct tcp_info` of include/uapi/linux/tcp.h, byte by byte. Invariant: fields
//! stand where that header has them; what has no counterpart here is zero.

use std::time::Duration;

use base::Instant;
use tcp::{Info, Recovering, State};

use crate::connection::Connection;

/// Bytes of the structure in the newest kernels.
pub(crate) const LENGTH: usize = 280;

/// What Linux says before a slow start threshold was set.
const NO_THRESHOLD: u32 = 0x7fff_ffff;
/// The largest segment Linux takes for granted before it has seen one.
const RECEIVE_MSS_FIRST: u32 = 536;

/// Writes fields at their offsets.
struct Layout([u8; LENGTH]);

impl Layout {
    fn byte(&mut self, at: usize, value: u8) {
        self.0[at] = value;
    }

    fn word(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    fn long(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// Linux's number of a state.
pub(crate) const fn state_number(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => CLOSED,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}

const CLOSED: u8 = 7;
const LISTENING: u8 = 10;

/// The structure for a socket without a connection.
pub(crate) fn unconnected(listens: bool) -> Vec<u8> {
    let mut layout = Layout([0; LENGTH]);
    layout.byte(0, if listens { LISTENING } else { CLOSED });
    layout.0.to_vec()
}

const fn micros(span: Duration) -> u32 {
    span.as_micros() as u32
}

const fn congestion_state(info: &Info) -> u8 {
    match info.recovery {
        Recovering::No if info.sacked > 0 => 1,
        Recovering::No => 0,
        Recovering::Congestion => 2,
        Recovering::Loss => 3,
        Recovering::Timeout => 4,
    }
}

impl Connection {
    /// The structure as it is now. To Linux a socket whose connection is in TIME-WAIT is closed.
    pub(crate) fn tcp_info(&mut self, now: Instant, linux: bool) -> Vec<u8> {
        self.counts.settle(now);
        let info = self.working.info(&self.config);
        let mut layout = Layout([0; LENGTH]);
        self.lay_out_state(&mut layout, &info);
        self.lay_out_times(&mut layout, &info, now);
        self.lay_out_counts(&mut layout, &info);
        if linux && self.time_wait.is_some() {
            layout.byte(0, CLOSED);
        }
        layout.0.to_vec()
    }

    fn lay_out_state(&self, layout: &mut Layout, info: &Info) {
        let state = if self.over { CLOSED } else { state_number(self.state()) };
        layout.byte(0, state);
        layout.byte(1, congestion_state(info));
        // A closed window is probed: that is no retransmission.
        let probing = info.send_window == 0 && info.in_flight == 0;
        layout.byte(2, if probing { 0 } else { info.backoff });
        layout.byte(3, self.counts.probes.max(info.keep_alive_probes));
        layout.byte(4, info.backoff);
        let bits = [info.timestamps, info.sack, info.scale.is_some(), info.ecn];
        let options = bits.iter().enumerate().map(|(index, bit)| u8::from(*bit) << index).sum();
        layout.byte(5, options);
        let (theirs, ours) = info.scale.unwrap_or((0, 0));
        layout.byte(6, theirs & 0xf | ours << 4);
        let mss = u32::from(self.working.mss());
        let segments = |bytes: u32| bytes.div_ceil(u32::from(info.send_mss.max(1)));
        layout.word(16, mss);
        layout.word(20, self.counts.largest.max(RECEIVE_MSS_FIRST));
        layout.word(24, segments(info.in_flight));
        layout.word(28, segments(info.sacked));
        layout.word(32, segments(info.lost));
        layout.word(36, segments(info.resent));
        layout.word(60, u32::from(info.receive_mss) + if self.remote.is_ipv6() { 60 } else { 40 });
        layout.word(64, info.receive_window);
        let whole = |bytes: u32| bytes / u32::from(info.send_mss.max(1));
        layout.word(76, info.slow_start_threshold.map_or(NO_THRESHOLD, whole));
        layout.word(80, whole(info.congestion_window));
        layout.word(84, u32::from(info.receive_mss) - if info.timestamps { 12 } else { 0 });
        layout.word(88, 3);
        layout.word(228, info.send_window);
        layout.word(232, info.receive_window);
    }

    fn lay_out_times(&self, layout: &mut Layout, info: &Info, now: Instant) {
        let ago = |then: Instant| (now - then).as_millis() as u32;
        layout.word(8, micros(info.timeout));
        layout.word(12, micros(self.config.receiving.ack_delay));
        layout.word(44, ago(self.counts.last_data_sent));
        layout.word(52, ago(self.counts.last_data_received));
        layout.word(56, ago(self.counts.last_acknowledged));
        layout.word(68, micros(info.round_trip.unwrap_or_default()));
        layout.word(72, micros(info.variation));
        let shortest = info.round_trip_min.or(info.round_trip);
        layout.word(148, shortest.map_or(u32::MAX, micros));
        layout.long(168, self.counts.busy.as_micros() as u64);
        layout.long(176, self.counts.window_limited.as_micros() as u64);
        layout.long(184, self.counts.buffer_limited.as_micros() as u64);
    }

    fn lay_out_counts(&self, layout: &mut Layout, info: &Info) {
        let counts = &self.counts;
        layout.word(96, self.options.receive_buffer);
        layout.word(100, counts.resent);
        let mss = u64::from(self.working.mss().max(1));
        layout.long(112, u64::MAX);
        layout.long(120, counts.bytes_acknowledged);
        layout.long(128, counts.bytes_received);
        layout.word(136, counts.segments_out);
        layout.word(140, counts.segments_in);
        layout.word(144, self.unsent() as u32);
        layout.word(152, counts.data_segments_in);
        layout.word(156, counts.data_segments_out);
        let delivered = counts.bytes_acknowledged + u64::from(info.sacked);
        // The SYN counts.
        layout.word(192, delivered.div_ceil(mss) as u32 + u32::from(self.established));
        layout.long(200, counts.bytes_sent);
        layout.long(208, counts.bytes_resent);
        layout.word(220, u32::from(info.reordering));
    }
}
