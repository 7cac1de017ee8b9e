//! A peer that sends anything at all, an application that calls at any time: nothing panics, no
//! number goes back, nothing is delivered twice, and no call goes on without end.

mod victim;

use proptest::prelude::*;
use tcp::{Config, Extensions};
use victim::{Action, Anything, Victim};
use wire::tcp::Flags;

/// Mostly near zero, sometimes anywhere.
fn offset() -> impl Strategy<Value = i32> {
    prop_oneof![4 => Just(0), 4 => -3_000i32..3_000, 1 => -100_000i32..100_000, 1 => any::<i32>()]
}

fn flags() -> impl Strategy<Value = u8> {
    let ack = Flags::ACK.0;
    let fin = (Flags::ACK | Flags::FIN).0;
    prop_oneof![8 => Just(ack), 1 => Just(fin), 1 => any::<u8>()]
}

fn segment() -> impl Strategy<Value = Anything> {
    let numbers = (offset(), offset(), prop_oneof![Just(0), 1u32..1_461], flags());
    let rest = (
        prop_oneof![4 => 1_000u16.., 1 => Just(0), 1 => any::<u16>()],
        any::<u16>(),
        prop::option::of((-2_000i32..2_000, -2_000i32..2_000)),
        prop::collection::vec((offset(), offset()), 0..4),
        0u8..4,
        any::<bool>(),
    );
    (numbers, rest).prop_map(|((sequence, acknowledgment, length, flags), rest)| {
        let (window, urgent, timestamp, sack, ecn, can_hold) = rest;
        Anything {
            sequence,
            acknowledgment,
            length,
            flags,
            window,
            urgent,
            timestamp,
            sack,
            ecn,
            can_hold,
        }
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        10 => segment().prop_map(Action::Segment),
        4 => any::<u16>().prop_map(Action::Write),
        2 => any::<u32>().prop_map(Action::Read),
        1 => Just(Action::Close),
        4 => (0u32..3_000_000).prop_map(Action::Wait),
        1 => (0u32..100_000_000).prop_map(Action::Sleep),
        1 => Just(Action::KeepAlive),
        1 => (offset(), any::<u16>()).prop_map(|(at, mss)| Action::Unreachable(at, mss)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_it(
        iss: u32, bits: [bool; 6], shift in prop::option::of(0u8..16),
        window in 1u32..300_000,
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let [opens, sack, timestamps, ecn, nagle, established] = bits;
        let mut config = Config::default();
        config.receiving.window = window;
        config.sending.nagle = nagle;
        config.extensions = Extensions { sack, timestamps, ecn, ..Extensions::default() };
        let mut victim = Victim::new(iss, [opens, established], shift, config);
        for action in &actions {
            victim.apply(action);
        }
    }
}
