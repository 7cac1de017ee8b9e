//! What to send next, and new data: RFC 9293 sections 3.7.4 (Nagle) and 3.8.6.2.1 (silly windows).
//! Invariant: the peer's window is never overrun but by the one byte of a probe, and the congestion
//! window only by what RFC 6675 and RFC 8985 except.

use core::num::NonZeroU16;

use base::{Instant, Seq};
use wire::tcp::{Flags, Options, Repr};

use crate::micros::{Micros, after_us};
use crate::path::Due;
use crate::retransmit::Probe;
use crate::segment::Outgoing;
use crate::sleeping::Sleeping;
use crate::working::State;
use crate::{Turn, Working};

/// The sender's variables, RFC 9293 section 3.3.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendSide {
    /// ISS.
    pub(crate) iss: Seq,
    /// SND.UNA.
    pub(crate) una: Seq,
    /// SND.NXT.
    pub(crate) nxt: Seq,
    /// The number after the last byte that the caller has queued.
    pub(crate) end: Seq,
    /// SND.WND, bytes.
    pub(crate) window: u32,
    /// Largest SND.WND there was: MAX.SND.WND of RFC 5961 section 5.2.
    pub(crate) max_window: u32,
    /// SND.WL1.
    pub(crate) wl1: Seq,
    /// SND.WL2.
    pub(crate) wl2: Seq,
    /// Shift of the windows received.
    pub(crate) shift: u8,
    /// Largest segment to send, options included.
    pub(crate) mss: u16,
    /// What the peer takes if it does not say.
    pub(crate) default_mss: u16,
    /// Nothing will be queued after `end` any more: a FIN follows it.
    pub(crate) fin: bool,
    /// The SYN or SYN-ACK is to be sent, again perhaps.
    pub(crate) syn_pending: bool,
    /// The peer has not shown since the last probe of its closed window that it is alive.
    pub(crate) probe_unanswered: bool,
    /// A probe is to be sent.
    pub(crate) probe: Probe,
    /// SND.UP, while urgent data is unacknowledged.
    pub(crate) urgent: Option<Seq>,
    /// SND.UNA when a soft ICMP error came last.
    pub(crate) unreached: Option<Seq>,
    /// How much of the congestion window is used.
    pub(crate) usage: Usage,
    /// When data was sent last.
    pub(crate) last_sent: Instant,
    /// Since when the peer owes an acknowledgment: when SND.UNA moved last, when something was put
    /// in flight after a pause, or when a closed window was first probed without an answer.
    pub(crate) progress: Instant,
}

/// How far the sender uses its congestion window, over one window of data: the window grows only
/// with what is used of it (RFC 9438 section 4.2, RFC 7661 section 4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Whether the congestion window, not the peer's or a lack of data, stopped the sender.
    pub(crate) limited: bool,
    /// Most bytes that were in flight.
    pub(crate) peak: u32,
    /// SND.NXT then: until it is acknowledged this holds.
    until: Seq,
}

impl Usage {
    const fn new(iss: Seq) -> Self {
        Self { limited: false, peak: 0, until: iss }
    }
}

impl SendSide {
    pub(crate) const fn new(iss: Seq, mss: u16, now: Instant) -> Self {
        Self {
            iss,
            una: iss,
            nxt: iss,
            end: Seq(iss.0.wrapping_add(1)),
            window: 0,
            max_window: 0,
            wl1: Seq(0),
            wl2: Seq(0),
            shift: 0,
            mss,
            default_mss: 0,
            fin: false,
            syn_pending: false,
            probe_unanswered: false,
            probe: Probe::None,
            urgent: None,
            unreached: None,
            usage: Usage::new(iss),
            last_sent: now,
            progress: now,
        }
    }

    pub(crate) fn wake(&mut self, sleeping: &Sleeping, shift: u8, mss: u16) {
        self.end = sleeping.send_next;
        self.shift = shift;
        self.mss = mss;
        let window = u32::from(sleeping.send_window) << shift;
        self.set_window(window, sleeping.receive_next, sleeping.send_next);
    }

    /// SND.WND, SND.WL1 and SND.WL2.
    pub(crate) fn set_window(&mut self, window: u32, sequence: Seq, acknowledgment: Seq) {
        self.window = window;
        self.max_window = self.max_window.max(window);
        self.wl1 = sequence;
        self.wl2 = acknowledgment;
    }

    /// SND.WND as the peer wrote it.
    pub(crate) const fn unscaled_window(&self) -> u16 {
        (self.window >> self.shift) as u16
    }

    /// Bytes queued and not sent.
    pub(crate) const fn unsent(&self) -> u32 {
        let unsent = self.end.distance(self.nxt);
        if unsent > 0 { unsent as u32 } else { 0 }
    }

    /// Whether the FIN is still to be sent.
    pub(crate) fn fin_unsent(&self) -> bool {
        self.fin && self.nxt.at_or_before(self.end)
    }

    /// Whether the peer has acknowledged the FIN.
    pub(crate) fn fin_acknowledged(&self) -> bool {
        self.fin && self.una == self.end + 1
    }

    /// Bytes the peer's window still takes.
    pub(crate) const fn usable_window(&self) -> u32 {
        //= specs/rfc9293.txt#section-3.8.6
        //# However, a sending TCP peer MUST be robust against window shrinking, which may cause the
        //# "usable window" (see Section 3.8.6.2.1) to become negative (MUST-34).
        self.window.saturating_sub(self.nxt.distance(self.una) as u32)
    }
}

impl Working {
    /// `length` more bytes are to be sent: the caller has them under the numbers from the end of
    /// what was queued before. Nothing may be written after [`Working::close`].
    pub fn write(&mut self, length: u32) {
        debug_assert!(!self.send.fin, "written after close");
        self.send.end += length;
    }

    /// As [`Working::write`], and the data is urgent up to its last byte.
    pub fn write_urgent(&mut self, length: u32) {
        self.write(length);
        //= specs/rfc9293.txt#section-3.8.5
        //# However, TCP implementations MUST still include support for the urgent mechanism
        //# (MUST-30).
        //= specs/rfc9293.txt#section-3.8.5
        //# A TCP implementation MUST support a sequence of urgent data of any length (MUST-31)
        self.send.urgent = Some(self.send.end);
    }

    /// SND.UNA: payload before it may be let go of.
    #[must_use]
    pub const fn una(&self) -> Seq {
        self.send.una
    }

    /// SND.NXT: the number that the next byte sent for the first time will have.
    #[must_use]
    pub const fn next(&self) -> Seq {
        self.send.nxt
    }

    /// The number that the next byte written will have.
    #[must_use]
    pub const fn end(&self) -> Seq {
        self.send.end
    }

    /// RCV.NXT: the number of the next byte to be handed to the application.
    #[must_use]
    pub const fn receive_next(&self) -> Seq {
        self.receive.nxt
    }

    /// The congestion window that holds now, bytes: smaller or larger than the usual one while losses
    /// are repaired, two segments while a timeout is in doubt (RFC 5682 section 2.1 step 2b).
    #[inline]
    pub(crate) fn send_limit(&self) -> u32 {
        if let Some(prr) = &self.recovery.prr {
            return prr.window();
        }
        if self.holds_back() { 2 * u32::from(self.send.mss) } else { self.congestion.window() }
    }

    /// The next segment to be sent, if there is one. Call until there is none.
    pub fn transmit(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        //= specs/rfc9293.txt#section-3.10.7.4
        //# In general, the processing of received segments MUST be implemented to aggregate ACK
        //# segments whenever possible (MUST-58).
        //= specs/rfc9293.txt#section-3.10.7.4
        //# For example, if the TCP endpoint is processing a series of queued segments, it MUST
        //# process them all before sending any ACK segments (MUST-59).
        let outgoing = match self.state {
            State::Closed => None,
            State::SynSent | State::SynReceived => self.send_syn(turn),
            _ if self.has_nothing_to_send() => return None,
            _ => self
                .send_lost(turn)
                .or_else(|| self.send_new(turn))
                .or_else(|| self.send_probe(turn))
                .or_else(|| self.send_acknowledgment(turn)),
        };
        self.arm(turn);
        outgoing
    }

    /// Whether [`Working::transmit`] may have a segment; when not, it has none. Ends nearly every
    /// series of calls, at little cost.
    #[must_use]
    #[inline]
    pub fn has_output(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::SynSent | State::SynReceived => self.send.syn_pending,
            _ => !self.has_nothing_to_send(),
        }
    }

    /// The same in the states that send data.
    #[inline]
    fn has_nothing_to_send(&self) -> bool {
        !self.receive.ack_now
            && self.send.unsent() == 0
            && !self.send.fin_unsent()
            && self.send.probe == Probe::None
            && !self.flight.any_lost()
    }

    /// SYN or SYN-ACK.
    fn send_syn(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        if !core::mem::take(&mut self.send.syn_pending) {
            return None;
        }
        let answering = self.state == State::SynReceived;
        let sent = Micros::of(turn.now);
        let retransmission = !self.flight.is_empty();
        if retransmission {
            self.flight.resent(self.send.iss, self.send.iss + 1, sent);
        } else {
            self.send.nxt = self.send.iss + 1;
            self.flight.push(self.send.nxt, sent);
        }
        // RFC 3168 section 6.1.1; without ECN once the first SYN was lost (6.1.1.1).
        let ecn = match answering {
            false if turn.config.extensions.ecn && !retransmission => Flags::ECE | Flags::CWR,
            true if self.ecn.on => Flags::ECE,
            _ => Flags::NONE,
        };
        self.receive.ack_now = false;
        let header = Repr {
            sequence: self.send.iss,
            acknowledgment: self.receive.nxt,
            flags: Flags::SYN.with_if(answering, Flags::ACK).with(ecn),
            window: Self::offered(turn.config),
            options: self.syn_options(turn, answering),
            ..Repr::default()
        };
        Some(Outgoing { retransmission, ..Outgoing::bare(header) })
    }

    /// New data, and the FIN after it.
    fn send_new(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        if self.send.unsent() == 0 && !self.send.fin_unsent() {
            return None;
        }
        self.restart_after_idle(turn);
        let options = self.options(turn);
        let due = if self.path.is_due(turn.now) { self.path_probe(&options) } else { Due::NotNow };
        let room = self.segment_room(&options);
        let (length, room) = match due {
            Due::Now(length) => (length, length),
            Due::Wait => return None,
            Due::NotNow => (self.new_length(turn, room)?, room),
        };
        let start = self.send.nxt;
        let last = length == self.send.unsent();
        let fin = last && self.send.fin && (length < self.send.usable_window());
        if length == 0 && !fin {
            return None;
        }
        if self.flight.is_empty() {
            // However long it has been idle, the peer has all its time to answer this.
            self.send.progress = turn.now;
            self.rack.flight_begins();
        }
        self.send.nxt = start + length + u32::from(fin);
        self.recovery.sent(length);
        if let Due::Now(_) = due {
            self.path_probe_sent(start, self.send.nxt);
        }
        self.flight.push(self.send.nxt, Micros::of(turn.now));
        self.send.last_sent = turn.now;
        self.receive.answered(turn.now, turn.config.receiving.ack_delay);
        if self.send.probe == Probe::Override || self.send.probe == Probe::Tail {
            self.note_tail_probe(false);
        }
        //= specs/rfc9293.txt#section-3.9.1.2
        //# (1) MUST NOT buffer data indefinitely (MUST-60), and (2) MUST set the PSH bit in the
        //# last buffered segment (i.e., when there is no more queued data to be sent) (MUST-61).
        let flags = Flags::NONE.with_if(fin, Flags::FIN).with_if(last && length > 0, Flags::PSH);
        let outgoing = self.outgoing(turn, (start, length), flags, options, false);
        self.note_usage(self.pipe() >= self.congestion.window());
        self.timers.persist = Instant::NEVER;
        self.schedule_tail_probe(turn);
        // A segment is shorter than 2^16.
        let cut = if length > room { NonZeroU16::new(room as u16) } else { None };
        Some(Outgoing { cut, ..outgoing })
    }

    /// Bytes of new data for the next segment, or for those that may follow it at once as well; None
    /// when it must wait.
    fn new_length(&mut self, turn: &Turn<'_>, most: u32) -> Option<u32> {
        //= specs/rfc9293.txt#section-3.8.6
        //# If this happens, the sender SHOULD NOT send new data (SHLD-15), but SHOULD retransmit
        //# normally the old unacknowledged data between SND.UNA and SND.UNA+SND.WND (SHLD-16).
        let (unsent, usable) = (self.send.unsent(), self.send.usable_window());
        if unsent == 0 {
            return Some(0);
        }
        let length = unsent.min(usable).min(most);
        if length == 0 {
            return None;
        }
        let pipe = self.pipe();
        let probing = matches!(self.send.probe, Probe::Override | Probe::Tail);
        if probing {
            return Some(length);
        }
        if pipe > 0 && pipe + length > self.send_limit() {
            self.note_usage(true);
            return None;
        }
        // RFC 9293 section 3.8.6.2.1, with all data counting as pushed.
        //= specs/rfc9293.txt#section-3.7.4
        //# A TCP implementation SHOULD implement the Nagle algorithm to coalesce short segments
        //# (SHLD-7).
        //= specs/rfc9293.txt#section-3.7.4
        //# However, there MUST be a way for an application to disable the Nagle algorithm on an
        //# individual connection (MUST-17).
        //= specs/rfc9293.txt#section-3.8.6.2.1
        //# TCP implementation MUST include a SWS avoidance algorithm in the sender (MUST-38).
        //= specs/rfc9293.txt#section-3.9.1.2
        //# The transmitter SHOULD collapse successive bits when it packetizes data, to send the
        //# largest possible segment (SHLD-27).
        //= specs/rfc9293.txt#section-3.9.1.2
        //# However, a TCP implementation SHOULD send a maximum-sized segment whenever possible
        //# (SHLD-28)
        let idle = self.flight.is_empty();
        let full = length == most;
        let all = length == unsent && (idle || !turn.config.sending.nagle || self.send.fin);
        let half = idle && length >= self.send.max_window / 2;
        if full && length < u32::from(turn.config.sending.uncut) {
            return Some(self.run_length(turn, (most, unsent.min(usable)), pipe));
        }
        (full || all || half).then_some(length)
    }

    /// Bytes that go out one segment of `most` bytes after the other if each is asked for by itself: as
    /// many full ones as the windows take, and the short one at the end if that need not wait.
    fn run_length(&self, turn: &Turn<'_>, (most, ready): (u32, u32), pipe: u32) -> u32 {
        if self.ecn.reduced || self.send.urgent.is_some() {
            // What is said once, or counts from where a segment begins, goes on one by itself.
            return most;
        }
        let sending = &turn.config.sending;
        let allowed = self.send_limit().saturating_sub(pipe);
        let run = ready.min(allowed).min(u32::from(sending.uncut));
        let ends = run == self.send.unsent() && (!sending.nagle || self.send.fin);
        let length = if ends { run } else { run - run % most };
        length.max(most)
    }

    /// Remembers how much of the congestion window is used.
    pub(crate) fn note_usage(&mut self, limited: bool) {
        let in_flight = self.send.nxt.distance(self.send.una) as u32;
        let usage = &mut self.send.usage;
        let more = !usage.limited && in_flight > usage.peak;
        if limited || more || usage.until.at_or_before(self.send.una) {
            *usage = Usage { limited, peak: in_flight, until: self.send.nxt };
        }
    }

    /// RFC 5681 section 4.1: after a pause of more than one RTO the window starts anew.
    fn restart_after_idle(&mut self, turn: &Turn<'_>) {
        let timeout = self.rtt.timeout_us(turn.config);
        let restarts = turn.config.sending.restart_after_idle && self.flight.is_empty();
        if restarts && turn.now > after_us(self.send.last_sent, timeout) {
            self.congestion.restart_after_idle();
        }
    }

    /// An acknowledgment by itself.
    fn send_acknowledgment(&mut self, turn: &Turn<'_>) -> Option<Outgoing> {
        if !self.receive.ack_now {
            return None;
        }
        let options = self.options(turn);
        Some(self.outgoing(turn, (self.send.nxt, 0), Flags::NONE, options, false))
    }

    /// Payload that fits beside `options`.
    pub(crate) fn segment_room(&self, options: &Options) -> u32 {
        //= specs/rfc9293.txt#section-3.7.1
        //# *  SendMSS is the MSS value received from the remote host, or the
        //# default 536 for IPv4 or 1220 for IPv6, if no MSS Option is
        //# received.
        //= specs/rfc9293.txt#section-3.7.1
        //# The maximum size of a segment that a TCP endpoint really sends, the "effective send
        //# MSS", MUST be the smaller (MUST-16) of the send MSS (that reflects the available
        //# reassembly buffer size at the remote host, the EMTU_R [19]) and the largest transmission
        //# size permitted by the IP layer (EMTU_S [19])
        u32::from(self.send.mss).saturating_sub(options.length() as u32).max(1)
    }

    /// Builds a segment of `length` bytes from `start`, with all that goes on every segment.
    pub(crate) fn outgoing(
        &mut self,
        turn: &Turn<'_>,
        (start, length): (Seq, u32),
        flags: Flags,
        options: Options,
        retransmission: bool,
    ) -> Outgoing {
        self.reports.told(&self.held);
        let new_data = length > 0 && !retransmission;
        let (ecn_flags, ecn) = self.ecn.on_send(new_data);
        let urgent = self.urgent_pointer(start);
        let flags = flags.with(Flags::ACK).with(ecn_flags).with_if(urgent.is_some(), Flags::URG);
        let header = Repr {
            sequence: start,
            acknowledgment: self.receive.nxt,
            flags,
            window: self.receive.acknowledged(turn.config),
            urgent: urgent.unwrap_or(0),
            options,
            ..Repr::default()
        };
        Outgoing { header, length, cut: None, retransmission, ecn }
    }

    /// The urgent pointer of a segment that starts at `start`, while urgent data is outstanding.
    fn urgent_pointer(&mut self, start: Seq) -> Option<u16> {
        let end = self.send.urgent?;
        if end.at_or_before(self.send.una) {
            self.send.urgent = None;
            return None;
        }
        //= specs/rfc9293.txt#section-3.8.5
        //# The urgent pointer MUST point to the sequence number of the octet following the urgent
        //# data (MUST-62).
        let ahead = end.distance(start);
        (ahead > 0).then(|| u16::try_from(ahead).unwrap_or(u16::MAX))
    }
}
