//! What is sent and when: segment size, PSH, Nagle and the sender's side of silly windows, RFC 9293
//! sections 3.7.1, 3.7.4 and 3.8.6.2.1.

use crate::script::{Script, ms};
use crate::segment::{ack, data, syn};

#[test]
fn segments_are_as_large_as_the_peer_takes() {
    //= specs/rfc9293.txt#section-3.9.1.2
    //= type=test
    //# (1) MUST NOT buffer data indefinitely (MUST-60), and (2) MUST set the PSH bit in the last
    //# buffered segment (i.e., when there is no more queued data to be sent) (MUST-61).
    //= specs/rfc9293.txt#section-3.9.1.2
    //= type=test
    //# The transmitter SHOULD collapse successive bits when it packetizes data, to send the largest
    //# possible segment (SHLD-27).
    //= specs/rfc9293.txt#section-3.9.1.2
    //= type=test
    //# However, a TCP implementation SHOULD send a maximum-sized segment whenever possible (SHLD-28)
    let mut script = Script::established();
    script.write(2_500);
    script.expect(data(1, 1_000, 1));
    script.expect(data(1_001, 1_000, 1));
    script.expect(data(2_001, 500, 1).psh());
    script.expect_nothing();
}

#[test]
fn without_an_mss_option_536_is_assumed() {
    //= specs/rfc9293.txt#section-3.7.1
    //= type=test
    //# If an MSS Option is not received at connection setup, TCP
    //# implementations MUST assume a default send MSS of 536 (576 - 40) for
    //# IPv4 or 1220 (1280 - 60) for IPv6 (MUST-15).
    let mut script = Script::established_with(|_| {}, syn());
    script.write(600);
    script.expect(data(1, 536, 1));
    script.expect(data(537, 64, 1).psh());
}

#[test]
fn options_take_their_room_from_the_payload() {
    //= specs/rfc9293.txt#section-3.7.1
    //= type=test
    //# The maximum size of a segment that a TCP endpoint really sends, the "effective send MSS", MUST
    //# be the smaller (MUST-16) of the send MSS (that reflects the available reassembly buffer size at
    //# the remote host, the EMTU_R [19]) and the largest transmission size permitted by the IP layer
    //# (EMTU_S [19])
    let mut script = Script::established_with_timestamps();
    script.inject(data(5_001, 10, 1));
    script.take_all();
    script.write(1_000);
    // 1,012 less 12 for timestamps and 12 for one SACK block.
    script.expect(data(1, 988, 1));
    script.expect(data(989, 12, 1).psh());
}

#[test]
fn the_peers_window_is_never_overrun() {
    let mut script = Script::established();
    script.inject(ack(1, 1).win(2_200));
    script.write(5_000);
    script.expect(data(1, 1_000, 1));
    script.expect(data(1_001, 1_000, 1));
    script.expect_nothing();
    script.inject(ack(1, 1_001).win(2_200));
    script.expect(data(2_001, 1_000, 1));
    script.expect_nothing();
}

#[test]
fn small_writes_go_out_at_once_without_nagle() {
    //= specs/rfc9293.txt#section-3.7.4
    //= type=test
    //# However, there MUST be a way for
    //# an application to disable the Nagle algorithm on an individual
    //# connection (MUST-17).
    let mut script = Script::established();
    script.write(10);
    script.expect(data(1, 10, 1).psh());
    script.write(10);
    script.expect(data(11, 10, 1).psh());
}

#[test]
fn with_nagle_small_writes_wait_for_what_is_in_flight() {
    //= specs/rfc9293.txt#section-3.7.4
    //= type=test
    //# A TCP implementation SHOULD implement the Nagle algorithm to coalesce
    //# short segments (SHLD-7).
    let nagle = |config: &mut tcp::Config| config.sending.nagle = true;
    let mut script = Script::established_with(nagle, syn().mss(1_000).sack_ok());
    script.write(10);
    script.expect(data(1, 10, 1).psh());
    script.write(10);
    script.write(10);
    script.expect_nothing();
    script.write(1_000);
    script.expect(data(11, 1_000, 1));
    script.expect_nothing();
    script.inject(ack(1, 1_011).win(60_000));
    script.expect(data(1_011, 20, 1).psh());
}

#[test]
fn nagle_does_not_hold_back_the_last_data_before_a_fin() {
    let nagle = |config: &mut tcp::Config| config.sending.nagle = true;
    let mut script = Script::established_with(nagle, syn().mss(1_000).sack_ok());
    script.write(10);
    script.take_one();
    script.working.write(10);
    script.close();
    script.expect(data(11, 10, 1).psh().with(wire::tcp::Flags::FIN));
}

#[test]
fn a_small_window_is_used_after_a_while_only() {
    //= specs/rfc9293.txt#section-3.8.6.2.1
    //= type=test
    //# A TCP implementation MUST include a SWS avoidance algorithm in the
    //# sender (MUST-38).
    let mut script = Script::established();
    script.inject(ack(1, 1).win(300));
    script.write(2_000);
    script.expect_nothing();
    script.expect_after(ms(200), data(1, 300, 1));
}

#[test]
fn half_of_the_largest_window_is_worth_sending() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok().win(500), |_| {});
    script.take_one();
    script.inject(ack(1, 1).win(500));
    script.write(2_000);
    script.expect(data(1, 500, 1));
}

#[test]
fn a_window_update_from_an_old_segment_is_ignored() {
    let mut script = Script::established();
    script.inject(data(1, 10, 1).win(60_000));
    script.inject(data(11, 10, 1).win(1_000));
    script.take_all();
    // Overtaken: acceptable by its length, older than the last update.
    script.inject(data(5, 20, 1).win(50_000));
    script.take_all();
    script.write(3_000);
    script.expect(data(1, 1_000, 25));
    script.expect_nothing();
}

#[test]
fn less_than_half_of_the_largest_window_is_not_worth_sending() {
    let mut script = Script::accept(&syn().mss(1_000).sack_ok().win(900), |_| {});
    script.take_one();
    script.inject(ack(1, 1).win(400));
    script.write(2_000);
    script.expect_nothing();
    script.inject(ack(1, 1).win(450));
    script.expect(data(1, 450, 1));
}
