//! The driver over a network that is made up.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use app::{Counters, Cx, Handler, Peer, Step};
use base::{ConnId, Instant, Limits};

use super::Driver;
use crate::Config;
use crate::handle::Handle;
use crate::network::{Input, Network, NoRest, Reading};
use crate::output::Sender;
use crate::record::Socket;

/// Sockets are places, and an operation that was begun never ends.
#[derive(Default)]
struct Places {
    taken: u32,
    closed: u32,
    sender: Sender,
}

impl Network for Places {
    fn buffers(&mut self, _: Input) -> (&[u8], &mut [u8]) {
        (&[], &mut [])
    }

    fn flying(&self, _: ConnId) -> u64 {
        0
    }

    fn output(&mut self) -> (&mut Sender, &mut [u8]) {
        (&mut self.sender, &mut [])
    }

    fn adopt(&mut self, _: OwnedFd) -> Result<Handle, OwnedFd> {
        self.taken += 1;
        Ok(Handle::place(self.taken))
    }

    fn read(&mut self, socket: &mut Socket, _: ConnId, _: usize) -> Reading {
        socket.in_flight = 1;
        Reading::Nothing
    }

    fn is_readable(&self, _: &Socket) -> bool {
        false
    }

    fn rest(&mut self, _: &mut Socket, _: ConnId) -> Result<(), NoRest> {
        Ok(())
    }

    fn await_room(&mut self, _: &mut Socket, _: ConnId) -> Result<(), NoRest> {
        Ok(())
    }

    fn abandon(&mut self, _: &mut Socket, _: ConnId) {}

    fn close(&mut self, _: Handle) {
        self.closed += 1;
    }
}

struct Reader;

impl Handler for Reader {
    type Conn = ();

    fn data(&mut self, _: &mut Cx<'_, ()>, rx: &[u8]) -> Step {
        Step::read(rx.len())
    }
}

/// A place in a ring's table stayed taken for ever when there was no slot for its connection.
#[test]
fn what_finds_no_slot_is_closed() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let mut driver =
        Driver::<_, ()>::new(Places::default(), &config, Arc::new(Counters::default())).unwrap();
    let now = Instant::ZERO;
    // One is open, 1,024 linger, and the operations of those that made way for more are in flight.
    for number in 1..=1_030 {
        let (socket, _) = UnixStream::pair().unwrap();
        driver.arrived(&mut Reader, now, socket.into(), (Peer::Unix, 0));
        driver.run_queue(&mut Reader, now);
        let kept = 1_025.min(number);
        assert_eq!((driver.network.taken, driver.network.closed), (number, number - kept));
    }
}
