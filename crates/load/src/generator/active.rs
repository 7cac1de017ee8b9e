//! Connections that send requests and read answers as fast as they may. Invariant: an answer is
//! matched with the oldest request of its connection, and a connection on which anything went wrong
//! is not used again.

use app::{Cx, End, Source, Step};
use base::Instant;

use super::run::Run;
use super::{Conn, Kind};
use crate::ErrorKind;
use crate::check::Checking;
use crate::response::Reading;

/// Requests longer than this are not copied into the engine's buffer but referred to.
const COPIED_MOST: usize = 8 * 1024;

impl Run {
    /// A connection is open: the first requests go out.
    pub fn open_active(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.supply(cx.conn.seat, cx.now);
        self.flush(cx, 0).within(self.phase.timeout)
    }

    /// Bytes came in.
    #[inline]
    pub fn active_data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        let number = cx.conn.seat;
        let mut consumed = 0;
        loop {
            let rest = &rx[consumed..];
            let Some(seat) = self.seats.get(number) else { return Step::abort() };
            if seat.in_flight == 0 {
                if !rest.is_empty() {
                    return self.unasked(cx, rest.len());
                }
                break;
            }
            let first_byte = *seat.first_byte.get_or_insert(cx.now);
            let (taken, reading) =
                seat.reader.read(rest, cx.input_ended, &mut self.answers, seat.checking.as_mut());
            consumed += taken;
            self.tally.bytes_in += taken as u64;
            match reading {
                Reading::More => return Step::read(consumed),
                Reading::Broken(kind) => return self.broken(cx, kind),
                Reading::Answer(answer) => {
                    seat.first_byte = None;
                    let right = seat.checking.as_mut().is_none_or(Checking::finish);
                    let Some(flight) = self.seats.pop(number) else { break };
                    self.answered(flight, first_byte, cx.now, answer);
                    if !right && answer.status < 400 && self.is_measured(flight.due) {
                        self.tally.fail(ErrorKind::WrongBody);
                    }
                    if !answer.keep_alive || self.phase.connection_per_request {
                        return self.last_answer(cx);
                    }
                }
            }
        }
        if cx.input_ended {
            // Closed between two requests, as a server may.
            self.tally.reopened += 1;
            return Step::finish();
        }
        self.supply(number, cx.now);
        self.flush(cx, consumed)
    }

    /// Gives a seat the requests that it is to send now.
    fn supply(&mut self, seat: u32, now: Instant) {
        // What is due later than the end is not part of the phase.
        if self.phase.connection_per_request || self.gathering.is_some() || self.is_over(now) {
            return;
        }
        if let Some(mut arrivals) = self.arrivals {
            while arrivals.next() <= now
                && self.seats.has_room(seat)
                && self.begin_request(arrivals.next())
            {
                if let Some(due) = arrivals.take(now) {
                    self.seats.push(seat, due);
                }
            }
            self.arrivals = Some(arrivals);
            self.list(seat);
            return;
        }
        while self.seats.has_room(seat) && self.begin_request(now) {
            self.seats.push(seat, now);
        }
    }

    /// Puts out the requests of a connection that have not been, as far as there is room.
    pub fn flush(&mut self, cx: &mut Cx<'_, Conn>, consumed: usize) -> Step {
        let request = &self.phase.request;
        while let Some(flight) = self.seats.unsent(cx.conn.seat) {
            let is_out = if request.len() <= COPIED_MOST {
                cx.out.put(request).is_ok()
            } else {
                let source = Source::Memory(request.clone());
                cx.out.attach(source, 0, request.len() as u64).is_ok()
            };
            if !is_out {
                return Step::write(consumed);
            }
            flight.sent = cx.now;
            self.tally.bytes_out += request.len() as u64;
            if let Some(seat) = self.seats.get(cx.conn.seat) {
                seat.sent += 1;
            }
        }
        Step::read(consumed)
    }

    /// There is a request to send.
    pub fn woken(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        if let Some(seat) = self.seats.get(cx.conn.seat) {
            seat.woken = false;
        }
        if cx.conn.kind != Kind::Active {
            return Step::stay();
        }
        if self.arrivals.is_none() {
            // All have gathered.
            self.supply(cx.conn.seat, cx.now);
        }
        match self.seats.unsent(cx.conn.seat) {
            Some(_) => self.flush(cx, 0),
            None => Step::stay(),
        }
    }

    /// The timer runs from the opening on; whether something has waited for too long is looked at
    /// only then, so that no request has to set it.
    pub fn timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let timeout = self.phase.timeout;
        let Some(oldest) = self.seats.oldest(cx.conn.seat) else {
            return Step::stay().within(timeout);
        };
        let waited = cx.now.since(oldest.sent);
        if waited >= timeout {
            return self.broken(cx, ErrorKind::Timeout);
        }
        Step::stay().within(timeout.saturating_sub(waited))
    }

    /// The connection ends with the answer that was just read.
    fn last_answer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.fail(cx.conn, ErrorKind::ClosedEarly, cx.now);
        // As the server closes too, nobody has to be waited for.
        Step::finish()
    }

    /// Something is wrong with the connection: all requests under way on it have failed.
    pub fn broken(&mut self, cx: &mut Cx<'_, Conn>, kind: ErrorKind) -> Step {
        self.fail(cx.conn, kind, cx.now);
        Step::abort()
    }

    /// So many bytes came that nobody asked for.
    fn unasked(&mut self, cx: &mut Cx<'_, Conn>, bytes: usize) -> Step {
        self.tally.bytes_in += bytes as u64;
        self.tally.fail(ErrorKind::Unasked);
        self.broken(cx, ErrorKind::Unasked)
    }

    /// A connection of this phase that has a seat is over.
    pub fn ended(&mut self, cx: &Cx<'_, Conn>, why: End) {
        let kind = match why {
            End::Closed => ErrorKind::ClosedEarly,
            End::Overflow => ErrorKind::HeadTooLarge,
            End::TimedOut => ErrorKind::Timeout,
            End::Unreachable => ErrorKind::Unreachable,
            _ => ErrorKind::Reset,
        };
        self.fail(cx.conn, kind, cx.now);
        self.seats.vacate(cx.conn.seat);
        self.give_back(*cx.conn);
    }
}
