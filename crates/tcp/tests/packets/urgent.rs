//! RFC 9293 section 3.8.5.

use tcp::Events;

use crate::script::Script;
use crate::segment::{PEER_ISS, ack, data};

#[test]
fn an_urgent_pointer_is_told_once_and_again_when_it_advances() {
    //= specs/rfc9293.txt#section-3.8.5
    //= type=test
    //# A TCP implementation MUST (MUST-32) inform the application layer asynchronously whenever it
    //# receives an urgent pointer and there was previously no pending urgent data, or whenever the
    //# urgent pointer advances in the data stream.
    //= specs/rfc9293.txt#section-3.8.5
    //= type=test
    //# The TCP implementation MUST (MUST-33) provide a way for the application to learn how much urgent
    //# data remains to be read from the connection, or at least to determine whether more urgent data
    //# remains to be read [19].
    let mut script = Script::established();
    script.inject(data(1, 100, 1).urgent(500));
    script.expect_event(Events::URGENT);
    assert_eq!(script.working.urgent(), Some(PEER_ISS + 501));
    script.inject(data(101, 100, 1).urgent(400));
    script.expect_no_event();
    script.inject(data(201, 100, 1).urgent(400));
    script.expect_event(Events::URGENT);
    script.inject(data(301, 300, 1));
    assert_eq!(script.working.urgent(), None);
}

#[test]
fn urgent_data_of_any_length_is_announced_until_acknowledged() {
    //= specs/rfc9293.txt#section-3.8.5
    //= type=test
    //# However, TCP implementations MUST still include support for the urgent mechanism (MUST-30).
    //= specs/rfc9293.txt#section-3.8.5
    //= type=test
    //# The urgent pointer MUST point to the sequence number of the octet following the urgent data
    //# (MUST-62).
    //= specs/rfc9293.txt#section-3.8.5
    //= type=test
    //# A TCP implementation MUST support a sequence of urgent data of any
    //# length (MUST-31) [19].
    let mut script = Script::established();
    script.write_urgent(1_500);
    script.expect(data(1, 1_000, 1).urgent(1_500));
    script.expect(data(1_001, 500, 1).urgent(500).psh());
    script.inject(ack(1, 1_501));
    script.write(10);
    script.expect(data(1_501, 10, 1).psh());
}

#[test]
fn an_urgent_pointer_to_the_past_is_nothing_new() {
    let mut script = Script::established();
    script.inject(data(1, 100, 1).urgent(0));
    script.expect_no_event();
}
