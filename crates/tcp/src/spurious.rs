//! Timeouts that were for nothing: F-RTO, RFC 5682 section 3, with the response of RFC 4015.
//! Invariant: only the head of the flight is sent again before it is known whether the rest was lost,
//! and a timeout that proves needless leaves window and threshold where they were.

use crate::congestion::Congestion;
use crate::recovery::Recovery;
use crate::sack::Delivery;
use crate::{Turn, Working};

/// A timeout of which it is not known yet whether it was needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    step: Step,
    /// Congestion control before it.
    before: Congestion,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The head has been sent again (step 1).
    Head,
    /// New data goes out in place of what may be lost (step 2b).
    NewData,
}

impl Doubt {
    pub(crate) const fn new(before: Congestion) -> Self {
        Self { step: Step::Head, before }
    }
}

impl Working {
    /// Whether what may be lost is held back until new data has shown what became of it.
    pub(crate) fn holds_back(&self) -> bool {
        self.doubt.is_some_and(|doubt| doubt.step == Step::NewData)
    }

    /// An acknowledgment came after a timeout.
    pub(crate) fn judge_timeout(&mut self, turn: &Turn<'_>, advanced: bool, delivery: &Delivery) {
        let Some(doubt) = &mut self.doubt else { return };
        let can_send = self.send.unsent() > 0 && self.send.usable_window() > 0;
        match doubt.step {
            // All that was in flight has arrived, which is no proof of either.
            _ if !self.recovery.is_timeout() => self.doubt = None,
            Step::Head if advanced && can_send => doubt.step = Step::NewData,
            Step::NewData if delivery.original => self.undo_timeout(turn, delivery.bytes),
            Step::Head | Step::NewData => self.doubt = None,
        }
    }

    /// What was in flight arrives after all. The window is as it was, but fills no faster than by
    /// what is delivered.
    fn undo_timeout(&mut self, turn: &Turn<'_>, delivered: u32) {
        let Some(doubt) = self.doubt.take() else { return };
        self.flight.unmark_lost();
        self.recovery = Recovery::new();
        self.congestion = doubt.before;
        self.congestion.resume(self.flight.pipe(), delivered);
        self.ecn.reduced = false;
        self.schedule_tail_probe(turn);
    }
}
