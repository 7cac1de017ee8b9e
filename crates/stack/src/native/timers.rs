//! Timers that have run out.

use app::{DialError, End, Handler};
use port::Port;
use tcp::Events;

use super::serve::{Event, Fate};
use super::{Core, tcp_turn};

/// Timers acted on in one turn at most.
const TIMERS_A_TURN: u32 = 1024;

impl<P: Port, C: Copy + Default> Core<P, C> {
    /// Acts on timers that have run out. Gives how many.
    pub(super) fn run_timers<H: Handler<Conn = C>>(&mut self, app: &mut H) -> u32 {
        let mut count = 0;
        while count < TIMERS_A_TURN
            && let Some(block) = self.wheel.expired(self.now)
        {
            count += 1;
            self.run_timer(app, block);
        }
        count
    }

    /// Acts on what has run out for one block.
    pub(super) fn run_timer<H: Handler<Conn = C>>(&mut self, app: &mut H, block: u32) {
        if self.is_in_the_way(block) {
            return self.ended(app, block, End::TimedOut);
        }
        let working = &mut self.blocks[block];
        if working.tcp.deadline().is_some_and(|deadline| deadline <= self.now) {
            let events = working.tcp.on_timer(&tcp_turn!(self));
            self.note_events(block, events);
            if events.any(Events::OVER) {
                return self.over(app, block, events);
            }
        }
        let working = &mut self.blocks[block];
        let due = working.timer.is_some_and(|timer| timer <= self.now);
        if due && !working.facts.established {
            let unreachable = working.tcp.is_unreachable();
            let why = if unreachable { DialError::Unreachable } else { DialError::TimedOut };
            return self.give_up(app, block, why);
        }
        if due && working.facts.opened && !working.facts.closing {
            working.timer = None;
            if self.call(app, block, Event::Timer, &[]) == Fate::Over {
                return;
            }
        }
        self.run(app, block, &[]);
    }
}
