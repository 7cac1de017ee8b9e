//! What is sent again: what was lost (RFC 9293 section 3.8.1, RFC 6675 section 5), and probes, which
//! go out although nothing else would (RFC 9293 sections 3.8.4, 3.8.6.1 and 3.8.6.2.1, RFC 8985
//! section 7.3). Invariant: nothing is sent again past the peer's window but one byte.

use core::time::Duration;

use base::Seq;
use wire::tcp::{Flags, Options};

use crate::micros::Micros;
use crate::segment::Outgoing;
use crate::{Turn, Working};

/// What is to be sent although nothing else would be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Probe {
    None,
    /// One byte into a closed window.
    Window,
    /// Less than a full segment into a small window (RFC 9293 section 3.8.6.2.1 case 4).
    Override,
    /// The end of the flight again, or new data: RFC 8985 section 7.3.
    Tail,
    /// A byte that the peer has already: RFC 9293 section 3.8.4.
    KeepAlive,
}

impl Working {
    /// What was lost goes first.
    pub(crate) fn send_lost(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        if self.holds_back() {
            return None;
        }
        let (start, end) = self.flight.first_lost()?;
        let offset = start.distance(self.send.una) as u32;
        if self.send.window <= offset && !self.recovery.forced {
            return None;
        }
        let options = self.options(turn);
        // Into a window that closed under the flight, one byte at most.
        let window = self.send.window.saturating_sub(offset).max(1);
        let most = self.segment_room(&options).min(window);
        let end = end.min(start + most);
        let length = end.distance(start) as u32;
        let pipe = self.pipe();
        if pipe > 0 && pipe + length > self.send_limit() && !self.recovery.forced {
            self.note_usage(true);
            return None;
        }
        self.recovery.forced = false;
        Some(self.resend(turn, start, end, options))
    }

    /// Sends `start` up to `end` again: all of it was sent before.
    fn resend(&mut self, turn: &Turn<'_>, start: Seq, end: Seq, options: Options) -> Outgoing {
        self.flight.resent(start, end, Micros::of(turn.now));
        self.send.last_sent = turn.now;
        self.recovery.sent(end.distance(start) as u32);
        let fin = self.send.end.before(end);
        let payload = if fin { self.send.end } else { end };
        let length = payload.distance(start) as u32;
        let pushed = end == self.send.end || fin;
        let flags = Flags::NONE.with_if(fin, Flags::FIN).with_if(pushed && length > 0, Flags::PSH);
        self.outgoing(turn, (start, length), flags, options, true)
    }

    /// A probe that is due.
    pub(crate) fn send_probe(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        match core::mem::replace(&mut self.send.probe, Probe::None) {
            Probe::None | Probe::Override => None,
            Probe::Window => self.probe_window(turn),
            Probe::Tail => {
                let (start, end) = self.flight.last()?;
                let options = self.options(turn);
                let most = self.segment_room(&options);
                let start = start.max(end - most);
                self.note_tail_probe(true);
                Some(self.resend(turn, start, end, options))
            }
            Probe::KeepAlive => {
                let options = self.options(turn);
                //= specs/rfc9293.txt#section-3.8.4
                //# An implementation SHOULD send a keep-alive segment with no data (SHLD-12)
                let before = self.send.nxt - 1;
                Some(self.outgoing(turn, (before, 0), Flags::NONE, options, true))
            }
        }
    }

    /// One byte, or the FIN, into a closed window.
    fn probe_window(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        //= specs/rfc9293.txt#section-3.8.6
        //# If the window shrinks to zero, the TCP implementation MUST probe it in the standard way
        //# (described below) (MUST-35).
        let options = self.options(turn);
        let start = self.send.una;
        if self.flight.is_empty() {
            if self.send.unsent() == 0 && !self.send.fin_unsent() {
                return None;
            }
            if turn.config.sending.bare_window_probes {
                return Some(self.outgoing(turn, (start - 1, 0), Flags::NONE, options, true));
            }
            self.send.nxt = start + 1;
            self.flight.push(start + 1, Micros::of(turn.now));
        }
        Some(self.resend(turn, start, start + 1, options))
    }

    /// How long to wait before a small segment is sent into a small window after all: RFC 9293
    /// section 3.8.6.2.1, 0.1 to 1.0 seconds.
    pub(crate) const OVERRIDE: Duration = Duration::from_millis(200);
}
