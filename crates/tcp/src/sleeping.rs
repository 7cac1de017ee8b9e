//! What an established connection with nothing in flight and nothing buffered must remember:
//! 24 bytes. Invariant: a connection that wakes from this breaks no rule that it would have kept
//! had it stayed awake.
//!
//! What is forgotten, and why it may be:
//! - cwnd and ssthresh. After an idle RTO the window restarts from min(IW, cwnd) (RFC 5681 section
//!   4.1), so a connection that sleeps wakes with that: one bit remembers that cwnd was below IW.
//!   A block whose cwnd is above IW is worth keeping for one RTO:
//!   [`Working::may_sleep`](crate::Working::may_sleep).
//! - RTTVAR, and all of SRTT but its magnitude in steps of four, rounded up: the first timeout
//!   after waking is no shorter than it would have been, and the first sample replaces it (RFC 6298
//!   section 2.2).
//! - what RACK learnt of reordering and the least round trip: they start as on a new connection
//!   (RFC 8985 section 5.2).
//! - SND.WL1 and SND.WL2: any acceptable segment is at or after RCV.NXT and acknowledges SND.UNA or
//!   more, so these two serve (RFC 9293 section 3.10.7.4).
//! - the right edge of the receive window. It wakes with the configured window or, when more than that
//!   had been offered, which one bit remembers, with the most that can have been: so it never shrinks.
//! - an ECN echo: what was marked has been answered at least once. That the peer is owed a CWR is not
//!   forgotten: it would echo what it has until one comes.
//! - the peer's MSS modulo 4, and above 16,380.

use base::{Instant, Seq};

use crate::config::SHIFT_MAX;

/// A connection asleep.
#[derive(Clone, Copy, Debug)]
pub struct Sleeping {
    /// SND.NXT, SND.UNA, and the end of what was queued.
    pub(crate) send_next: Seq,
    /// RCV.NXT, and the last acknowledgment sent.
    pub(crate) receive_next: Seq,
    /// TS.Recent, when timestamps are on.
    pub(crate) recent_timestamp: u32,
    /// When the peer was heard of last.
    stamp: Stamp,
    /// SND.WND as it came on the wire, not scaled.
    pub(crate) send_window: u16,
    /// For the caller: when the application's timer runs out, in a form of the caller's choosing.
    pub timer: u16,
    bits: [u8; 3],
    /// What the application waits for. A byte with few values, in whose others the compiler keeps
    /// what tells a sleeping body from a working one.
    pub waiting: Waiting,
}

const _: () = assert!(size_of::<Sleeping>() == 24);

/// What the application of a sleeping connection waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Waiting {
    /// Input, and nothing is owed: the connection may be evicted.
    Idle,
    /// Input.
    Input,
    /// A wake or the timer.
    Wake,
    /// As [`Waiting::Input`], and it was asked to finish.
    InputAsked,
    /// As [`Waiting::Wake`], and it was asked to finish.
    WakeAsked,
}

impl Waiting {
    /// Whether the application was asked to finish.
    #[must_use]
    pub const fn was_asked(self) -> bool {
        matches!(self, Self::InputAsked | Self::WakeAsked)
    }
}

/// An [`Instant`] in 30 bits: units of 2^26 ns, about 67 ms, which last two years and a quarter. The
/// other two are for whoever keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp(u32);

impl Stamp {
    pub(crate) const fn of(now: Instant) -> Self {
        Self((now.as_nanos() >> 26) as u32 & Self::TIME)
    }

    const TIME: u32 = u32::MAX >> 2;

    const fn flagged(self, [first, second]: [bool; 2]) -> Self {
        Self(self.0 | (first as u32) << 31 | (second as u32) << 30)
    }

    const fn flags(self) -> [bool; 2] {
        [self.0 >> 31 != 0, self.0 >> 30 & 1 != 0]
    }

    /// Milliseconds since, rounded down to the unit.
    pub(crate) const fn age_ms(self, now: Instant) -> u64 {
        let units = Self::of(now).0.wrapping_sub(self.0) & Self::TIME;
        ((units as u64) << 26) / 1_000_000
    }
}

/// The settings of a connection that outlive its sleep, packed into 24 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settled {
    /// The peer's window scale; None when scaling is off, for both directions.
    pub(crate) send_shift: Option<u8>,
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) ecn: bool,
    /// Whether this end opened the connection.
    pub(crate) opened: bool,
    /// Whether cwnd was below the initial window.
    pub(crate) cautious: bool,
    /// Whether more than the configured window had been offered. Kept with the time, not packed.
    pub(crate) wide: bool,
    /// Whether the peer is to be told that the window was reduced (CWR). Kept there, too.
    pub(crate) reduced: bool,
    /// Largest segment to send, options included.
    pub(crate) mss: u16,
    /// Smoothed round-trip time in microseconds; 0 when unknown.
    pub(crate) srtt: u32,
}

/// In place of a window scale: no scaling.
const NO_SCALING: u32 = 15;
/// SRTT classes, each four times the one before: 0 is unknown, 1 up to 256 µs, 7 above 262 ms.
const SRTT_FIRST: u32 = 256;
const SRTT_CLASS_MAX: u32 = 7;
/// Where the class is among the 24 bits: their last three.
const SRTT_SHIFT: u32 = 21;

impl Settled {
    #[inline]
    pub(crate) fn pack(self) -> [u8; 3] {
        let shift = self.send_shift.map_or(NO_SCALING, |shift| u32::from(shift.min(SHIFT_MAX)));
        let flags = [self.timestamps, self.sack, self.ecn, self.opened, self.cautious];
        let mut bits = shift;
        for (index, flag) in flags.into_iter().enumerate() {
            bits |= u32::from(flag) << (4 + index);
        }
        bits |= u32::from(self.mss / 4).min(0xfff) << 9;
        bits |= srtt_class(self.srtt) << SRTT_SHIFT;
        let [a, b, c, _] = bits.to_le_bytes();
        [a, b, c]
    }

    /// Whether a segment of text may leave or be taken without a block: no congestion window of one
    /// segment, no CWR to be sent, and no more offered than is when it wakes.
    #[inline]
    pub(crate) const fn is_usual(&self) -> bool {
        !self.cautious && !self.wide && !self.reduced
    }

    #[inline]
    pub(crate) fn unpack([a, b, c]: [u8; 3]) -> Self {
        let bits = u32::from_le_bytes([a, b, c, 0]);
        let flag = |index: u32| bits >> (4 + index) & 1 != 0;
        let shift = bits & 0xf;
        Self {
            send_shift: (shift != NO_SCALING).then_some(shift as u8),
            timestamps: flag(0),
            sack: flag(1),
            ecn: flag(2),
            opened: flag(3),
            cautious: flag(4),
            wide: false,
            reduced: false,
            mss: (bits >> 9 & 0xfff) as u16 * 4,
            srtt: match bits >> SRTT_SHIFT {
                0 => 0,
                class => SRTT_FIRST << (2 * (class - 1)),
            },
        }
    }
}

/// The smallest class that is at least `srtt`.
#[inline]
const fn srtt_class(srtt: u32) -> u32 {
    match srtt {
        0 => 0,
        1..=SRTT_FIRST => 1,
        // Two more bits for each class.
        _ => {
            let class = 1 + ((srtt - 1) / SRTT_FIRST).ilog2() / 2 + 1;
            if class < SRTT_CLASS_MAX { class } else { SRTT_CLASS_MAX }
        }
    }
}

impl Sleeping {
    pub(crate) fn new(
        settled: Settled,
        numbers: [Seq; 2],
        send_window: u16,
        recent_timestamp: u32,
        heard: Instant,
    ) -> Self {
        let [send_next, receive_next] = numbers;
        Self {
            send_next,
            receive_next,
            recent_timestamp,
            stamp: Stamp::of(heard).flagged([settled.wide, settled.reduced]),
            send_window,
            timer: 0,
            bits: settled.pack(),
            waiting: Waiting::Input,
        }
    }

    /// The peer has been heard of now.
    #[inline]
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.stamp = Stamp::of(now).flagged(self.stamp.flags());
    }

    #[inline]
    pub(crate) fn settled(&self) -> Settled {
        let [wide, reduced] = self.stamp.flags();
        Settled { wide, reduced, ..Settled::unpack(self.bits) }
    }

    /// Remembers another smoothed round-trip time, in microseconds, and leaves the other settings as they are.
    #[inline]
    pub(crate) const fn set_srtt(&mut self, srtt: u32) {
        let last = &mut self.bits[2];
        let shift = SRTT_SHIFT - 16;
        *last = *last & !(u8::MAX << shift) | (srtt_class(srtt) as u8) << shift;
    }

    /// The smoothed round-trip time in microseconds as it was, rounded up to 256 times a power of
    /// four; `None` when it was not known.
    #[must_use]
    pub fn smoothed_rtt_us(&self) -> Option<u32> {
        Some(self.settled().srtt).filter(|srtt| *srtt > 0)
    }

    /// Payload that fits one segment with nothing but the usual options.
    #[must_use]
    pub fn mss(&self) -> u16 {
        let settled = self.settled();
        settled.mss.saturating_sub(if settled.timestamps { 12 } else { 0 })
    }

    /// Milliseconds since the peer was heard of, to within 67.
    #[must_use]
    pub const fn age_ms(&self, now: Instant) -> u64 {
        self.stamp.age_ms(now)
    }

    /// When that was.
    pub(crate) const fn heard_at(&self, now: Instant) -> Instant {
        let age = self.age_ms(now).saturating_mul(1_000_000);
        Instant::from_nanos(now.as_nanos().saturating_sub(age))
    }

    /// Whether this end opened the connection.
    #[must_use]
    pub fn opened(&self) -> bool {
        self.settled().opened
    }

    /// SND.NXT.
    #[must_use]
    pub const fn send_next(&self) -> Seq {
        self.send_next
    }

    /// RCV.NXT.
    #[must_use]
    pub const fn receive_next(&self) -> Seq {
        self.receive_next
    }
}

#[cfg(test)]
mod tests {
    use super::{Settled, Stamp, srtt_class};
    use base::Instant;
    use core::time::Duration;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn settled_survives_its_sleep(send_shift in prop::option::of(0u8..=14), flags: [bool; 5],
                                      mss: u16, srtt in 0u32..3_000_000) {
            let [timestamps, sack, ecn, opened, cautious] = flags;
            let before =
                Settled { send_shift, timestamps, sack, ecn, opened, cautious, wide: false, reduced: false, mss, srtt };
            let after = Settled::unpack(before.pack());
            prop_assert!(after.mss <= mss && (mss > 16_380 || mss - after.mss < 4));
            prop_assert!(after.srtt >= srtt.min(1 << 20) && after.srtt / 4 <= srtt.max(64));
            prop_assert_eq!(Settled { mss, srtt, ..after }, before);
        }
    }

    #[test]
    fn srtt_classes_round_up() {
        for (srtt, class) in [(0, 0), (1, 1), (256, 1), (257, 2), (1_024, 2), (300_000, 7)] {
            assert_eq!(srtt_class(srtt), class, "{srtt}");
        }
    }

    #[test]
    fn a_stamp_tells_hours_and_weeks() {
        let start = Instant::from_millis(5);
        let stamp = Stamp::of(start);
        for days in [0, 1, 24, 25, 400] {
            let ms = days * 86_400_000;
            let age = stamp.age_ms(start + Duration::from_millis(ms));
            assert!(age.abs_diff(ms) <= 68, "{days} days: {age} ms");
        }
        for flags in [[true, false], [false, true], [true, true], [false, false]] {
            let flagged = stamp.flagged(flags);
            assert_eq!(flagged.flags(), flags);
            let later = start + Duration::from_secs(86_400);
            assert_eq!(flagged.age_ms(later), stamp.age_ms(later), "{flags:?}");
        }
    }
}
