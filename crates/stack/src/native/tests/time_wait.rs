//! TIME-WAITs that end early leave the others as they are.

use core::time::Duration;

use app::{Cx, Handler, Step};

use super::pair::Pair;

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
