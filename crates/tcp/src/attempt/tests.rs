//! An attempt against the working block that it stands for.

extern crate std;

use std::format;

use base::{Instant, Prng, Seq};
use core::time::Duration;
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Repr, Timestamps};

use super::Attempt;
use crate::greeting::tests::config;
use crate::segment::Arrival;
use crate::sleeping::Waiting;
use crate::{ChallengeLimit, Config, Events, Opening, Reply, Turn, Working};

const MSS: u16 = 1_460;

/// A SYN-ACK that is most often the one expected.
fn syn_ack(prng: &mut Prng, iss: Seq) -> Repr {
    let mut flag = || prng.below(2) == 0;
    let (ecn, stamps, scaled, sack, sized) = (flag(), flag(), flag(), flag(), flag());
    let flags = match prng.below(12) {
        0 => Flags::SYN,
        1 => Flags::ACK,
        2 => Flags::SYN | Flags::ACK | Flags::ECE | Flags::CWR,
        _ => (Flags::SYN | Flags::ACK).with_if(ecn, Flags::ECE),
    };
    Repr {
        sequence: Seq(prng.next_u32()),
        acknowledgment: iss + [1, 1, 1, 1, 2, 0][prng.below(6) as usize],
        flags,
        window: prng.next_u32() as u16,
        options: Options {
            mss: sized.then(|| [0, 40, 536, 1_000, 1_460, 9_000][prng.below(6) as usize]),
            window_scale: scaled.then(|| prng.below(20) as u8),
            sack_permitted: sack,
            timestamps: stamps.then_some(Timestamps { value: 5_000, echo: 1 }),
            ..Options::default()
        },
        ..Repr::default()
    }
}

/// Opens a connection, in the short way and in the long one. Whether it was made.
fn compare(prng: &mut Prng) -> bool {
    let config = config(prng);
    let now = Instant::from_millis(1_000 + u64::from(prng.below(90_000)));
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &config, now, challenges };
    let opening = Opening { iss: Seq(prng.next_u32()), mss: MSS, ipv6: prng.below(2) == 0 };
    let mut working = Working::new();
    working.connect(&turn, &opening);
    let expected = working.transmit(&turn);
    assert!(!working.has_output());
    let (attempt, outgoing) = Attempt::begin(&turn, &opening).unwrap();
    assert_eq!(Some(outgoing), expected);

    turn.now += Duration::from_micros(u64::from(prng.below(90_000)));
    assert!(turn.now < working.deadline().unwrap());
    assert!(turn.now < attempt.sent(turn.now) + Reply::patience(&config));
    let mut resumed = Working::new();
    resumed.resume_attempt(&mut turn, &attempt, MSS);
    assert_eq!(format!("{resumed:?}"), format!("{working:?}"));

    let header = syn_ack(prng, opening.iss);
    let length = prng.below(8) / 7;
    let arrival = Arrival { header: &header, length, ecn: Ecn::NotCapable, can_hold: true };
    let now = turn.now;
    let Some(sleeping) = attempt.answered(&config, &arrival, MSS, now) else { return false };
    let received = working.receive(&mut turn, &arrival);
    assert!(received.events.any(Events::ESTABLISHED) && received.dropped.is_none());
    // The acknowledgment by itself, or with a first question on it.
    let mut asking = working;
    let question = (1 + prng.below(400) as u16).min(sleeping.text_most(MSS) as u16);
    asking.write(u32::from(question));
    let (_, sent) = sleeping.speak(&turn, question, MSS);
    assert_eq!(asking.transmit(&turn), Some(sent.outgoing(question.into())));
    assert!(!asking.has_output());
    let expected = working.transmit(&turn).unwrap();
    let acknowledgment = Repr::from(sleeping.acknowledgment(&turn, MSS));
    assert_eq!((acknowledgment, 0), (expected.header, expected.length));
    assert!(!working.has_output() && working.may_sleep(&config, now));
    let expected = working.sleep(&config, Waiting::Input);
    assert_eq!(format!("{sleeping:?}"), format!("{expected:?}"));
    true
}

#[test]
fn an_attempt_is_what_the_working_block_would_have_done() {
    let mut prng = Prng::new(3);
    let made = (0..10_000).filter(|_| compare(&mut prng)).count();
    assert!((2_000..8_000).contains(&made), "{made}");
}

#[test]
fn the_first_segments_counted_down_are_for_the_long_way() {
    let begins = |config: &Config| {
        let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
        let turn = Turn { config, now: Instant::from_millis(1), challenges };
        Attempt::begin(&turn, &Opening { iss: Seq(1), mss: MSS, ipv6: false }).is_some()
    };
    let mut config = Config::default();
    assert!(begins(&config));
    config.receiving.quick_acks = 1;
    assert!(!begins(&config));
}
