//! The engine with real frames: a server and a client stack joined by a wire of memory, in virtual
//! time, in one thread.

mod asking;
mod dial;
mod draining;
mod flood;
mod http;
mod news;
mod pair;
mod passing;
mod reply;
mod time_wait;
mod uncut;
mod waiting;

use core::time::Duration;
use std::vec::Vec;

use app::{Cx, DialError, End, Handler, Source, Step};
use base::ConnId;
use port::Faults;

use pair::Pair;

/// Sends back what arrives.
struct Echo;

impl Handler for Echo {
    type Conn = u32;

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        let taken = cx.out.put_some(rx);
        if taken < rx.len() { Step::write(taken) } else { Step::idle(taken) }
    }
}

#[test]
fn a_request_is_answered_and_both_ends_sleep() {
    let mut pair = Pair::new(Echo);
    let client = pair.connect(1);
    pair.client.send(client, b"hello".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.client.received(client), b"hello");
    // Established, and nothing of it is left but a record at each end.
    assert_eq!(pair.connections(), (1, 1));
    assert_eq!(pair.working(), (0, 0));
    pair.client.send(client, b"again".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.client.received(client), b"helloagain");
    assert_eq!(pair.working(), (0, 0));
}

/// Takes a million bytes in and then says how they add up.
#[derive(Default)]
struct Sum {
    bytes: usize,
    sum: u64,
}

impl Handler for Sum {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        // Not always all of it, so that some is kept.
        let taken = rx.len().min(3_000);
        for &byte in &rx[..taken] {
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u64::from(byte));
        }
        self.bytes += taken;
        if self.bytes == 1_000_000 {
            assert!(cx.out.put(&self.sum.to_be_bytes()).is_ok());
            return Step::idle(taken);
        }
        if taken < rx.len() { Step::write(taken) } else { Step::read(taken) }
    }
}

/// Answers every byte by itself.
struct Bytes;

impl Handler for Bytes {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, _: &[u8]) -> Step {
        if cx.input_ended {
            return Step::close();
        }
        assert!(cx.out.put(b"0123456789").is_ok());
        Step::write(1)
    }

    fn room(&mut self, _: &mut Cx<'_, ()>) -> Step {
        Step::idle(0)
    }
}

#[test]
fn small_answers_to_pipelined_requests_share_segments_and_buffers() {
    let mut pair = Pair::with(Bytes, Faults::default(), |config| config.buffers = 8);
    let client = pair.connect(1);
    pair.run(Duration::from_secs(1));
    let before = pair.far.port().inner().sent();
    pair.client.send(client, [0; 1_000].to_vec());
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.client.received(client), b"0123456789".repeat(1_000));
    let segments = pair.far.port().inner().sent() - before;
    assert!(segments < 100, "{segments} segments");
    pair.check_nothing_leaked();
}

const BAD_LINK: Faults = Faults {
    loss: 20_000,
    duplication: 10_000,
    corruption: 10_000,
    reordering: 50_000,
    delay: Duration::from_millis(5),
    late: Duration::from_millis(10),
};

#[test]
fn an_upload_arrives_whole_over_a_bad_link() {
    let mut pair = Pair::with(Sum::default(), BAD_LINK, |_| {});
    let client = pair.connect(1);
    let mut prng = base::Prng::new(5);
    let bytes: Vec<u8> = (0..1_000_000).map(|_| prng.next_u32() as u8).collect();
    let sum = |sum: u64, byte: &u8| sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
    let expected = bytes.iter().fold(0, sum);
    pair.client.send(client, bytes);
    pair.run(Duration::from_secs(300));
    assert_eq!(pair.server.bytes, 1_000_000);
    assert_eq!(pair.client.received(client), expected.to_be_bytes());
    pair.check_nothing_leaked();
}

#[test]
fn a_download_arrives_whole_over_a_bad_link() {
    let mut pair = Pair::with(Files, BAD_LINK, |_| {});
    let client = pair.connect(1);
    pair.client.send(client, b"one\ntwo\nthree\n".to_vec());
    pair.run(Duration::from_secs(300));
    let answer = [b"head ", &BODY[..250_000]].concat();
    assert!(pair.client.received(client) == answer.repeat(3));
    pair.check_nothing_leaked();
}

/// Bits flipped anywhere in headers and payload, with nobody to check the sums: connections may
/// break, but nothing panics and nothing is lost to its pool.
#[test]
fn garbage_in_every_field_breaks_nothing_but_its_connection() {
    let faults = Faults {
        corruption: 300_000,
        duplication: 100_000,
        reordering: 100_000,
        late: Duration::from_millis(20),
        ..Faults::default()
    };
    for seed in 0..30 {
        let mut pair = Pair::unchecked(Echo, faults, seed);
        for port in 1..=20 {
            let client = pair.connect(port);
            pair.client.send(client, [port as u8; 5_000].to_vec());
        }
        pair.run(Duration::from_secs(20));
        pair.shut_down();
        pair.check_nothing_leaked_at_server();
    }
}

/// Answers every request line with a body by reference, and closes after the word "last".
struct Files;

const BODY: &[u8] = &[b'b'; 300_000];

impl Handler for Files {
    type Conn = u32;

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        if cx.input_ended {
            return Step::close();
        }
        let Some(end) = rx.iter().position(|&byte| byte == b'\n') else { return Step::read(0) };
        assert!(cx.out.put(b"head ").is_ok());
        assert!(cx.out.attach(Source::Static(BODY), 100, 250_000).is_ok());
        if rx.starts_with(b"last") { Step::close() } else { Step::write(end + 1) }
    }

    fn room(&mut self, _: &mut Cx<'_, u32>) -> Step {
        Step::idle(0)
    }
}

#[test]
fn attachments_follow_what_was_put_and_requests_follow_each_other() {
    let mut pair = Pair::new(Files);
    let client = pair.connect(1);
    // Two at once, and a third whose end comes later.
    pair.client.send(client, b"one\ntwo\nla".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client).len(), 2 * 250_005);
    assert_eq!(pair.client.end_of(client), None);
    pair.client.send(client, b"st\n".to_vec());
    pair.run(Duration::from_secs(1));
    let answer = [b"head ", &BODY[..250_000]].concat();
    assert!(pair.client.received(client) == answer.repeat(3));
    // The server has closed, and the client with it. What is left is a record in TIME-WAIT.
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
    assert_eq!(pair.connections(), (0, 0));
    pair.check_nothing_leaked();
}

/// Does what the test says, and writes down how its connections ended.
#[derive(Default)]
struct Script {
    on_data: Option<Step>,
    on_open: Option<Step>,
    on_timer: Option<Step>,
    on_drain: Option<Step>,
    ends: Vec<End>,
    timers: u32,
}

impl Handler for Script {
    type Conn = [u64; 2];

    fn open(&mut self, _: &mut Cx<'_, [u64; 2]>) -> Step {
        self.on_open.unwrap_or(Step::idle(0))
    }

    fn data(&mut self, cx: &mut Cx<'_, [u64; 2]>, rx: &[u8]) -> Step {
        if cx.input_ended {
            return Step::close();
        }
        self.on_data.unwrap_or(Step::idle(rx.len()))
    }

    fn timer(&mut self, _: &mut Cx<'_, [u64; 2]>) -> Step {
        self.timers += 1;
        self.on_timer.unwrap_or(Step::abort())
    }

    fn drain(&mut self, _: &mut Cx<'_, [u64; 2]>) -> Step {
        self.on_drain.unwrap_or(Step::stay())
    }

    fn end(&mut self, _: &mut Cx<'_, [u64; 2]>, why: End) {
        self.ends.push(why);
    }
}

#[test]
fn a_closed_port_refuses_with_a_reset() {
    let mut pair = Pair::with(Script::default(), Faults::default(), |config| {
        config.listeners.clear();
    });
    let client = pair.connect(1);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.unmade(client), Some(DialError::Refused));
    assert_eq!(pair.connections(), (0, 0));
    pair.check_nothing_leaked();
}

#[test]
fn a_peer_that_does_not_exist_is_given_up() {
    let gone = Faults { loss: 1_000_000, ..Faults::default() };
    let mut pair = Pair::with(Script::default(), gone, |_| {});
    let client = pair.connect(1);
    pair.run(Duration::from_secs(400));
    assert_eq!(pair.client.unmade(client), Some(DialError::TimedOut));
    pair.check_nothing_leaked();
}

#[test]
fn an_abort_resets_the_peer() {
    let script = Script { on_data: Some(Step::abort()), ..Script::default() };
    let mut pair = Pair::new(script);
    let client = pair.connect(1);
    pair.client.send(client, b"x".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(
        (pair.client.end_of(client), &pair.server.ends[..]),
        (Some(End::Reset), &[End::Aborted][..])
    );
    assert_eq!(pair.connections(), (0, 0));
    pair.check_nothing_leaked();
}

#[test]
fn full_refuses_what_is_new_and_leaves_the_others_whole() {
    let mut pair = Pair::with(Echo, Faults::default(), |config| config.limits.connections = 3);
    let clients: Vec<_> = (1..=5).map(|port| pair.connect(port)).collect();
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.connections(), (3, 3));
    for &client in &clients {
        pair.client.send(client, b"still here".to_vec());
    }
    pair.run(Duration::from_secs(2));
    let answered = clients.iter().filter(|&&id| pair.client.received(id) == b"still here");
    assert_eq!(answered.count(), 3);
    let refused = clients.iter().filter(|&&id| pair.client.unmade(id) == Some(DialError::Refused));
    assert_eq!(refused.count(), 2);
    pair.check_nothing_leaked();
}

#[test]
fn a_client_with_as_many_as_it_may_have_is_refused_more() {
    let mut pair = Pair::with(Echo, Faults::default(), |config| {
        config.limits.connections_per_client = 2;
    });
    let clients: Vec<_> = (1..=3).map(|port| pair.connect(port)).collect();
    // Another client, by its address.
    let other = pair.connect_v6(4);
    pair.run(Duration::from_secs(1));
    let refused: Vec<_> = clients.iter().map(|&id| pair.client.unmade(id)).collect();
    assert_eq!(refused, [None, None, Some(DialError::Refused)]);
    assert_eq!((pair.client.end_of(other), pair.far.core.clients.len()), (None, 2));
    pair.shut_down();
    assert_eq!(pair.far.core.clients.len(), 0);
}

/// Every connection is woken at once, many more than can work, and none of the wakes is lost.
#[test]
fn wakes_beyond_what_can_work_wait_their_turn() {
    let few = |config: &mut crate::Config| config.working = 8;
    let mut pair = Pair::with_both(Echo, Faults::default(), few, few);
    let clients: Vec<_> = (1..=60)
        .map(|port| {
            let client = pair.connect(port);
            pair.client.send(client, b"a".to_vec());
            pair.run(Duration::from_millis(500));
            client
        })
        .collect();
    for &client in &clients {
        pair.client.send(client, b"b".to_vec());
    }
    pair.run(Duration::from_secs(20));
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"ab"));
    pair.check_nothing_leaked();
}

/// More than a batch, some of them twice, and one that is over.
#[test]
fn all_that_are_woken_together_hear_of_it_and_every_packet_counts() {
    let mut pair = Pair::new(Echo);
    let clients: Vec<_> = (1..=100).map(|port| pair.connect(port)).collect();
    pair.run(Duration::from_secs(2));
    for &client in &clients {
        pair.client.send(client, b"a".to_vec());
    }
    let before = (pair.near.packets(), pair.far.packets());
    let stale = ConnId::new(2, 5, 9_999);
    let ids: Vec<_> = clients.iter().map(|&client| pair.client.id(client)).collect();
    let woken = [&ids[..], &ids[..5], &[stale]].concat();
    pair.near.wake_all(pair.now, &woken, &mut pair.client);
    assert_eq!(pair.near.packets() - before.0, 100);
    pair.run(Duration::from_secs(2));
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"a"));
    let passed = (pair.near.packets() - before.0, pair.far.packets() - before.1);
    // A question, an answer and an acknowledgment each, on a link that loses nothing.
    assert_eq!(passed, (300, 300));
    pair.check_nothing_leaked();
}

#[test]
fn running_out_of_buffers_delays_and_loses_nothing() {
    let mut pair = Pair::with(Echo, Faults::default(), |config| config.buffers = 6);
    let clients: Vec<_> = (1..=12).map(|port| pair.connect(port)).collect();
    for &client in &clients {
        pair.client.send(client, [7; 3_000].to_vec());
    }
    pair.run(Duration::from_secs(280));
    for &client in &clients {
        assert_eq!(pair.client.received(client), [7; 3_000]);
    }
    pair.check_nothing_leaked();
}

#[test]
fn the_handlers_timer_runs_out_while_the_connection_sleeps() {
    let minute = Step::idle(0).within(Duration::from_secs(60));
    let script = Script { on_open: Some(minute), ..Script::default() };
    let mut pair = Pair::new(script);
    let client = pair.connect(1);
    pair.run(Duration::from_secs(59));
    assert_eq!((pair.server.timers, pair.working()), (0, (0, 0)));
    pair.run(Duration::from_secs(8));
    assert_eq!((pair.server.timers, &pair.server.ends[..]), (1, &[End::Aborted][..]));
    assert_eq!(pair.client.end_of(client), Some(End::Reset));
    pair.check_nothing_leaked();
}

#[test]
fn the_handlers_timer_outlasts_a_sleep_that_something_else_ends() {
    let minute = Step::idle(0).within(Duration::from_secs(60));
    let script =
        Script { on_open: Some(minute), on_data: Some(Step::idle(1)), ..Script::default() };
    let mut pair = Pair::new(script);
    let client = pair.connect(1);
    pair.run(Duration::from_secs(30));
    pair.client.send(client, b"x".to_vec());
    pair.run(Duration::from_secs(29));
    assert_eq!(pair.server.timers, 0);
    pair.run(Duration::from_secs(8));
    assert_eq!(pair.server.timers, 1);
}

#[test]
fn draining_closes_the_idle_and_asks_the_others() {
    let script =
        Script { on_data: Some(Step::read(1)), on_drain: Some(Step::close()), ..Script::default() };
    let mut pair = Pair::new(script);
    let (idle, busy) = (pair.connect(1), pair.connect(2));
    pair.client.send(busy, b"x".to_vec());
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.connections(), (2, 2));
    pair.drain();
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.server.ends, [End::Closed, End::Closed]);
    assert_eq!(pair.client.end_of(idle), Some(End::Closed));
    assert_eq!(pair.client.end_of(busy), Some(End::Closed));
    // Nobody else is let in.
    let late = pair.connect(3);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.unmade(late), Some(DialError::Refused));
    pair.check_nothing_leaked();
}

#[test]
fn shutting_down_ends_the_sleeping_and_the_working() {
    let mut pair = Pair::with(Script::default(), Faults::default(), |config| config.working = 8);
    for port in 1..=20 {
        pair.connect(port);
    }
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.connections(), (20, 20));
    pair.shut_down();
    assert_eq!(pair.server.ends, [End::Shutdown; 20]);
    assert_eq!(pair.connections().1, 0);
    pair.check_nothing_leaked_at_server();
}

#[test]
fn time_wait_ends_and_lets_the_same_ends_meet_again() {
    let script = Script { on_data: Some(Step::close()), ..Script::default() };
    let mut pair = Pair::new(script);
    let first = pair.connect(1);
    pair.client.send(first, b"x".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.end_of(first), Some(End::Closed));
    assert_eq!((pair.connections(), pair.time_waits()), ((0, 0), (0, 1)));
    // Early reuse: the new SYN's timestamp is later.
    let second = pair.connect(1);
    pair.client.send(second, b"x".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.end_of(second), Some(End::Closed));
    assert_eq!(pair.time_waits(), (0, 1));
    pair.run(Duration::from_secs(62));
    assert_eq!(pair.time_waits(), (0, 0));
    pair.check_nothing_leaked();
}

#[test]
fn input_that_is_never_consumed_ends_in_overflow() {
    let script = Script { on_data: Some(Step::read(0)), ..Script::default() };
    let mut pair = Pair::with(script, Faults::default(), |config| {
        config.limits.held_bytes = 10_000;
    });
    let client = pair.connect(1);
    pair.client.send(client, [0; 20_000].to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.server.ends, [End::Overflow]);
    assert_eq!(pair.client.end_of(client), Some(End::Reset));
    pair.check_nothing_leaked();
}

#[test]
fn ipv6_works_as_ipv4_does() {
    let mut pair = Pair::with(Files, BAD_LINK, |_| {});
    let client = pair.connect_v6(1);
    pair.client.send(client, b"one\nlast\n".to_vec());
    pair.run(Duration::from_secs(300));
    let answer = [b"head ", &BODY[..250_000]].concat();
    assert!(pair.client.received(client) == answer.repeat(2));
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
    pair.check_nothing_leaked();
}
