//! SYN cookies, RFC 4987 section 3.6: the state of a half-open connection kept in the numbers of its
//! own SYN-ACK. Invariant: a cookie is taken only from the pair of ends it was made for, within two
//! minutes, and nothing was kept meanwhile.
//!
//! The sequence number carries 5 bits of time, 3 bits for the MSS and the 24-bit sum of a keyed
//! function of the pair of ends, and of the peer's own initial number. So a segment that is not the
//! peer's first shows how far after the first it is. What else was agreed goes into the low six bits of the timestamp: window scale (4,
//! 15: none), SACK, ECN. Without timestamps those three are not agreed on. The peer could change
//! them in the echo, and would only fool itself.

use base::{Instant, Seq, SipKey};
use wire::tcp::{Flags, Options, Repr, Timestamps};

use crate::Config;
use crate::config::SHIFT_MAX;
use crate::isn::Tuple;
use crate::micros::timestamp_clock;
use crate::options::{MSS_MIN, default_mss};
use crate::segment::{Arrival, Outgoing};
use crate::sleeping::{Settled, Sleeping};

/// Segment sizes a cookie can name: the largest not above the peer's is taken. The least that is ever sent,
/// sizes that are common for IPv4 and IPv6, tunnels, and jumbo frames.
const MSS_TABLE: [u16; 8] = [MSS_MIN, 536, 1_220, 1_360, 1_440, 1_452, 1_460, 8_940];
/// Seconds of one step of a cookie's clock.
const STEP_S: u64 = 64;
/// Bits of the sum in a cookie.
const SUM: u32 = 0x00ff_ffff;
/// In place of a window scale: none.
const NO_SCALE: u32 = 15;

/// Makes and takes cookies.
#[derive(Clone, Copy, Debug)]
pub struct Cookies {
    key: SipKey,
}

/// A SYN-ACK that carries a cookie.
pub type SynCookie = Outgoing;

/// What a segment with an acknowledgment is to whoever sends cookies.
#[derive(Clone, Copy, Debug)]
pub enum Answered {
    /// The first after a cookie: the connection, as if it had been asleep since. The caller wakes
    /// it and gives it the segment.
    Complete(Sleeping),
    /// A later one, whose first was lost or overtaken. Where the connection's bytes begin cannot be
    /// believed of it, so it counts as lost: the peer, who believes in the connection, sends again.
    Early,
    /// Something else.
    No,
}

impl Cookies {
    /// `key` is a secret of its own, the same for as long as cookies are to be recognised.
    #[must_use]
    pub const fn new(key: SipKey) -> Self {
        Self { key }
    }

    /// Answers a SYN. `mss`: the largest segment this side can receive.
    #[must_use]
    pub fn answer(
        &self,
        config: &Config,
        now: Instant,
        tuple: &Tuple,
        syn: &Arrival<'_>,
        mss: u16,
    ) -> SynCookie {
        let header = syn.header;
        let theirs = header.options.mss.unwrap_or(default_mss(tuple.remote.is_ipv6())).min(mss);
        let index = MSS_TABLE.iter().rposition(|size| *size <= theirs).unwrap_or(0) as u32;
        let step = step(now);
        let sequence = self.number(tuple, header.sequence, step, index);
        let offered = header.options.timestamps.filter(|_| config.extensions.timestamps);
        let agreed = Agreed::with(config, header);
        let ecn = offered.is_some() && agreed.ecn;
        let timestamps = offered.map(|stamps| Timestamps {
            value: agreed.stamp(timestamp_clock(now, config.extensions.timestamp_offset)),
            echo: stamps.value,
        });
        let options = Options {
            mss: Some(mss),
            window_scale: agreed.shift.filter(|_| offered.is_some()).map(|_| config.window_scale()),
            sack_permitted: agreed.sack && offered.is_some(),
            timestamps,
            ..Options::default()
        };
        let header = Repr {
            sequence,
            acknowledgment: header.sequence + 1,
            flags: (Flags::SYN | Flags::ACK).with_if(ecn, Flags::ECE),
            window: crate::Working::offered(config),
            options,
            ..Repr::default()
        };
        Outgoing::bare(header)
    }

    /// Takes the acknowledgment of a cookie, if it is one.
    #[must_use]
    pub fn take(
        &self,
        config: &Config,
        now: Instant,
        tuple: &Tuple,
        arrival: &Arrival<'_>,
    ) -> Answered {
        let header = arrival.header;
        if !header.flags.any(Flags::ACK) || header.flags.any(Flags::SYN | Flags::RST) {
            return Answered::No;
        }
        let (cookie, theirs) = (header.acknowledgment - 1, header.sequence - 1);
        let (sent, index) = (cookie.0 >> 27, cookie.0 >> 24 & 7);
        let current = step(now);
        let age = (current as u32).wrapping_sub(sent) & 31;
        if age > 1 {
            return Answered::No;
        }
        let expected = self.number(tuple, theirs, current - u64::from(age), index);
        let ahead = expected.0.wrapping_sub(cookie.0) & SUM;
        if ahead != 0 {
            // Nobody sends more than a window before its handshake is answered.
            let within = ahead < u32::from(crate::Working::offered(config));
            return if within { Answered::Early } else { Answered::No };
        }
        Answered::Complete(connection(config, now, header, index))
    }

    fn number(&self, tuple: &Tuple, theirs: Seq, step: u64, index: u32) -> Seq {
        let [a, b, c, d, e] = tuple.words();
        let keyed = self.key.secret_hash([a, b, c, d, e, u64::from(index), step]) as u32;
        Seq((step as u32 & 31) << 27 | index << 24 | keyed.wrapping_add(theirs.0) & SUM)
    }
}

/// The connection that the acknowledgment of a cookie completes.
fn connection(config: &Config, now: Instant, header: &Repr, index: u32) -> Sleeping {
    let stamps = header.options.timestamps.filter(|_| config.extensions.timestamps);
    let agreed = stamps.map_or(Agreed::NOTHING, |stamps| Agreed::read(stamps.echo));
    let settled = Settled {
        send_shift: agreed.shift,
        timestamps: stamps.is_some(),
        sack: agreed.sack && config.extensions.sack,
        ecn: agreed.ecn && config.extensions.ecn,
        opened: false,
        cautious: false,
        wide: false,
        reduced: false,
        mss: MSS_TABLE[index as usize],
        srtt: 0,
    };
    let numbers = [header.acknowledgment, header.sequence];
    let recent = stamps.map_or(0, |stamps| stamps.value);
    Sleeping::new(settled, numbers, header.window, recent, now)
}

/// Steps of the cookie clock. One step ahead of time, so that none is before the first.
const fn step(now: Instant) -> u64 {
    now.as_millis() / (STEP_S * 1_000) + 1
}

/// What does not fit the sequence number.
struct Agreed {
    shift: Option<u8>,
    sack: bool,
    ecn: bool,
}

impl Agreed {
    const NOTHING: Self = Self { shift: None, sack: false, ecn: false };

    fn with(config: &Config, syn: &Repr) -> Self {
        Self {
            shift: syn.options.window_scale.map(|shift| shift.min(SHIFT_MAX)),
            sack: syn.options.sack_permitted && config.extensions.sack,
            ecn: syn.flags.all(Flags::ECE | Flags::CWR) && config.extensions.ecn,
        }
    }

    /// The latest timestamp not after `clock` that says this.
    fn stamp(&self, clock: u32) -> u32 {
        let shift = self.shift.map_or(NO_SCALE, u32::from);
        let bits = shift | u32::from(self.sack) << 4 | u32::from(self.ecn) << 5;
        let stamp = clock & !63 | bits;
        if stamp > clock { stamp.wrapping_sub(64) } else { stamp }
    }

    fn read(echo: u32) -> Self {
        let shift = echo & 15;
        Self {
            shift: (shift != NO_SCALE).then_some(shift as u8),
            sack: echo >> 4 & 1 != 0,
            ecn: echo >> 5 & 1 != 0,
        }
    }
}
