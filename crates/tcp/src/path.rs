//! The segment size that the path takes: smaller when a router says so or large segments vanish (RFC
//! 1191, RFC 8201, RFC 4821 section 7.7), and larger again by probes of real data (RFC 4821 sections
//! 7.2 to 7.6). Invariant: what is probed for was agreed on with the peer and fits the link, and a
//! probe that is lost says something of the path's size and nothing of its congestion.

use core::time::Duration;

use base::{Instant, Seq};
use wire::tcp::Options;

use crate::options::MSS_MIN;
use crate::rtt::Rtt;
use crate::timer::BLACK_HOLE_EXPIRIES;
use crate::working::State;
use crate::{Turn, Working};

/// The segment size tried when large ones seem to vanish (RFC 4821 section 7.7; the size that RFC
/// 9293 section 3.7.1 has every IPv6 path take, 1280 − 60, less room for tunnels).
const MSS_BLACK_HOLE: u16 = 1_024;
/// Until larger segments are tried again: RFC 1191 section 6.3, PMTU_RAISE_TIMER of RFC 8899.
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// A size nearer than this to the one that works is not worth a probe.
const STEP: u16 = 16;

/// Segments that have to follow a probe, so that their acknowledgments tell of its loss.
const FOLLOWERS: u32 = 4;

/// What becomes of a probe that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// This much new data is a probe.
    Now(u32),
    /// The windows take one as soon as something more is acknowledged.
    Wait,
    /// There is not enough to be sent.
    NotNow,
}

/// The search for a larger size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The size before the path was found to be narrower.
    limit: u16,
    /// The least size that was lost in this search; above the limit when none was.
    lost: u16,
    /// When a larger size is to be tried; [`Instant::NEVER`] when there is none to be found.
    raise_at: Instant,
    probe: Option<Probe>,
}

/// A larger segment under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    start: Seq,
    end: Seq,
    mss: u16,
}

impl Path {
    pub(crate) const WIDE: Self = Self { limit: 0, lost: 0, raise_at: Instant::NEVER, probe: None };

    /// Whether a probe could go out now.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.raise_at <= now
    }

    /// `mss` is all that the path takes, instead of `before`.
    fn narrowed(&mut self, before: u16, now: Instant) {
        self.limit = self.limit.max(before);
        self.rest(now);
    }

    /// No more probes for a while.
    fn rest(&mut self, now: Instant) {
        self.lost = self.limit + 1;
        self.raise_at = now + RAISE_AFTER;
        self.probe = None;
    }

    /// The size to probe for, larger than `mss`: all that was lost first, then halfway.
    fn candidate(&self, mss: u16) -> Option<u16> {
        let size = if self.lost > self.limit { self.limit } else { mss + (self.lost - mss) / 2 };
        (size == self.limit && size > mss || size >= mss + STEP).then_some(size)
    }

    /// The link takes no more than `mss` any more: there is nothing larger to be found.
    fn bound(&mut self, mss: u16) {
        self.limit = self.limit.min(mss);
        self.lost = self.lost.min(self.limit + 1);
        self.probe = None;
    }

    /// Whatever becomes of the probe under way, it proves nothing.
    pub(crate) const fn forget_probe(&mut self) {
        self.probe = None;
    }
}

impl Working {
    /// Segments are too large for the path: smaller ones, and what is in flight again. That is no
    /// congestion (RFC 1191 section 6.5).
    pub(crate) fn path_narrowed(&mut self, mss: u16, now: Instant) {
        let mss = mss.max(MSS_MIN);
        if mss >= self.send.mss {
            return;
        }
        self.path.narrowed(self.send.mss, now);
        self.set_send_mss(mss);
        if !matches!(self.state, State::SynSent | State::SynReceived) {
            self.flight.mark_lost(|_| true);
            self.recovery.forced = true;
        }
    }

    /// The link takes segments of at most `mss` now, as [`Opening::mss`](crate::Opening::mss) counts
    /// them: none larger is sent from here on. What is in flight left when it took more.
    #[inline]
    pub fn fit_link(&mut self, mss: u16) {
        if self.send.mss > mss || self.path.limit > mss {
            self.link_narrowed(mss.max(MSS_MIN));
        }
    }

    fn link_narrowed(&mut self, mss: u16) {
        self.path.bound(mss);
        if mss < self.send.mss {
            self.set_send_mss(mss);
        }
        if self.send.mss >= self.path.limit {
            self.path = Path::WIDE;
        }
    }

    /// The timer expired once more: after some expiries, perhaps large segments are dropped without
    /// a word (RFC 4821 section 7.7, RFC 2923).
    pub(crate) fn suspect_black_hole(&mut self, now: Instant) {
        let suspicious = |rtt: &Rtt| rtt.backoff() == BLACK_HOLE_EXPIRIES;
        if suspicious(&self.rtt) && self.send.mss > MSS_BLACK_HOLE {
            self.path.narrowed(self.send.mss, now);
            self.set_send_mss(MSS_BLACK_HOLE);
        }
        self.path.forget_probe();
    }

    /// What becomes of a probe that is due. Its loss has to be noticed and to cost little: enough
    /// follows it, and nothing is being repaired (RFC 4821 section 7.4).
    pub(crate) fn path_probe(&self, options: &Options) -> Due {
        let Some(size) = self.path.candidate(self.send.mss) else { return Due::NotNow };
        let length = u32::from(size).saturating_sub(options.length() as u32);
        let enough = length + FOLLOWERS * u32::from(self.send.mss);
        let (pipe, window) = (self.pipe(), self.congestion.window());
        let suits = self.path.probe.is_none()
            && self.sack
            && !self.recovery.is_under_way()
            && self.send.unsent() >= enough
            && self.send.window.min(window) >= enough;
        if !suits {
            Due::NotNow
        } else if length <= self.send.usable_window() && pipe + length <= window {
            Due::Now(length)
        } else if pipe > 0 {
            Due::Wait
        } else {
            Due::NotNow
        }
    }

    /// A probe went out: `start` up to `end`.
    pub(crate) fn path_probe_sent(&mut self, start: Seq, end: Seq) {
        if let Some(mss) = self.path.candidate(self.send.mss) {
            self.path.probe = Some(Probe { start, end, mss });
        }
    }

    /// SND.UNA has moved: a probe that got there shows that the path takes its size.
    pub(crate) fn settle_path_probe(&mut self, turn: &Turn<'_>) {
        let una = self.send.una;
        let Some(probe) = self.path.probe.take_if(|probe| probe.end.at_or_before(una)) else {
            return;
        };
        self.set_send_mss(probe.mss);
        self.go_on_searching(turn.now);
    }

    /// `lost` bytes were just taken for lost. Whether that was a probe alone: then it is sent again
    /// in smaller segments, and the congestion window stays (RFC 4821 section 7.6.2).
    pub(crate) fn was_path_probe(&mut self, lost: u32, now: Instant) -> bool {
        let flight = &self.flight;
        let Some(probe) = self.path.probe.take_if(|probe| flight.is_lost(probe.start)) else {
            return false;
        };
        self.path.lost = probe.mss;
        self.go_on_searching(now);
        lost == probe.end.distance(probe.start) as u32
    }

    fn go_on_searching(&mut self, now: Instant) {
        if self.send.mss >= self.path.limit {
            self.path = Path::WIDE;
        } else if self.path.candidate(self.send.mss).is_none() {
            self.path.rest(now);
        }
    }
}
