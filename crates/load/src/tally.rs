//! What is counted: [`Tally`]. Invariant: tallies of shards, and of spans of time, add up to the
//! tally of the whole; so nothing in one is a rate or a percentile.

use serde::{Deserialize, Serialize};

use crate::error_kind::KINDS;
use crate::{ErrorKind, Times};

/// What was counted in a span of time by a shard, or by all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tally {
    /// Whole answers, whatever their status.
    pub answers: u64,
    /// Whole answers on slow connections, which are no part of any other figure but the status.
    pub slow_answers: u64,
    /// Bytes received: heads, bodies, chunk sizes.
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
    pub latency: Times,
    /// From when a request was due to the first byte of its answer.
    pub first_byte: Times,
    /// From the beginning of a connection to its being open.
    pub connect: Times,
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

impl Tally {
    /// Counts an error.
    pub fn fail(&mut self, kind: ErrorKind) {
        self.fail_times(kind, 1);
    }

    /// Counts an error so many times.
    pub fn fail_times(&mut self, kind: ErrorKind, times: u64) {
        if let Some(count) = self.errors.get_mut(kind as usize) {
            *count += times;
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

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.slow_answers += other.slow_answers;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.latency.add(&other.latency);
        self.first_byte.add(&other.first_byte);
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        for &(status, count) in &other.status {
            match self.status.iter_mut().find(|(known, _)| *known == status) {
                Some((_, sum)) => *sum += count,
                None => self.status.push((status, count)),
            }
        }
        self.status.sort_unstable();
        self.add_connections(other);
        for (sum, count) in self.errors.iter_mut().zip(&other.errors) {
            *sum += count;
        }
    }

    /// Adds what another counted of connections, and nothing of requests.
    pub fn add_connections(&mut self, other: &Self) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.idle_lost += other.idle_lost;
        self.ports_taken += other.ports_taken;
        self.connect.add(&other.connect);
    }
}
