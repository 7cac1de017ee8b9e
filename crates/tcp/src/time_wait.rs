//! TIME-WAIT, RFC 9293 sections 3.6.1 and 3.10.7.4, in 20 bytes; and FIN-WAIT-2 where the application takes
//! no more of what comes. Invariant: for two MSL after the last FIN was answered, nothing of the old
//! connection is taken for part of a new one; a new one is let in earlier only when its SYN cannot be an old
//! duplicate (RFC 6191).

use base::{Instant, Seq};
use wire::tcp::{Flags, Options, Repr, Timestamps};

use crate::config::Timeouts;
use crate::micros::timestamp_clock;
use crate::segment::{Arrival, Outgoing};
use crate::sleeping::{Sleeping, Stamp};
use crate::working::State;
use crate::{Config, Turn, Working};

/// A tick of the slowest timestamp clock there may be (RFC 7323 section 5.4), and what the time of
/// its beginning is rounded by.
const REOPEN_AFTER_MS: u64 = 1_000 + 68;

/// A connection in TIME-WAIT, or on its way there.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    send_next: Seq,
    receive_next: Seq,
    recent_timestamp: u32,
    /// When it began, or the peer's FIN came again.
    since: Stamp,
    timestamps: bool,
    /// In FIN-WAIT-2: the peer has not closed yet.
    open: bool,
}

const _: () = assert!(size_of::<TimeWait>() == 20);

/// What a segment for a connection in TIME-WAIT leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// Nothing.
    Ignore,
    /// This is to be sent.
    Acknowledge(Outgoing),
    /// It is the SYN of a new connection, which may be accepted now. Its own initial sequence number
    /// is to be after this one.
    Reopen {
        /// The last number the old connection used, with room behind it.
        after: Seq,
    },
    /// TIME-WAIT is over.
    Over,
}

impl TimeWait {
    pub(crate) fn new(working: &Working, turn: &Turn<'_>) -> Self {
        Self {
            send_next: working.send.nxt,
            receive_next: working.receive.nxt,
            recent_timestamp: working.timestamps.map_or(0, |recent| recent.value),
            since: Stamp::of(turn.now),
            timestamps: working.timestamps.is_some(),
            open: working.state == State::FinWait2,
        }
    }

    /// The same of what has only its FIN in flight: `sleeping` with the numbers after both FINs.
    pub(crate) fn of_sleeping(sleeping: &Sleeping, turn: &Turn<'_>) -> Self {
        Self {
            send_next: sleeping.send_next,
            receive_next: sleeping.receive_next,
            recent_timestamp: sleeping.recent_timestamp,
            since: Stamp::of(turn.now),
            timestamps: sleeping.settled().timestamps,
            open: false,
        }
    }

    /// Whether two MSL have passed, or the time for the peer to close.
    #[must_use]
    pub fn is_over(&self, config: &Config, now: Instant) -> bool {
        //= specs/rfc9293.txt#section-3.6.1
        //# When a connection is closed actively, it MUST linger in the TIME-WAIT state for a time
        //# 2xMSL (Maximum Segment Lifetime) (MUST-13).
        let Timeouts { time_wait, fin_wait_2, .. } = &config.timeouts;
        let limit = if self.open { fin_wait_2 } else { time_wait };
        u128::from(self.since.age_ms(now)) >= limit.as_millis()
    }

    /// For this end to open a connection between the same two ends before two MSL have passed: its
    /// initial sequence number is to be after the one given. `None` while that is not safe.
    ///
    /// With timestamps it is a second after the last segment, as RFC 6191 has it for the other end:
    /// the new connection's timestamps are greater than all of the old one's, so the peer knows the
    /// new SYN from an old one and drops old segments by PAWS, as this end does.
    #[must_use]
    pub fn reopen(&self, config: &Config, now: Instant) -> Option<Seq> {
        let past = self.since.age_ms(now) >= REOPEN_AFTER_MS;
        let safe = past && !self.open && self.timestamps && config.extensions.timestamps;
        safe.then(|| self.send_next + 0x1_0000)
    }

    /// Takes one segment.
    pub fn receive(&mut self, turn: &mut Turn<'_>, arrival: &Arrival<'_>) -> Late {
        let header = arrival.header;
        if header.flags.any(Flags::SYN) && !header.flags.any(Flags::ACK | Flags::RST) {
            return self.new_connection(turn, header);
        }
        if header.flags.any(Flags::RST) {
            let exact = header.sequence == self.receive_next;
            return if exact { Late::Over } else { Late::Ignore };
        }
        if !header.flags.any(Flags::FIN) && arrival.length == 0 {
            // One that comes next acknowledges ours: to answer it would start a war of
            // acknowledgments. Any other shows that the peer is somewhere else.
            let expected = header.sequence == self.receive_next;
            let answers = !expected && turn.challenges.allow(turn.now);
            return if answers { self.acknowledge(turn) } else { Late::Ignore };
        }
        if self.open {
            self.pass_over(turn, arrival);
            return self.acknowledge(turn);
        }
        //= specs/rfc9293.txt#section-3.10.7.4
        //# The only thing that can arrive in this state is a
        //# retransmission of the remote FIN.  Acknowledge it, and
        //# restart the 2 MSL timeout.
        if header.flags.any(Flags::FIN) && header.sequence + arrival.length + 1 == self.receive_next
        {
            self.since = Stamp::of(turn.now);
        }
        self.acknowledge(turn)
    }

    /// FIN-WAIT-2: text that comes next counts as taken, and the FIN after it begins TIME-WAIT.
    fn pass_over(&mut self, turn: &Turn<'_>, arrival: &Arrival<'_>) {
        let header = arrival.header;
        let end = header.sequence + arrival.length;
        let window = u32::from(Working::offered(turn.config));
        if header.sequence.at_or_before(self.receive_next) && self.receive_next.at_or_before(end) {
            let taken = end.min(self.receive_next + window);
            self.receive_next = taken;
            if let Some(stamps) = header.options.timestamps.filter(|_| self.timestamps)
                && stamps.value.wrapping_sub(self.recent_timestamp) as i32 > 0
            {
                self.recent_timestamp = stamps.value;
            }
            if header.flags.any(Flags::FIN) && taken == end {
                self.receive_next += 1;
                self.open = false;
            }
            self.since = Stamp::of(turn.now);
        }
    }

    /// RFC 6191 section 2, and RFC 9293 section 3.6.1 (MAY-2) where there are no timestamps.
    fn new_connection(&mut self, turn: &mut Turn<'_>, syn: &Repr) -> Late {
        //= specs/rfc9293.txt#section-3.6.1
        //# This algorithm for reducing TIME-WAIT is a Best Current Practice that SHOULD be
        //# implemented since Timestamp Options are commonly used, and using them to reduce
        //# TIME-WAIT provides benefits for busy Internet servers (SHLD-4).
        let newer = match (self.timestamps, syn.options.timestamps) {
            (true, Some(stamps)) if stamps.value != self.recent_timestamp => {
                (stamps.value.wrapping_sub(self.recent_timestamp) as i32) > 0
            }
            // What is left of the old connection comes without, and so is dropped by the new one.
            (false, Some(_)) if turn.config.extensions.timestamps => true,
            _ => self.receive_next.before(syn.sequence),
        };
        if newer && !self.open {
            return Late::Reopen { after: self.send_next + 0x1_0000 };
        }
        self.refuse(turn)
    }

    /// What the SYN of a connection that may not begin is answered with, within the budget: RFC 9293 section
    /// 3.10.7.4, fourth check.
    pub fn refuse(&self, turn: &mut Turn<'_>) -> Late {
        if turn.challenges.allow(turn.now) { self.acknowledge(turn) } else { Late::Ignore }
    }

    fn acknowledge(&self, turn: &Turn<'_>) -> Late {
        let value = timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        let stamps = Timestamps { value, echo: self.recent_timestamp };
        let options =
            Options { timestamps: self.timestamps.then_some(stamps), ..Options::default() };
        let header = Repr {
            sequence: self.send_next,
            acknowledgment: self.receive_next,
            flags: Flags::ACK,
            window: Working::offered(turn.config),
            options,
            ..Repr::default()
        };
        Late::Acknowledge(Outgoing::bare(header))
    }
}
