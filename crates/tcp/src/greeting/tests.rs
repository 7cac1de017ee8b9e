//! A greeting against the working block that it stands for.

extern crate std;

use std::format;

use base::{Instant, Prng, Seq};
use core::time::Duration;
use wire::protocol::Ecn;
use wire::tcp::{Flags, Options, Repr, Timestamps};

use super::Greeting;
use crate::segment::Arrival;
use crate::sleeping::Waiting;
use crate::{ChallengeLimit, Config, Extensions, Opening, Turn, Working};

const MSS: u16 = 1_460;

fn syn(prng: &mut Prng) -> Repr {
    let mut flag = || prng.below(2) == 0;
    let (ecn, stamps, scaled, sack, sized) = (flag(), flag(), flag(), flag(), flag());
    Repr {
        sequence: Seq(prng.next_u32()),
        flags: Flags::SYN.with_if(ecn, Flags::ECE | Flags::CWR),
        window: prng.next_u32() as u16,
        options: Options {
            mss: sized.then(|| [40, 536, 1_000, 1_460, 9_000][prng.below(5) as usize]),
            window_scale: scaled.then(|| prng.below(20) as u8),
            sack_permitted: sack,
            timestamps: stamps.then_some(Timestamps { value: 5_000, echo: 0 }),
            ..Options::default()
        },
        ..Repr::default()
    }
}

pub(crate) fn config(prng: &mut Prng) -> Config {
    let mut flag = || prng.below(4) > 0;
    let (ecn, timestamps, sack, window_scaling) = (flag(), flag(), flag(), flag());
    let window = [4_000, 65_535, 256 * 1_024][prng.below(3) as usize];
    let mut config = Config::default();
    config.receiving.window = window;
    config.extensions =
        Extensions { ecn, timestamps, sack, window_scaling, ..Extensions::default() };
    config
}

/// Greets and completes the handshake, in the short way and in the long one. Whether it was completed.
fn compare(prng: &mut Prng) -> bool {
    let (config, header) = (config(prng), syn(prng));
    let mut now = Instant::from_millis(1_000 + u64::from(prng.below(90_000)));
    let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &config, now, challenges };
    let opening = Opening { iss: Seq(prng.next_u32()), mss: MSS, ipv6: prng.below(2) == 0 };
    let arrival = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: false };
    let mut working = Working::new();
    working.accept(&turn, &arrival, &opening);
    let expected = working.transmit(&turn);
    assert!(!working.has_output());
    let (greeting, outgoing) = Greeting::answer(&turn, &arrival, &opening).unwrap();
    assert_eq!(Some(outgoing), expected);

    now += Duration::from_micros(u64::from(prng.below(90_000)));
    turn.now = now;
    assert!(now < working.deadline().unwrap());
    let mut resumed = Working::new();
    resumed.resume_greeting(&mut turn, &greeting, MSS);
    assert_eq!(format!("{resumed:?}"), format!("{working:?}"));

    let mut nearly = |number: Seq| match prng.below(12) {
        0 => number + 1,
        1 => number - 1,
        _ => number,
    };
    let (sequence, acknowledgment) = (nearly(header.sequence + 1), nearly(opening.iss + 1));
    let value = 5_000 + prng.below(9) - u32::from(prng.below(9) == 0) * 9;
    let stamps = header.options.timestamps.map(|_| Timestamps { value, echo: 3 });
    let header = Repr {
        sequence,
        acknowledgment,
        flags: Flags::ACK,
        window: prng.next_u32() as u16,
        options: Options { timestamps: stamps, ..Options::default() },
        ..Repr::default()
    };
    let arrival = Arrival { header: &header, length: 0, ecn: Ecn::NotCapable, can_hold: true };
    let plain = arrival.plain().unwrap();
    let Some(sleeping) = greeting.completed(&config, &plain, MSS, now) else { return false };
    let received = working.receive(&mut turn, &arrival);
    assert!(received.events.any(crate::Events::ESTABLISHED) && received.dropped.is_none());
    assert!(!working.has_output() && working.may_sleep(&config, now));
    let expected = working.sleep(&config, Waiting::Input);
    assert_eq!(format!("{sleeping:?}"), format!("{expected:?}"));
    true
}

#[test]
fn a_greeting_is_what_the_working_block_would_have_done() {
    let mut prng = Prng::new(9);
    let completed = (0..10_000).filter(|_| compare(&mut prng)).count();
    assert!((3_000..9_500).contains(&completed), "{completed}");
}

#[test]
fn what_is_no_usual_syn_is_left_to_the_long_way() {
    let usual = Repr { flags: Flags::SYN, ..Repr::default() };
    let options = Options { mss: Some(0), ..Options::default() };
    let flags = |flags| Repr { flags, ..usual };
    let others = [
        flags(Flags::SYN | Flags::ECE),
        flags(Flags::SYN | Flags::URG),
        flags(Flags::SYN | Flags::PSH),
        Repr { options, ..usual },
    ];
    let (mut quick, lazy) = (Config::default(), Config::default());
    quick.receiving.quick_acks = 1;
    let takes = |config: &Config, header: &Repr| {
        let challenges = &mut ChallengeLimit::new(100, Prng::new(1));
        let turn = Turn { config, now: Instant::from_millis(1), challenges };
        let opening = Opening { iss: Seq(1), mss: MSS, ipv6: false };
        let arrival = Arrival { header, length: 0, ecn: Ecn::NotCapable, can_hold: false };
        Greeting::answer(&turn, &arrival, &opening).is_some()
    };
    assert!(takes(&lazy, &usual) && !takes(&quick, &usual));
    assert!(others.iter().all(|header| !takes(&lazy, header)));
}
