//! What the connections of one shard, or of one listener, have in common. Invariant: the values do
//! not change while a connection that was built with them is open; the window scale offered on the
//! SYN is computed from them again for every segment after it.

use core::time::Duration;

/// Which congestion control a connection uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    /// CUBIC, RFC 9438.
    #[default]
    Cubic,
    /// NewReno, RFC 5681 and RFC 6582.
    NewReno,
}

/// When and how to ask a silent peer whether it is still there, RFC 9293 section 3.8.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepAlive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Probes without an answer after which the connection is given up.
    pub probes: u8,
}

impl Default for KeepAlive {
    //= specs/rfc9293.txt#section-3.8.4
    //# This interval MUST be configurable (MUST-27) and MUST default to no
    //# less than two hours (MUST-28).
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(2 * 60 * 60),
            interval: Duration::from_secs(75),
            probes: 9,
        }
    }
}

/// The settings of a connection, by what they are about. Every duration has a resolution of one
/// microsecond.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What may come, and when it is acknowledged.
    pub receiving: Receiving,
    /// What may be sent, and when.
    pub sending: Sending,
    /// When something is sent again.
    pub retransmission: Retransmission,
    /// When something is given up.
    pub timeouts: Timeouts,
    /// Keep-alive probes.
    ///
    //= specs/rfc9293.txt#section-3.8.4
    //# If keep-alives are included, the application MUST be able to turn them on or off for each
    //# TCP connection (MUST-24), and they MUST default to off (MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// What is offered on a SYN, and taken if the peer offers it.
    pub extensions: Extensions,
}

impl Config {
    /// The window scale offered: the smallest that lets the whole window be told, at most 14
    /// (RFC 7323 section 2.3).
    #[must_use]
    pub const fn window_scale(&self) -> u8 {
        let Receiving { window, window_max, .. } = self.receiving;
        let most = if window_max > window { window_max } else { window };
        let bits = u32::BITS - most.leading_zeros();
        let shift = bits.saturating_sub(16) as u8;
        if shift < SHIFT_MAX { shift } else { SHIFT_MAX }
    }
}

/// The window offered, and how long acknowledgments wait: RFC 9293 sections 3.8.6.2 and 3.8.6.3.
#[derive(Clone, Debug)]
pub struct Receiving {
    /// Bytes a peer may have under way to a connection at first: the window offered.
    pub window: u32,
    /// What the window may become while the connection lasts, if that is more, by
    /// [`Working::follow_reader`](crate::Working::follow_reader) or because the caller makes
    /// [`Receiving::window`] larger: the window scale, which cannot change, is offered for it.
    pub window_max: u32,
    /// Segments with text that are acknowledged at once at the start of a connection and after a
    /// pause of the peer's, when it is in slow start and every acknowledgment lets it send more.
    /// Ends with the first answer, which carries acknowledgments anyway.
    pub quick_acks: u8,
    /// Longest an acknowledgment is held back. Below 0.5 s (RFC 9293 section 3.8.6.3).
    pub ack_delay: Duration,
}

impl Default for Receiving {
    fn default() -> Self {
        Self {
            window: 256 * 1024,
            window_max: 0,
            quick_acks: 0,
            ack_delay: Duration::from_millis(40),
        }
    }
}

/// How much is sent, and what waits: congestion control (RFC 5681, RFC 9438), the Nagle algorithm
/// and probes of a closed window (RFC 9293 sections 3.7.4 and 3.8.6.1).
#[derive(Clone, Debug)]
pub struct Sending {
    /// Congestion control.
    pub congestion: Algorithm,
    /// Whether the congestion window starts anew after a pause (RFC 5681 section 4.1).
    pub restart_after_idle: bool,
    /// Whether small segments wait while something is in flight (the Nagle algorithm). A
    /// connection that is to be without it is given another `Config`.
    pub nagle: bool,
    /// Whether a closed window is probed with a byte the peer has already, as a keep-alive is,
    /// rather than with the next one: what Linux does, and a peer answers either.
    pub bare_window_probes: bool,
    /// Bytes of payload that segments sent together have at most where whoever sends them cuts them
    /// ([`Outgoing::cut`](crate::Outgoing::cut)); less than two segments' worth: each is by itself.
    pub uncut: u16,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            congestion: Algorithm::Cubic,
            restart_after_idle: true,
            nagle: false,
            bare_window_probes: false,
            uncut: 0,
        }
    }
}

/// The retransmission timeout, RFC 6298, and the probe that comes before it, RFC 8985.
#[derive(Clone, Debug)]
pub struct Retransmission {
    /// Shortest retransmission timeout. RFC 6298 section 2.4 advises one second; what is deployed
    /// (Linux: 200 ms, with the same delayed-ACK allowance in the tail loss probe) is shorter.
    pub rto_min: Duration,
    /// Least that the variation of round trips adds to the timeout: G of RFC 6298 section 2.2, the
    /// clock's granularity. Linux has its shortest timeout here, too.
    pub rto_margin: Duration,
    /// Added to every retransmission timeout but a SYN's first: FreeBSD's slop for what the clocks of
    /// both ends round away.
    pub rto_slop: Duration,
    /// Whether the end of a flight is probed for loss, RFC 8985 section 7.
    pub tail_loss_probes: bool,
}

impl Default for Retransmission {
    fn default() -> Self {
        Self {
            rto_min: Duration::from_millis(200),
            rto_margin: Duration::from_millis(1),
            rto_slop: Duration::ZERO,
            tail_loss_probes: true,
        }
    }
}

/// How long to wait for a peer before the connection, or what is left of it, is given up.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// How long data may stay unacknowledged: R2 of RFC 9293 section 3.8.3 as a time.
    //= specs/rfc9293.txt#section-3.8.3
    //# (d) An application MUST (MUST-21) be able to set the value for R2 for a particular
    //# connection.
    pub user: Duration,
    /// The same for a SYN.
    pub syn: Duration,
    /// How long to wait for more of the peer's data, or its FIN, once it has acknowledged ours.
    pub fin_wait_2: Duration,
    /// 2 MSL: how long TIME-WAIT lasts.
    pub time_wait: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            //= specs/rfc9293.txt#section-3.8.3
            //# The value of R2 SHOULD correspond to at least 100 seconds (SHLD-11).
            user: Duration::from_secs(5 * 60),
            //= specs/rfc9293.txt#section-3.8.3
            //# In particular, R2 for a SYN segment MUST be set large enough to provide
            //# retransmission of the segment for at least 3 minutes (MUST-23).
            syn: Duration::from_secs(3 * 60),
            fin_wait_2: Duration::from_secs(60),
            time_wait: Duration::from_secs(60),
        }
    }
}

/// What both ends agree on by their SYNs: options of RFC 7323 and RFC 2018, and RFC 3168.
#[derive(Clone, Debug)]
pub struct Extensions {
    /// Whether to offer window scaling, RFC 7323.
    pub window_scaling: bool,
    /// Whether to offer timestamps, RFC 7323.
    pub timestamps: bool,
    /// Added to the timestamp clock, so that it does not tell how long the machine has been up
    /// (RFC 7323 section 5.4). One secret random number for the process: connections between the
    /// same two hosts then share a clock, which makes early reuse of TIME-WAIT safe (RFC 6191).
    pub timestamp_offset: u32,
    /// Whether to take segments that come without the timestamps agreed on, which RFC 7323 section
    /// 3.2 advises against.
    pub bare_segments: bool,
    /// Whether to offer selective acknowledgments, RFC 2018.
    pub sack: bool,
    /// Whether to take part in explicit congestion notification, RFC 3168.
    pub ecn: bool,
}

impl Default for Extensions {
    fn default() -> Self {
        Self {
            window_scaling: true,
            timestamps: true,
            timestamp_offset: 0,
            bare_segments: false,
            sack: true,
            ecn: true,
        }
    }
}

/// The largest window scale, RFC 7323 section 2.3.
pub(crate) const SHIFT_MAX: u8 = 14;
