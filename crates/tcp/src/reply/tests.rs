//! A reply against the working block that it stands for.

extern crate std;

use std::format;
use std::string::String;

use base::{Instant, Prng, Seq};
use core::time::Duration;
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Repr, Timestamps};

use super::Reply;
use crate::segment::Arrival;
use crate::sleeping::{Settled, Sleeping, Waiting};
use crate::{ChallengeLimit, Config, Turn, Working};

pub(crate) const MSS: u16 = 1_460;

pub(crate) struct Case {
    pub(crate) config: Config,
    pub(crate) sleeping: Sleeping,
    pub(crate) now: Instant,
}

pub(crate) fn case(prng: &mut Prng) -> Case {
    let flag = |prng: &mut Prng| prng.below(2) == 0;
    let mut config = Config::default();
    config.receiving.window = [4_000, 65_535, 256 * 1_024, 1 << 20][prng.below(4) as usize];
    config.sending.nagle = flag(prng);
    config.sending.restart_after_idle = flag(prng);
    let settled = Settled {
        send_shift: flag(prng).then_some(prng.below(15) as u8),
        timestamps: flag(prng),
        sack: flag(prng),
        ecn: flag(prng),
        opened: flag(prng),
        wide: false,
        reduced: prng.below(8) == 0,
        cautious: prng.below(8) == 0,
        mss: [536, 1_000, MSS][prng.below(3) as usize],
        srtt: [0, 200, 60_000, 2_000_000][prng.below(4) as usize],
    };
    // Whole microseconds: a reply keeps no less.
    let slept = Instant::from_millis(1_000 + u64::from(prng.below(90_000)));
    let numbers = [Seq(prng.below(u32::MAX)), Seq(prng.below(u32::MAX))];
    let recent = if settled.timestamps { 5_000 } else { 0 };
    let sleeping = Sleeping::new(settled, numbers, 1 + prng.below(9_000) as u16, recent, slept);
    let now = slept + Duration::from_micros(u64::from(prng.below(3_000_000)));
    Case { config, sleeping, now }
}

/// A segment that is most often the one expected. `around`: what it acknowledges and where it starts.
pub(crate) fn segment(prng: &mut Prng, around: [Seq; 2], timestamps: bool) -> Repr {
    let mut nearly = |number: Seq| match prng.below(12) {
        0 => number + 1,
        1 => number - 1,
        _ => number,
    };
    let (acknowledgment, sequence) = (nearly(around[0]), nearly(around[1]));
    let flags = match prng.below(10) {
        0 => Flags::ACK | Flags::FIN,
        1 => Flags::ACK | Flags::ECE,
        2 | 3 => Flags::ACK | Flags::PSH,
        _ => Flags::ACK,
    };
    let value = 5_000 + prng.below(30) - u32::from(prng.below(9) == 0) * 30;
    let timestamps = (timestamps != (prng.below(12) == 0)).then_some(Timestamps { value, echo: 9 });
    Repr {
        sequence,
        acknowledgment,
        flags,
        window: [0, 90, 1_000, 60_000][prng.below(4) as usize],
        options: Options { timestamps, ..Options::default() },
        ..Repr::default()
    }
}

/// What can be told of a block from outside: arrays past their counts are what the last user left.
pub(crate) fn told(working: &Working) -> String {
    format!("{working:?}")
}

fn slept(sleeping: &Sleeping) -> String {
    format!("{sleeping:?}")
}

struct Trial {
    taken: u32,
    acknowledged: u32,
}

/// A question for a sleeping connection, or nothing: gives the connection as it sleeps after that.
fn ask(prng: &mut Prng, case: &Case, trial: &mut Trial, answer: u16) -> Option<Sleeping> {
    let Case { config, sleeping, now } = case;
    if prng.below(4) == 0 {
        return Some(*sleeping).filter(Sleeping::may_speak);
    }
    let timestamps = sleeping.settled().timestamps;
    let header = segment(prng, [sleeping.send_next, sleeping.receive_next], timestamps);
    let ecn = [Ecn::NotCapable, Ecn::Capable0, Ecn::Congested][prng.below(3) as usize];
    let length = [0, 1, 400, 1_448][prng.below(4) as usize];
    let question = Arrival { header: &header, length, ecn, can_hold: true };
    let plain = question.plain().filter(|plain| sleeping.is_question(config, plain))?;
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config, now: *now, challenges };
    let mut working = Working::new();
    working.wake(&turn, sleeping, MSS);
    let received = working.receive(&mut turn, &question);
    assert_eq!((received.dropped, received.reset, received.acknowledged), (None, None, 0));
    working.consumed(&turn, length);

    let taken = sleeping.take_in(&plain, *now);
    // Answered at once, or acknowledged by itself.
    let mut answering = working;
    if usize::from(answer) <= taken.text_most(MSS) {
        answering.write(u32::from(answer));
        let (_, sent) = taken.speak(&turn, answer, MSS);
        assert_eq!(answering.transmit(&turn), Some(sent.outgoing(answer.into())));
        assert!(!answering.has_output());
    }
    working.acknowledge_now();
    let expected = working.transmit(&turn).unwrap();
    assert_eq!(
        (Repr::from(taken.acknowledgment(&turn, MSS)), 0),
        (expected.header, expected.length)
    );
    assert!(!working.has_output() && working.may_sleep(config, *now));
    assert_eq!(slept(&taken), slept(&working.sleep(config, Waiting::Input)));
    trial.taken += 1;
    Some(taken)
}

/// Asks a sleeping connection, answers, and acknowledges; in the short way and in the long one.
fn compare(prng: &mut Prng, trial: &mut Trial) {
    let case = case(prng);
    let answer = 1 + prng.below(1_460) as u16;
    let Some(sleeping) = ask(prng, &case, trial, answer) else { return };
    let answer = answer.min(sleeping.text_most(MSS) as u16);
    let Case { config, mut now, .. } = case;
    let timestamps = sleeping.settled().timestamps;
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &config, now, challenges };

    let mut working = Working::new();
    working.wake(&turn, &sleeping, MSS);
    let most = sleeping.text_most(MSS) as u32;
    // One byte more would not fit, and everything up to it does.
    for (length, fits) in [(most, true), (most + 1, false)] {
        let mut working = working;
        working.write(length);
        let first = working.transmit(&turn).map(|outgoing| outgoing.length);
        assert_eq!(first == Some(length), fits, "{length} of {most}");
    }
    working.write(u32::from(answer));
    let expected = working.transmit(&turn);
    assert!(!working.has_output());
    let (reply, sent) = sleeping.speak(&turn, answer, MSS);
    assert_eq!(Some(sent.outgoing(answer.into())), expected);

    let patience = Reply::patience(&config);
    assert!(working.deadline().is_some_and(|at| at >= reply.sent(now) + patience));
    now += Duration::from_micros(u64::from(prng.below(90_000)));
    assert!(now < working.deadline().unwrap() && now < reply.sent(now) + patience);
    turn.now = now;
    let mut resumed = Working::new();
    resumed.resume(&mut turn, &reply, MSS);
    assert_eq!(told(&resumed), told(&working));

    let header = segment(prng, [reply.send_next(), sleeping.receive_next], timestamps);
    let arrival = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: true };
    let plain = arrival.plain();
    // The acknowledgment alone: what is behind it is for later.
    let plain = plain.filter(|plain| !plain.header.fin);
    if let Some(sleeping) = plain.and_then(|plain| reply.acknowledged(&plain, now)) {
        let received = working.receive(&mut turn, &arrival);
        assert_eq!((received.acknowledged, received.dropped), (u32::from(answer), None));
        assert!(!working.has_output() && working.may_sleep(&config, now));
        let expected = working.sleep(&config, Waiting::Input);
        assert_eq!(slept(&sleeping), slept(&expected));
        trial.acknowledged += 1;
    }
}

#[test]
fn a_reply_is_what_the_working_block_would_have_done() {
    let (mut prng, mut trial) = (Prng::new(7), Trial { taken: 0, acknowledged: 0 });
    for _ in 0..20_000 {
        compare(&mut prng, &mut trial);
    }
    assert!(trial.taken > 1_000 && trial.acknowledged > 300, "the comparison compares little");
}

const USUAL: Settled = Settled {
    send_shift: None,
    timestamps: false,
    sack: true,
    ecn: true,
    opened: false,
    wide: false,
    reduced: false,
    cautious: false,
    mss: MSS,
    srtt: 0,
};

#[test]
fn nothing_is_said_without_a_block_into_a_closed_window_or_where_not_all_is_as_usual() {
    let cases = [
        (9_000, USUAL, true),
        (0, USUAL, false),
        (9_000, Settled { cautious: true, ..USUAL }, false),
        (9_000, Settled { wide: true, ..USUAL }, false),
        (9_000, Settled { reduced: true, ..USUAL }, false),
    ];
    for (window, settled, may_speak) in cases {
        let now = Instant::from_millis(1_000);
        let sleeping = Sleeping::new(settled, [Seq(1), Seq(2)], window, 0, now);
        assert_eq!(sleeping.may_speak(), may_speak, "{window}, {settled:?}");
    }
}

#[test]
fn a_question_is_at_most_half_of_a_window_that_the_peer_can_be_told() {
    for (window, scaled, most) in [
        (4_000, false, 2_000),
        (4_000, true, 2_000),
        (100_000, false, 15_535),
        (100_000, true, 50_000),
        (256 * 1_024, false, 0),
        (256 * 1_024, true, 128 * 1_024),
    ] {
        let mut config = Config::default();
        config.receiving.window = window;
        let settled = Settled { send_shift: scaled.then_some(7), ..USUAL };
        let numbers = [Seq(1), Seq(2)];
        let sleeping = Sleeping::new(settled, numbers, 9_000, 0, Instant::from_millis(1_000));
        let header = Repr {
            sequence: Seq(2),
            acknowledgment: Seq(1),
            flags: Flags::ACK,
            window: 9_000,
            ..Repr::default()
        };
        for length in [1, most, most + 1] {
            let arrival = Arrival { header: &header, length, ecn: Ecn::Capable0, can_hold: true };
            let plain = arrival.plain().expect("a plain segment");
            let expected = (1..=most).contains(&length);
            assert_eq!(sleeping.is_question(&config, &plain), expected, "{length} of {most}");
        }
    }
}

/// The link became narrower meanwhile: a part of what the peer had got was once not counted as sent, and its
/// acknowledgment for that of something that never was.
#[test]
fn all_of_the_text_is_in_flight_also_where_the_link_takes_less_by_now() {
    let mut case = case(&mut Prng::new(3));
    let settled = Settled { mss: MSS, cautious: false, ..case.sleeping.settled() };
    let numbers = [case.sleeping.send_next, case.sleeping.receive_next];
    case.sleeping = Sleeping::new(settled, numbers, 60_000, 5_000, case.now);
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &case.config, now: case.now, challenges };
    let length = case.sleeping.text_most(MSS) as u16;
    let (reply, _) = case.sleeping.speak(&turn, length, MSS);
    turn.now += Duration::from_millis(50);
    let mut working = Working::new();
    working.resume(&mut turn, &reply, 600);
    working.fit_link(600);
    assert_eq!(working.next().distance(working.una()), i32::from(length));
    turn.now += Duration::from_secs(1);
    let _ = working.on_timer(&turn);
    let _ = working.on_timer(&turn);
    let again = working.transmit(&turn).unwrap();
    assert!(again.retransmission && again.length <= 600, "{again:?}");
}
