//! What a server does that has begun to close down.

use core::time::Duration;

use app::{Cx, End, Engine, Handler, Step};
use port::Faults;

use super::Script;
use super::pair::Pair;

/// Answers everything, is never idle, and when it is asked to finish says that it goes on.
#[derive(Default)]
struct Stubborn {
    asked: u32,
    ends: u32,
}

impl Handler for Stubborn {
    type Conn = u32;

    fn open(&mut self, _: &mut Cx<'_, u32>) -> Step {
        Step::read(0)
    }

    fn data(&mut self, cx: &mut Cx<'_, u32>, rx: &[u8]) -> Step {
        if rx.is_empty() {
            return Step::close();
        }
        cx.out.put(rx).unwrap();
        Step::read(rx.len())
    }

    fn drain(&mut self, _: &mut Cx<'_, u32>) -> Step {
        self.asked += 1;
        Step::stay()
    }

    fn end(&mut self, _: &mut Cx<'_, u32>, _: End) {
        self.ends += 1;
    }
}

/// It was asked anew in every turn, without end and without a pause.
#[test]
fn a_connection_that_goes_on_while_others_drain_is_asked_once_and_answered() {
    let mut pair = Pair::with(Stubborn::default(), Faults::default(), |_| {});
    let client = pair.connect(1);
    pair.run(Duration::from_secs(2));
    pair.drain();
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.server.asked, 1);
    for round in 1..4 {
        pair.client.send(client, b"question".to_vec());
        pair.run(Duration::from_secs(2));
        assert_eq!(pair.client.received(client), b"question".repeat(round));
        assert_eq!(pair.far.core.audit(), Ok(()));
    }
    assert_eq!((pair.server.asked, pair.working()), (1, (0, 0)));
    Engine::<super::pair::Client>::drain(&mut pair.near, pair.now, &mut pair.client);
    pair.run(Duration::from_secs(200));
    assert_eq!((pair.server.ends, pair.connections()), (1, (0, 0)));
    pair.check_nothing_leaked();
}

/// While it drained, a connection that slept was asked to finish instead of being told of its timer.
#[test]
fn a_connection_that_goes_on_while_others_drain_keeps_its_timer() {
    let hour = Duration::from_secs(3_600);
    let on_open = Some(Step::read(0).within(hour));
    let mut pair = Pair::new(Script { on_open, ..Script::default() });
    let client = pair.connect(1);
    pair.run(Duration::from_secs(2));
    pair.drain();
    pair.run(Duration::from_secs(3_500));
    assert_eq!((pair.server.timers, pair.working()), (0, (0, 0)));
    pair.run(Duration::from_secs(200));
    assert_eq!((pair.server.timers, pair.client.end_of(client)), (1, Some(End::Reset)));
    pair.check_nothing_leaked();
}
