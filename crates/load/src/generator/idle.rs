//! Connections that rest after one request. Invariant: one that rests has no seat; what is known of
//! it is in the engine's record, and its identifier where later phases may want fewer.

use std::collections::HashSet;

use app::{Cx, Step};
use base::ConnId;

use super::run::Run;
use super::{Conn, RESTING};
use crate::ErrorKind;
use crate::response::Reading;

/// The idle connections of a shard, over all phases.
#[derive(Debug, Default)]
pub(super) struct Resting {
    count: u32,
    /// Their identifiers, if a later phase may have to end some.
    ids: Option<HashSet<ConnId>>,
    /// Those that are to end.
    released: HashSet<ConnId>,
}

impl Resting {
    /// None yet. With `several` phases identifiers are kept.
    pub fn new(several: bool) -> Self {
        Self { ids: several.then(HashSet::new), ..Self::default() }
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Has all but `wanted` end. Says whom to wake for that.
    pub fn release(&mut self, wanted: u32) -> Vec<ConnId> {
        let surplus = self.count.saturating_sub(wanted) as usize;
        let ids = self.ids.iter().flatten().copied().take(surplus);
        let ids: Vec<ConnId> = ids.collect();
        for id in &ids {
            self.forget(*id);
            self.released.insert(*id);
        }
        ids
    }

    pub fn is_released(&self, id: ConnId) -> bool {
        self.released.contains(&id)
    }

    /// One is over.
    pub fn left(&mut self, id: ConnId) {
        if !self.released.remove(&id) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: ConnId) {
        self.count = self.count.saturating_sub(1);
        if let Some(ids) = &mut self.ids {
            ids.remove(&id);
        }
    }

    fn add(&mut self, id: ConnId) {
        self.count += 1;
        if let Some(ids) = &mut self.ids {
            ids.insert(id);
        }
    }
}

/// Something came on a connection that rests.
pub(super) fn disturbed(run: Option<&mut Run>, cx: &mut Cx<'_, Conn>, rx: &[u8]) -> Step {
    if rx.is_empty() && cx.input_ended {
        return Step::finish();
    }
    if let Some(run) = run {
        run.tally.bytes_in += rx.len() as u64;
        run.tally.fail(ErrorKind::Unasked);
        run.tally.idle_lost += 1;
    }
    Step::abort()
}

impl Run {
    /// One is open: its request goes out.
    pub fn open_idle(&mut self, cx: &mut Cx<'_, Conn>) -> Step {
        self.seats.push(cx.conn.seat, cx.now);
        self.under_way += 1;
        self.flush(cx, 0).within(self.phase.timeout)
    }

    /// Its answer comes; after that it rests.
    pub fn idle_data(&mut self, cx: &mut Cx<'_, Conn>, rx: &[u8], resting: &mut Resting) -> Step {
        let number = cx.conn.seat;
        let Some(seat) = self.seats.get(number) else { return Step::abort() };
        let (consumed, reading) =
            seat.reader.read(rx, cx.input_ended, &mut self.answers, seat.checking.as_mut());
        self.tally.bytes_in += consumed as u64;
        let answer = match reading {
            Reading::More => return Step::read(consumed),
            Reading::Broken(kind) => return self.broken(cx, kind),
            Reading::Answer(answer) => answer,
        };
        if answer.status >= 400 {
            return self.broken(cx, ErrorKind::Status);
        }
        if !answer.keep_alive || cx.input_ended {
            return self.broken(cx, ErrorKind::ClosedEarly);
        }
        if consumed < rx.len() {
            return self.broken(cx, ErrorKind::Unasked);
        }
        self.seats.pop(number);
        self.under_way = self.under_way.saturating_sub(1);
        self.seats.vacate(number);
        self.give_back(*cx.conn);
        cx.conn.seat = RESTING;
        resting.add(cx.id);
        Step::idle(consumed).untimed()
    }
}
