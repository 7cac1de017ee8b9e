//! Header prediction (Jacobson, "4BSD header prediction", 1990; RFC 7323 appendix D): of an
//! established connection's segments nearly all are the next data while nothing is in flight, or
//! the acknowledgment of all that was. Invariant: a segment that is predicted leaves everything
//! exactly as the checks of RFC 9293 section 3.10.7.4 would; what is not predicted changes nothing.

use base::Instant;
use wire::tcp::{Flags, Repr};

use crate::flight::Delivered;
use crate::micros::Micros;
use crate::segment::{Arrival, Received};
use crate::working::State;
use crate::{Turn, Working};

impl Working {
    /// Takes a segment that was predicted. `None`: it was not.
    #[inline]
    pub(crate) fn predicted(&mut self, turn: &Turn<'_>, arrival: &Arrival<'_>) -> Option<Received> {
        let header = arrival.header;
        let plain = header.flags.without(Flags::PSH) == Flags::ACK
            && header.options.sack.is_empty()
            && header.sequence == self.receive.nxt
            && header.acknowledgment == self.send.nxt
            && arrival.length <= self.receive.window();
        let expected = plain
            && self.state == State::Established
            && self.recovery.tail_probe.is_none()
            && self.held.is_empty()
            && self.receive.fin.is_none()
            && self.is_newest(header);
        if !expected {
            return None;
        }
        let mut received = Received::default();
        if arrival.length == 0 {
            let delivered = self.whole_flight()?;
            self.before_text(turn, arrival);
            received.acknowledged = self.all_acknowledged(turn, header, &delivered);
        } else {
            if !self.flight.is_empty() || self.receive.window() == 0 {
                return None;
            }
            self.before_text(turn, arrival);
            self.update_window(turn, header);
            let end = header.sequence + arrival.length;
            self.take_in_order(turn, end, (0, arrival.length), &mut received);
        }
        self.arm(turn);
        Some(received)
    }

    /// Whether timestamps, if they were agreed on, show that it is no old segment.
    fn is_newest(&self, header: &Repr) -> bool {
        match (self.timestamps, header.options.timestamps) {
            (None, _) => true,
            (Some(recent), Some(stamps)) => stamps.value.wrapping_sub(recent.value) as i32 >= 0,
            (Some(_), None) => false,
        }
    }

    /// Everything in flight, if it was sent together, once, and nothing is known to be missing.
    fn whole_flight(&self) -> Option<Delivered> {
        let [run] = self.flight.runs() else { return None };
        let fared = run.marks.sacked || run.marks.lost || run.marks.retransmitted;
        let usual = !fared && !self.recovery.is_under_way();
        let (start, sent) = (self.send.una, run.sent);
        usual.then_some(Delivered { start, end: run.end, sent, retransmitted: false })
    }

    /// What follows from any segment that is acceptable.
    fn before_text(&mut self, turn: &Turn<'_>, arrival: &Arrival<'_>) {
        self.take_timestamp(turn.now, arrival.header);
        self.timers.heard(turn.now);
        self.ecn.receive(arrival);
    }

    /// The acknowledgment of all that is in flight; gives the bytes of payload in it.
    fn all_acknowledged(&mut self, turn: &Turn<'_>, header: &Repr, delivered: &Delivered) -> u32 {
        let limited = self.is_window_limited();
        let acknowledged = header.acknowledgment.min(self.send.end).distance(self.send.una);
        let at = Micros::of(turn.now);
        self.flight.restart(header.acknowledgment);
        self.rack.delivered(delivered, at, false);
        self.send.una = header.acknowledgment;
        self.send.progress = turn.now;
        self.rtt.sample(at.since(delivered.sent));
        self.recovery.duplicates = 0;
        self.update_window(turn, header);
        if limited {
            let rtt = at.since(delivered.sent);
            self.congestion.acknowledged(&self.acked(turn, delivered.length(), Some(rtt)));
        }
        self.timers.reorder = Instant::NEVER;
        self.timers.retransmission = Instant::NEVER;
        self.timers.tail_probe = Instant::NEVER;
        acknowledged.max(0) as u32
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use base::{Instant, Prng, Seq};
    use core::time::Duration;
    use std::format;
    use wire::protocol::Ecn;
    use wire::tcp::{Flags, Options, Repr, SackBlock, Timestamps};

    use crate::segment::Arrival;
    use crate::{ChallengeLimit, Config, Opening, Turn, Working};

    /// A connection as it is once the peer has acknowledged its SYN.
    fn established(config: &Config, scaled: bool) -> Working {
        let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
        let mut turn = Turn { config, now: Instant::from_millis(1), challenges };
        let options = Options {
            timestamps: config.extensions.timestamps.then_some(Timestamps { value: 1, echo: 0 }),
            window_scale: scaled.then_some(2),
            sack_permitted: true,
            mss: Some(1_000),
            ..Options::default()
        };
        let header = Repr { flags: Flags::SYN, options, window: 9_000, ..Repr::default() };
        let ecn = Ecn::NotCapable;
        let mut syn = Arrival { header: &header, length: 0, ecn, can_hold: true };
        let mut working = Working::new();
        let opening = Opening { iss: Seq(u32::MAX - 5_000), mss: 1_460, ipv6: false };
        working.accept(&turn, &syn, &opening);
        let _ = working.transmit(&turn);
        let header = Repr {
            flags: Flags::ACK,
            sequence: Seq(1),
            acknowledgment: working.next(),
            options: Options { timestamps: options.timestamps, ..Options::default() },
            ..header
        };
        syn.header = &header;
        let _ = working.receive(&mut turn, &syn);
        working
    }

    /// A segment that could come next, or nearly.
    fn segment(prng: &mut Prng, working: &Working, now: Instant) -> (Repr, u32) {
        let mut pick = |usual: u32, others: &[u32]| match prng.below(3) {
            0 => others[prng.below(others.len() as u32) as usize],
            _ => usual,
        };
        let (next, una) = (working.next().0, working.una().0);
        let flags = [Flags::ACK | Flags::PSH, Flags::ACK | Flags::ECE, Flags::ACK | Flags::CWR];
        let flags = match pick(9, &[0, 1, 2]) {
            9 => Flags::ACK,
            index => flags[index as usize],
        };
        let expected = working.receive_next();
        let stamp = pick(now.as_millis() as u32, &[1, now.as_millis() as u32 - 1]);
        let mut header = Repr {
            sequence: Seq(pick(expected.0, &[expected.0.wrapping_add(9), expected.0 - 1])),
            acknowledgment: Seq(pick(next, &[una, una.wrapping_add(1), next])),
            flags,
            window: pick(9_000, &[0, 100, 40_000]) as u16,
            options: Options {
                timestamps: (stamp != 1).then_some(Timestamps { value: stamp, echo: 1 }),
                ..Options::default()
            },
            ..Repr::default()
        };
        let length = pick(0, &[1, 300, 1_460]);
        if pick(0, &[0, 1]) == 1 && una != next {
            let (start, end) = (Seq(una), Seq(next));
            header.options.sack.push(SackBlock { start, end });
        }
        (header, length)
    }

    #[test]
    fn a_predicted_segment_does_what_the_checks_do() {
        let mut prng = Prng::new(4);
        let (mut predicted, mut with_text, mut all) = (0, 0, 0);
        for round in 0..400 {
            let timestamps = round % 2 == 0;
            let mut config = Config::default();
            config.extensions.timestamps = timestamps;
            let mut working = established(&config, round % 3 == 0);
            let mut now = Instant::from_millis(2);
            for _ in 0..60 {
                now += Duration::from_micros(u64::from(prng.below(30_000)));
                let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
                let mut turn = Turn { config: &config, now, challenges };
                if prng.below(2) == 0 {
                    working.write(prng.below(4_000));
                }
                if prng.below(2) == 0 && working.deadline().is_some_and(|at| at <= now) {
                    let _ = working.on_timer(&turn);
                }
                while prng.below(6) > 0
                    && let Some(outgoing) = working.transmit(&turn)
                {
                    assert!(outgoing.length <= 1_460);
                }
                let (header, length) = segment(&mut prng, &working, now);
                let ecn = if prng.below(4) == 0 { Ecn::Congested } else { Ecn::Capable0 };
                let arrival = Arrival { header: &header, length, ecn, can_hold: true };
                let mut checked = working;
                let expected = checked.receive_any(&mut turn, &arrival);
                let before = format!("{working:?}");
                all += 1;
                match working.predicted(&turn, &arrival) {
                    Some(received) => {
                        predicted += 1;
                        with_text += u32::from(length > 0);
                        assert_eq!(received, expected, "{header:?} {length} {before}");
                        assert_eq!(format!("{working:?}"), format!("{checked:?}"), "{header:?}");
                    }
                    None => {
                        assert_eq!(format!("{working:?}"), before);
                        working = checked;
                    }
                }
                working.consumed(&turn, u32::MAX);
            }
        }
        assert!(predicted > all / 20, "{predicted} of {all}");
        assert!(with_text > all / 100, "{with_text} of {all} carried text");
    }
}
