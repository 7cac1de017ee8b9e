//! A farewell against the working block that it stands for.

extern crate std;

use std::format;

use base::{Prng, Seq};
use core::time::Duration;
use wire::protocol::Ecn;
use wire::tcp::{Options, Repr, Timestamps};

use crate::reply::tests::{Case, MSS, case, segment};
use crate::segment::Arrival;
use crate::{ChallengeLimit, Events, Reply, Turn, Working};

/// Ends a sleeping connection, in the short way and in the long one: how far it came.
fn compare(prng: &mut Prng) -> u32 {
    let Case { config, sleeping, mut now } = case(prng);
    let timestamps = sleeping.settled().timestamps;
    let header = segment(prng, [sleeping.send_next, sleeping.receive_next], timestamps);
    let ecn = [Ecn::NotCapable, Ecn::Capable0, Ecn::Congested][prng.below(3) as usize];
    let end = Arrival { header: &header, length: prng.below(8) / 7, ecn, can_hold: true };
    let Some(plain) = end.plain().filter(|plain| sleeping.is_end(&config, plain)) else { return 0 };
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &config, now, challenges };

    let mut working = Working::new();
    working.wake(&turn, &sleeping, MSS);
    let received = working.receive(&mut turn, &end);
    assert_eq!((received.dropped, received.acknowledged), (None, 0));
    assert_eq!(received.events, Events::INPUT_ENDED);
    assert!(working.close(&turn).is_empty());
    let expected = working.transmit(&turn).unwrap();
    assert!(!working.has_output());

    let (farewell, sent) = sleeping.take_leave(&turn, &plain, MSS);
    assert_eq!((Repr::from(sent), 0), (expected.header, expected.length));
    assert_eq!(expected.ecn, Ecn::NotCapable);

    now += Duration::from_micros(u64::from(prng.below(90_000)));
    assert!(now < working.deadline().unwrap());
    assert!(now < farewell.sent(now) + Reply::patience(&config));
    turn.now = now;
    let mut resumed = Working::new();
    resumed.resume_farewell(&mut turn, &farewell, MSS);
    assert_eq!(format!("{resumed:?}"), format!("{working:?}"));

    let numbers = [sleeping.send_next + 1, sleeping.receive_next + 1];
    let header = segment(prng, numbers, timestamps);
    let arrival = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: true };
    if !arrival.plain().is_some_and(|plain| farewell.is_acknowledged(&plain)) {
        return 1;
    }
    let received = working.receive(&mut turn, &arrival);
    assert_eq!(received.events, Events::CLOSED);
    2
}

#[test]
fn a_farewell_is_what_the_working_block_would_have_done() {
    let (mut prng, mut far) = (Prng::new(5), [0; 3]);
    for _ in 0..60_000 {
        far[compare(&mut prng) as usize] += 1;
    }
    assert!(far[1] > 300 && far[2] > 500, "the comparison compares little: {far:?}");
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
}
