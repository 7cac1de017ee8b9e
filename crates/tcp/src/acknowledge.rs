//! The ACK field of a segment, RFC 9293 section 3.10.7.4 fifth check: what is acknowledged, the send
//! window, and what follows for loss recovery (RFC 5681, 6582, 6675, 8985). Invariant: the
//! acknowledgment lies between SND.UNA − MAX.SND.WND and SND.NXT; that was checked before.

use base::{Instant, Seq};
use wire::tcp::{Flags, Repr};

use crate::congestion::{Acked, Congestion};
use crate::micros::{Micros, after_us};
use crate::prr::{Progress, Prr};
use crate::rack::DUP_THRESHOLD;
use crate::sack::Delivery;
use crate::segment::Arrival;
use crate::{Turn, Working};

/// An echo older than this cannot be a round trip.
const ECHO_AGE_MAX_MS: u32 = 2 * 60 * 1_000;

/// What an acknowledgment did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Acknowledged {
    /// SND.UNA moved.
    pub(crate) advanced: bool,
    /// It was a duplicate as RFC 5681 section 2 defines it.
    pub(crate) duplicate: bool,
    /// Bytes that had not been delivered before.
    pub(crate) delivered: u32,
}

impl Working {
    /// Takes an acceptable acknowledgment; gives the bytes of payload newly acknowledged.
    pub(crate) fn acknowledge(&mut self, turn: &Turn<'_>, arrival: &Arrival<'_>) -> u32 {
        let header = arrival.header;
        let settled = self.flight.is_empty() && self.recovery.tail_probe.is_none();
        if settled && header.options.sack.is_empty() {
            // Nothing can be acknowledged: most segments of a peer that only sends.
            self.update_window(turn, header);
            return 0;
        }
        let before = self.send.una;
        // The window does not grow by what ends a recovery (RFC 6582 section 3.2 step 3).
        let grows = self.is_window_limited() && self.recovery.may_grow();
        let repeated = self.is_repeated(arrival);
        // RFC 5681 section 2 has it so.
        let duplicate = repeated && !self.flight.is_empty();
        let delivery = self.take_delivery(header, turn);
        let advanced = before.before(header.acknowledgment);
        let acknowledged = if advanced { self.advance_una(turn, header, &delivery) } else { 0 };
        self.update_window(turn, header);
        if delivery.duplicate {
            self.rack.duplicate_seen();
        }
        self.settle_tail_probe(header, &delivery, repeated);
        let marked = self.heed_congestion_echo(header, delivery.bytes);
        if advanced {
            self.settle_path_probe(turn);
        }
        let seen = Acknowledged { advanced, duplicate, delivered: delivery.bytes };
        self.detect_loss(turn.now, &seen);
        if advanced || duplicate || delivery.bytes > 0 {
            self.judge_timeout(turn, advanced, &delivery);
        }
        if delivery.bytes > 0 {
            if advanced && grows && !marked && self.recovery.may_grow() {
                self.congestion.acknowledged(&self.acked(turn, delivery.bytes, delivery.rtt));
            }
            // RFC 6298 section 5.3; a selective acknowledgment shows as much that the path lives.
            self.timers.retransmission = Instant::NEVER;
            self.schedule_tail_probe(turn);
        }
        acknowledged
    }

    /// `bytes` were delivered after `rtt` microseconds, for congestion control.
    pub(crate) fn acked(&self, turn: &Turn<'_>, bytes: u32, rtt: Option<u32>) -> Acked {
        Acked {
            bytes,
            now: turn.now,
            smoothed: self.rtt.smoothed().unwrap_or(0),
            rtt: rtt.unwrap_or(0),
            una: self.send.una,
            next: self.send.nxt,
        }
    }

    /// The acknowledgment of our SYN.
    pub(crate) fn take_handshake_ack(&mut self, turn: &Turn<'_>, header: &Repr) {
        let lost = self.rtt.backoff() > 0;
        let delivery = self.take_delivery(header, turn);
        self.send.una = header.acknowledgment;
        self.send.progress = turn.now;
        self.sample_rtt(turn, header, &delivery);
        if lost {
            self.rtt.forget_backoff();
            self.rtt.syn_was_lost();
            // RFC 5681 section 3.1: the initial window is one segment then.
            let mss = u32::from(self.send.mss);
            self.congestion = Congestion::new(turn.config.sending.congestion, mss, true);
        }
        self.timers.retransmission = Instant::NEVER;
    }

    /// Whether the congestion window was what kept the sender from sending more: in slow start also
    /// when more than half of it was used (RFC 7661 section 4.2 has the same line).
    pub(crate) fn is_window_limited(&self) -> bool {
        let usage = &self.send.usage;
        usage.limited
            || self.congestion.in_slow_start() && usage.peak > self.congestion.window() / 2
    }

    /// Whether it says nothing that the one before did not say: a duplicate as RFC 5681 section 2 defines
    /// it, but that something need not be in flight.
    fn is_repeated(&self, arrival: &Arrival<'_>) -> bool {
        let header = arrival.header;
        arrival.length == 0
            && !header.flags.any(Flags::SYN | Flags::FIN)
            && header.acknowledgment == self.send.una
            && u32::from(header.window) << self.send.shift == self.send.window
    }

    /// SND.UNA moves.
    fn advance_una(&mut self, turn: &Turn<'_>, header: &Repr, delivery: &Delivery) -> u32 {
        let ack = header.acknowledgment;
        let payload_end = ack.min(self.send.end);
        let acknowledged = payload_end.distance(self.send.una).max(0) as u32;
        //= specs/rfc9293.txt#section-3.10.7.4
        //# If SND.UNA < SEG.ACK =< SND.NXT, then set SND.UNA <-
        //# SEG.ACK.
        self.send.una = ack;
        self.send.progress = turn.now;
        self.sample_rtt(turn, header, delivery);
        self.recovery.duplicates = 0;
        if self.recovery.acknowledged(ack) {
            self.rack.recovered();
            if !self.sack {
                self.congestion.recovered(self.flight.pipe());
            }
        }
        acknowledged
    }

    /// RFC 6298 section 3 (Karn), or by the timestamp echoed (RFC 7323 section 4).
    fn sample_rtt(&mut self, turn: &Turn<'_>, header: &Repr, delivery: &Delivery) {
        if let Some(rtt) = delivery.rtt {
            self.rtt.sample(rtt);
            return;
        }
        let echo = self.timestamps.and(header.options.timestamps).map_or(0, |stamps| stamps.echo);
        let clock =
            crate::micros::timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        let elapsed = clock.wrapping_sub(echo);
        if echo != 0 && !delivery.echoes_earlier_copy && elapsed < ECHO_AGE_MAX_MS {
            self.rtt.sample(elapsed * 1_000);
        }
    }

    /// The send window: set from segments that are not older than the last one it was set from.
    pub(crate) fn update_window(&mut self, turn: &Turn<'_>, header: &Repr) {
        let send = &mut self.send;
        let (sequence, ack) = (header.sequence, header.acknowledgment);
        if ack.before(send.una) {
            return;
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ
        //# and SND.WL2 =< SEG.ACK)), set SND.WND <- SEG.WND, set
        //# SND.WL1 <- SEG.SEQ, and set SND.WL2 <- SEG.ACK.
        if send.wl1.before(sequence) || send.wl1 == sequence && send.wl2.at_or_before(ack) {
            let was_closed = send.window == 0;
            let shift = if header.flags.any(Flags::SYN) { 0 } else { send.shift };
            send.set_window(u32::from(header.window) << shift, sequence, ack);
            if send.window == 0 {
                //= specs/rfc9293.txt#section-3.8.6
                //# The sender MAY also retransmit old data beyond SND.UNA+SND.WND (MAY-7), but SHOULD NOT
                //# time out the connection if data beyond the right window edge is not acknowledged
                //# (SHLD-17).
                // As long as the peer answers, it may keep the window closed.
                send.progress = turn.now;
                send.probe_unanswered = false;
            } else if was_closed {
                self.window_reopened();
            }
        }
    }

    /// What was sent into a closed window was most likely dropped there: it goes out again at once,
    /// and a probe's single byte as part of a full segment.
    fn window_reopened(&mut self) {
        self.timers.persist = Instant::NEVER;
        self.rtt.forget_backoff();
        let una = self.send.una;
        if self.send.nxt == una + 1 && self.send.end != una && self.may_leave_again(una) {
            self.send.nxt = una;
            self.flight.restart(una);
        } else {
            self.flight.mark_lost(|_| true);
        }
        self.recovery.forced = !self.flight.is_empty();
    }

    /// Whether a segment that begins at `una` would leave at once (RFC 9293 section 3.8.6.2.1). One that waits
    /// must not take the byte before it back: the peer may have it, and acknowledge it.
    fn may_leave_again(&self, una: Seq) -> bool {
        let left = self.send.end.distance(una).unsigned_abs();
        let length = left.min(self.send.window);
        let full = length >= u32::from(self.mss());
        full || length == left || length >= self.send.max_window / 2
    }

    /// Looks for losses, by RACK with SACK and by counting duplicates without.
    pub(crate) fn detect_loss(&mut self, now: Instant, seen: &Acknowledged) {
        self.timers.reorder = Instant::NEVER;
        if self.flight.is_empty() {
            return;
        }
        if self.sack {
            let many = self.flight.sacked() > (DUP_THRESHOLD - 1) * u32::from(self.send.mss);
            let eager = many || self.recovery.is_repairing();
            let at = Micros::of(now);
            let smoothed = self.rtt.smoothed();
            let (lost, wait) = self.rack.detect_loss(&mut self.flight, at, eager, smoothed);
            if let Some(wait) = wait {
                self.timers.reorder = after_us(now, u64::from(wait));
            }
            if lost > 0 && !self.was_path_probe(lost, now) {
                self.enter_recovery(seen.delivered);
            }
            self.reduce_in_proportion(seen, lost);
        } else if seen.advanced && self.recovery.is_fast() {
            // RFC 6582 section 3.2 step 3: a partial acknowledgment names the next loss.
            self.flight.mark_head_lost(u32::from(self.mss()));
            self.recovery.forced = true;
        } else if seen.duplicate {
            self.recovery.duplicates = self.recovery.duplicates.saturating_add(1);
            let enough = u32::from(self.recovery.duplicates) == DUP_THRESHOLD;
            if enough && !self.recovery.is_repairing() {
                self.flight.mark_head_lost(u32::from(self.mss()));
                self.enter_recovery(0);
            }
        }
    }

    /// Losses are being repaired with SACK: says what may be sent now.
    fn reduce_in_proportion(&mut self, seen: &Acknowledged, lost: u32) {
        let (threshold, mss) = (self.congestion.threshold(), u32::from(self.send.mss));
        if let Some(prr) = &mut self.recovery.prr {
            let safe = seen.advanced && lost == 0;
            let pipe = self.flight.pipe();
            prr.acknowledged(&Progress { delivered: seen.delivered, pipe, safe }, threshold, mss);
        }
    }

    fn enter_recovery(&mut self, delivered: u32) {
        if self.recovery.is_repairing() {
            return;
        }
        let in_flight = self.send.nxt.distance(self.send.una) as u32;
        self.congestion.reduce(in_flight);
        // What was selectively acknowledged before is not delivered again while it lasts.
        let outstanding = (in_flight + delivered).saturating_sub(self.flight.sacked());
        let prr = self.sack.then(|| Prr::new(outstanding, self.flight.pipe()));
        self.recovery.lost(self.send.nxt, prr);
        self.ecn.reduced = self.ecn.on;
    }

    /// Bytes believed to be in the network. Without SACK every duplicate acknowledgment stands for a
    /// segment that has left it.
    pub(crate) fn pipe(&self) -> u32 {
        let left = u32::from(self.recovery.duplicates) * u32::from(self.mss());
        self.flight.pipe().saturating_sub(if self.sack { 0 } else { left })
    }

    /// RFC 8985 section 7.4.2: what became of the tail loss probe. `repeated`: the acknowledgment was a
    /// duplicate, with nothing in flight perhaps, as a probe is of what was sent last.
    fn settle_tail_probe(&mut self, header: &Repr, delivery: &Delivery, repeated: bool) {
        let Some((end, retransmission)) = self.recovery.tail_probe else { return };
        let ack: Seq = header.acknowledgment;
        if ack.before(end) {
            return;
        }
        let repaired = end.before(ack) && !delivery.duplicate;
        let spurious = delivery.duplicate || repeated && header.options.sack.is_empty();
        if retransmission && repaired {
            // What the probe repaired was a loss: react to it as to one, once.
            self.congestion.reduce(self.flight.pipe());
            self.recovery.congested(self.send.nxt);
        }
        if !retransmission || repaired || spurious {
            self.recovery.tail_probe = None;
        }
    }
}
