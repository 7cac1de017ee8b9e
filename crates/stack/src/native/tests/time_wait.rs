//! TIME-WAITs that end early leave the others as they are, and what ends one early.

use core::time::Duration;

use core::net::SocketAddr;

use app::{Cx, Dial, DialError, End, Engine, Handler, Step};
use base::Instant;
use port::Faults;

use super::Script;
use super::pair::{CLIENT, Pair, SERVER, SERVER_PORT};

/// Closes on an `x` and takes everything else.
struct Closer;

impl Handler for Closer {
    type Conn = ();

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        if rx.contains(&b'x') { Step::close() } else { Step::idle(rx.len()) }
    }
}

/// The one behind it in the queue once ended with it, 60 seconds early.
#[test]
fn a_connection_in_place_of_a_time_wait_ends_no_other() {
    let mut pair = Pair::new(Closer);
    let ask = |pair: &mut Pair<Closer>, port, bytes: &[u8]| {
        let client = pair.connect(port);
        pair.client.send(client, bytes.to_vec());
        pair.run(Duration::from_secs(2));
    };
    ask(&mut pair, 1, b"x");
    ask(&mut pair, 2, b"x");
    assert_eq!(pair.time_waits(), (0, 2));
    // The same ends again, and this time it stays.
    ask(&mut pair, 1, b"y");
    assert_eq!((pair.connections(), pair.time_waits()), ((1, 1), (0, 1)));
    pair.run(Duration::from_secs(50));
    assert_eq!(pair.time_waits(), (0, 1));
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.time_waits(), (0, 0));
    pair.check_nothing_leaked();
}

/// One that begins anew is in front of others that end before it, which once waited for it.
#[test]
fn a_time_wait_does_not_wait_for_one_that_began_anew() {
    let mut pair = Pair::new(Closer);
    let (first, second) = (pair.connect(1), pair.connect(2));
    pair.run(Duration::from_secs(2));
    pair.client.send(first, b"x".to_vec());
    let id = pair.client.id(first);
    pair.near.wake(pair.now, id, &mut pair.client);
    pair.far_alone();
    pair.near_alone();
    // What acknowledges the client's FIN is lost, so that it comes again and again.
    let lost = Faults { loss: 1_000_000, ..Faults::default() };
    pair.near.port().set_faults(lost);
    pair.far_alone();
    pair.near_alone();
    assert_eq!(pair.time_waits(), (0, 1));
    pair.near.port().set_faults(Faults::default());
    pair.client.send(second, b"x".to_vec());
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.time_waits(), (0, 2));
    pair.near.port().set_faults(lost);
    pair.run(Duration::from_secs(59));
    assert_eq!(pair.time_waits(), (0, 2));
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.time_waits(), (0, 1));
    pair.near.port().set_faults(Faults::default());
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.time_waits(), (0, 0));
    pair.check_nothing_leaked();
}

/// Calls the client back, from the port that it was called on.
#[derive(Default)]
struct CallsBack {
    dial: Option<Dial<()>>,
    unmade: Option<DialError>,
}

impl Handler for CallsBack {
    type Conn = ();

    fn dial(&mut self, _: Instant) -> Option<Dial<()>> {
        self.dial.take()
    }

    fn dial_at(&self) -> Option<Instant> {
        self.dial.as_ref().map(|_| Instant::ZERO)
    }

    fn undialled(&mut self, _: Instant, (): (), why: DialError) {
        self.unmade = Some(why);
    }

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::idle(rx.len())
    }
}

/// A SYN that came for the TIME-WAIT of a connection that this end had opened was once accepted, where nobody
/// listens.
#[test]
fn whoever_was_called_cannot_call_back() {
    let mut pair = Pair::new(CallsBack::default());
    let client = pair.connect(5_000);
    pair.run(Duration::from_millis(200));
    let id = pair.client.close(client);
    pair.near.wake(pair.now, id, &mut pair.client);
    pair.run(Duration::from_secs(2));
    assert_eq!((pair.client.end_of(client), pair.time_waits()), (Some(End::Closed), (1, 0)));
    let (from, to) = (SocketAddr::new(SERVER, SERVER_PORT), SocketAddr::new(CLIENT, 5_000));
    pair.server.dial = Some(Dial::new(to, ()).from(from));
    pair.run(Duration::from_secs(5));
    assert_eq!((pair.connections(), pair.server.unmade), ((0, 0), Some(DialError::Refused)));
    pair.check_nothing_leaked();
}

/// Nor is one accepted by an engine that drains.
#[test]
fn a_drain_lets_nobody_in_by_way_of_a_time_wait() {
    let script = Script { on_data: Some(Step::close()), ..Script::default() };
    let mut pair = Pair::new(script);
    let first = pair.connect(1);
    pair.client.send(first, b"x".to_vec());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.time_waits(), (0, 1));
    pair.drain();
    let second = pair.connect(1);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.client.unmade(second), Some(DialError::Refused));
    assert_eq!(pair.server.ends, [End::Closed], "and no other");
}
