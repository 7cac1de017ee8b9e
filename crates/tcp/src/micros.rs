//! Time in 32 bits, for the many small stamps of a working block. Invariant: two stamps are only
//! compared while they are less than 2^31 microseconds, 35 minutes, apart; what may be older is
//! kept as an `Instant`.

use base::Instant;

/// Microseconds of an [`Instant`], modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Micros(u32);

impl Micros {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn of(now: Instant) -> Self {
        Self(now.as_micros() as u32)
    }

    /// The time that this stands for, which is before `now`: to whole microseconds.
    pub(crate) const fn instant(self, now: Instant) -> Instant {
        let age = Self::of(now).since(self) as u64;
        Instant::from_nanos(now.as_micros().saturating_sub(age) * 1_000)
    }

    /// Microseconds from `earlier` to this; zero when `earlier` is later.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        let span = self.0.wrapping_sub(earlier.0);
        if span > i32::MAX as u32 { 0 } else { span }
    }

    pub(crate) const fn is_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) > 0
    }
}

/// The time `span` microseconds from now. `Duration` keeps seconds and nanoseconds apart, which costs
/// a division each way; this is in the path of every packet.
pub(crate) const fn after_us(now: Instant, span: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(span.saturating_mul(1_000)))
}

/// The timestamp clock of RFC 7323 section 5.4: one tick a millisecond.
pub(crate) const fn timestamp_clock(now: Instant, offset: u32) -> u32 {
    (now.as_millis() as u32).wrapping_add(offset)
}
