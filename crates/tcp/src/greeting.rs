//! A SYN that was answered, RFC 9293 section 3.10.7.2: until the handshake is complete, a [`Greeting`]
//! is all there is of the connection beside its record.
//!
//! Invariant: a greeting is what a working block in SYN-RECEIVED would have come to, told shorter, as a
//! [`Reply`](crate::Reply) is for an answer: [`Working::resume_greeting`] makes that block whenever
//! anything but the expected acknowledgment comes, or that takes too long, and what is acknowledged
//! leaves what that block would have slept as.

use base::{Instant, Seq};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Repr, Timestamps};

use crate::config::{Config, SHIFT_MAX};
use crate::micros::{Micros, timestamp_clock};
use crate::options::{MSS_MIN, default_mss};
use crate::reply::is_newest;
use crate::segment::{Arrival, Outgoing, PlainArrival};
use crate::sleeping::{Settled, Sleeping};
use crate::working::Opening;
use crate::{Turn, Working};

/// A SYN, and when it was answered with which number. 24 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    /// ISS.
    iss: Seq,
    /// IRS.
    irs: Seq,
    /// When the SYN-ACK was sent.
    sent: Micros,
    /// TSval of the SYN.
    stamp: u32,
    /// SEG.WND of the SYN.
    window: u16,
    /// Its MSS option; 0 without.
    mss: u16,
    /// Its window scale option; [`NO_SHIFT`] without.
    shift: u8,
    /// What else it offered.
    offers: Offers,
}

const _: () = assert!(size_of::<Greeting>() <= 28);

/// In place of a window scale: none.
const NO_SHIFT: u8 = u8::MAX;

#[derive(Clone, Copy, Debug)]
struct Offers {
    timestamps: bool,
    sack: bool,
    ecn: bool,
    ipv6: bool,
}

impl Greeting {
    /// Answers a SYN. `None`: it, or what is to become of the connection, is not as usual, and is for
    /// [`Working::accept`].
    #[must_use]
    pub fn answer(
        turn: &Turn<'_>,
        syn: &Arrival<'_>,
        opening: &Opening,
    ) -> Option<(Self, Outgoing)> {
        let (header, options) = (syn.header, &syn.header.options);
        let ecn = header.flags == (Flags::SYN | Flags::ECE | Flags::CWR);
        let usual = header.flags == Flags::SYN || ecn;
        // What is counted down over the first segments is not remembered over a sleep, and an MSS of
        // 0 stands for none here.
        if !usual || turn.config.receiving.quick_acks > 0 || options.mss == Some(0) {
            return None;
        }
        let greeting = Self {
            iss: opening.iss,
            irs: header.sequence,
            sent: Micros::of(turn.now),
            stamp: options.timestamps.map_or(0, |stamps| stamps.value),
            window: header.window,
            mss: options.mss.unwrap_or(0),
            shift: options.window_scale.unwrap_or(NO_SHIFT),
            offers: Offers {
                timestamps: options.timestamps.is_some(),
                sack: options.sack_permitted,
                ecn,
                ipv6: opening.ipv6,
            },
        };
        Some((greeting, greeting.syn_ack(turn, opening.mss)))
    }

    fn syn_ack(&self, turn: &Turn<'_>, mss: u16) -> Outgoing {
        let config = turn.config;
        let agreed = self.agreed(config, mss);
        let value = timestamp_clock(turn.now, config.extensions.timestamp_offset);
        let options = Options {
            mss: Some(mss),
            window_scale: agreed.send_shift.map(|_| config.window_scale()),
            sack_permitted: agreed.sack,
            timestamps: agreed.timestamps.then_some(Timestamps { value, echo: self.stamp }),
            ..Options::default()
        };
        let header = Repr {
            sequence: self.iss,
            acknowledgment: self.irs + 1,
            flags: (Flags::SYN | Flags::ACK).with_if(agreed.ecn, Flags::ECE),
            window: Working::offered(config),
            options,
            ..Repr::default()
        };
        Outgoing::bare(header)
    }

    /// What this end agrees on, as [`Working::accept`] does.
    #[inline]
    fn agreed(&self, config: &Config, mss: u16) -> Settled {
        let scaled = config.extensions.window_scaling && self.shift != NO_SHIFT;
        let theirs = if self.mss == 0 { default_mss(self.offers.ipv6) } else { self.mss };
        Settled {
            send_shift: scaled.then(|| self.shift.min(SHIFT_MAX)),
            timestamps: config.extensions.timestamps && self.offers.timestamps,
            sack: config.extensions.sack && self.offers.sack,
            ecn: config.extensions.ecn && self.offers.ecn,
            opened: false,
            cautious: false,
            wide: false,
            reduced: false,
            mss: theirs.max(MSS_MIN).min(mss),
            srtt: 0,
        }
    }

    /// Takes the acknowledgment that completes the handshake, which may carry the first text or a FIN: gives
    /// the connection as it would sleep before that. `None`: the segment is something else. `mss` as
    /// in [`Opening`].
    #[must_use]
    #[inline]
    pub fn completed(
        &self,
        config: &Config,
        arrival: &PlainArrival,
        mss: u16,
        now: Instant,
    ) -> Option<Sleeping> {
        let header = &arrival.header;
        let mut settled = self.agreed(config, mss);
        let expected = header.sequence == self.irs + 1
            && header.acknowledgment == self.iss + 1
            && is_newest(settled.timestamps.then_some(self.stamp), header);
        if !expected {
            return None;
        }
        settled.srtt = Micros::of(now).since(self.sent).max(1);
        let stamps = header.timestamps.filter(|_| settled.timestamps);
        let recent = stamps.map_or(0, |stamps| stamps.value);
        let numbers = [header.acknowledgment, header.sequence];
        Some(Sleeping::new(settled, numbers, header.window, recent, now))
    }

    /// When the SYN-ACK was sent, for a greeting that is less than half an hour old.
    #[must_use]
    pub fn sent(&self, now: Instant) -> Instant {
        self.sent.instant(now)
    }
}

impl Working {
    /// Goes on with a connection whose SYN-ACK is in flight: does again, as of then, what led to the
    /// greeting. `mss` as in [`Opening`].
    pub fn resume_greeting(&mut self, turn: &mut Turn<'_>, greeting: &Greeting, mss: u16) {
        let then = Turn {
            config: turn.config,
            now: greeting.sent(turn.now),
            challenges: &mut *turn.challenges,
        };
        let Offers { timestamps, sack, ecn, ipv6 } = greeting.offers;
        let header = Repr {
            sequence: greeting.irs,
            flags: Flags::SYN.with_if(ecn, Flags::ECE | Flags::CWR),
            window: greeting.window,
            options: Options {
                mss: (greeting.mss != 0).then_some(greeting.mss),
                window_scale: (greeting.shift != NO_SHIFT).then_some(greeting.shift),
                sack_permitted: sack,
                timestamps: timestamps.then_some(Timestamps { value: greeting.stamp, echo: 0 }),
                ..Options::default()
            },
            ..Repr::default()
        };
        let syn = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: false };
        self.accept(&then, &syn, &Opening { iss: greeting.iss, mss, ipv6 });
        let outgoing = self.transmit(&then);
        debug_assert!(outgoing.is_some_and(|outgoing| outgoing.header.sequence == greeting.iss));
    }
}

#[cfg(test)]
pub(crate) mod tests;
