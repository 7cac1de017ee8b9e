//! Options: what is agreed on the SYNs and what goes on every segment, RFC 9293 section 3.7.1, RFC
//! 7323, RFC 2018. Invariant: an option is used only when both SYNs had it.

use wire::tcp::{Flags, Options, Repr, Timestamps};

use crate::config::SHIFT_MAX;
use crate::congestion::Congestion;
use crate::micros::timestamp_clock;
use crate::segment::Dropped;
use crate::working::RecentTimestamp;
use crate::{Config, Turn, Working};

/// What a peer that sends no MSS option takes, over IPv4 and over IPv6.
pub(crate) const fn default_mss(ipv6: bool) -> u16 {
    if ipv6 { 1_220 } else { 536 }
}

/// The least segment that is sent however small an MSS the peer or a router asks for; RFC 1191
/// section 3 has no path below 68 bytes, but attacks use such sizes (CVE-2019-11479).
pub(crate) const MSS_MIN: u16 = 88;

/// RFC 7323 section 5.5: a timestamp older than this says nothing any more.
const TIMESTAMP_LIFETIME_S: u64 = 24 * 86_400;

impl Working {
    /// The options of our own SYN. `answering`: of a SYN-ACK, which offers what was offered.
    pub(crate) fn syn_options(&self, turn: &Turn<'_>, answering: bool) -> Options {
        let config = turn.config;
        Options {
            //= specs/rfc9293.txt#section-3.7.1
            //# TCP endpoints MUST implement both sending and receiving the MSS Option (MUST-14).
            //= specs/rfc9293.txt#section-3.7.1
            //# TCP implementations SHOULD send an MSS Option in every SYN segment when its receive
            //# MSS differs from the default 536 for IPv4 or 1220 for IPv6 (SHLD-5)
            //= specs/rfc9293.txt#section-3.7.1
            //# MMS_R -20 where MMS_R is the maximum size for a transport-layer message that can be
            //# received (and reassembled at the IP layer) (MUST-67).
            mss: Some(self.receive.mss),
            window_scale: match answering {
                true => self.scaled,
                false => config.extensions.window_scaling,
            }
            .then(|| config.window_scale()),
            sack_permitted: if answering { self.sack } else { config.extensions.sack },
            timestamps: match self.timestamps {
                None if answering || !config.extensions.timestamps => None,
                recent => Some(self.stamps(turn, recent.map_or(0, |recent| recent.value))),
            },
            ..Options::default()
        }
    }

    /// The options of any other segment.
    pub(crate) fn options(&self, turn: &Turn<'_>) -> Options {
        //= specs/rfc9293.txt#section-3.2
        //# This field may be sent in the initial connection request (i.e., in segments with the SYN
        //# control bit set) and MUST NOT be sent in other segments (MUST-65).
        let mut options = Options::default();
        if let Some(recent) = self.timestamps {
            options.timestamps = Some(self.stamps(turn, recent.value));
        }
        if self.sack && self.reports.is_due(&self.held) {
            options.sack = self.reports.blocks(&self.held);
            options.sack.truncate(options.sack_room());
        }
        options
    }

    fn stamps(&self, turn: &Turn<'_>, echo: u32) -> Timestamps {
        Timestamps {
            value: timestamp_clock(turn.now, turn.config.extensions.timestamp_offset),
            echo,
        }
    }

    /// Agrees on options with a peer's SYN.
    pub(crate) fn agree(&mut self, turn: &Turn<'_>, syn: &Repr) {
        let (config, options) = (turn.config, &syn.options);
        //= specs/rfc9293.txt#section-3.7.1
        //# If an MSS Option is not received at connection setup, TCP implementations MUST assume a
        //# default send MSS of 536 (576 -40) for IPv4 or 1220 (1280 -60) for IPv6 (MUST-15).
        let theirs = options.mss.unwrap_or(self.send.default_mss).max(MSS_MIN);
        self.send.mss = theirs.min(self.send.mss);
        let mss = u32::from(self.send.mss);
        self.congestion = Congestion::new(config.sending.congestion, mss, false);
        self.sack = config.extensions.sack && options.sack_permitted;
        if config.extensions.window_scaling
            && let Some(shift) = options.window_scale
        {
            self.scaled = true;
            self.send.shift = shift.min(SHIFT_MAX);
            self.receive.shift = config.window_scale();
        }
        if config.extensions.timestamps
            && let Some(stamps) = options.timestamps
        {
            self.timestamps = Some(RecentTimestamp { value: stamps.value, set: turn.now });
        }
        // RFC 3168 section 6.1.1: ECN-setup SYN and ECN-setup SYN-ACK.
        let ecn = match syn.flags.any(Flags::ACK) {
            false => syn.flags.all(Flags::ECE | Flags::CWR),
            true => syn.flags.any(Flags::ECE) && !syn.flags.any(Flags::CWR),
        };
        self.ecn.on = config.extensions.ecn && ecn;
    }

    /// RFC 7323 section 5.3 R1: an old duplicate is known by its timestamp.
    pub(crate) fn check_timestamp(
        &mut self,
        turn: &Turn<'_>,
        header: &Repr,
    ) -> Result<(), Dropped> {
        let now = turn.now;
        let Some(recent) = self.timestamps else { return Ok(()) };
        if header.flags.any(Flags::RST) {
            return Ok(());
        }
        let Some(stamps) = header.options.timestamps else {
            // RFC 7323 section 3.2: SHOULD silently drop.
            let taken = turn.config.extensions.bare_segments;
            return if taken { Ok(()) } else { Err(Dropped::NoTimestamp) };
        };
        let old = (stamps.value.wrapping_sub(recent.value) as i32) < 0;
        let outdated = (now - recent.set).as_secs() > TIMESTAMP_LIFETIME_S;
        if old && !outdated { Err(Dropped::OldTimestamp) } else { Ok(()) }
    }

    /// RFC 7323 section 4.3 (2) and 5.3 R3: the timestamp to echo.
    pub(crate) fn take_timestamp(&mut self, now: base::Instant, header: &Repr) {
        let last_ack = self.receive.last_ack;
        if let (Some(recent), Some(stamps)) = (&mut self.timestamps, header.options.timestamps)
            && header.sequence.at_or_before(last_ack)
        {
            let old = (stamps.value.wrapping_sub(recent.value) as i32) < 0;
            if !old || (now - recent.set).as_secs() > TIMESTAMP_LIFETIME_S {
                *recent = RecentTimestamp { value: stamps.value, set: now };
            }
        }
    }

    /// Payload that fits one segment with nothing but the usual options: how much room to give an
    /// application for the next frame.
    #[must_use]
    pub const fn mss(&self) -> u16 {
        self.send.mss - if self.timestamps.is_some() { 12 } else { 0 }
    }

    pub(crate) fn set_send_mss(&mut self, mss: u16) {
        self.send.mss = mss;
        self.congestion.set_mss(u32::from(mss));
    }

    /// The window field of a SYN, which is never scaled (RFC 7323 section 2.2).
    pub(crate) fn offered(config: &Config) -> u16 {
        config.receiving.window.min(0xffff) as u16
    }
}
