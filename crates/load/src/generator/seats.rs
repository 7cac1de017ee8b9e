//! What is remembered of a connection that sends requests: [`Seat`]. Invariant: seats are made at the
//! start of a phase and used again; a request under way is in exactly one of them.

use base::{ConnId, Instant};

use crate::Check;
use crate::check::Checking;
use crate::response::Reader;

/// All seats of a shard in a phase.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    /// Requests under way, `depth` places for each seat.
    flights: Vec<Flight>,
    depth: u32,
}

/// One connection that sends requests, or the place for one.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// The connection, while it is open.
    pub id: Option<ConnId>,
    pub reader: Reader,
    pub checking: Option<Checking>,
    /// When the first byte of the answer under way came.
    pub first_byte: Option<Instant>,
    /// The place of the oldest request under way.
    first: u32,
    /// Requests under way.
    pub in_flight: u32,
    /// Of those, how many have been put out.
    pub sent: u32,
    /// In the queue of those that can take another request.
    pub listed: bool,
    /// A wake is on its way.
    pub woken: bool,
    /// Slow connections: bytes of the request put out, or bytes of the answer that may be read.
    pub allowance: u32,
    /// Slow connections: whether the timer that runs is a pause.
    pub pausing: bool,
}

/// One request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flight {
    /// When it was due.
    pub due: Instant,
    /// When it was put out.
    pub sent: Instant,
}

impl Seats {
    /// So many seats with `depth` requests under way at most.
    pub fn new(count: usize, depth: u32, check: Option<&Check>) -> Self {
        let seat = || Seat { checking: check.map(Check::begin), ..Seat::default() };
        let seats = (0..count).map(|_| seat()).collect();
        Self { seats, flights: vec![Flight::default(); count * depth as usize], depth }
    }

    pub fn get(&mut self, index: u32) -> Option<&mut Seat> {
        self.seats.get_mut(index as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter()
    }

    /// Whether a seat has room for another request.
    pub fn has_room(&self, index: u32) -> bool {
        self.seats.get(index as usize).is_some_and(|seat| seat.in_flight < self.depth)
    }

    /// Adds a request that is due, to be put out.
    pub fn push(&mut self, index: u32, due: Instant) {
        let Some(seat) = self.seats.get_mut(index as usize) else { return };
        debug_assert!(seat.in_flight < self.depth);
        let place = place(index, self.depth, seat.first + seat.in_flight);
        seat.in_flight += 1;
        self.flights[place] = Flight { due, sent: due };
    }

    /// The next request that has not been put out.
    pub fn unsent(&mut self, index: u32) -> Option<&mut Flight> {
        let seat = self.seats.get(index as usize)?;
        if seat.sent == seat.in_flight {
            return None;
        }
        self.flights.get_mut(place(index, self.depth, seat.first + seat.sent))
    }

    /// The oldest request under way.
    pub fn oldest(&self, index: u32) -> Option<Flight> {
        let seat = self.seats.get(index as usize)?;
        (seat.in_flight > 0).then(|| self.flights[place(index, self.depth, seat.first)])
    }

    /// Takes the oldest request out.
    pub fn pop(&mut self, index: u32) -> Option<Flight> {
        let flight = self.oldest(index)?;
        let depth = self.depth;
        let seat = self.seats.get_mut(index as usize)?;
        seat.first = (seat.first + 1) % depth;
        seat.in_flight -= 1;
        seat.sent = seat.sent.saturating_sub(1);
        Some(flight)
    }

    /// Empties a seat whose connection is over.
    pub fn vacate(&mut self, index: u32) {
        if let Some(seat) = self.seats.get_mut(index as usize) {
            let mut checking = seat.checking.take();
            if let Some(checking) = &mut checking {
                // Whatever was begun of a body is forgotten.
                checking.finish();
            }
            let listed = seat.listed;
            *seat = Seat { checking, listed, ..Seat::default() };
        }
    }

    /// All requests under way in the first seats.
    pub fn flights(&self, seats: u32) -> impl Iterator<Item = Flight> {
        let seats = self.seats.iter().zip(0..seats);
        seats.flat_map(move |(seat, index)| {
            (0..seat.in_flight)
                .map(move |nth| self.flights[place(index, self.depth, seat.first + nth)])
        })
    }
}

fn place(index: u32, depth: u32, nth: u32) -> usize {
    index as usize * depth as usize + (nth % depth) as usize
}

#[cfg(test)]
mod tests {
    use base::Instant;

    use super::Seats;

    #[test]
    fn requests_come_out_in_the_order_they_went_in() {
        let mut seats = Seats::new(2, 3, None);
        let at = Instant::from_millis;
        for time in 1..=3 {
            assert!(seats.has_room(1));
            seats.push(1, at(time));
        }
        assert!(!seats.has_room(1) && seats.has_room(0));
        for time in 1..=9 {
            let flight = seats.pop(1).unwrap();
            assert_eq!(flight.due, at(time));
            seats.push(1, at(time + 3));
        }
        let left: Vec<_> = seats.flights(2).map(|flight| flight.due.as_millis()).collect();
        assert_eq!(left, [10, 11, 12]);
        assert!(seats.flights(1).next().is_none());
        seats.vacate(1);
        assert!(seats.pop(1).is_none() && seats.flights(2).next().is_none());
    }
}
