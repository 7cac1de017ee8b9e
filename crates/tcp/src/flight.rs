//! What is in flight: the scoreboard of RFC 6675 section 4 and the per-segment times of RFC 8985
//! section 5.1, kept for runs of bytes rather than for single segments.
//!
//! Invariant: the runs lie end to end from SND.UNA to SND.NXT. When their number runs out, two
//! neighbours become one, and the one knows less than the two did: never that something arrived
//! that did not.

use base::Seq;

use crate::micros::Micros;

/// Runs kept.
pub(crate) const RUNS_MAX: usize = 32;

/// Bytes that were sent together and have fared alike.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// The number after its last. It starts where the one before it ends.
    pub(crate) end: Seq,
    /// When it was sent last.
    pub(crate) sent: Micros,
    pub(crate) marks: Marks,
}

/// How a run has fared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Marks {
    /// The peer has it, by its SACK blocks.
    pub(crate) sacked: bool,
    /// Taken for lost, to be sent again.
    pub(crate) lost: bool,
    /// Sent more than once.
    pub(crate) retransmitted: bool,
}

/// The runs in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    start: Seq,
    runs: [Run; RUNS_MAX],
    count: u8,
}

/// One run, or part of one, that has just been delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) start: Seq,
    pub(crate) end: Seq,
    pub(crate) sent: Micros,
    pub(crate) retransmitted: bool,
}

impl Delivered {
    pub(crate) const fn length(&self) -> u32 {
        self.end.distance(self.start) as u32
    }
}

impl Flight {
    pub(crate) const EMPTY: Self = Self {
        start: Seq(0),
        runs: [Run {
            end: Seq(0),
            sent: Micros::ZERO,
            marks: Marks { sacked: false, lost: false, retransmitted: false },
        }; RUNS_MAX],
        count: 0,
    };

    /// Nothing in flight; the next number sent is `start`.
    pub(crate) const fn restart(&mut self, start: Seq) {
        self.start = start;
        self.count = 0;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs[..usize::from(self.count)]
    }

    fn runs_mut(&mut self) -> &mut [Run] {
        &mut self.runs[..usize::from(self.count)]
    }

    /// Every run with its start.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Seq, Run)> + '_ {
        self.runs()
            .iter()
            .scan(self.start, |start, run| Some((core::mem::replace(start, run.end), *run)))
    }

    /// Bytes for which `wanted` holds.
    fn sum(&self, wanted: impl Fn(Marks) -> bool) -> u32 {
        self.spans()
            .filter(|(_, run)| wanted(run.marks))
            .map(|(start, run)| run.end.distance(start) as u32)
            .sum()
    }

    /// Bytes believed to be in the network: HighData − HighACK without the sacked and the lost, the
    /// "pipe" of RFC 6675 section 4.
    pub(crate) fn pipe(&self) -> u32 {
        self.sum(|marks| !marks.sacked && !marks.lost)
    }

    /// Bytes that the peer has ahead of their turn.
    pub(crate) fn sacked(&self) -> u32 {
        self.sum(|marks| marks.sacked)
    }

    /// Bytes taken for lost.
    pub(crate) fn lost(&self) -> u32 {
        self.sum(|marks| marks.lost)
    }

    /// Bytes sent more than once that are neither with the peer nor taken for lost.
    pub(crate) fn resent_bytes(&self) -> u32 {
        self.sum(|marks| marks.retransmitted && !marks.sacked && !marks.lost)
    }

    /// Everything up to `end` has been sent now.
    pub(crate) fn push(&mut self, end: Seq, sent: Micros) {
        if let Some(last) = self.runs_mut().last_mut()
            && last.sent == sent
            && last.marks == Marks::default()
        {
            last.end = end;
            return;
        }
        if usize::from(self.count) == RUNS_MAX {
            self.join_two();
        }
        self.runs[usize::from(self.count)] = Run { end, sent, marks: Marks::default() };
        self.count += 1;
    }

    /// Everything before `una` has arrived. What had been sacked before is not delivered again.
    pub(crate) fn acknowledge(&mut self, una: Seq, mut delivered: impl FnMut(Delivered)) {
        let mut gone = 0;
        let mut start = self.start;
        for run in self.runs() {
            if !start.before(una) {
                break;
            }
            let end = run.end.min(una);
            if !run.marks.sacked {
                let retransmitted = run.marks.retransmitted;
                delivered(Delivered { start, end, sent: run.sent, retransmitted });
            }
            start = end;
            gone += usize::from(run.end.at_or_before(una));
        }
        let count = usize::from(self.count);
        if gone < count {
            self.runs.copy_within(gone..count, 0);
        }
        self.count -= gone as u8;
        self.start = una;
    }

    /// `start` up to `end` has arrived ahead of its turn (RFC 2018 section 5).
    pub(crate) fn sack(&mut self, start: Seq, end: Seq, mut delivered: impl FnMut(Delivered)) {
        self.split(start);
        self.split(end);
        let mut from = self.start;
        for run in self.runs_mut() {
            let run_start = core::mem::replace(&mut from, run.end);
            if run.marks.sacked || run_start.before(start) || end.before(run.end) {
                continue;
            }
            let retransmitted = run.marks.retransmitted;
            delivered(Delivered { start: run_start, end: run.end, sent: run.sent, retransmitted });
            run.marks = Marks { sacked: true, lost: false, retransmitted };
        }
    }

    /// Marks what `lost` picks among the runs that neither arrived nor are lost already, and gives
    /// the bytes that are.
    pub(crate) fn mark_lost(&mut self, mut lost: impl FnMut(&Run) -> bool) -> u32 {
        let mut bytes = 0;
        let mut start = self.start;
        for run in self.runs_mut() {
            let run_start = core::mem::replace(&mut start, run.end);
            if !run.marks.sacked && !run.marks.lost && lost(run) {
                run.marks.lost = true;
                bytes += run.end.distance(run_start) as u32;
            }
        }
        bytes
    }

    /// Marks the first `length` bytes lost, for a peer without SACK (RFC 6582 section 3.2).
    pub(crate) fn mark_head_lost(&mut self, length: u32) {
        self.split(self.start + length);
        if let Some(head) = self.runs_mut().first_mut() {
            head.marks.lost = true;
        }
    }

    /// After a timeout: what was sacked first has been given up by the peer, or has never been
    /// there (RFC 2018 section 8).
    pub(crate) fn forget_reneged(&mut self) {
        if self.runs().first().is_some_and(|head| head.marks.sacked) {
            for run in self.runs_mut() {
                run.marks.sacked = false;
            }
        }
    }

    /// Whether the byte with this number is taken for lost.
    pub(crate) fn is_lost(&self, number: Seq) -> bool {
        self.spans().any(|(start, run)| {
            run.marks.lost && start.at_or_before(number) && number.before(run.end)
        })
    }

    /// Nothing is taken for lost any more.
    pub(crate) fn unmark_lost(&mut self) {
        for run in self.runs_mut() {
            run.marks.lost = false;
        }
    }

    /// Whether any bytes are to be sent again.
    #[inline]
    pub(crate) fn any_lost(&self) -> bool {
        self.runs().iter().any(|run| run.marks.lost)
    }

    /// The first bytes that are to be sent again, as far as they go without a gap.
    pub(crate) fn first_lost(&self) -> Option<(Seq, Seq)> {
        let mut lost = self
            .spans()
            .skip_while(|(_, run)| !run.marks.lost)
            .take_while(|(_, run)| run.marks.lost);
        let (start, first) = lost.next()?;
        Some((start, lost.last().map_or(first.end, |(_, run)| run.end)))
    }

    /// The last run, from its start.
    pub(crate) fn last(&self) -> Option<(Seq, Seq)> {
        self.spans().last().map(|(start, run)| (start, run.end))
    }

    /// `start` up to `end` has been sent again now.
    pub(crate) fn resent(&mut self, start: Seq, end: Seq, sent: Micros) {
        // Where the second split joins what the first parted, more counts as sent again than was; the
        // timeout mends that.
        self.split(start);
        self.split(end);
        let mut from = self.start;
        for run in self.runs_mut() {
            let run_start = core::mem::replace(&mut from, run.end);
            if run_start.before(end) && start.before(run.end) && !run.marks.sacked {
                run.sent = sent;
                run.marks = Marks { sacked: false, lost: false, retransmitted: true };
            }
        }
    }

    /// Makes a run end at `at`, unless one does or that is outside.
    fn split(&mut self, at: Seq) {
        let Some(mut index) = self.parted_by(at) else { return };
        if usize::from(self.count) == RUNS_MAX {
            self.join_two();
            let Some(moved) = self.parted_by(at) else { return };
            index = moved;
        }
        let count = usize::from(self.count);
        self.runs.copy_within(index..count, index + 1);
        self.runs[index].end = at;
        self.count += 1;
    }

    /// The run that a number is in the middle of.
    fn parted_by(&self, at: Seq) -> Option<usize> {
        let index = self.runs().iter().position(|run| at.at_or_before(run.end))?;
        (self.start.before(at) && self.runs[index].end != at).then_some(index)
    }

    /// Makes one run of two neighbours: of the two that were sent closest in time among those with
    /// the same marks, else of the first two.
    fn join_two(&mut self) {
        let alike = |pair: &[Run]| pair[0].marks == pair[1].marks;
        let apart =
            |pair: &[Run]| pair[1].sent.since(pair[0].sent) + pair[0].sent.since(pair[1].sent);
        let index = self
            .runs()
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| alike(pair))
            .min_by_key(|(_, pair)| apart(pair))
            .map_or(0, |(index, _)| index);
        let count = usize::from(self.count);
        let (first, second) = (self.runs[index], self.runs[index + 1]);
        let marks = Marks {
            sacked: first.marks.sacked && second.marks.sacked,
            lost: first.marks.lost || second.marks.lost,
            retransmitted: first.marks.retransmitted || second.marks.retransmitted,
        };
        let sent = if first.sent.is_after(second.sent) { first.sent } else { second.sent };
        self.runs.copy_within(index + 2..count, index + 1);
        self.runs[index] = Run { end: second.end, sent, marks };
        self.count -= 1;
    }
}

#[cfg(test)]
mod tests;
