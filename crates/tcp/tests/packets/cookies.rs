//! RFC 4987 section 3.6: a handshake that costs nothing before its last segment.

use base::{Instant, Prng, SipKey};
use tcp::{
    Answered, Arrival, ChallengeLimit, Config, Cookies, Extensions, Sleeping, Tuple, Turn, Working,
};
use wire::protocol::Ecn;
use wire::tcp::{Flags, Repr, Timestamps};

use crate::script::ms;
use crate::segment::{PEER_ISS, Segment, data, syn};

const KEY: SipKey = SipKey::new([1, 2]);

fn tuple() -> Tuple {
    Tuple {
        local: [10, 0, 0, 1].into(),
        local_port: 80,
        remote: [10, 0, 0, 2].into(),
        remote_port: 50_000,
    }
}

fn arrival(header: &Repr, length: u32) -> Arrival<'_> {
    Arrival { header, length, ecn: Ecn::NotCapable, can_hold: true }
}

const START: Instant = Instant::from_millis(1_000_000);

/// The SYN-ACK for a SYN, and the segment that a peer would answer it with.
fn exchange(syn: &Segment) -> (Repr, Repr) {
    let header = syn.header();
    let config = Config::default();
    let cookies = Cookies::new(KEY);
    let answer = cookies.answer(&config, START, &tuple(), &arrival(&header, 0), 1_460).header;
    let mut reply = data(1, 10, 0).header();
    reply.acknowledgment = answer.sequence + 1;
    reply.options.timestamps = answer
        .options
        .timestamps
        .map(|stamps| Timestamps { value: stamps.echo + 10, echo: stamps.value });
    (answer, reply)
}

fn take(reply: &Repr, now: Instant) -> Option<Sleeping> {
    take_with(&Cookies::new(KEY), reply, now, &tuple())
}

fn take_with(cookies: &Cookies, reply: &Repr, now: Instant, tuple: &Tuple) -> Option<Sleeping> {
    match cookies.take(&Config::default(), now, tuple, &arrival(reply, 10)) {
        Answered::Complete(sleeping) => Some(sleeping),
        Answered::Early | Answered::No => None,
    }
}

#[test]
fn everything_agreed_comes_back_out_of_the_numbers() {
    let full = syn().mss(1_460).sack_ok().scale(7).ts(500, 0).with(Flags::ECE | Flags::CWR);
    let (answer, reply) = exchange(&full);
    assert_eq!(answer.flags, Flags::SYN | Flags::ACK | Flags::ECE);
    assert_eq!(answer.acknowledgment, PEER_ISS + 1);
    assert_eq!(answer.options.mss, Some(1_460));
    assert_eq!(answer.options.window_scale, Some(3));
    assert!(answer.options.sack_permitted);
    assert_eq!(answer.window, 65_535);
    let stamps = answer.options.timestamps.expect("a timestamp");
    let behind = (START.as_millis() as u32).wrapping_sub(stamps.value);
    assert!(behind <= 64, "{behind} ms behind");
    assert_eq!(stamps.echo, 500);
    let sleeping = take(&reply, START + ms(50)).expect("a valid cookie");
    let config = Config::default();
    let mut challenges = ChallengeLimit::new(100, Prng::new(1));
    let mut turn = Turn { config: &config, now: START + ms(50), challenges: &mut challenges };
    let mut working = Working::new();
    working.wake(&turn, &sleeping, 1_460);
    let received = working.receive(&mut turn, &arrival(&reply, 10));
    assert_eq!(received.dropped, None);
    assert_eq!(working.mss(), 1_448);
    working.write(100_000);
    let outgoing = working.transmit(&turn).expect("data");
    assert_eq!((outgoing.length, outgoing.ecn), (1_448, Ecn::Capable0));
    assert_eq!(outgoing.header.sequence, answer.sequence + 1);
    assert_eq!(outgoing.header.acknowledgment, PEER_ISS + 11);
    assert_eq!(outgoing.header.options.timestamps.map(|stamps| stamps.echo), Some(510));
    while working.transmit(&turn).is_some() {}
    // What comes ahead of its turn is reported: SACK was agreed.
    let mut ahead = reply;
    ahead.sequence += 1_000;
    let mut turn = Turn { config: &config, now: START + ms(51), challenges: &mut challenges };
    working.receive(&mut turn, &arrival(&ahead, 10));
    let report = working.transmit(&turn).expect("a report");
    assert_eq!(report.header.options.sack.as_slice().len(), 1);
}

#[test]
fn without_timestamps_only_the_segment_size_is_kept() {
    for (mss, kept) in
        [(0, 88), (535, 88), (536, 536), (1_300, 1_220), (1_440, 1_440), (9_000, 1_460)]
    {
        let (answer, reply) =
            exchange(&syn().mss(mss).sack_ok().scale(7).with(Flags::ECE | Flags::CWR));
        assert_eq!(answer.options.window_scale, None);
        assert!(!answer.options.sack_permitted);
        assert!(!answer.flags.any(Flags::ECE));
        let sleeping = take(&reply, START).expect("a valid cookie");
        let config = Config::default();
        let mut challenges = ChallengeLimit::new(100, Prng::new(1));
        let turn = Turn { config: &config, now: START, challenges: &mut challenges };
        let mut working = Working::new();
        working.wake(&turn, &sleeping, 1_460);
        assert_eq!(working.mss(), kept, "for {mss}");
        assert_eq!((sleeping.mss(), sleeping.smoothed_rtt_us()), (kept, None));
        let info = working.info(&config);
        assert_eq!((info.sack, info.ecn, info.timestamps, info.scale), (false, false, false, None));
    }
}

#[test]
fn what_the_peer_did_not_offer_is_not_agreed_on() {
    let (answer, reply) = exchange(&syn().mss(1_460).ts(500, 0));
    assert_eq!((answer.options.sack_permitted, answer.options.window_scale), (false, None));
    let sleeping = take(&reply, START).expect("a valid cookie");
    let config = Config::default();
    let mut challenges = ChallengeLimit::new(100, Prng::new(1));
    let turn = Turn { config: &config, now: START, challenges: &mut challenges };
    let mut working = Working::new();
    working.wake(&turn, &sleeping, 1_460);
    let info = working.info(&config);
    assert_eq!((info.sack, info.ecn, info.timestamps, info.scale), (false, false, true, None));
}

/// The step before the first one is none, and none may be counted back to.
#[test]
fn a_machine_that_has_just_started_takes_cookies_and_no_others() {
    let header = syn().mss(1_460).header();
    let (config, cookies) = (Config::default(), Cookies::new(KEY));
    let answer =
        cookies.answer(&config, Instant::ZERO, &tuple(), &arrival(&header, 0), 1_460).header;
    let mut reply = data(1, 10, 0).header();
    for step in 0..32 {
        reply.acknowledgment.0 = (answer.sequence.0 & 0x07ff_ffff | step << 27) + 1;
        let own = reply.acknowledgment == answer.sequence + 1;
        assert_eq!(take(&reply, Instant::ZERO).is_some(), own, "step {step}");
    }
}

#[test]
fn a_cookie_lasts_a_minute_at_least_and_two_at_most() {
    let (_, reply) = exchange(&syn().mss(1_460));
    assert!(take(&reply, START + ms(64_000)).is_some());
    assert!(take(&reply, START + ms(128_000)).is_none());
    assert!(take(&reply, START + ms(64_000 * 32)).is_none());
}

#[test]
fn a_cookie_is_good_for_its_own_connection_only() {
    let (_, reply) = exchange(&syn().mss(1_460));
    let cookies = Cookies::new(KEY);
    let other = Tuple { remote_port: 50_001, ..tuple() };
    assert!(take_with(&cookies, &reply, START, &other).is_none());
    let other = Tuple { remote: [10, 0, 0, 3].into(), ..tuple() };
    assert!(take_with(&cookies, &reply, START, &other).is_none());
    let other_key = Cookies::new(SipKey::new([1, 3]));
    assert!(take_with(&other_key, &reply, START, &tuple()).is_none());
    let mut guessed = reply;
    for bit in 0..32 {
        guessed.acknowledgment.0 = reply.acknowledgment.0 ^ 1 << bit;
        assert!(take(&guessed, START).is_none(), "bit {bit}");
    }
    let mut moved = reply;
    moved.sequence += 1;
    assert!(take(&moved, START).is_none());
}

/// Seeds 467, 1033, 1149 and 2101 of the simulation: the answer to them was a reset.
#[test]
fn what_overtakes_the_first_segment_after_a_cookie_is_early_and_not_wrong() {
    let (_, reply) = exchange(&syn().mss(1_460).ts(500, 0));
    let answered = |ahead: u32, now: Instant| {
        let mut later = reply;
        later.sequence += ahead;
        Cookies::new(KEY).take(&Config::default(), now, &tuple(), &arrival(&later, 10))
    };
    let window = 65_535;
    for ahead in [1, 1_448, window - 1] {
        assert!(matches!(answered(ahead, START), Answered::Early), "{ahead}");
        assert!(matches!(answered(ahead, START + ms(128_000)), Answered::No), "{ahead}");
    }
    for ahead in [window, 1 << 23, 0_u32.wrapping_sub(1)] {
        assert!(matches!(answered(ahead, START), Answered::No), "{ahead}");
    }
}

#[test]
fn resets_and_syns_are_no_answers_to_a_cookie() {
    let (_, reply) = exchange(&syn().mss(1_460));
    for flags in [Flags::RST | Flags::ACK, Flags::SYN | Flags::ACK, Flags::NONE] {
        assert!(take(&Repr { flags, ..reply }, START).is_none(), "{flags:?}");
    }
}

#[test]
fn what_this_side_does_not_want_is_not_agreed_on() {
    let full = syn().mss(1_460).sack_ok().scale(7).ts(500, 0).with(Flags::ECE | Flags::CWR);
    let header = full.header();
    let extensions = Extensions { ecn: false, sack: false, ..Extensions::default() };
    let config = Config { extensions, ..Config::default() };
    let cookies = Cookies::new(KEY);
    let answer = cookies.answer(&config, START, &tuple(), &arrival(&header, 0), 1_460).header;
    assert_eq!(answer.flags, Flags::SYN | Flags::ACK);
    assert!(!answer.options.sack_permitted);
    let (_, reply) = exchange(&full);
    let taken = cookies.take(&config, START, &tuple(), &arrival(&reply, 10));
    let Answered::Complete(sleeping) = taken else { panic!("{taken:?}") };
    let mut challenges = ChallengeLimit::new(100, Prng::new(1));
    let turn = Turn { config: &config, now: START, challenges: &mut challenges };
    let mut working = Working::new();
    working.wake(&turn, &sleeping, 1_460);
    working.write(10);
    let outgoing = working.transmit(&turn).expect("data");
    assert_eq!(outgoing.ecn, Ecn::NotCapable);
}

#[test]
fn the_peers_window_is_scaled_as_agreed() {
    let (_, mut reply) = exchange(&syn().mss(1_460).sack_ok().scale(7).ts(500, 0));
    reply.window = 8;
    let sleeping = take(&reply, START).expect("a valid cookie");
    let config = Config::default();
    let mut challenges = ChallengeLimit::new(100, Prng::new(1));
    let turn = Turn { config: &config, now: START, challenges: &mut challenges };
    let mut working = Working::new();
    working.wake(&turn, &sleeping, 1_460);
    working.write(10_000);
    let outgoing = working.transmit(&turn).expect("data");
    assert_eq!(outgoing.length, 8 << 7);
}

/// MUST-16: the least size that a cookie can name was once 536.
#[test]
fn a_cookie_names_no_segment_larger_than_the_peer_takes() {
    let config = Config::default();
    let mut challenges = ChallengeLimit::new(100, Prng::new(1));
    let turn = Turn { config: &config, now: START + ms(50), challenges: &mut challenges };
    for mss in [88, 300, 535, 536, 1_000, 1_220, 1_300, 1_399, 1_460, 1_500, 9_000] {
        let (_, reply) = exchange(&syn().mss(mss));
        let sleeping = take(&reply, START + ms(50)).expect("a valid cookie");
        let mut working = Working::new();
        working.wake(&turn, &sleeping, 9_000);
        assert!(working.mss() <= mss && (mss < 536 || working.mss() >= 536), "{mss}");
    }
}
