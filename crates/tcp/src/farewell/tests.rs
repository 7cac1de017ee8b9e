//! A farewell against the working block that it stands for.

extern crate std;

use std::format;

use base::{Prng, Seq};
use core::time::Duration;
use wire::protocol::Ecn;
use wire::tcp::{Options, Repr, Timestamps};

use crate::reply::tests::{Case, MSS, case, segment, told};
use crate::segment::Arrival;
use crate::{ChallengeLimit, Events, Reply, Sleeping, Turn, Working};

/// The peer's FIN for a sleeping connection; gives the connection as it would sleep without it.
fn ask(prng: &mut Prng, case: &Case, working: &mut Working) -> Option<Sleeping> {
    let Case { config, sleeping, now } = case;
    let timestamps = sleeping.settled().timestamps;
    let header = segment(prng, [sleeping.send_next, sleeping.receive_next], timestamps);
    let ecn = [Ecn::NotCapable, Ecn::Capable0, Ecn::Congested][prng.below(3) as usize];
    let end = Arrival { header: &header, length: prng.below(8) / 7, ecn, can_hold: true };
    let plain = end.plain().filter(|plain| sleeping.is_end(config, plain))?;
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config, now: *now, challenges };
    let taken = sleeping.take_in(&plain, *now);
    let mut sent = [sleeping, &taken].map(|sleeping| {
        working.wake(&turn, sleeping, MSS);
        let received = working.receive(&mut turn, &end);
        assert_eq!((received.dropped, received.acknowledged), (None, 0));
        assert_eq!(received.events, Events::INPUT_ENDED);
        let mut closing = *working;
        assert!(closing.close(&turn).is_empty());
        closing.transmit(&turn)
    });
    // Only the largest window that the peer ever offered is forgotten.
    assert_eq!(sent[0].take(), sent[1].take());
    Some(taken)
}

/// Ends a sleeping connection from one side or the other, in the short way and in the long one: how
/// far it came.
fn compare(prng: &mut Prng, first: bool) -> u32 {
    let case = case(prng);
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &case.config, now: case.now, challenges };
    let mut working = Working::new();
    working.wake(&turn, &case.sleeping, MSS);
    let sleeping = match first {
        true => Some(case.sleeping).filter(Sleeping::may_speak),
        false => ask(prng, &case, &mut working),
    };
    let Some(sleeping) = sleeping else { return 0 };
    assert!(working.close(&turn).is_empty());
    let expected = working.transmit(&turn).unwrap();
    assert!(!working.has_output());

    let (farewell, sent) =
        if first { sleeping.close(&turn, MSS) } else { sleeping.take_leave(&turn, MSS) };
    assert_eq!((Repr::from(sent), 0), (expected.header, expected.length));
    assert_eq!((expected.ecn, farewell.is_first()), (Ecn::NotCapable, first));

    turn.now += Duration::from_micros(u64::from(prng.below(90_000)));
    assert!(turn.now < working.deadline().unwrap());
    assert!(turn.now < farewell.sent(turn.now) + Reply::patience(&case.config));
    let mut resumed = Working::new();
    resumed.resume_farewell(&mut turn, &farewell, MSS);
    assert_eq!(told(&resumed), told(&working));

    let numbers = [sleeping.send_next + 1, sleeping.receive_next + u32::from(!first)];
    let mut header = segment(prng, numbers, sleeping.settled().timestamps);
    if first && prng.below(4) > 0 {
        header.flags = header.flags.with(wire::tcp::Flags::FIN);
    }
    let arrival = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: true };
    let Some(plain) = arrival.plain() else { return 1 };
    match farewell.answered(&turn, &plain, MSS) {
        Some((time_wait, acknowledgment)) => {
            let received = working.receive(&mut turn, &arrival);
            assert!(received.events.any(Events::TIME_WAIT) && received.dropped.is_none());
            let expected = working.transmit(&turn).unwrap();
            assert_eq!((Repr::from(acknowledgment), 0), (expected.header, expected.length));
            assert!(first && !working.has_output());
            let expected = working.time_wait(&turn);
            assert_eq!(format!("{time_wait:?}"), format!("{expected:?}"));
            2
        }
        None if farewell.is_over(&plain) => {
            let received = working.receive(&mut turn, &arrival);
            assert_eq!((received.events, first), (Events::CLOSED, false));
            2
        }
        None => 1,
    }
}

#[test]
fn a_farewell_is_what_the_working_block_would_have_done() {
    for (first, rounds) in [(false, 60_000), (true, 6_000)] {
        let (mut prng, mut far) = (Prng::new(5), [0; 3]);
        for _ in 0..rounds {
            far[compare(&mut prng, first) as usize] += 1;
        }
        assert!(far[1] > 300 && far[2] > 500, "the comparison compares little: {far:?}");
    }
}

#[test]
fn a_fin_that_is_not_next_or_not_alone_is_no_end() {
    let mut prng = Prng::new(6);
    let Case { config, sleeping, .. } = case(&mut prng);
    let stamps = sleeping.settled().timestamps.then_some(Timestamps { value: 5_000, echo: 0 });
    let fin = Repr {
        sequence: sleeping.receive_next,
        acknowledgment: sleeping.send_next,
        flags: wire::tcp::Flags::ACK | wire::tcp::Flags::FIN,
        window: 9,
        options: Options { timestamps: stamps, ..Options::default() },
        ..Repr::default()
    };
    let is_end = |header: &Repr, length| {
        let ecn = Ecn::NotCapable;
        let arrival = Arrival { header, length, ecn, can_hold: true };
        arrival.plain().is_some_and(|plain| sleeping.is_end(&config, &plain))
    };
    assert!(is_end(&fin, 0) && !is_end(&fin, 1));
    assert!(!is_end(&Repr { sequence: sleeping.receive_next + 1, ..fin }, 0));
    assert!(!is_end(&Repr { acknowledgment: Seq(sleeping.send_next.0 - 1), ..fin }, 0));
    assert!(!is_end(&Repr { flags: wire::tcp::Flags::ACK, ..fin }, 0));
    // Nor where no window is offered that a FIN could be in.
    let mut shut = config.clone();
    shut.receiving.window = 0;
    let arrival = Arrival { header: &fin, length: 0, ecn: Ecn::NotCapable, can_hold: true };
    assert!(!sleeping.is_end(&shut, &arrival.plain().expect("a plain segment")));
}
