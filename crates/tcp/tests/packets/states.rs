//! Every state against RST, SYN, FIN and ACK, inside and outside the window: RFC 9293 section
//! 3.10.7.4 with RFC 5961.

use tcp::{Dropped, Events, State};
use wire::tcp::Flags;

use crate::script::Script;
use crate::segment::{Segment, ack, data, fin, rst, syn};

use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent};

const SYNCHRONIZED: [State; 6] = [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck];

/// The next number the peer sends, and that we send, in a state reached by `Script::in_state`.
fn numbers(state: State) -> (u32, u32) {
    let peer = 1 + u32::from(matches!(state, CloseWait | Closing | LastAck));
    let ours = 1 + u32::from(matches!(state, FinWait1 | FinWait2 | Closing | LastAck));
    (peer, ours)
}

/// What the peer knows of ours already.
fn acknowledged(state: State) -> u32 {
    if state == FinWait2 { 2 } else { 1 }
}

fn inject(state: State, segment: impl FnOnce(u32, u32) -> Segment) -> Script {
    let mut script = Script::in_state(state);
    let (peer, _) = numbers(state);
    script.inject(segment(peer, acknowledged(state)));
    script
}

/// The answer to what is not acceptable.
fn plain_ack(state: State) -> Segment {
    let (peer, ours) = numbers(state);
    ack(ours, peer)
}

#[test]
fn rst_at_the_next_number_ends_every_state() {
    //= specs/rfc9293.txt#section-3.6
    //= type=test
    //# If the local TCP connection is closed by the remote side due to a FIN or RST received from the
    //# remote side, then the local application MUST be informed whether it closed normally or was
    //# aborted (MUST-12).
    //= specs/rfc9293.txt#section-3.10.7.4
    //= type=test
    //# 2)  If the RST bit is set and the sequence number exactly
    //# matches the next expected sequence number (RCV.NXT), then
    //# TCP endpoints MUST reset the connection in the manner
    //# prescribed below according to the connection state.
    for state in [SynReceived, Established, FinWait1, FinWait2, CloseWait] {
        let mut script = inject(state, |peer, _| rst(peer));
        script.expect_event(Events::RESET);
        script.expect_state(State::Closed);
        script.expect_nothing();
    }
    for state in [Closing, LastAck] {
        let mut script = inject(state, |peer, _| rst(peer));
        script.expect_event(Events::CLOSED);
        script.expect_state(State::Closed);
    }
}

#[test]
fn rst_elsewhere_in_the_window_is_challenged() {
    //= specs/rfc9293.txt#section-3.10.7.4
    //= type=test
    //# 3)  If the RST bit is set and the sequence number does not
    //# exactly match the next expected sequence value, yet is
    //# within the current receive window, TCP endpoints MUST send
    //# an acknowledgment (challenge ACK):
    for state in SYNCHRONIZED {
        for ahead in [1, 30_000, 65_000] {
            let mut script = inject(state, |peer, _| rst(peer + ahead));
            script.expect_dropped(Dropped::ChallengedReset);
            script.expect_state(state);
            script.expect(plain_ack(state));
            script.expect_nothing();
        }
    }
}

#[test]
fn rst_outside_the_window_is_dropped_without_a_word() {
    for state in SYNCHRONIZED {
        for sequence in [u32::MAX, 70_000, 0x8000_0000] {
            let mut script = inject(state, |peer, _| rst(peer.wrapping_add(sequence)));
            script.expect_dropped(Dropped::OutOfWindow);
            script.expect_state(state);
            script.expect_nothing();
        }
    }
}

#[test]
fn syn_is_challenged_wherever_it_is() {
    for state in SYNCHRONIZED {
        for offset in [0, 1, 1_000, u32::MAX, 0x7000_0000] {
            let mut script = inject(state, |peer, _| syn().at(peer.wrapping_add(offset)));
            script.expect_state(state);
            script.expect(plain_ack(state));
            script.expect_nothing();
            script.expect_no_event();
        }
    }
}

#[test]
fn syn_in_the_window_of_a_half_open_connection_ends_it() {
    let mut script = inject(SynReceived, |peer, _| syn().at(peer + 5));
    script.expect_event(Events::RESET);
    script.expect_state(State::Closed);
}

#[test]
fn fin_in_order_moves_every_state_that_waits_for_one() {
    let cases = [
        (SynReceived, CloseWait, Events::ESTABLISHED.with(Events::INPUT_ENDED)),
        (Established, CloseWait, Events::INPUT_ENDED),
        (FinWait1, Closing, Events::INPUT_ENDED),
        (FinWait2, State::TimeWait, Events::INPUT_ENDED.with(Events::TIME_WAIT)),
    ];
    for (state, next, events) in cases {
        let (peer, ours) = numbers(state);
        let mut script = inject(state, fin);
        script.expect_state(next);
        script.expect_event(events);
        script.expect(ack(ours, peer + 1));
    }
}

#[test]
fn fin_that_comes_again_is_acknowledged_again() {
    for state in [CloseWait, Closing, LastAck] {
        let mut script = inject(state, |peer, ack| fin(peer - 1, ack));
        script.expect(plain_ack(state));
        script.expect_state(state);
        script.expect_no_event();
    }
}

#[test]
fn fin_outside_the_window_is_acknowledged_and_dropped() {
    for state in [Established, FinWait1, FinWait2] {
        let mut script = inject(state, |peer, ack| fin(peer + 70_000, ack));
        script.expect_dropped(Dropped::OutOfWindow);
        script.expect(plain_ack(state));
        script.expect_state(state);
    }
}

#[test]
fn fin_in_syn_sent_is_dropped() {
    let mut script = Script::in_state(SynSent);
    script.inject(Segment { flags: Flags::FIN, ..ack(1, 1) });
    script.expect_state(SynSent);
    script.expect_nothing();
}

#[test]
fn ack_of_our_fin_moves_every_state_that_waits_for_it() {
    let cases = [
        (FinWait1, FinWait2, Events::default()),
        (Closing, State::TimeWait, Events::TIME_WAIT),
        (LastAck, State::Closed, Events::CLOSED),
    ];
    for (state, next, events) in cases {
        let mut script = inject(state, |peer, _| ack(peer, 2));
        script.expect_state(next);
        script.expect_event(events);
        script.expect_nothing();
    }
}

#[test]
fn ack_of_what_was_never_sent_is_challenged() {
    for state in SYNCHRONIZED {
        for ahead in [1, 1_000, 0x7fff_0000] {
            let (_, ours) = numbers(state);
            let mut script = inject(state, |peer, _| ack(peer, ours + ahead));
            script.expect_dropped(Dropped::BadAcknowledgment);
            script.expect(plain_ack(state));
            script.expect_state(state);
        }
    }
}

#[test]
fn ack_from_too_long_ago_is_challenged_and_its_text_dropped() {
    let mut script = Script::established();
    script.inject(data(1, 10, 1u32.wrapping_sub(65_536)));
    script.expect_dropped(Dropped::BadAcknowledgment);
    script.expect(ack(1, 1));
    assert_eq!(script.delivered, 0);
    script.inject(data(1, 10, 1u32.wrapping_sub(59_000)));
    assert_eq!(script.delivered, 10, "an old one within the largest window is a late one");
}

#[test]
fn a_segment_without_ack_is_dropped() {
    for state in SYNCHRONIZED {
        let mut script =
            inject(state, |peer, _| Segment { flags: Flags::PSH, ..data(peer, 10, 0) });
        script.expect_dropped(Dropped::NoAcknowledgment);
        script.expect_state(state);
        assert_eq!(script.delivered, 0);
    }
}

#[test]
fn text_outside_the_window_is_acknowledged_and_dropped() {
    for state in SYNCHRONIZED {
        for offset in [u32::MAX - 500, 70_000, 0x9000_0000] {
            let mut script = inject(state, |peer, ack| data(peer.wrapping_add(offset), 100, ack));
            script.expect_dropped(Dropped::OutOfWindow);
            script.expect(plain_ack(state));
            assert_eq!(script.delivered, 0);
        }
    }
}

#[test]
fn text_after_the_peers_fin_is_ignored() {
    for state in [CloseWait, Closing, LastAck] {
        let script = inject(state, |peer, ack| data(peer, 100, ack));
        assert_eq!(script.delivered, 0);
        script.expect_no_event();
        script.expect_state(state);
    }
}

#[test]
fn text_is_taken_until_the_peer_closes() {
    for state in [Established, FinWait1, FinWait2] {
        let script = inject(state, |peer, ack| data(peer, 100, ack));
        assert_eq!(script.delivered, 100);
        script.expect_state(state);
    }
}

#[test]
fn challenges_are_limited() {
    let mut script = Script::established();
    for _ in 0..1_000 {
        script.inject(rst(100));
    }
    let sent = script.take_all();
    assert!((50..=150).contains(&sent), "{sent}");
    script.wait(super::script::ms(1_000));
    script.inject(rst(100));
    script.expect(ack(1, 1));
}

#[test]
fn a_reset_may_carry_data() {
    //= specs/rfc9293.txt#section-3.5.3
    //= type=test
    //# TCP implementations SHOULD allow a received RST segment to include data (SHLD-2).
    let mut script = Script::established();
    let mut reset = rst(1);
    reset.length = 50;
    script.inject(reset);
    script.expect_event(Events::RESET);
    assert_eq!(script.delivered, 0);
}

#[test]
fn acknowledgments_of_the_unacceptable_are_limited_too() {
    let mut script = Script::established();
    for _ in 0..1_000 {
        script.inject(ack(70_000, 1));
    }
    let sent = script.take_all();
    assert!((50..=150).contains(&sent), "{sent}");
    // Text is different: who sends it again must be told that it has arrived.
    script.inject(data(u32::MAX, 1, 1));
    script.expect(ack(1, 1));
}
