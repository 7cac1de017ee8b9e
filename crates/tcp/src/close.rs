//! CLOSE and ABORT, RFC 9293 sections 3.6, 3.10.4 and 3.10.5. Invariant: a FIN follows everything
//! that was written before it, and a connection that has sent and received one leaves no state but
//! TIME-WAIT's, and that only on the side that closed first.

use base::Instant;

use crate::segment::{Events, Received, Reset};
use crate::working::State;
use crate::{Turn, Working};

/// Taken for the round trip of a connection that has only received, microseconds.
const ROUND_TRIP_UNKNOWN_US: u32 = 100_000;

impl Working {
    /// No more will be written. What was written is sent, then a FIN. Text that arrives is still
    /// taken, for the caller to use or to pass over ([`Working::consumed`] either way).
    pub fn close(&mut self, turn: &Turn<'_>) -> Events {
        match self.state {
            State::SynSent => {
                self.state = State::Closed;
                return Events::CLOSED;
            }
            State::SynReceived => self.send.fin = true,
            State::Established => {
                self.send.fin = true;
                self.state = State::FinWait1;
            }
            State::CloseWait => {
                self.send.fin = true;
                self.state = State::LastAck;
            }
            _ => {}
        }
        self.arm(turn);
        Events::default()
    }

    /// Ends the connection at once. Gives the reset for the peer, where there is one to be sent.
    pub fn abort(&mut self) -> Option<Reset> {
        let state = core::mem::replace(&mut self.state, State::Closed);
        match state {
            //= specs/rfc9293.txt#section-3.10.5
            //# All queued SENDs and RECEIVEs should be given "connection reset"
            //# notification; all segments queued for transmission (except for the
            //# RST formed above) or retransmission should be flushed.
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => {
                let acknowledgment = Some(self.receive.nxt);
                Some(Reset { sequence: self.send.nxt, acknowledgment })
            }
            _ => None,
        }
    }

    /// What the acknowledgment of our FIN leads to.
    pub(crate) fn advance_close(&mut self, turn: &Turn<'_>, received: &mut Received) {
        if !self.send.fin_acknowledged() {
            return;
        }
        match self.state {
            State::FinWait1 => {
                //= specs/rfc9293.txt#section-3.10.7.4
                //# In addition to the processing for the ESTABLISHED state,
                //# if the FIN segment is now acknowledged, then enter FIN-
                //# WAIT-2 and continue processing in that state.
                self.state = State::FinWait2;
                self.timers.idle = turn.now + turn.config.timeouts.fin_wait_2;
            }
            State::Closing => self.enter_time_wait(turn, received),
            State::LastAck => {
                self.state = State::Closed;
                received.events.add(Events::CLOSED);
            }
            _ => {}
        }
    }

    pub(crate) fn enter_time_wait(&mut self, turn: &Turn<'_>, received: &mut Received) {
        self.state = State::TimeWait;
        self.timers.idle = Instant::NEVER;
        received.events.add(Events::TIME_WAIT);
        self.arm(turn);
    }

    /// The application is done with `length` bytes that were handed to it: makes room in the
    /// window.
    pub fn consumed(&mut self, turn: &Turn<'_>, length: u32) {
        self.receive.consume(length, turn.config);
    }

    /// RCV.WND, bytes: what would be taken now.
    #[must_use]
    #[inline]
    pub const fn receive_window(&self) -> u32 {
        self.receive.window()
    }

    /// Lets the window follow what the application takes: for a caller who has just said that some was
    /// [consumed](Working::consumed), and has `room` bytes for what this connection may yet have to
    /// keep. Never less than [`Receiving::window`](crate::Receiving::window).
    #[inline]
    pub fn follow_reader(&mut self, turn: &Turn<'_>, room: u32) {
        let round_trip = self.rtt.smoothed().unwrap_or(ROUND_TRIP_UNKNOWN_US);
        self.receive.follow_reader(turn, room, round_trip);
    }

    /// An acknowledgment that is being held back is to go out with the next [`Working::transmit`]:
    /// for a caller who wants the connection to be quiet soon.
    pub const fn acknowledge_now(&mut self) {
        self.receive.ack_now |= self.receive.ack_at.is_some();
    }
}
