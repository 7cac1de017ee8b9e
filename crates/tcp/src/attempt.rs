//! A SYN that was sent, RFC 9293 sections 3.10.1 and 3.10.7.3: until it is answered, an [`Attempt`] is all
//! there is of the connection beside its record.
//!
//! Invariant: an attempt is what a working block in SYN-SENT would have come to, told shorter, as a
//! [`Greeting`](crate::Greeting) is for the other end: [`Working::resume_attempt`] makes that block
//! whenever anything but the expected SYN-ACK comes, or that takes too long; and what is answered leaves
//! what that block would have slept as once it had acknowledged the SYN-ACK.

use base::{Instant, Seq};
use wire::tcp::{Flags, Options, Repr, Timestamps};

use crate::config::{Config, SHIFT_MAX};
use crate::micros::{Micros, timestamp_clock};
use crate::options::{MSS_MIN, default_mss};
use crate::segment::{Arrival, Outgoing};
use crate::sleeping::{Settled, Sleeping};
use crate::working::Opening;
use crate::{Turn, Working};

/// When a SYN was sent, and with which number. 12 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// ISS.
    iss: Seq,
    /// When it was sent.
    sent: Micros,
    ipv6: bool,
}

const _: () = assert!(size_of::<Attempt>() == 12);

impl Attempt {
    /// Opens a connection with a SYN. `None`: it will not be as usual, and is for
    /// [`Working::connect`].
    #[must_use]
    pub fn begin(turn: &Turn<'_>, opening: &Opening) -> Option<(Self, Outgoing)> {
        // What is counted down over the first segments is not remembered over a sleep.
        if turn.config.receiving.quick_acks > 0 {
            return None;
        }
        let sent = Micros::of(turn.now);
        let attempt = Self { iss: opening.iss, sent, ipv6: opening.ipv6 };
        Some((attempt, attempt.syn(turn, opening.mss)))
    }

    fn syn(&self, turn: &Turn<'_>, mss: u16) -> Outgoing {
        let (config, offers) = (turn.config, &turn.config.extensions);
        let value = timestamp_clock(turn.now, offers.timestamp_offset);
        let options = Options {
            mss: Some(mss),
            window_scale: offers.window_scaling.then(|| config.window_scale()),
            sack_permitted: offers.sack,
            timestamps: offers.timestamps.then_some(Timestamps { value, echo: 0 }),
            ..Options::default()
        };
        let header = Repr {
            sequence: self.iss,
            flags: Flags::SYN.with_if(offers.ecn, Flags::ECE | Flags::CWR),
            window: Working::offered(config),
            options,
            ..Repr::default()
        };
        Outgoing::bare(header)
    }

    /// Takes the SYN-ACK: gives the connection as it would sleep once that is
    /// [acknowledged](Sleeping::acknowledgment). `None`: the segment is something else. `mss` as in
    /// [`Opening`].
    #[must_use]
    pub fn answered(
        &self,
        config: &Config,
        arrival: &Arrival<'_>,
        mss: u16,
        now: Instant,
    ) -> Option<Sleeping> {
        let (header, options) = (arrival.header, &arrival.header.options);
        let offers = &config.extensions;
        let expected = header.flags.without(Flags::ECE) == Flags::SYN | Flags::ACK
            && header.acknowledgment == self.iss + 1
            && arrival.length == 0;
        let shift = options.window_scale.filter(|_| offers.window_scaling);
        let stamps = options.timestamps.filter(|_| offers.timestamps);
        let settled = Settled {
            send_shift: shift.map(|shift| shift.min(SHIFT_MAX)),
            timestamps: stamps.is_some(),
            sack: offers.sack && options.sack_permitted,
            ecn: offers.ecn && header.flags.any(Flags::ECE),
            opened: true,
            cautious: false,
            wide: false,
            reduced: false,
            mss: options.mss.unwrap_or(default_mss(self.ipv6)).max(MSS_MIN).min(mss),
            srtt: Micros::of(now).since(self.sent).max(1),
        };
        // A SYN's window is never scaled (RFC 7323 section 2.2).
        let window = header.window >> settled.send_shift.unwrap_or(0);
        let numbers = [header.acknowledgment, header.sequence + 1];
        let recent = stamps.map_or(0, |stamps| stamps.value);
        // What sleeps with a closed window would have to probe it.
        (expected && window > 0).then(|| Sleeping::new(settled, numbers, window, recent, now))
    }

    /// When the SYN was sent, for an attempt that is less than half an hour old.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Instant {
        self.sent.instant(now)
    }
}

impl Working {
    /// Goes on with a connection whose SYN is in flight: does again, as of then, what led to the
    /// attempt. `mss` as in [`Opening`].
    pub fn resume_attempt(&mut self, turn: &mut Turn<'_>, attempt: &Attempt, mss: u16) {
        let then = Turn {
            config: turn.config,
            now: attempt.sent(turn.now),
            challenges: &mut *turn.challenges,
        };
        self.connect(&then, &Opening { iss: attempt.iss, mss, ipv6: attempt.ipv6 });
        let outgoing = self.transmit(&then);
        debug_assert!(outgoing.is_some_and(|outgoing| outgoing.header.sequence == attempt.iss));
    }
}

#[cfg(test)]
mod tests;
