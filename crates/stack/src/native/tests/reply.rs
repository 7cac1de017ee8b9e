//! Questions that are answered at once: an answer in flight is one entry, whatever becomes of it.

use core::time::Duration;
use std::vec::Vec;

use app::{Cx, End, Engine, Handler, Source, Step};
use port::Faults;

use super::pair::{Number, Pair};
use super::{BAD_LINK, Echo};

/// A pair whose connection sleeps, and has slept before at either end.
fn asleep<H: Handler>(server: H, faults: Faults) -> (Pair<H>, Number) {
    let mut pair = Pair::with(server, faults, |_| {});
    let client = pair.connect(1);
    pair.run(Duration::from_secs(2));
    assert_eq!((pair.connections(), pair.working()), ((1, 1), (0, 0)));
    (pair, client)
}

/// Has the client ask, and the server answer, but not the client see it.
fn ask<H: Handler>(pair: &mut Pair<H>, client: Number) {
    pair.client.send(client, b"question".to_vec());
    Engine::<super::pair::Client>::wake(
        &mut pair.near,
        pair.now,
        pair.client.id(client),
        &mut pair.client,
    );
    pair.far.turn(pair.now, &mut pair.server).unwrap();
}

/// Entries and blocks that the server holds.
fn held<H: Handler>(pair: &Pair<H>) -> (u32, u32) {
    (pair.far.core.replies.taken(), pair.far.core.blocks.taken())
}

#[test]
fn an_answer_in_flight_is_an_entry_and_no_block() {
    let (mut pair, client) = asleep(Echo, Faults::default());
    for round in 1..4 {
        ask(&mut pair, client);
        assert_eq!((held(&pair), pair.far.core.audit()), ((1, 0), Ok(())));
        pair.run(Duration::from_secs(1));
        assert_eq!(pair.client.received(client), b"question".repeat(round));
        pair.check_nothing_leaked();
    }
}

#[test]
fn a_question_with_the_acknowledgment_on_it_needs_no_block_either() {
    let (mut pair, client) = asleep(Echo, Faults::default());
    ask(&mut pair, client);
    // The answer arrives, and the next question leaves with the acknowledgment of it.
    pair.client.send(client, b"question".to_vec());
    pair.near.turn(pair.now, &mut pair.client).unwrap();
    pair.far.turn(pair.now, &mut pair.server).unwrap();
    assert_eq!((held(&pair), pair.far.core.audit()), ((1, 0), Ok(())));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client), b"question".repeat(2));
    pair.check_nothing_leaked();
}

#[test]
fn an_answer_that_is_not_acknowledged_in_time_gets_a_block_and_its_timers() {
    let slow = Faults { delay: Duration::from_millis(300), ..Faults::default() };
    let (mut pair, client) = asleep(Echo, slow);
    pair.client.send(client, b"question".to_vec());
    pair.run(Duration::from_millis(350));
    assert_eq!(held(&pair), (1, 0));
    pair.run(Duration::from_millis(100));
    assert_eq!(held(&pair), (0, 1));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.client.received(client), b"question");
    pair.check_nothing_leaked();
}

#[test]
fn questions_over_a_bad_link_are_all_answered() {
    let (mut pair, client) = asleep(Echo, BAD_LINK);
    for round in 1..300 {
        pair.client.send(client, b"question".to_vec());
        pair.run(Duration::from_millis(150));
        assert_eq!(pair.far.core.audit(), Ok(()));
        if pair.client.received(client).len() < 8 * round {
            pair.run(Duration::from_secs(120));
        }
        assert_eq!(pair.client.received(client), b"question".repeat(round));
    }
}

#[test]
fn what_reaches_a_connection_with_an_answer_in_flight_finds_it() {
    let (mut pair, client) = asleep(Echo, Faults::default());
    ask(&mut pair, client);
    let server = pair.far.core.flows.id(0).unwrap();
    pair.far.wake(pair.now, server, &mut pair.server);
    assert_eq!((held(&pair), pair.far.core.audit()), ((1, 0), Ok(())), "in vain");
    pair.run(Duration::from_secs(1));
    ask(&mut pair, client);
    pair.drain();
    assert_eq!(held(&pair).0, 0);
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.client.received(client), b"question".repeat(2));
    assert_eq!((pair.connections(), pair.working()), ((0, 0), (0, 0)));
    pair.check_nothing_leaked();
}

#[test]
fn shutting_down_resets_a_connection_with_an_answer_in_flight() {
    let (mut pair, client) = asleep(Echo, Faults::default());
    ask(&mut pair, client);
    pair.shut_down();
    assert_eq!((held(&pair), pair.connections().1), ((0, 0), 0));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.end_of(client), Some(End::Reset));
    pair.check_nothing_leaked();
}

/// Answers each question in another way than with one segment.
#[derive(Default)]
struct Odd(u32);

static LONG: [u8; 20_000] = [7; 20_000];

impl Handler for Odd {
    type Conn = ();

    fn data(&mut self, cx: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if cx.input_ended {
            return Step::close();
        }
        self.0 += 1;
        match self.0 {
            // Nothing, yet.
            1 => Step::read(rx.len()),
            // More than a segment.
            2 => {
                assert!(cx.out.put(&LONG[..3_000]).is_ok());
                Step::idle(rx.len())
            }
            3 => {
                assert!(cx.out.put(b"head").is_ok());
                assert!(cx.out.attach(Source::Static(&LONG), 0, 20_000).is_ok());
                Step::write(rx.len())
            }
            // One byte of the question is left, and offered again.
            4 => {
                assert!(cx.out.put(b"part").is_ok());
                Step::idle(rx.len() - 1)
            }
            5 => Step::wait(rx.len()).within(Duration::from_millis(20)),
            _ => {
                assert!(cx.out.put(b"last").is_ok());
                Step::close()
            }
        }
    }

    fn room(&mut self, _: &mut Cx<'_, ()>) -> Step {
        Step::idle(0)
    }

    fn timer(&mut self, cx: &mut Cx<'_, ()>) -> Step {
        assert!(cx.out.put(b"late").is_ok());
        Step::idle(0)
    }
}

#[test]
fn answers_that_are_not_one_segment_take_the_long_way() {
    let (mut pair, client) = asleep(Odd::default(), Faults::default());
    let mut expected = Vec::new();
    let answers: [&[u8]; 6] = [b"", &LONG[..3_000], b"head", b"part", b"late", b"last"];
    for answer in answers {
        ask(&mut pair, client);
        assert_eq!((held(&pair).0, pair.far.core.audit()), (0, Ok(())));
        pair.run(Duration::from_secs(60));
        expected.extend_from_slice(answer);
        if answer == b"head" {
            expected.extend_from_slice(&LONG);
        }
        assert!(pair.client.received(client) == expected, "{answer:?}");
    }
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
}

/// Counts what it is told, greets when told to, and says goodbye when told to.
#[derive(Default)]
struct Polite {
    opened: u32,
    /// Times that it was offered bytes or the end of them.
    offered: u32,
    ended: Vec<End>,
    greeting: &'static [u8],
    goodbye: &'static [u8],
}

impl Handler for Polite {
    type Conn = u32;

    fn open(&mut self, cx: &mut Cx<'_, u32>) -> Step {
        self.opened += 1;
        assert!(cx.out.put(self.greeting).is_ok());
        Step::idle(0).within(Duration::from_secs(7_000))
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        self.offered += 1;
        let answer = if cx.input_ended { self.goodbye } else { b"answer" };
        assert!(cx.out.put(answer).is_ok());
        Step::idle(rx.len())
    }

    fn wake(&mut self, _: &mut Cx<'_, u32>) -> Step {
        assert!(self.opened == 0, "woken after it had closed");
        Step::stay()
    }

    fn end(&mut self, cx: &mut Cx<'_, u32>, why: End) {
        assert!(cx.unsent == 0 || why != End::Closed);
        self.ended.push(why);
    }
}

/// Turns both ends once, the client's first.
fn turn<H: Handler>(pair: &mut Pair<H>) {
    pair.near.turn(pair.now, &mut pair.client).unwrap();
    pair.far.turn(pair.now, &mut pair.server).unwrap();
}

#[test]
fn opening_asking_and_closing_needs_no_block() {
    let mut pair = Pair::new(Polite::default());
    let client = pair.connect(1);
    pair.client.send(client, b"question".to_vec());
    // Who has which address.
    (0..3).for_each(|_| turn(&mut pair));
    let mut most = (0, 0);
    for _ in 0..20 {
        turn(&mut pair);
        let (entries, blocks) = held(&pair);
        most = (most.0.max(entries), most.1.max(blocks));
        assert_eq!(pair.far.core.audit(), Ok(()));
        if pair.client.received(client) == b"answer" {
            Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
        }
    }
    assert_eq!((most, pair.far.core.counters.accepted.get()), ((1, 0), 1));
    assert_eq!((pair.server.opened, pair.server.ended.as_slice()), (1, &[End::Closed][..]));
    assert_eq!(pair.connections(), (0, 0));
    pair.run(Duration::from_secs(200));
    assert_eq!((pair.time_waits(), pair.client.end_of(client)), ((0, 0), Some(End::Closed)));
    pair.check_nothing_leaked();
}

#[test]
fn a_handler_that_speaks_first_or_last_is_heard() {
    let server = Polite { greeting: b"hello ", goodbye: b" bye", ..Polite::default() };
    let mut pair = Pair::new(server);
    let client = pair.connect(1);
    pair.client.send(client, b"question".to_vec());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.received(client), b"hello answer");
    Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
    pair.run(Duration::from_secs(200));
    // What comes after it has closed is of no use to the client.
    assert_eq!((pair.server.ended.len(), pair.connections()), (1, (0, 0)));
    assert_eq!(pair.server.offered, 2, "the question, and the end");
    pair.check_nothing_leaked();
}

#[test]
fn a_handshake_or_a_close_that_takes_long_gets_a_block_and_its_timers() {
    let slow = Faults { delay: Duration::from_millis(300), ..Faults::default() };
    let mut pair = Pair::with(Polite::default(), slow, |_| {});
    let client = pair.connect(1);
    let mut seen = [false; 2];
    for _ in 0..60 {
        pair.run(Duration::from_millis(50));
        seen[0] |= held(&pair).1 == 1 && pair.server.opened == 0;
        assert_eq!(pair.far.core.audit(), Ok(()));
    }
    assert_eq!((pair.server.opened, pair.working()), (1, (0, 0)));
    Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
    for _ in 0..60 {
        pair.run(Duration::from_millis(50));
        seen[1] |= held(&pair).1 == 1;
        if let Some(id) = pair.far.core.flows.id(0)
            && held(&pair) == (0, 1)
        {
            // Nothing is left for it to be woken for.
            pair.far.wake(pair.now, id, &mut pair.server);
        }
        assert_eq!(pair.far.core.audit(), Ok(()));
    }
    assert_eq!((seen, pair.server.ended.len()), ([true; 2], 1));
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.client.end_of(client), Some(End::Closed));
    pair.check_nothing_leaked();
}

#[test]
fn connections_over_a_bad_link_all_open_and_close() {
    let mut pair = Pair::with(Polite::default(), BAD_LINK, |_| {});
    let clients: Vec<Number> = (1..100).map(|port| pair.connect(port)).collect();
    for &client in &clients {
        pair.client.send(client, b"question".to_vec());
    }
    for _ in 0..400 {
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.far.core.audit(), Ok(()));
    }
    assert!(clients.iter().all(|&client| pair.client.received(client) == b"answer"));
    Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
    pair.run(Duration::from_secs(400));
    assert_eq!((pair.connections(), pair.working()), ((0, 0), (0, 0)));
    assert_eq!((pair.server.opened, pair.server.ended.len()), (99, 99));
}

#[test]
fn shutting_down_ends_the_greeted_and_those_that_close() {
    let mut pair = Pair::new(Polite::default());
    let first = pair.connect(1);
    pair.run(Duration::from_secs(1));
    // One has sent its FIN, and the SYN of another has been answered.
    Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
    pair.far.turn(pair.now, &mut pair.server).unwrap();
    assert_eq!(held(&pair), (1, 0));
    pair.shut_down();
    assert_eq!((held(&pair), pair.server.ended.len()), ((0, 0), 1));
    pair.run(Duration::from_secs(200));
    assert!(pair.client.end_of(first).is_some());
    let mut pair = Pair::new(Polite::default());
    let first = pair.connect(1);
    pair.run(Duration::from_secs(1));
    let second = pair.connect(2);
    turn(&mut pair);
    assert_eq!((held(&pair), pair.connections().1), ((1, 0), 2));
    pair.shut_down();
    assert_eq!((held(&pair), pair.connections().1), ((0, 0), 0));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.client.end_of(first), Some(End::Reset));
    assert!(pair.client.unmade(second).is_some() || pair.client.end_of(second).is_some());
    assert_eq!((pair.server.opened, pair.server.ended.len()), (1, 1));
}
