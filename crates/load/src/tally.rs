//! What is counted: [`Tally`]. Invariant: tallies of shards, and of spans of time, add up to the
//! tally of the whole; so nothing in one is a rate or a percentile.

use std::mem::take;

use serde::{Deserialize, Serialize};

use crate::error_kind::KINDS;
use crate::{ErrorKind, Packed, Times};

/// What was counted in a span of time by a shard, or by all: while it is counted with [`Times`], to be
/// kept or passed on with [`Packed`] ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tally<T = Times> {
    /// Whole answers, whatever their status.
    pub answers: u64,
    /// Whole answers on slow connections, which are no part of any other figure but the status.
    pub slow_answers: u64,
    /// Bytes received: heads, bodies, chunk sizes, and what nobody asked for.
    pub bytes_in: u64,
    /// Bytes of requests sent.
    pub bytes_out: u64,
    /// Connections established.
    pub opened: u64,
    /// Connections closed by the server between two requests, and opened anew.
    pub reopened: u64,
    /// Idle connections that were closed by the server.
    pub idle_lost: u64,
    /// Local ports that were taken already and left out.
    pub ports_taken: u64,
    /// Requests that had no answer when the time was over.
    pub unanswered: u64,
    /// Of those, how many were due and not sent, because no connection was free.
    pub unsent: u64,
    /// Answers by status code, ascending.
    pub status: Vec<(u16, u64)>,
    /// Errors by kind, in the order of [`ErrorKind::ALL`].
    errors: Vec<u64>,
    /// From when a request was due to the end of its answer.
    pub latency: T,
    /// From when a request was due to the first byte of its answer.
    pub first_byte: T,
    /// From the beginning of a connection to its being open.
    pub connect: T,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            answers: 0,
            slow_answers: 0,
            bytes_in: 0,
            bytes_out: 0,
            opened: 0,
            reopened: 0,
            idle_lost: 0,
            ports_taken: 0,
            unanswered: 0,
            unsent: 0,
            status: Vec::new(),
            errors: vec![0; KINDS],
            latency: Times::default(),
            first_byte: Times::default(),
            connect: Times::default(),
        }
    }
}

impl<T> Tally<T> {
    /// Counts an error.
    pub fn fail(&mut self, kind: ErrorKind) {
        if let Some(count) = self.errors.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// How many errors there were of a kind.
    #[must_use]
    pub fn errors(&self, kind: ErrorKind) -> u64 {
        self.errors.get(kind as usize).copied().unwrap_or(0)
    }

    /// How many errors there were.
    #[must_use]
    pub fn all_errors(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Counts a status.
    #[inline]
    pub fn status(&mut self, status: u16) {
        // There are few, and mostly it is the first.
        match self.status.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => {
                self.status.push((status, 1));
                self.status.sort_unstable();
            }
        }
    }
}

impl<T> Tally<T> {
    /// Adds the numbers of another, and none of its times.
    fn add_numbers<O>(&mut self, other: &Tally<O>) {
        self.answers += other.answers;
        self.slow_answers += other.slow_answers;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        for &(status, count) in &other.status {
            match self.status.iter_mut().find(|(known, _)| *known == status) {
                Some((_, sum)) => *sum += count,
                None => self.status.push((status, count)),
            }
        }
        self.status.sort_unstable();
        self.add_openings(other);
        for (sum, count) in self.errors.iter_mut().zip(&other.errors) {
            *sum += count;
        }
    }

    fn add_openings<O>(&mut self, other: &Tally<O>) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.idle_lost += other.idle_lost;
        self.ports_taken += other.ports_taken;
    }
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.add_numbers(other);
        self.latency.add(&other.latency);
        self.first_byte.add(&other.first_byte);
        self.connect.add(&other.connect);
    }

    /// Adds a packed one.
    pub fn add_packed(&mut self, other: &Tally<Packed>) {
        self.add_numbers(other);
        self.latency.add_packed(&other.latency);
        self.first_byte.add_packed(&other.first_byte);
        self.connect.add_packed(&other.connect);
    }

    /// Adds what another counted of connections, and nothing of requests.
    pub fn add_connections(&mut self, other: &Tally<Packed>) {
        self.add_openings(other);
        self.connect.add_packed(&other.connect);
    }

    /// Takes all out, packed.
    pub fn take(&mut self) -> Tally<Packed> {
        let taken = Tally {
            answers: take(&mut self.answers),
            slow_answers: take(&mut self.slow_answers),
            bytes_in: take(&mut self.bytes_in),
            bytes_out: take(&mut self.bytes_out),
            opened: take(&mut self.opened),
            reopened: take(&mut self.reopened),
            idle_lost: take(&mut self.idle_lost),
            ports_taken: take(&mut self.ports_taken),
            unanswered: take(&mut self.unanswered),
            unsent: take(&mut self.unsent),
            status: take(&mut self.status),
            errors: self.errors.clone(),
            latency: self.latency.take(),
            first_byte: self.first_byte.take(),
            connect: self.connect.take(),
        };
        self.errors.fill(0);
        taken
    }
}
