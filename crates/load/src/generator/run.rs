//! One phase as it runs: [`Run`]. Invariant: what is counted belongs to the measured time; every
//! span that was published is over, and the last is published by [`Run::finish`].

use std::collections::VecDeque;
use std::time::Duration;

use app::Cx;
use base::Instant;

use super::gathering::Gathering;
use super::seats::{Flight, Seats};
use super::{Conn, Ids, Kind, Place};
use crate::arrivals::Arrivals;
use crate::response::{Answer, Answers};
use crate::{Board, ErrorKind, Phase, Share, Span, Tally, Until};

/// Idle connections being opened at once.
pub(super) const IDLE_OPENING: u32 = 256;

/// Most latencies recorded one by one for requests that were due and never sent.
const UNSENT_POINTS: u64 = 100_000;

/// A phase under way.
#[derive(Debug)]
pub(super) struct Run {
    /// The phase's number from 1 on, modulo 65,536.
    pub number: u16,
    index: u32,
    pub phase: Phase,
    /// Of these the first are of connections that send as fast as they may.
    pub seats: Seats,
    active: u32,
    pub answers: Answers,
    /// Seats without a connection.
    pub vacant: Vacant,
    /// Open loop: seats that can take a request, longest waiting first.
    pub ready: VecDeque<u32>,
    /// Open loop: when requests are due.
    pub arrivals: Option<Arrivals>,
    /// When idle connections are due, if there is a rate for that.
    pub idle_arrivals: Option<Arrivals>,
    /// Idle connections not begun yet.
    pub idle_missing: u32,
    /// Requests not begun yet, where their number is given; those of the warm-up are not among them.
    pub budget: Option<u64>,
    /// Requests begun and not over.
    pub under_way: u64,
    /// Connections being opened.
    pub dialling: u32,
    /// Connections whose port was taken, to be tried from another.
    pub redial: Vec<Conn>,
    /// Closed loop: connections that wait for each other before the first request.
    pub gathering: Option<Gathering>,
    /// After attempts that failed: how many in a row, and until when there is no other.
    pub failures: u32,
    pub pause: Instant,
    /// From when on is counted.
    measured: Instant,
    end: Option<Instant>,
    /// The next time at which figures are published, and for which span. None of it: warm-up.
    next_span: Instant,
    span: Option<u32>,
    pub tally: Tally,
}

/// Seats without a connection, by what they are for.
#[derive(Debug, Default)]
pub(super) struct Vacant {
    pub active: Vec<u32>,
    pub slow: Vec<u32>,
    pub idle: Vec<u32>,
}

impl Run {
    pub fn new(number: u32, phase: Phase, share: Share, idle_missing: u32, now: Instant) -> Self {
        // Shards without a connection have no part of what is sent, or it would wait for ever.
        let budget = match phase.until {
            Until::Time(_) => None,
            Until::Requests(count) => {
                let among = share.among(phase.connections.max(phase.slow));
                Some(among.map_or(0, |share| share.of(count)))
            }
        };
        let arrivals = |rate: Option<f64>, connections| {
            rate.zip(share.among(connections)).map(|(rate, share)| Arrivals::new(now, rate, share))
        };
        let mut active = share.of_few(phase.connections);
        if let Some(count) = budget {
            // More connections than requests would be of no use.
            active = active.min(u32::try_from(count).unwrap_or(u32::MAX));
        }
        let slow = share.of_few(phase.slow);
        let opening = idle_missing.min(IDLE_OPENING);
        let all = active + slow + opening;
        let measured = now + phase.warmup;
        let end = match phase.until {
            Until::Time(time) => Some(measured + time),
            Until::Requests(_) => None,
        };
        let warm = phase.warmup > Duration::ZERO;
        Self {
            number: number as u16,
            index: number - 1,
            seats: Seats::new(all as usize, phase.pipeline.get(), phase.check.as_ref()),
            active,
            answers: Answers { bodiless: phase.head, ..Answers::default() },
            vacant: Vacant {
                active: (0..active).rev().collect(),
                slow: (active..active + slow).rev().collect(),
                idle: (active + slow..all).rev().collect(),
            },
            ready: VecDeque::new(),
            arrivals: arrivals(phase.rate, phase.connections),
            idle_arrivals: arrivals(phase.idle_rate.map(|it| f64::from(it.get())), phase.idle),
            idle_missing,
            budget,
            under_way: 0,
            dialling: 0,
            redial: Vec::new(),
            gathering: Gathering::of(&phase, active, now),
            failures: 0,
            pause: Instant::ZERO,
            measured,
            end,
            next_span: if warm { measured } else { measured + phase.span() },
            span: (!warm).then_some(0),
            tally: Tally::default(),
            phase,
        }
    }

    /// Whether another request, due at this time, may be begun; counts it as begun.
    pub fn begin_request(&mut self, due: Instant) -> bool {
        let is_measured = self.is_measured(due);
        match &mut self.budget {
            Some(0) => return false,
            Some(left) if is_measured => *left -= 1,
            _ => {}
        }
        self.under_way += 1;
        true
    }

    /// The requests under way on a connection are over without an answer.
    pub fn fail(&mut self, conn: &Conn, kind: ErrorKind, now: Instant) {
        // In open loop what waited for as long as it may counts with that, as what waits at the end
        // does; else a server would be the faster, the more it leaves without an answer.
        let has_waited = matches!(kind, ErrorKind::Timeout | ErrorKind::ConnectTimeout)
            && conn.kind == Kind::Active
            && self.phase.rate.is_some();
        while let Some(flight) = self.seats.pop(conn.seat) {
            self.under_way = self.under_way.saturating_sub(1);
            if self.is_measured(flight.due) || conn.kind == Kind::Idle {
                self.tally.fail(kind);
                if has_waited {
                    self.tally.latency.record(now.since(flight.due).as_nanos() as u64);
                }
            }
        }
    }

    /// Whether a request that was due then is counted, or was sent to warm up.
    pub fn is_measured(&self, due: Instant) -> bool {
        due >= self.measured
    }

    /// A request was answered.
    #[inline]
    pub fn answered(&mut self, flight: Flight, first_byte: Instant, now: Instant, answer: Answer) {
        self.under_way = self.under_way.saturating_sub(1);
        if !self.is_measured(flight.due) {
            return;
        }
        let tally = &mut self.tally;
        tally.answers += 1;
        tally.latency.record(now.since(flight.due).as_nanos() as u64);
        tally.first_byte.record(first_byte.since(flight.due).as_nanos() as u64);
        tally.status(answer.status);
        if answer.status >= 400 {
            tally.fail(ErrorKind::Status);
        }
    }

    /// What is to be done at a new time.
    pub fn tick(&mut self, now: Instant, place: &Place) {
        if self.is_over(now) {
            return;
        }
        if now >= self.next_span {
            self.publish(now, &place.board);
        }
        self.gather(now, place);
        if self.phase.connection_per_request {
            return;
        }
        let Some(mut arrivals) = self.arrivals else { return };
        while let Some(&seat) = self.ready.front()
            && arrivals.next() <= now
        {
            self.ready.pop_front();
            if let Some(seat) = self.seats.get(seat) {
                seat.listed = false;
            }
            let is_open = self.seats.get(seat).is_some_and(|seat| seat.id.is_some());
            if !is_open || !self.seats.has_room(seat) {
                continue;
            }
            if !self.begin_request(arrivals.next()) {
                break;
            }
            if let Some(due) = arrivals.take(now) {
                self.seats.push(seat, due);
            }
            self.list(seat);
            if let Some(seat) = self.seats.get(seat)
                && !seat.woken
                && let Some(id) = seat.id
            {
                seat.woken = true;
                place.wake.wake(id);
            }
        }
        self.arrivals = Some(arrivals);
    }

    /// Puts a seat that has room into the queue for the next request that is due.
    pub fn list(&mut self, seat: u32) {
        if self.arrivals.is_none() || !self.seats.has_room(seat) {
            return;
        }
        if let Some(place) = self.seats.get(seat)
            && !place.listed
        {
            place.listed = true;
            self.ready.push_back(seat);
        }
    }

    /// Whether the phase is over.
    pub fn is_over(&self, now: Instant) -> bool {
        match self.end {
            // Nothing is sent while connections gather.
            Some(end) => self.gathering.is_none() && now >= end,
            None => self.budget == Some(0) && self.under_way == 0,
        }
    }

    /// Has the measured time begin now, if it has begun already and nothing was sent in it.
    pub fn measure_from(&mut self, now: Instant) {
        let late = now.since(self.measured);
        if late > Duration::ZERO {
            self.measured = now;
            self.end = self.end.map(|end| end + late);
            (self.span, self.next_span) = (Some(0), now + self.phase.span());
        }
    }

    /// When something is to be done even if nothing happens.
    pub fn next_time(&self, now: Instant) -> Instant {
        let end = self.end.filter(|_| self.gathering.is_none());
        let mut time = end.map_or(self.next_span, |end| end.min(self.next_span));
        if let Some(arrivals) = &self.arrivals
            && !self.ready.is_empty()
            && self.budget != Some(0)
        {
            time = time.min(arrivals.next());
        }
        if let Some(gathering) = &self.gathering {
            time = time.min(gathering.until());
        }
        match self.dial_time(now) {
            Some(dial) => time.min(dial),
            None => time,
        }
    }

    fn publish(&mut self, now: Instant, board: &Board) {
        let tally = self.tally.take();
        board.put(Span { phase: self.index, index: self.span, tally });
        let span = self.phase.span();
        // Where a turn took longer than a span, some have nothing in them.
        let index = now.since(self.measured).as_nanos() / span.as_nanos();
        let index = u32::try_from(index).unwrap_or(u32::MAX - 1);
        self.span = Some(index);
        self.next_span = self.measured + span.saturating_mul(index + 1);
    }

    /// Publishes the rest. Says which connections are left.
    pub fn finish(mut self, now: Instant, board: &Board) -> Ids {
        let end = self.end.map_or(now, |end| end.min(now));
        // What slow connections and those that are to rest have asked for is in no other figure either.
        let late: Vec<Flight> = self.seats.flights(self.active).collect();
        for flight in late {
            if self.is_measured(flight.due) {
                self.miss(flight.due, end);
            }
        }
        if let Some(mut arrivals) = self.arrivals.take() {
            arrivals.skip(arrivals.before(self.measured));
            self.miss_unsent(arrivals, end);
        }
        board.put(Span { phase: self.index, index: self.span, tally: self.tally.take() });
        board.time.set(end.since(self.measured).as_nanos() as u64);
        self.seats.iter().filter_map(|seat| seat.id).collect()
    }

    /// A request without an answer at the end. In open loop it has waited at least until then, and
    /// counts with that; else a server that stalls at the end would go unnoticed.
    fn miss(&mut self, due: Instant, end: Instant) {
        self.tally.unanswered += 1;
        if self.phase.rate.is_some() {
            self.tally.latency.record(end.since(due).as_nanos() as u64);
        }
    }

    /// Those that were due before the end and had no connection to go out on.
    fn miss_unsent(&mut self, arrivals: Arrivals, end: Instant) {
        let count = arrivals.before(end).min(self.budget.unwrap_or(u64::MAX));
        self.tally.unsent += count;
        self.tally.unanswered += count;
        // They are evenly spaced, so where they are very many one stands for its neighbours.
        let step = count.div_ceil(UNSENT_POINTS).max(1);
        let mut first = 0;
        while first < count {
            let weight = step.min(count - first);
            let waited = end.since(arrivals.after(first + weight / 2));
            self.tally.latency.record_many(waited.as_nanos() as u64, weight);
            first += weight;
        }
    }

    /// A connection of this phase is open.
    pub fn opened(&mut self, cx: &mut Cx<'_, Conn>) {
        self.dialling = self.dialling.saturating_sub(1);
        self.failures = 0;
        self.tally.opened += 1;
        self.tally.connect.record(cx.now.since(cx.conn.began).as_nanos() as u64);
        if let Some(seat) = self.seats.get(cx.conn.seat) {
            seat.id = Some(cx.id);
        }
        if cx.conn.kind == Kind::Active
            && let Some(gathering) = &mut self.gathering
        {
            gathering.add();
        }
    }
}
