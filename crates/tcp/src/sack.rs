//! Selective acknowledgment, RFC 2018, with duplicates reported as RFC 2883 has it. Invariant: the
//! first block tells of the segment that caused the acknowledgment; the others repeat what was told
//! last, newest first.

use base::Seq;
use wire::tcp::{Repr, SACK_BLOCKS_MAX, SackBlock, SackBlocks};

use crate::flight::Delivered;
use crate::micros::{Micros, timestamp_clock};
use crate::ranges::Ranges;
use crate::{Turn, Working};

/// What the receiver has to report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reports {
    /// A number in each of the ranges that changed last, newest first.
    recent: [Seq; SACK_BLOCKS_MAX],
    count: u8,
    /// What arrived a second time, to be reported once.
    duplicate: Option<SackBlock>,
}

impl Reports {
    pub(crate) const NONE: Self =
        Self { recent: [Seq(0); SACK_BLOCKS_MAX], count: 0, duplicate: None };

    /// `block` has just changed.
    pub(crate) fn changed(&mut self, block: SackBlock) {
        self.recent.copy_within(..SACK_BLOCKS_MAX - 1, 1);
        self.recent[0] = block.start;
        self.count = (self.count + 1).min(SACK_BLOCKS_MAX as u8);
    }

    /// `start` up to `end` had arrived before.
    pub(crate) fn duplicated(&mut self, start: Seq, end: Seq) {
        self.duplicate = Some(SackBlock { start, end });
    }

    /// Whether there is anything to report.
    pub(crate) const fn is_due(&self, held: &Ranges) -> bool {
        self.duplicate.is_some() || !held.is_empty()
    }

    /// An acknowledgment has gone out.
    pub(crate) const fn told(&mut self, held: &Ranges) {
        self.duplicate = None;
        if held.is_empty() {
            self.count = 0;
        }
    }

    /// The blocks for an acknowledgment.
    pub(crate) fn blocks(&self, held: &Ranges) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        if let Some(duplicate) = self.duplicate {
            blocks.push(duplicate);
        }
        let ranges = held.as_slice();
        let holding = |number: &Seq| {
            ranges
                .iter()
                .find(|range| range.start.at_or_before(*number) && number.before(range.end))
        };
        let recent = self.recent[..usize::from(self.count)].iter().filter_map(holding);
        // A duplicate is followed by the range it lies in (RFC 2883 section 4).
        let first = blocks.as_slice().len();
        for range in recent.chain(ranges) {
            if !blocks.as_slice()[first..].contains(range) && !blocks.push(*range) {
                break;
            }
        }
        blocks
    }
}

/// What an acknowledgment delivered, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// Bytes that had not been delivered before, cumulatively or selectively.
    pub(crate) bytes: u32,
    /// Microseconds a round trip took: of what was sent last, when all of it was sent only once.
    pub(crate) rtt: Option<u32>,
    /// The timestamp echoed belongs to a copy that was sent before the last one, so that it tells
    /// the time since a loss rather than a round trip.
    pub(crate) echoes_earlier_copy: bool,
    /// The peer reported a duplicate.
    pub(crate) duplicate: bool,
    /// Some of it was sent once only, and before the last timeout (RFC 5682).
    pub(crate) original: bool,
}

impl Working {
    /// Takes the cumulative acknowledgment and the SACK blocks to the scoreboard.
    pub(crate) fn take_delivery(&mut self, header: &Repr, turn: &Turn<'_>) -> Delivery {
        let mut delivery = Delivery::default();
        let at = Micros::of(turn.now);
        let clock = timestamp_clock(turn.now, turn.config.extensions.timestamp_offset);
        let echo = self.timestamps.and(header.options.timestamps).map(|stamps| stamps.echo);
        let rack = &mut self.rack;
        let (mut resent, point) = (false, self.recovery.point());
        let mut delivered = |run: Delivered| {
            delivery.bytes += run.length();
            // Where the timestamp clock stood when the run was sent last.
            let stamp = clock.wrapping_sub(at.since(run.sent) / 1_000);
            let earlier_copy = echo.is_some_and(|echo| (echo.wrapping_sub(stamp) as i32) < 0);
            delivery.echoes_earlier_copy |= run.retransmitted && earlier_copy;
            rack.delivered(&run, at, earlier_copy);
            resent |= run.retransmitted;
            delivery.original |= !run.retransmitted && run.end.at_or_before(point);
            let rtt = at.since(run.sent);
            delivery.rtt = Some(delivery.rtt.map_or(rtt, |best| best.min(rtt)));
        };
        self.flight.acknowledge(header.acknowledgment.max(self.send.una), &mut delivered);
        let una = header.acknowledgment.max(self.send.una);
        let blocks = if self.sack { header.options.sack } else { SackBlocks::default() };
        for block in blocks.as_slice() {
            let sensible = block.start.before(block.end)
                && una.before(block.start)
                && block.end.at_or_before(self.send.nxt);
            if sensible {
                self.flight.sack(block.start, block.end, &mut delivered);
            }
        }
        if resent {
            // Karn: and what was sent once may have waited behind what was sent twice.
            delivery.rtt = None;
        }
        delivery.duplicate = reports_duplicate(blocks.as_slice(), una);
        delivery
    }
}

/// RFC 2883 section 4: a first block below the acknowledgment, or inside the second.
fn reports_duplicate(blocks: &[SackBlock], una: Seq) -> bool {
    match blocks {
        [] => false,
        [first, ..] if first.start.before(una) => true,
        [first, second, ..] => {
            second.start.at_or_before(first.start) && first.end.at_or_before(second.end)
        }
        [_] => false,
    }
}
