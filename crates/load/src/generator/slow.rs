//! Connections that send and read at a pace of so many bytes a second, as over a poor line or with
//! bad intent. Invariant: in any pause no more is sent, or taken from what came, than the pace
//! allows; their answers are counted, but are no part of rates and latencies.

use std::num::NonZeroU64;
use std::time::Duration;

use app::{Cx, Step};

use super::Conn;
use super::run::Run;
use crate::ErrorKind;
use crate::check::Checking;
use crate::response::Reading;

/// Between two pieces, where the pace is not below ten bytes a second.
const PAUSE: Duration = Duration::from_millis(100);

impl Run {
    /// Bytes of a piece, and the time it takes.
    fn piece(&self) -> (u32, Duration) {
        let pace = self.phase.pace.map_or(u64::MAX, NonZeroU64::get);
        match u32::try_from(pace / 10) {
            Ok(0) => (1, Duration::from_secs(1) / pace.max(1) as u32),
            Ok(bytes) => (bytes, PAUSE),
            Err(_) => (u32::MAX, PAUSE),
        }
    }

    /// One is open.
    pub fn open_slow(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.begin_slow(cx)
    }

    /// Sends the first piece of a request.
    fn begin_slow(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        if !self.begin_request(cx.now) {
            return Step::idle(0).untimed();
        }
        self.seats.push(cx.conn.seat, cx.now);
        self.send_piece(cx)
    }

    fn send_piece(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let (bytes, pause) = self.piece();
        let request = &self.phase.request;
        let Some(seat) = self.seats.get(cx.conn.seat) else { return Step::abort() };
        let rest = &request[(seat.allowance as usize).min(request.len())..];
        let sent = cx.out.put_some(&rest[..rest.len().min(bytes as usize)]);
        self.tally.bytes_out += sent as u64;
        seat.allowance += sent as u32;
        if sent == rest.len() {
            // From here on it says what may be read.
            seat.allowance = bytes;
            seat.sent = 1;
            seat.pausing = false;
            return Step::read(0).within(self.phase.timeout);
        }
        seat.pausing = true;
        Step::wait(0).within(pause)
    }

    /// Takes as much of what came as the pace allows.
    pub fn slow_data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
        let (_, pause) = self.piece();
        let Some(seat) = self.seats.get(cx.conn.seat) else { return Step::abort() };
        if seat.in_flight == 0 {
            // No more requests; whatever comes, it is over.
            return Step::finish();
        }
        let offered = rx.len().min(seat.allowance as usize);
        let ended = cx.input_ended && offered == rx.len();
        let (consumed, reading) =
            seat.reader.read(&rx[..offered], ended, &mut self.answers, seat.checking.as_mut());
        seat.allowance -= consumed as u32;
        self.tally.bytes_in += consumed as u64;
        match reading {
            Reading::More if offered < rx.len() => {
                seat.pausing = true;
                Step::wait(consumed).within(pause)
            }
            Reading::More => {
                seat.allowance = seat.allowance.max(1);
                Step::read(consumed).within(self.phase.timeout)
            }
            Reading::Broken(kind) => self.broken(cx, kind),
            Reading::Answer(answer) => {
                let right = seat.checking.as_mut().is_none_or(Checking::finish);
                seat.allowance = 0;
                self.seats.pop(cx.conn.seat);
                self.under_way = self.under_way.saturating_sub(1);
                self.tally.slow_answers += 1;
                self.tally.status(answer.status);
                if answer.status >= 400 {
                    self.tally.fail(ErrorKind::Status);
                } else if !right {
                    self.tally.fail(ErrorKind::WrongBody);
                }
                if !answer.keep_alive || ended {
                    return Step::finish();
                }
                // The next request follows after a pause, in which what is left over would be
                // offered again.
                if let Some(seat) = self.seats.get(cx.conn.seat) {
                    seat.pausing = true;
                }
                Step::wait(consumed).within(pause)
            }
        }
    }

    /// A pause is over, or nothing came for too long.
    pub fn slow_timer(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        let (bytes, _) = self.piece();
        let timeout = self.phase.timeout;
        let Some(seat) = self.seats.get(cx.conn.seat) else { return Step::abort() };
        if !seat.pausing {
            return self.broken(cx, ErrorKind::Timeout);
        }
        seat.pausing = false;
        match (seat.in_flight, seat.sent) {
            (0, _) => self.begin_slow(cx),
            (_, 0) => self.send_piece(cx),
            _ => {
                seat.allowance = seat.allowance.saturating_add(bytes);
                Step::read(0).within(timeout)
            }
        }
    }
}
