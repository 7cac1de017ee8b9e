//! What an application has set on a socket. Invariant: what it set is what the connection does: a
//! [`tcp::Config`] is made of it for every call.

use std::time::Duration;

use tcp::{Algorithm, Config, Extensions, Receiving, Retransmission, Sending, Timeouts};

use crate::profile::{Flags, Profile};
use crate::settings::{Ecn, Settings};

/// What Linux counts for a segment beside its payload: room for headers and two structures, and
/// one more that is not rounded up with them.
const SEGMENT_OVERHEAD: u32 = 640;
const SEGMENT_BOOKKEEPING: u32 = 256;

/// A socket's options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    /// SO_RCVBUF as it is told.
    pub(crate) receive_buffer: u32,
    /// Whether the application set it, so that it does not change by itself.
    pub(crate) receive_fixed: bool,
    /// SO_SNDBUF as it is told.
    pub(crate) send_buffer: u32,
    pub(crate) send_fixed: bool,
    pub(crate) no_delay: bool,
    pub(crate) cork: bool,
    /// SO_LINGER, seconds.
    pub(crate) linger: Option<u32>,
    pub(crate) keep_alive: bool,
    pub(crate) keep: tcp::KeepAlive,
    /// TCP_USER_TIMEOUT; None: the system's.
    pub(crate) user_timeout: Option<Duration>,
    /// TCP_SYNCNT.
    pub(crate) syn_retries: Option<u32>,
    pub(crate) notsent_lowat: u32,
    /// TCP_MAXSEG.
    pub(crate) max_segment: Option<u16>,
    pub(crate) algorithm: Algorithm,
    pub(crate) time_to_live: u8,
    /// IP_TOS or IPV6_TCLASS.
    pub(crate) class: u8,
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    /// TCP_LINGER2.
    pub(crate) fin_wait_2: Duration,
    /// TCP_WINDOW_CLAMP.
    pub(crate) window_clamp: Option<u32>,
    /// TCP_QUICKACK.
    pub(crate) quick_ack: Option<bool>,
    /// TCP_DEFER_ACCEPT, seconds.
    pub(crate) defer_accept: u32,
    /// TCP_INQ.
    pub(crate) tell_queued: bool,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    /// SO_RCVLOWAT.
    pub(crate) receive_low: u32,
}

impl Options {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            receive_buffer: settings.receive[0],
            receive_fixed: false,
            send_buffer: settings.send[0],
            send_fixed: false,
            no_delay: false,
            cork: false,
            linger: None,
            keep_alive: false,
            keep: settings.keep_alive,
            user_timeout: None,
            syn_retries: None,
            notsent_lowat: settings.notsent_lowat,
            max_segment: None,
            algorithm: settings.algorithm,
            time_to_live: settings.time_to_live,
            class: 0,
            receive_timeout: None,
            send_timeout: None,
            fin_wait_2: settings.fin_wait_2,
            window_clamp: None,
            quick_ack: None,
            defer_accept: 0,
            tell_queued: false,
            reuse_address: false,
            reuse_port: false,
            receive_low: 1,
            settings,
        }
    }

    /// Largest segment to announce.
    pub(crate) fn mss(&self, flags: &Flags, ipv6: bool) -> u16 {
        let mss = flags.mss(ipv6);
        self.max_segment.map_or(mss, |most| most.min(mss))
    }

    /// The connection's settings. `opens`: this end opens it.
    pub(crate) fn config(&self, flags: &Flags, opens: bool) -> Config {
        let settings = &self.settings;
        let linux = flags.profile == Profile::Linux;
        Config {
            receiving: Receiving {
                window: self.receive_window(linux),
                window_max: if self.receive_fixed { 0 } else { settings.receive[1] },
                quick_acks: if linux { 16 } else { 0 },
                ack_delay: Duration::from_millis(40),
            },
            sending: Sending {
                congestion: self.algorithm,
                restart_after_idle: settings.restart_after_idle,
                nagle: !self.no_delay,
                bare_window_probes: linux,
                uncut: 0,
            },
            retransmission: Retransmission {
                rto_min: Duration::from_millis(if linux { 200 } else { 30 }),
                rto_slop: Duration::from_millis(if linux { 0 } else { 200 }),
                rto_margin: Duration::from_millis(if linux { 200 } else { 1 }),
                tail_loss_probes: settings.tail_loss_probes,
            },
            timeouts: self.timeouts(linux && opens),
            keep_alive: self.keep_alive.then_some(self.keep),
            extensions: Extensions {
                window_scaling: settings.window_scaling,
                timestamps: settings.timestamps,
                timestamp_offset: 0,
                bare_segments: linux,
                sack: settings.sack,
                ecn: match settings.ecn {
                    Ecn::Never => false,
                    Ecn::Always => true,
                    Ecn::WhenAsked => !opens,
                },
            },
        }
    }

    /// How long anything is waited for. `user_limits_syn`: the timeout the user set is that of the
    /// SYN, too.
    fn timeouts(&self, user_limits_syn: bool) -> Timeouts {
        let settings = &self.settings;
        Timeouts {
            user: self.user_timeout.unwrap_or(settings.user_timeout),
            syn: match (self.syn_retries, self.user_timeout) {
                (_, Some(timeout)) if user_limits_syn => timeout,
                (Some(count), _) => Duration::from_secs((2_u64 << count.min(20)) - 1),
                (None, _) => settings.syn_timeout,
            },
            // How long to wait for the peer's FIN depends on whether anybody still holds the socket.
            fin_wait_2: Duration::from_secs(1 << 30),
            time_wait: Duration::from_secs(60),
        }
    }

    /// The window that the receive buffer makes: Linux keeps half of it for bookkeeping.
    fn receive_window(&self, linux: bool) -> u32 {
        let window = if linux { self.receive_buffer / 2 } else { self.receive_buffer };
        self.window_clamp.map_or(window, |clamp| window.min(clamp)).max(1)
    }

    /// FreeBSD rounds its buffers up to whole segments once it knows their size.
    pub(crate) fn round_to_segments(&mut self, mss: u16) {
        let round = |bytes: u32| bytes.next_multiple_of(u32::from(mss.max(1)));
        if !self.receive_fixed {
            self.receive_buffer = round(self.receive_buffer);
        }
        if !self.send_fixed {
            self.send_buffer = round(self.send_buffer);
        }
    }

    /// Linux lets the send buffer grow with the congestion window: room for two of those.
    pub(crate) fn grow_send_buffer(&mut self, segments: u32, mss: u32) {
        if !self.send_fixed {
            let each = (mss + SEGMENT_OVERHEAD).next_power_of_two() + SEGMENT_BOOKKEEPING;
            let wanted = (2 * each).saturating_mul(segments.max(10));
            self.send_buffer = self.send_buffer.max(wanted.min(self.settings.send[1]));
        }
    }
}
