//! One connection behind a socket: `tcp`'s state machine with the bytes and the timers that its
//! caller owns. Invariant: after every call, what the state machine has to send has been sent.

use std::collections::VecDeque;
use std::net::SocketAddr;

use base::{Instant, Seq};
use tcp::{
    Arrival, ChallengeLimit, Config, Dropped, Events, Late, Opening, Outgoing, Payload, Received,
    Reset, State, TimeWait, Turn, Working,
};
use wire::tcp::Flags as Bits;

use crate::counts::Counts;
use crate::options::Options;
use crate::packet::{self, Segment, Way};
use crate::profile::{Flags, Profile};
use crate::queues::{Input, Output};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) flags: Flags,
    pub(crate) now: Instant,
    pub(crate) challenges: ChallengeLimit,
    /// Packets on their way out, with the time they were sent at.
    pub(crate) outbound: VecDeque<(Instant, Vec<u8>)>,
}

impl Net {
    pub(crate) fn is_linux(&self) -> bool {
        self.flags.profile == Profile::Linux
    }

    pub(crate) fn send(&mut self, packet: Vec<u8>) {
        self.outbound.push_back((self.now, packet));
    }

    /// Sends a reset that belongs to no connection.
    pub(crate) fn send_reset(&mut self, local: SocketAddr, remote: SocketAddr, reset: Reset) {
        let header = wire::tcp::Repr {
            source_port: local.port(),
            destination_port: remote.port(),
            ..reset.outgoing().header
        };
        let way = Way::plain(local.ip(), remote.ip());
        if let Some(bytes) = packet::emit(self.flags.profile, &way, &header, &[]) {
            self.send(bytes);
        }
    }
}

/// How often something happened that whoever waits for events may wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wakeups {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) working: Box<Working>,
    pub(crate) time_wait: Option<TimeWait>,
    pub(crate) config: Config,
    pub(crate) options: Options,
    pub(crate) output: Output,
    pub(crate) input: Input,
    pub(crate) counts: Counts,
    pub(crate) wakeups: Wakeups,
    /// The listener's descriptor, until somebody accepted it.
    pub(crate) listener: Option<i32>,
    pub(crate) established: bool,
    /// The peer's SYN is known.
    synchronized: bool,
    /// What is being answered was challenged.
    challenged: bool,
    /// The state machine is done.
    pub(crate) over: bool,
    /// Nobody has a descriptor of it any more.
    pub(crate) detached: bool,
    /// SO_ERROR.
    pub(crate) error: Option<i32>,
    /// An error that may pass; told if the connection times out.
    pub(crate) soft_error: Option<i32>,
    pub(crate) receive_shut: bool,
    pub(crate) send_shut: bool,
    /// The last write said that more follows.
    pub(crate) more: bool,
    /// Since when a short segment is held back.
    pub(crate) held_since: Option<Instant>,
    /// After the last segment that was not full.
    pub(crate) small_end: Option<Seq>,
    /// Where pieces of the send queue begin: what is sent as one does not go over these.
    pub(crate) pieces: VecDeque<Seq>,
    /// Bytes of the last piece of the send queue that are not sent.
    pub(crate) tail: usize,
    /// Somebody wants to write and could not.
    pub(crate) no_space: bool,
    /// When an orphan in FIN-WAIT-2 is forgotten.
    pub(crate) orphan_until: Option<Instant>,
    /// When the peer was heard of last, or keep-alive turned on.
    pub(crate) heard: Instant,
}

impl Connection {
    /// A connection that does nothing yet.
    pub(crate) fn new(
        ends: (SocketAddr, SocketAddr),
        options: Options,
        net: &Net,
        opens: bool,
    ) -> Self {
        Self {
            local: ends.0,
            remote: ends.1,
            working: Box::default(),
            time_wait: None,
            config: options.config(&net.flags, opens),
            options,
            output: Output::default(),
            input: Input::default(),
            counts: Counts::new(net.now),
            wakeups: Wakeups::default(),
            listener: None,
            established: false,
            synchronized: false,
            challenged: false,
            over: false,
            detached: false,
            error: None,
            soft_error: None,
            receive_shut: false,
            send_shut: false,
            more: false,
            held_since: None,
            small_end: None,
            pieces: VecDeque::new(),
            tail: 0,
            no_space: false,
            orphan_until: None,
            heard: net.now,
        }
    }

    fn opening(&self, iss: Seq, net: &Net) -> Opening {
        let ipv6 = self.remote.is_ipv6();
        Opening { iss, mss: self.options.mss(&net.flags, ipv6), ipv6 }
    }

    /// Sends the SYN.
    pub(crate) fn connect(&mut self, net: &mut Net, iss: Seq) {
        let opening = self.opening(iss, net);
        self.output.start(iss + 1);
        let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        self.working.connect(&turn, &opening);
        self.flush(net);
    }

    /// Answers a SYN.
    pub(crate) fn accept(&mut self, net: &mut Net, syn: &Segment<'_>, iss: Seq) {
        let opening = self.opening(iss, net);
        self.output.start(iss + 1);
        self.counts.arrived(net.now, 0);
        let arrival = arrival(syn);
        let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        self.working.accept(&turn, &arrival, &opening);
        self.flush(net);
    }

    pub(crate) fn state(&self) -> State {
        if self.time_wait.is_some() { State::TimeWait } else { self.working.state() }
    }

    /// A segment came for it.
    pub(crate) fn receive(&mut self, net: &mut Net, segment: &Segment<'_>) {
        self.counts.arrived(net.now, segment.payload.len());
        self.heard = net.now;
        let arrival = arrival(segment);
        if self.detached && self.answers_with_reset(&arrival) {
            return self.refuse(net, &arrival);
        }
        let mut turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        let before = self.working.receive_next();
        let received = self.working.receive(&mut turn, &arrival);
        self.challenged = received.dropped.is_some_and(is_challenge);
        self.take_payload(&received, segment, before);
        if !net.is_linux() && self.working.state() != State::SynSent {
            self.round_buffers(net);
        }
        if received.acknowledged > 0 {
            self.output.acknowledged(received.acknowledged);
            self.counts.acknowledged(received.acknowledged);
            if !self.options.cork {
                // MSG_MORE holds until something else makes the sender look.
                self.release();
            }
        }
        if let Some(reset) = received.reset {
            net.send_reset(self.local, self.remote, reset);
        }
        self.note(net, received.events);
        self.flush(net);
        self.challenged = false;
        if !net.is_linux() && received.dropped == Some(Dropped::OutOfWindow) {
            self.challenge_in_buffer(net, &arrival);
        }
        self.offer_space(net);
    }

    /// FreeBSD takes its whole buffer for the window, also what the window field cannot say: a reset
    /// between the two is challenged.
    fn challenge_in_buffer(&mut self, net: &mut Net, arrival: &Arrival<'_>) {
        let header = arrival.header;
        let next = self.working.receive_next();
        if !header.flags.any(Bits::RST)
            || !header.sequence.within(next, self.config.receiving.window)
        {
            return;
        }
        let info = self.working.info(&self.config);
        let shift = info.scale.map_or(0, |(_, ours)| ours);
        let header = wire::tcp::Repr {
            sequence: self.working.next(),
            acknowledgment: next,
            flags: Bits::ACK,
            window: (info.receive_window >> shift).min(0xffff) as u16,
            ..wire::tcp::Repr::default()
        };
        let ecn = wire::protocol::Ecn::NotCapable;
        self.challenged = true;
        let segment = Outgoing { header, length: 0, cut: None, retransmission: false, ecn };
        self.emit(net, &segment);
        self.challenged = false;
    }

    /// FreeBSD's buffers, once the peer's segment size is known.
    fn round_buffers(&mut self, net: &Net) {
        if !std::mem::replace(&mut self.synchronized, true) {
            self.options.round_to_segments(self.working.info(&self.config).send_mss);
            self.refresh(net);
        }
    }

    /// RFC 9293 section 3.6: what arrives for an application that has closed is answered with a
    /// reset, so that the peer knows that nobody reads it.
    fn answers_with_reset(&self, arrival: &Arrival<'_>) -> bool {
        let end = arrival.header.sequence + arrival.length;
        let fresh = arrival.length > 0 && self.working.receive_next().before(end);
        let closing = matches!(self.working.state(), State::FinWait1 | State::FinWait2);
        fresh && closing && !arrival.header.flags.any(Bits::RST | Bits::SYN)
    }

    fn refuse(&mut self, net: &mut Net, arrival: &Arrival<'_>) {
        let _ = self.working.abort();
        self.over = true;
        if let Some(reset) = Reset::answering(arrival) {
            net.send_reset(self.local, self.remote, reset);
        }
    }

    fn take_payload(&mut self, received: &Received, segment: &Segment<'_>, before: Seq) {
        let part = |skip: u32, length: u32| {
            let end = (skip + length) as usize;
            segment.payload.get(skip as usize..end).unwrap_or_default()
        };
        match received.payload {
            Payload::None => {}
            Payload::InOrder { skip, length, held } => {
                self.input.push(part(skip, length));
                self.input.take_ahead(before + length, held);
                self.counts.received(length + held);
                self.wakeups.input += 1;
            }
            Payload::OutOfOrder { skip, length } => {
                let start = segment.header.sequence + skip;
                self.input.keep_ahead(start, part(skip, length));
            }
        }
    }

    /// A segment came after both sides had closed. Gives where the numbers of a new connection are
    /// to start, if it opens one.
    pub(crate) fn receive_late(&mut self, net: &mut Net, segment: &Segment<'_>) -> Option<Seq> {
        let mut waiting = self.time_wait?;
        let mut turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        let late = waiting.receive(&mut turn, &arrival(segment));
        self.time_wait = Some(waiting);
        match late {
            Late::Ignore => None,
            Late::Acknowledge(outgoing) => {
                self.emit(net, &outgoing);
                None
            }
            Late::Over => {
                self.over = true;
                None
            }
            Late::Reopen { after } => {
                self.over = true;
                Some(after)
            }
        }
    }

    /// Acts on what happened.
    pub(crate) fn note(&mut self, net: &mut Net, events: Events) {
        if events.is_empty() {
            return;
        }
        if events.any(Events::ESTABLISHED) {
            self.established = true;
            self.grow_send_buffer(net);
        }
        if events.any(Events::INPUT_ENDED) {
            self.input.ended = true;
        }
        if events.any(Events::OVER) {
            self.over = true;
            self.output.clear();
            self.error = self.end_error(net, events).or(self.error);
        }
        self.wakeups.input += 1;
        self.wakeups.output += 1;
    }

    /// The error number that an end of the connection leaves.
    fn end_error(&self, net: &Net, events: Events) -> Option<i32> {
        if events.any(Events::REFUSED) {
            return Some(libc::ECONNREFUSED);
        }
        if events.any(Events::TIMED_OUT) {
            return Some(self.soft_error.unwrap_or(libc::ETIMEDOUT));
        }
        let ended = self.input.ended && net.is_linux();
        events.any(Events::RESET).then_some(if ended { libc::EPIPE } else { libc::ECONNRESET })
    }

    /// Makes the connection's settings those of the options again, after one was set.
    pub(crate) fn refresh(&mut self, net: &Net) {
        let opened = self.working.opened();
        let mut fresh = self.options.config(&net.flags, opened);
        fresh.extensions.ecn = self.config.extensions.ecn;
        if self.established {
            // The scale is agreed on once.
            let old = &self.config.receiving;
            fresh.receiving.window_max = old.window_max.max(old.window);
        }
        self.config = fresh;
    }

    /// When there is something to do without a packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.over || self.time_wait.is_some() {
            return None;
        }
        let held = self.held_since.map(|since| since + self.hold());
        let own = [self.working.deadline(), self.keep_alive_at(), held, self.orphan_until];
        own.into_iter().flatten().min()
    }

    fn keep_alive_at(&self) -> Option<Instant> {
        let settings = self.config.keep_alive?;
        let quiet = self.output.len() == 0
            && self.working.info(&self.config).keep_alive_probes == 0
            && matches!(self.working.state(), State::Established | State::CloseWait);
        quiet.then(|| self.heard + settings.idle)
    }

    /// Its time has come.
    pub(crate) fn on_timer(&mut self, net: &mut Net) {
        if self.orphan_until.is_some_and(|until| until <= net.now) {
            let _ = self.working.abort();
            self.over = true;
            return;
        }
        let probes = self.keep_alive_at().is_some_and(|at| at <= net.now);
        let mut events = Events::default();
        let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        if self.working.deadline().is_some_and(|at| at <= net.now) {
            events = self.working.on_timer(&turn);
        }
        if probes {
            self.working.keep_alive(&turn);
        }
        self.note(net, events);
        if self.held_since.is_some_and(|since| since + self.hold() <= net.now) {
            // Nobody said in time that more follows, so nothing does.
            self.more = false;
            self.release();
        }
        self.flush(net);
    }

    /// The application took `length` bytes in.
    pub(crate) fn consumed(&mut self, net: &mut Net, length: usize) {
        let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        self.working.consumed(&turn, length as u32);
        self.flush(net);
    }

    /// Nothing more will be written: what was is sent, then a FIN.
    pub(crate) fn finish(&mut self, net: &mut Net) {
        self.release();
        self.send_shut = true;
        let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
        let events = self.working.close(&turn);
        self.note(net, events);
        self.flush(net);
    }

    /// Ends it at once, with a reset for the peer.
    pub(crate) fn abort(&mut self, net: &mut Net) {
        if let Some(reset) = self.working.abort() {
            self.emit(net, &reset.outgoing());
        }
        self.over = true;
        self.output.clear();
        self.wakeups.input += 1;
        self.wakeups.output += 1;
    }

    /// Sends what is to be sent, and settles what follows from it.
    pub(crate) fn flush(&mut self, net: &mut Net) {
        self.write_held(net);
        self.transmit(net);
        if self.working.state() == State::TimeWait && self.time_wait.is_none() {
            let turn = Turn { config: &self.config, now: net.now, challenges: &mut net.challenges };
            self.time_wait = Some(self.working.time_wait(&turn));
            self.counts.time_wait_since = Some(net.now);
        }
        if self.detached && self.working.state() == State::FinWait2 {
            self.orphan_until.get_or_insert(net.now + self.options.fin_wait_2);
        }
        let info = self.working.info(&self.config);
        self.counts.account(net.now, &info, self.output.len(), self.no_space);
    }

    /// FreeBSD has its FIN on every acknowledgment until the peer has it, but on challenges.
    fn repeats_fin(&self, outgoing: &Outgoing) -> bool {
        let closing =
            matches!(self.working.state(), State::FinWait1 | State::Closing | State::LastAck);
        let bare = outgoing.length == 0 && outgoing.header.flags == Bits::ACK;
        let sent = outgoing.header.sequence == self.output.end() + 1;
        closing && bare && sent && !self.challenged
    }

    /// Puts one segment on the wire.
    pub(crate) fn emit(&mut self, net: &mut Net, outgoing: &Outgoing) {
        let payload = self.output.copy(outgoing.header.sequence, outgoing.length);
        let mut header = wire::tcp::Repr {
            source_port: self.local.port(),
            destination_port: self.remote.port(),
            ..outgoing.header
        };
        if !net.is_linux() && self.repeats_fin(outgoing) {
            header.sequence = outgoing.header.sequence - 1;
            header.flags = header.flags.with(Bits::FIN);
        }
        let way = Way {
            source: self.local.ip(),
            destination: self.remote.ip(),
            class: self.options.class,
            hops: self.options.time_to_live,
            ecn: outgoing.ecn,
        };
        self.counts.sent(net.now, outgoing);
        if let Some(bytes) = packet::emit(net.flags.profile, &way, &header, &payload) {
            net.send(bytes);
        }
    }
}

/// Whether the answer to a segment is a challenge ACK of RFC 5961.
const fn is_challenge(dropped: Dropped) -> bool {
    matches!(dropped, Dropped::ChallengedReset | Dropped::ChallengedSyn)
}

fn arrival<'a>(segment: &'a Segment<'_>) -> Arrival<'a> {
    Arrival {
        header: &segment.header,
        length: segment.payload.len() as u32,
        ecn: segment.ecn,
        can_hold: true,
    }
}
