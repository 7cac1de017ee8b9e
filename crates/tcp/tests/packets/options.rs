//! What is offered and agreed on the SYNs: RFC 9293 section 3.7.1, RFC 2018 section 2.

use crate::script::Script;
use crate::segment::{ack, data, syn, syn_ack};

#[test]
fn every_syn_has_an_mss() {
    //= specs/rfc9293.txt#section-3.7.1
    //= type=test
    //# TCP endpoints MUST implement both sending and receiving the MSS Option (MUST-14).
    //= specs/rfc9293.txt#section-3.7.1
    //= type=test
    //# MMS_R -20 where MMS_R is the maximum size for a transport-layer message that can be received
    //# (and reassembled at the IP layer) (MUST-67).
    //= specs/rfc9293.txt#section-3.7.1
    //= type=test
    //# TCP implementations SHOULD send an MSS Option in every SYN segment
    //# when its receive MSS differs from the default 536 for IPv4 or 1220
    //# for IPv6 (SHLD-5), and MAY send it always (MAY-3).
    Script::connect(|_| {}).expect(syn().mss(1_460));
    Script::accept(&syn(), |_| {}).expect(syn_ack().mss(1_460));
}

#[test]
fn only_what_was_offered_is_answered() {
    Script::accept(&syn(), |_| {}).expect(syn_ack().no_sack());
    Script::accept(&syn().sack_ok(), |_| {}).expect(syn_ack().sack_ok());
    Script::accept(&syn().sack_ok(), |config| config.extensions.sack = false)
        .expect(syn_ack().no_sack());
    let plain = format!("{:?}", Script::accept(&syn(), |_| {}).take_one());
    assert!(!plain.contains("scale"), "{plain}");
}

#[test]
fn an_absurdly_small_mss_is_not_obeyed() {
    for mss in [0, 1, 20, 87] {
        let mut script = Script::established_with(|_| {}, syn().mss(mss));
        script.write(200);
        script.expect(data(1, 88, 1));
    }
}

#[test]
fn a_larger_mss_than_ours_is_not_used() {
    let mut script = Script::established_with(|_| {}, syn().mss(9_000));
    script.write(2_000);
    script.expect(data(1, 1_460, 1));
}

#[test]
fn sack_offered_on_a_later_segment_is_ignored() {
    let mut script = Script::established_without_sack();
    script.inject(ack(1, 1).sack_ok());
    script.inject(data(1_001, 10, 1));
    script.expect(ack(1, 1).sack(&[]));
}

#[test]
fn only_syns_have_an_mss() {
    //= specs/rfc9293.txt#section-3.2
    //= type=test
    //# This field may be sent in the initial connection request (i.e., in segments with the SYN control
    //# bit set) and MUST NOT be sent in other segments (MUST-65).
    let mut script = Script::established();
    script.write(10);
    assert_eq!(script.take_one().mss(), None);
    script.inject(data(1_001, 10, 1));
    assert_eq!(script.take_one().mss(), None);
}

#[test]
fn a_peer_that_does_not_say_takes_more_over_ipv6() {
    let mut script = Script::accept_over_ipv6(&syn());
    script.take_one();
    script.inject(ack(1, 1).win(60_000));
    script.write(2_000);
    script.expect(data(1, 1_220, 1));
}
